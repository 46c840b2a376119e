"""The service that the clients upload to: a running one, or a private one of this run."""

import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote, urlsplit

READY_LIMIT_SECONDS = 180
STOP_LIMIT_SECONDS = 90
# Less than the API reads and discards of a rejected upload, so that every client can read the answer.
UPLOAD_LIMIT_MIB = 4


class Unusable(Exception):
    """The service cannot be used. The text says why and what to do."""


class Running:
    """A running service, and an administrator's account in it."""

    is_private = False

    def __init__(self, url, user, password, certificate):
        parts = urlsplit(url)
        if parts.path in ("", "/"):
            parts = parts._replace(path="/api/import/users")
        self.parts = parts
        self.user = user
        self.password = password
        self.certificate = Path(certificate)
        if not self.certificate.exists():
            raise Unusable(f"{certificate} does not exist: --cacert takes the service's certificate in PEM")

    def url(self, scheme="https", credentials=False, path=None):
        """The URL to upload to."""
        parts = self.parts._replace(scheme=scheme, path=path or self.parts.path)
        if credentials:
            login = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
            parts = parts._replace(netloc=f"{login}@{parts.netloc}")
        return parts.geturl()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


class Private(Running):
    """A service that `rollcall up` runs until the end of the `with` block."""

    is_private = True

    def __init__(self, process, rollcall, port, home):
        user, password = (home / "credentials").read_text().strip().split(":", 1)
        super().__init__(f"https://127.0.0.1:{port}", user, password, home / "certificate.pem")
        self.process = process
        self._rollcall = rollcall
        self._home = home
        self.rollcall("tenant", "set", "school", "--upload-limit", f"{UPLOAD_LIMIT_MIB}MiB")
        # Clients encode such a login in UTF-8 or in Latin-1.
        self.accents = ("clients-måns", "pässwörd:é")
        self.rollcall("admin", "add", "school", self.accents[0], input=f"{self.accents[1]}\n")

    def rollcall(self, *arguments, input=""):
        """Runs an operator's command."""
        script = 'set -a; . "$1"; shift; exec "$@"'
        command = ["bash", "-c", script, "bash", self._home / "env", self._rollcall, *arguments]
        subprocess.run(command, input=input, text=True, check=True, stdout=subprocess.DEVNULL, timeout=60)

    def __exit__(self, *_):
        stop(self.process)


def start(repository, target, folder):
    """Builds and starts a private service whose files are all in `folder`."""
    binaries = os.environ.get("ROLLCALL_BIN_DIR") or build(repository, target)
    rollcall = Path(binaries).resolve() / "rollcall"
    if not rollcall.exists():
        raise Unusable(f"{rollcall} does not exist: ROLLCALL_BIN_DIR names the folder of the built binaries")
    port, home, log = free_port(), folder / "home", folder / "up.log"
    # `up` would use these servers and settings instead of private ones.
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in ("DATABASE_URL", "AMQP_URL") and not name.startswith("ROLLCALL_")
    }
    print("Starting a private service …", file=sys.stderr, flush=True)
    with log.open("w") as output:
        process = subprocess.Popen(
            [rollcall, "up", "--no-import", "--home", home, "--port", str(port)],
            env=inherited,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # Ctrl-C reaches this script alone, which then stops the service once.
            start_new_session=True,
        )
    try:
        wait_until_ready(process, f"https://127.0.0.1:{port}/ready", home / "certificate.pem", log)
        return Private(process, rollcall, port, home)
    except BaseException:
        stop(process)
        raise


def build(repository, target):
    subprocess.run([repository / "deploy/install-missing"], check=True)
    print("Building Rollcall; the first build takes a few minutes …", file=sys.stderr, flush=True)
    packages = [f"--package={name}" for name in ("rollcall-api", "rollcall-worker", "rollcall-cli")]
    cargo = shutil.which("cargo") or "cargo"
    subprocess.run(
        [cargo, "build", "--release", "--locked", "--bins", *packages], cwd=repository, check=True, stdout=sys.stderr
    )
    return target / "release"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until_ready(process, url, certificate, log):
    deadline = time.monotonic() + READY_LIMIT_SECONDS
    while True:
        try:
            context = ssl.create_default_context(cafile=certificate)
            https = urllib.request.HTTPSHandler(context=context)
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), https)
            opener.open(url, timeout=5).close()
            return
        except OSError as error:
            reason = error
        if process.poll() is not None:
            raise Unusable(f"`rollcall up` exited with status {process.returncode}:\n{log.read_text()}")
        if time.monotonic() > deadline:
            raise Unusable(f"the service was not ready after {READY_LIMIT_SECONDS} s: {reason}\n{log.read_text()}")
        time.sleep(0.2)


def stop(process):
    process.terminate()
    try:
        process.wait(STOP_LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        print(f"`rollcall up` (process {process.pid}) did not stop: it is killed", file=sys.stderr)
        process.kill()
        process.wait()
