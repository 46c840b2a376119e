"""Clients that are libraries: a small program of `programs/` uses each of them.

A program takes the way to upload as its argument, reads from the environment what to send (`Upload.environment`), and
prints the body of the answer, a line end and the status. With the argument `version` it prints the version of the
library."""

from dataclasses import dataclass
from pathlib import Path

from cases import Case, Imported, ImportedOr, Skipped, refused
from command_line import (
    BODY,
    NEEDS_PRIVATE,
    NON_ASCII_PASSWORD,
    TEXT_FIELD,
    TOO_LARGE,
    URLENCODED,
    WRONG_PASSWORD,
    version,
)
from install import NotInstalled, find, succeeds

PROGRAMS = Path(__file__).resolve().parent / "programs"

PYTHON_PACKAGES = ["requests", "requests-toolbelt", "httpx[http2]", "aiohttp", "pycurl"]
OLD_PYTHON_PACKAGES = ["requests==2.28.2", "urllib3==1.26.20", "requests-toolbelt"]
# Later versions of undici do not run on the Node of Debian 12.
NODE_PACKAGES = ["axios", "form-data", "got", "node-fetch", "superagent", "undici@6"]


@dataclass(frozen=True)
class Library:
    name: str
    # Makes the command from the packages; raises NotInstalled.
    command: object
    # Way to upload → what it is, and the answer if it is not the result.
    ways: dict

    def cases(self, upload, packages):
        try:
            command = self.command(packages)
            number = version([*command, "version"])
        except NotInstalled as reason:
            yield Skipped(self.name, "everything", reason)
            return

        def case(way, what, expected, **sent):
            sent = upload.environment(**sent)
            return Case(self.name, number, what, [*command, way], expected or Imported(), environment=sent)

        for way, (what, expected) in self.ways.items():
            yield case(way, what, expected)
        # Every library must read the answers below with the way that it uses first.
        first = next(iter(self.ways))
        large = upload.large_file()
        user = "clients-" + self.name.replace(" ", "-")
        yield case(first, WRONG_PASSWORD, refused(401, "credentials"), user=user, password="wrong", file=large)
        if not upload.service.is_private:
            yield Skipped(self.name, TOO_LARGE, NEEDS_PRIVATE)
            yield Skipped(self.name, NON_ASCII_PASSWORD, NEEDS_PRIVATE)
            return
        yield case(first, TOO_LARGE, refused(413, "larger"), file=large)
        user, password = upload.service.accents
        yield case(first, NON_ASCII_PASSWORD, None, user=user, password=password)


ACCENTS_IN_NAME = ("file name with accents and quotes", None)
NO_BOUNDARY = refused(400, "boundary")
CUT_SHORT = refused(400, "cut short|closing boundary")
NO_EMPTY_LINE = refused(400, "empty line|blank line|header")


def python(script, environment="python", packages=PYTHON_PACKAGES):
    return lambda found: [found.python(environment, *packages), "-W", "ignore", PROGRAMS / script]


def node(client):
    def command(found):
        # The modules are looked up from the program's folder, so it is run from a copy beside node_modules.
        node = find("node")
        program = found.node(*NODE_PACKAGES) / "upload.mjs"
        program.write_bytes((PROGRAMS / "upload.mjs").read_bytes())
        return [node, program, client]

    return command


def go(found):
    return [found.go(PROGRAMS / "upload.go")]


def java(found):
    return [find("java"), "-cp", found.java(PROGRAMS / "Upload.java"), "Upload"]


def script(program, name, test, packages):
    def command(_found):
        path = find(program)
        if not succeeds([path, *test]):
            raise NotInstalled(f"{packages} is not installed")
        return [path, PROGRAMS / name]

    return command


REQUESTS_WAYS = {
    "files": ("files={'file': open('users.csv', 'rb')}", None),
    "tuple": ("files={'file': ('users.csv', data, 'text/csv')}", None),
    "text": ("files={'file': open('users.csv').read()}", None),
    "name": ACCENTS_IN_NAME,
    "chunked": ("MultipartEncoder in a generator (chunked)", None),
    "content-type": ("files and a Content-Type of multipart/form-data", NO_BOUNDARY),
    "content-type-csv": ("files and a Content-Type of text/csv", refused(400, "Content-Type", "text/csv")),
    "data": ("data=open('users.csv', 'rb')", BODY),
    "field": ("data={'file': text}", refused(400, "-F", URLENCODED)),
}

HAND_MADE = {
    "crlf": ("form made from strings, CRLF", None),
    "lf": ("form made from strings, LF", None),
    "mixed": ("form made from strings, CRLF but for the last line end", None),
    "quoted": ("form made from strings, boundary in quotes", None),
    "folded": ("form made from strings, a folded header", None),
    "preamble": ("form made from strings, an empty line first", None),
    "no-close": ("form made from strings, without the last boundary", CUT_SHORT),
    "no-dashes": ("form made from strings, boundaries without dashes", refused(400, "boundary")),
    "no-blank": ("form made from strings, no empty line after a head", NO_EMPTY_LINE),
    "blank": ("form made from strings, a blank in the empty line", ImportedOr(NO_EMPTY_LINE)),
    "cr-cr-lf": ("form made from strings, CR CR LF after its heads", ImportedOr(NO_EMPTY_LINE)),
    "bom": ("form made from strings, a byte-order mark first", ImportedOr(refused(400, "byte-order mark|BOM"))),
    "characters": ("form made from strings, its length in characters", CUT_SHORT),
}

LIBRARIES = [
    Library("requests", python("requests_upload.py"), REQUESTS_WAYS),
    Library(
        # As in Debian 12: it encodes file names in another way.
        "requests, old",
        python("requests_upload.py", "python-old", OLD_PYTHON_PACKAGES),
        REQUESTS_WAYS,
    ),
    Library(
        "httpx",
        python("httpx_upload.py"),
        {
            "files": ("files={'file': open('users.csv', 'rb')}", None),
            "async": ("AsyncClient", None),
            "http2": ("http2=True", None),
            "name": ACCENTS_IN_NAME,
            "content-type": ("files and a Content-Type of multipart/form-data", NO_BOUNDARY),
            "content": ("content=open('users.csv', 'rb')", BODY),
        },
    ),
    Library(
        "aiohttp",
        python("aiohttp_upload.py"),
        {
            "files": ("data={'file': open('users.csv', 'rb')}", None),
            "form": ("FormData.add_field(…, filename, content_type)", None),
            "text": ("FormData.add_field(…, text, filename)", None),
            "name": ACCENTS_IN_NAME,
            "chunked": ("chunked=True", None),
            "expect": ("expect100=True", None),
            "compress": ("compress='gzip'", refused(415, "gzip")),
            "field": ("FormData.add_field('file', text)", TEXT_FIELD),
            "data": ("data=open('users.csv', 'rb')", BODY),
        },
    ),
    Library(
        "urllib3",
        python("urllib3_upload.py"),
        {
            "fields": ("fields={'file': (name, data)}", None),
            "name": ACCENTS_IN_NAME,
            "field": ("fields={'file': data}", TEXT_FIELD),
        },
    ),
    Library(
        "pycurl",
        python("pycurl_upload.py"),
        {
            "file": ("HTTPPOST with FORM_FILE", None),
            "http1.0": ("HTTP_VERSION 1.0", None),
            "buffer": ("HTTPPOST with FORM_BUFFER", None),
        },
    ),
    Library(
        "http.client",
        lambda _found: [find("python3"), PROGRAMS / "http_client_upload.py"],
        {**HAND_MADE, "urllib": ("urllib.request, login after the 401", None)},
    ),
    Library(
        "Node fetch",
        node("fetch"),
        {
            "blob": ("FormData with a Blob and a file name", None),
            "file": ("FormData with a File", None),
            "blob-only": ("FormData with a Blob, no file name given", None),
            "name": ACCENTS_IN_NAME,
            "crlf": HAND_MADE["crlf"],
            "stream": ("a form in a stream (chunked)", None),
            "text": ("FormData with a string", TEXT_FIELD),
            "content-type": ("FormData and a Content-Type of multipart/form-data", NO_BOUNDARY),
            "body": ("the file as the body", BODY),
        },
    ),
    Library(
        "axios",
        node("axios"),
        {
            "blob": ("FormData with a Blob", None),
            "form-data": ("the form-data package and a read stream", None),
            "name": ACCENTS_IN_NAME,
            "content-type": ("FormData and a Content-Type of multipart/form-data", None),
            "post-form": ("postForm with a read stream", None),
            "text": ("postForm with a string", TEXT_FIELD),
            "body": ("the file as the body", BODY),
        },
    ),
    Library(
        "undici",
        node("undici"),
        {
            "blob": ("request with FormData", None),
            "http2": ("Agent with allowH2", None),
        },
    ),
    Library(
        "form-data",
        node("form-data"),
        {
            "pipe": ("piped into https.request (chunked)", None),
            "submit": ("form.submit", None),
            "text": ("a string without a file name", TEXT_FIELD),
        },
    ),
    Library("got", node("got"), {"blob": ("body: FormData with a Blob", None)}),
    Library(
        "node-fetch",
        node("node-fetch"),
        {"blob": ("FormData with a Blob", None), "form-data": ("the form-data package", None)},
    ),
    Library("superagent", node("superagent"), {"attach": ("attach('file', path)", None)}),
    Library(
        "Java",
        java,
        {
            "crlf": ("HttpClient, form made from strings, CRLF", None),
            "lf": ("HttpClient, form made from strings, LF", None),
            "println": ("HttpClient, form made with println", None),
            "http1.1": ("HttpClient, HTTP_1_1", None),
            "expect": ("HttpClient, expectContinue(true)", None),
            "stream": ("HttpClient, BodyPublishers.ofInputStream (chunked)", None),
            "authenticator": ("HttpClient, Authenticator (login after the 401)", None),
            "body": ("HttpClient, BodyPublishers.ofFile", BODY),
            "url-connection": ("HttpsURLConnection", None),
            "url-connection-chunked": ("HttpsURLConnection, setChunkedStreamingMode", None),
        },
    ),
    Library(
        "Go",
        go,
        {
            "form": ("mime/multipart, CreateFormFile", None),
            "pipe": ("mime/multipart through a pipe (chunked)", None),
            "name": ACCENTS_IN_NAME,
            "field": ("mime/multipart, WriteField", TEXT_FIELD),
            "not-closed": ("mime/multipart without Close", CUT_SHORT),
            "body": ("the file as the body", BODY),
        },
    ),
    Library(
        "Perl LWP",
        script("perl", "upload.pl", ["-MLWP::Protocol::https", "-e", "1"], "LWP::Protocol::https"),
        {
            "form": ("Content_Type => 'form-data', Content => [file => [$path]]", None),
            "dynamic": ("$DYNAMIC_FILE_UPLOAD", None),
            "challenge": ("credentials(), login after the 401", None),
            "name": ACCENTS_IN_NAME,
            "field": ("Content => [file => $text]", TEXT_FIELD),
            "body": ("Content => $text", BODY),
        },
    ),
    Library(
        "Ruby",
        script("ruby", "upload.rb", ["-rnet/http", "-ropenssl", "-e", "1"], "net/http"),
        {
            "form": ("Net::HTTP, set_form with a File", None),
            "text": ("Net::HTTP, set_form with a string and a file name", None),
            "name": ACCENTS_IN_NAME,
            "crlf": ("Net::HTTP, form made from strings, CRLF", None),
            "lf": ("Net::HTTP, form made from strings, LF", None),
            "field": ("Net::HTTP, set_form with a string", TEXT_FIELD),
            "body": ("Net::HTTP, body", BODY),
        },
    ),
    Library(
        "PHP",
        script("php", "upload.php", ["-r", "new CURLFile('x');"], "php-curl"),
        {
            "form": ("CURLFile", None),
            "string": ("CURLStringFile", None),
            "stream": ("file_get_contents, form made from strings, CRLF", None),
            "lf": ("file_get_contents, form made in a here document", None),
            "content-type": ("CURLFile and a Content-Type of multipart/form-data", None),
            "field": ("CURLOPT_POSTFIELDS => ['file' => '@users.csv']", TEXT_FIELD),
        },
    ),
    Library(
        "PowerShell",
        script("pwsh", "upload.ps1", ["-NoProfile", "-Command", "exit 0"], "pwsh"),
        {
            "form": ("Invoke-WebRequest -Form", None),
            "infile": ("Invoke-WebRequest -InFile", BODY),
            "lf": ("Invoke-WebRequest, form made in a here-string", None),
        },
    ),
]
