"""Where the clients come from: the machine's programs, and packages that are installed for this script alone."""

import json
import os
import shutil
import subprocess
import sys

INSTALL_LIMIT_SECONDS = 300

# A test for each client, and the Debian packages that provide it.
APT = [
    (["curl", "--version"], ["curl"]),
    (["wget", "--version"], ["wget"]),
    ([sys.executable, "-c", "import venv, ensurepip"], ["python3-venv"]),
    (["node", "--version"], ["nodejs"]),
    (["npm", "--version"], ["npm"]),
    (["javac", "-version"], ["default-jdk-headless"]),
    (["go", "version"], ["golang-go"]),
    (["perl", "-MLWP::Protocol::https", "-e", "1"], ["libwww-perl", "liblwp-protocol-https-perl"]),
    (["ruby", "-rnet/http", "-ropenssl", "-e", "1"], ["ruby"]),
    (["php", "-r", "new CURLFile('x');"], ["php-cli", "php-curl"]),
]


class NotInstalled(Exception):
    """A client cannot be used. The text says why."""


def succeeds(command):
    try:
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)
    except FileNotFoundError:
        return False
    return done.returncode == 0


def install_with_apt():
    missing = [package for test, packages in APT if not succeeds(test) for package in packages]
    if not missing:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        sys.exit(f"tests/clients: --install runs apt-get as root. Missing: {' '.join(missing)}")
    print(f"Installing {' '.join(missing)} …", file=sys.stderr, flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-q"], stdout=sys.stderr, check=False)
    # One by one: a package that another source of packages conflicts with must not cost the rest.
    for package in missing:
        install = ["apt-get", "install", "-qy", "--no-install-recommends", package]
        subprocess.run(install, env=environment, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False)


def find(program):
    """The path of a program of this machine."""
    path = shutil.which(program)
    if not path:
        raise NotInstalled(f"{program} is not installed")
    return path


class Packages:
    """Python, npm and Go packages in a folder of their own."""

    def __init__(self, folder):
        self._folder = folder
        # Why an installation failed, which is not tried again for the next client.
        self._failed = {}

    def python(self, name, *packages):
        """The Python of a virtual environment `name` that holds these packages."""
        python = self._folder / name / "bin/python"
        wanted = " ".join(packages)
        marker = self._folder / name / "packages"
        if not (marker.exists() and marker.read_text() == wanted):
            shutil.rmtree(self._folder / name, ignore_errors=True)
            self._run(f"the environment for {wanted}", [sys.executable, "-m", "venv", self._folder / name])
            self._run(wanted, [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages])
            marker.write_text(wanted)
        return python

    def node(self, *packages):
        """A folder whose node_modules holds these packages."""
        npm = find("npm")
        folder = self._folder / "node"
        wanted = dict(package.split("@") if "@" in package else (package, "latest") for package in packages)
        marker = folder / "package.json"
        if not (marker.exists() and json.loads(marker.read_text())["dependencies"] == wanted):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            unfinished = folder / "package.json"
            unfinished.write_text(json.dumps({"private": True, "dependencies": wanted}))
            try:
                install = [npm, "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock"]
                self._run(" ".join(packages), install, cwd=folder)
            except NotInstalled:
                unfinished.unlink()
                raise
        return folder

    def go(self, source):
        """The executable of a Go program that uses the standard library alone."""
        go = find("go")
        executable = self._folder / source.stem
        # A cache of its own, because the script leaves nothing elsewhere.
        environment = {**os.environ, "GOCACHE": str(self._folder / "go-cache"), "GOTOOLCHAIN": "local"}
        self._run(source.name, [go, "build", "-o", executable, source], env=environment)
        return executable

    def java(self, source):
        """The class path of a Java program that uses the standard library alone."""
        javac = find("javac")
        classes = self._folder / "java"
        self._run(source.name, [javac, "-encoding", "UTF-8", "-d", classes, source])
        return classes

    def _run(self, what, command, **options):
        if what in self._failed:
            raise self._failed[what]
        try:
            self._try(what, command, **options)
        except NotInstalled as failure:
            self._failed[what] = failure
            raise

    def _try(self, what, command, **options):
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            done = subprocess.run(
                command,
                text=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=INSTALL_LIMIT_SECONDS,
                **options,
            )
        except subprocess.TimeoutExpired as error:
            raise NotInstalled(f"{what} took longer than {INSTALL_LIMIT_SECONDS} s to install") from error
        if done.returncode != 0:
            lines = done.stdout.strip().splitlines() or ["no message"]
            raise NotInstalled(f"{what} cannot be installed: {lines[-1]}")
