"""The command line of `tests/clients`: finds the service and the clients, runs every case, prints the table."""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import catalogue
import service
from cases import Skipped, Upload
from install import Packages, install_with_apt

REPOSITORY = Path(__file__).resolve().parents[2]

DESCRIPTION = """\
Uploads a small file of users over TLS with the HTTP clients that schools' scripts are written with, each used well and
as people get it wrong. A good upload must be answered with exactly the expected JSON, a refused one with the right
status and a summary that names the mistake."""

EPILOGUE = """\
Without URL the script builds Rollcall, starts it with private servers in a temporary folder (`rollcall up`), and stops
and removes it at the end. With URL it uses a running service, in which it creates four disabled users whose names begin
with "clients-"; cases that change the service's settings are skipped.

Clients that are not installed are skipped, with the reason. Python and npm packages are installed into
target/clients, which later runs use again; remove the folder to have the newest versions.

Environment:
  ROLLCALL_BIN_DIR  folder with rollcall, rollcall-api and rollcall-worker, instead of building them
  CARGO_TARGET_DIR  replaces target

Examples:
  tests/clients                          # what is installed here
  tests/clients --install                # as root: installs the missing clients with apt first
  tests/clients --only curl --only wget  # some
  tests/clients https://127.0.0.1:8443 --cacert target/rollcall/certificate.pem \\
      --user "$(cat target/rollcall/credentials)"

Exit status: 0 if no client failed, 1 if one did, 2 usage error."""


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    arguments = parse()
    target = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")).resolve()
    if arguments.install:
        install_with_apt()
    with tempfile.TemporaryDirectory(prefix="rollcall-clients-") as folder:
        # The private servers' own user has to pass through it.
        os.chmod(folder, 0o711)
        folder = Path(folder)
        if arguments.url:
            running = service.Running(arguments.url, *arguments.user.split(":", 1), Path(arguments.cacert).resolve())
        else:
            running = service.start(REPOSITORY, target, folder)
        with running:
            upload = Upload(running, folder)
            upload.create_users()
            cases = catalogue.cases(upload, Packages(target / "clients"), wanted=selected(arguments.only))
            return run(cases, running.password, arguments.verbose)


def parse():
    parser = argparse.ArgumentParser(
        prog="tests/clients",
        description=DESCRIPTION,
        epilog=EPILOGUE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("url", nargs="?", metavar="URL", help="a running service, such as https://127.0.0.1:8443")
    parser.add_argument("--user", metavar="USER:PASSWORD", help="an administrator of the running service")
    parser.add_argument("--cacert", metavar="FILE", help="its certificate or that of its authority, in PEM")
    parser.add_argument("--only", metavar="CLIENT", action="append", help="only clients whose name contains CLIENT")
    parser.add_argument("--install", action="store_true", help="install missing clients with apt-get (as root)")
    parser.add_argument("--verbose", action="store_true", help="print the command and the answer of every case")
    arguments = parser.parse_args()
    if arguments.url:
        if not arguments.url.startswith("https://"):
            parser.error("URL has to begin with https://")
        if ":" not in (arguments.user or "") or not arguments.cacert:
            parser.error("URL requires --user USER:PASSWORD and --cacert FILE")
    elif arguments.user or arguments.cacert:
        parser.error("--user and --cacert describe a running service: give its URL too")
    return arguments


def selected(only):
    """Whether a client's name contains one of these texts; every name if there are none."""
    return lambda client: not only or any(text.lower() in client.lower() for text in only)


def run(cases, password, verbose):
    """Runs the cases and prints a line for each, without the password. Returns the exit status."""
    counts = {"ok": 0, "failed": 0, "skipped": 0}
    print(line("client", "version", "what", "status", ""))
    for case in cases:
        if isinstance(case, Skipped):
            counts["skipped"] += 1
            print(line(case.client, "", case.what, "", f"skipped: {case.reason}"), flush=True)
            continue
        outcome = case.run()
        seen = outcome.seen.replace(password, "…")
        verdict = "failed" if outcome.problem else "ok"
        counts[verdict] += 1
        print(line(case.client, case.version, case.what, outcome.status, verdict), flush=True)
        if outcome.problem:
            print(indented(f"{outcome.problem}\n{seen}"), flush=True)
        elif verbose:
            print(indented(seen), flush=True)
    print("\n" + ", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    return 1 if counts["failed"] else 0


def line(client, version, what, status, verdict):
    return f"{client:<14} {version:<9} {what:<64} {status:<7} {verdict}".rstrip()


def indented(text):
    return "\n".join(f"      {line}" for line in text.splitlines() if line)


try:
    sys.exit(main())
except service.Unusable as problem:
    sys.exit(f"tests/clients: {problem}")
except subprocess.CalledProcessError as problem:
    sys.exit(f"tests/clients: {problem.cmd[0]} failed with status {problem.returncode}")
except KeyboardInterrupt:
    sys.exit(130)
