"""A case: one client, used in one way, and the answer that it must receive."""

import http.client
import json
import os
import re
import shlex
import ssl
import subprocess
from base64 import b64encode
from dataclasses import dataclass, field

from service import UPLOAD_LIMIT_MIB, Unusable

# Longer than a loaded machine needs for an import of a few rows.
CASE_LIMIT_SECONDS = 120

# Names that a client garbles if it decodes the file, CRLF, a quoted comma, no line end at the end. A garbled username
# would create a further user. The third row fails, so that the answer lists every row.
ROSTER = (
    "username,surname,emailAddress,enabled,staffMember\r\n"
    "clients-k.øvre,Øvre,k@example.org,n,y\r\n"
    'clients-zoë,"Brontë, Zoë",zoe@example.org,n,y\r\n'
    "clients-łukasz,Żak,lukasz@,n,y\r\n"
    "clients-日本,Ōe,oe@example.org,n,y\r\n"
    "clients-€uro,Ñandú,euro@example.org,n,y"
).encode()

MALFORMED = "Field (emailAddress) is not a well-formed email address. "


def result(outcome):
    """The answer to the roster whose good rows all have this outcome."""
    created, updated = (4, 0) if outcome == "Created" else (0, 4)
    good = f"User {outcome}"
    summary = f"5 users processed. {created} users created. {updated} users updated. 1 user failed."
    details = {"1": good, "2": good, "3": f"{MALFORMED}User failed to import: {MALFORMED}", "4": good, "5": good}
    return json.dumps({"success": False, "summary": summary, "details": details}, separators=(",", ":"))


@dataclass(frozen=True)
class Imported:
    """Status 200 and the result to the byte. A heartbeat's spaces may precede it."""

    def problem(self, status, body):
        if (status, body.lstrip(" ")) != ("200", result("Updated")):
            return f"expected 200 and exactly {result('Updated')}"
        return None


@dataclass(frozen=True)
class Refused:
    """A status, and a summary that contains these patterns in any order."""

    status: str
    names: tuple

    def problem(self, status, body):
        try:
            answer = json.loads(body)
        except ValueError:
            answer = {}
        summary = answer.get("summary", "")
        missing = [name for name in self.names if not re.search(name, summary, re.IGNORECASE)]
        if status != self.status or answer.get("success") is not False or missing:
            named = "".join(f", /{name}/ in the summary" for name in missing)
            return f"expected {self.status}, success false{named}"
        return None


def refused(status, *names):
    return Refused(str(status), names)


@dataclass(frozen=True)
class ImportedOr:
    """Either the result or a refusal, where the contract does not say which. Never the success of an empty file."""

    refusal: Refused

    def problem(self, status, body):
        if not Imported().problem(status, body):
            return None
        refusal = self.refusal.problem(status, body)
        return refusal and f"{refusal}; or the result"


@dataclass(frozen=True)
class Skipped:
    client: str
    what: str
    reason: str


@dataclass(frozen=True)
class Outcome:
    status: str
    # The command and what it printed.
    seen: str
    # None if the answer was the expected one.
    problem: str = None


def status_last(out, _errors):
    """The status and body of a client that prints the body, a line end and the status."""
    body, _, status = out.rstrip("\n").rpartition("\n")
    return status, body


@dataclass(frozen=True)
class Case:
    client: str
    version: str
    what: str
    command: list
    expected: object = Imported()
    stdin: bytes = b""
    environment: dict = field(default_factory=dict)
    # Finds status and body in the client's standard output and error.
    read: object = status_last

    def run(self):
        command = shlex.join(map(str, self.command))
        try:
            done = subprocess.run(
                self.command,
                input=self.stdin,
                capture_output=True,
                timeout=CASE_LIMIT_SECONDS,
                env={**environment(), **self.environment},
            )
        except subprocess.TimeoutExpired:
            return Outcome("", command, f"no answer within {CASE_LIMIT_SECONDS} s")
        out, errors = (text.decode(errors="replace") for text in (done.stdout, done.stderr))
        status, body = self.read(out, errors)
        if re.fullmatch("[1-5][0-9][0-9]", status):
            return Outcome(status, f"{command}\n{body}", self.expected.problem(status, body))
        seen = f"{command}\n{printable(out)}\n{printable(errors)}"
        return Outcome("", seen, f"the client received no answer (exit status {done.returncode})")


def printable(text):
    """The end of a text, without bytes that a terminal would obey."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text.strip())[-1000:]


def environment():
    """The clients' environment: without proxies, in UTF-8, leaving no compiled files."""
    own = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return {**own, "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}


class Upload:
    """What the clients send, and where to."""

    def __init__(self, service, folder):
        self.service = service
        self.folder = folder
        self.file = self.write("users.csv", ROSTER)
        self.url = service.url()

    def write(self, name, content):
        path = self.folder / name
        path.write_bytes(content)
        return path

    def large_file(self):
        """A file larger than the private service's limit, and smaller than what it reads of a rejected upload."""
        path = self.folder / "large.csv"
        if not path.exists():
            row = b"clients-large,Large,large@example.org,n,y\r\n"
            rows = 2 * UPLOAD_LIMIT_MIB * 1024 * 1024 // len(row)
            path.write_bytes(ROSTER.splitlines(keepends=True)[0] + rows * row)
        return path

    def environment(self, user=None, password=None, file=None):
        """How the programs of this folder learn what to send."""
        return {
            "UPLOAD_URL": self.url,
            "UPLOAD_USER": user or self.service.user,
            "UPLOAD_PASSWORD": password or self.service.password,
            "UPLOAD_CERTIFICATE": str(self.service.certificate),
            # Node's fetch trusts no certificate by option.
            "NODE_EXTRA_CA_CERTS": str(self.service.certificate),
            "UPLOAD_FILE": str(file or self.file),
        }

    def form(self, line_end=b"\r\n", boundary=b"clients-boundary"):
        """The roster as a multipart form."""
        head = [b'Content-Disposition: form-data; name="file"; filename="users.csv"', b"Content-Type: text/csv"]
        lines = [b"--" + boundary, *head, b"", ROSTER, b"--" + boundary + b"--", b""]
        return line_end.join(lines)

    def create_users(self):
        """Imports the roster, so that every client after this updates the same users."""
        for _ in range(2):
            status, body = self._post()
            if (status, body) == (200, result("Updated")):
                return
            if (status, body) != (200, result("Created")):
                raise Unusable(f"the roster cannot be imported at {self.url}: {status} {body}")
        raise Unusable(f"the second import of the roster created users at {self.url}: {status} {body}")

    def _post(self):
        parts = self.service.parts
        context = ssl.create_default_context(cafile=self.service.certificate)
        connection = http.client.HTTPSConnection(parts.netloc, context=context, timeout=CASE_LIMIT_SECONDS)
        login = b64encode(f"{self.service.user}:{self.service.password}".encode()).decode()
        headers = {
            "Authorization": f"Basic {login}",
            "Content-Type": "multipart/form-data; boundary=clients-boundary",
        }
        path = parts._replace(scheme="", netloc="").geturl()
        try:
            connection.request("POST", path, self.form(), headers)
            response = connection.getresponse()
            return response.status, response.read().decode().lstrip(" ")
        except OSError as error:
            raise Unusable(f"{self.url} cannot be reached: {error}") from error
        finally:
            connection.close()
