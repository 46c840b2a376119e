"""Clients that are programs of their own: curl, wget, HTTPie."""

import gzip
import re
import shlex
import subprocess

from cases import Case, Imported, Skipped, environment, refused
from install import NotInstalled, find

IMPORTED = Imported()
# A field of the form that is no file: it has no file name.
TEXT_FIELD = refused(400, "file ?name")
# The file as the body, of no type or one that the client chose.
BODY = refused(400, "-F", "Content-Type")
URLENCODED = "application/x-www-form-urlencoded"
NEEDS_PRIVATE = "changes the service's settings: needs a private service"

WRONG_PASSWORD = "wrong password, 8 MiB"
TOO_LARGE = "larger than the tenant's limit, 8 MiB"
NON_ASCII_PASSWORD = "password with accents"


def version(command):
    """The first version number that a command prints. A library that this machine is too old for fails here."""
    options = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "timeout": 60}
    done = subprocess.run(command, env=environment(), **options)
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if "Error" in line] or done.stderr.splitlines() or [""]
        raise NotInstalled(f"it cannot be loaded: {lines[-1].strip()}")
    found = re.search(r"\d+\.[\d.]*\d", done.stdout + done.stderr)
    return found.group() if found else "?"


def curl(upload, _packages):
    name = "curl"
    try:
        program = find(name)
    except NotInstalled as reason:
        yield Skipped(name, "everything", reason)
        return
    number = version([program, "--version"])
    service = upload.service
    login = f"{service.user}:{service.password}"
    file = f"file=@{upload.file}"
    csv = f"@{upload.file}"

    def case(what, *arguments, expected=IMPORTED, login=("-u", login), url=upload.url, stdin=b""):
        # The body, a line end, the status. `-q` ignores the user's own configuration.
        command = [program, "-q", "-sS", "--max-time", "100", "-w", "\n%{http_code}\n"]
        trust = [] if "-k" in arguments else ["--cacert", service.certificate]
        return Case(name, number, what, [*command, *trust, *login, *arguments, url], expected, stdin)

    yield case("-F file=@users.csv", "-F", file)
    yield case("-X POST -F", "-X", "POST", "-F", file)
    yield case("-k", "-k", "-F", file)
    yield case("user and password in the URL", "-F", file, login=(), url=upload.service.url(credentials=True))
    yield case("--http1.0", "--http1.0", "-F", file)
    yield case("--http1.1", "--http1.1", "-F", file)
    yield case("--http2", "--http2", "-F", file)
    yield case("--http2-prior-knowledge", "--http2-prior-knowledge", "-F", file)
    yield case("--no-alpn", "--no-alpn", "-F", file)
    yield case("--tls-max 1.2", "--tls-max", "1.2", "-F", file)
    yield case("--anyauth", "--anyauth", "-F", file)
    yield case("-H 'Expect:'", "-H", "Expect:", "-F", file)
    yield case("-H 'Expect: 100-continue'", "-H", "Expect: 100-continue", "-F", file)
    yield case("-H 'Transfer-Encoding: chunked'", "-H", "Transfer-Encoding: chunked", "-F", file)
    yield case(
        "-H 'Transfer-Encoding: chunked' -H 'Expect: 100-continue'",
        *("-H", "Transfer-Encoding: chunked", "-H", "Expect: 100-continue", "-F", file),
    )
    yield case("--compressed", "--compressed", "-F", file)
    yield case("-F file=@-;filename=x.csv < users.csv", "-F", "file=@-;filename=x.csv", stdin=upload.file.read_bytes())
    yield case("-F file=@- < users.csv", "-F", "file=@-", stdin=upload.file.read_bytes())
    yield case("-F 'file=@users.csv;type=text/csv; charset=utf-8'", "-F", f"{file};type=text/csv; charset=utf-8")
    yield case("-F 'file=@users.csv;encoder=8bit'", "-F", f"{file};encoder=8bit")
    accents = upload.write('Schüler "5a", März.csv', upload.file.read_bytes())
    accents = str(accents).replace('"', '\\"')
    yield case("-F file=@'Schüler \"5a\", März.csv'", "-F", f'file=@"{accents}"')
    yield case("-F 'file=@users.csv;filename=' (an empty file name)", "-F", f"{file};filename=")
    yield case("-F note=text -F file=@users.csv", "-F", "note=text", "-F", file)
    yield case("-F file=@users.csv -F note=text", "-F", file, "-F", "note=text")
    yield case("-H 'Content-Type: multipart/form-data' -F", "-H", "Content-Type: multipart/form-data", "-F", file)
    yield case(
        "-H 'Content-Type: multipart/form-data; boundary=x' -F",
        *("-H", "Content-Type: multipart/form-data; boundary=x", "-F", file),
    )
    form = ["-H", "Content-Type: multipart/form-data; boundary=clients-boundary"]
    yield case("--data-binary @form, CRLF", *form, "--data-binary", f"@{upload.write('form', upload.form())}")
    lf_form = upload.write("form-lf", upload.form(b"\n"))
    yield case("--data-binary @form, LF", *form, "--data-binary", f"@{lf_form}")

    yield case("-F file=<users.csv", "-F", f"file=<{upload.file}", expected=TEXT_FIELD)
    yield case("-F file=users.csv", "-F", "file=users.csv", expected=TEXT_FIELD)
    yield case("-F file=@a.csv,b.csv", "-F", f"{file},{upload.file}", expected=refused(400, "one file|multipart/mixed"))
    yield case(
        "-H 'Content-Type: text/csv' -F",
        *("-H", "Content-Type: text/csv", "-F", file),
        expected=refused(400, "Content-Type", "text/csv"),
    )
    yield case("-H 'Content-Type:' -F", "-H", "Content-Type:", "-F", file, expected=refused(400, "Content-Type"))
    yield case("--data-binary @users.csv", "--data-binary", csv, expected=refused(400, "-F", URLENCODED))
    yield case("-d @users.csv", "-d", csv, expected=refused(400, "-F", URLENCODED))
    yield case("--json @users.csv", "--json", csv, expected=refused(400, "-F", "application/json"))
    yield case(
        "-H 'Content-Type: text/csv' --data-binary @users.csv",
        *("-H", "Content-Type: text/csv", "--data-binary", csv),
        expected=refused(400, "-F", "text/csv"),
    )
    yield case(
        "-H 'Content-Type: multipart/form-data' --data-binary @users.csv",
        *("-H", "Content-Type: multipart/form-data", "--data-binary", csv),
        expected=refused(400, "boundary"),
    )
    yield case("-T users.csv", "-T", upload.file, expected=refused(405, "POST"))
    yield case("-X POST -T users.csv", "-X", "POST", "-T", upload.file, expected=BODY)
    yield case("-X PUT -F", "-X", "PUT", "-F", file, expected=refused(405, "POST"))
    for encoder in ("base64", "quoted-printable"):
        yield case(
            f"-F 'file=@users.csv;encoder={encoder}'",
            *("-F", f"{file};encoder={encoder}"),
            expected=refused(400, "Content-Transfer-Encoding", encoder),
        )
    compressed = upload.write("form.gz", gzip.compress(upload.form()))
    yield case(
        "-H 'Content-Encoding: gzip' --data-binary @form.gz",
        *("-H", "Content-Encoding: gzip", *form, "--data-binary", f"@{compressed}"),
        expected=refused(415, "gzip"),
    )
    compressed = upload.write("users.csv.gz", gzip.compress(upload.file.read_bytes()))
    yield case(
        "-H 'Content-Encoding: gzip' -F file=@users.csv.gz",
        *("-H", "Content-Encoding: gzip", "-F", f"file=@{compressed}"),
        expected=refused(415, "gzip"),
    )
    yield case("-F file=@users.csv.gz", "-F", f"file=@{compressed}", expected=refused(400, "gzip"))
    yield case("http:// on the TLS port", "-F", file, url=service.url("http"), expected=refused(400, "https"))
    yield case("a wrong path: a slash at its end", "-F", file, url=slash_added(upload), expected=refused(404, "/users"))
    yield case("no login", "-F", file, login=(), expected=refused(401, "credentials"))
    yield case("--digest", "--digest", "-F", file, expected=refused(401, "credentials"))
    large = f"file=@{upload.large_file()}"
    wrong = ("-u", "clients-curl:wrong")
    yield case(WRONG_PASSWORD, "-F", large, login=wrong, expected=refused(401, "credentials"))
    for option in (["--http1.0"], ["-H", "Expect:"], ["-H", "Transfer-Encoding: chunked"]):
        what = f"{WRONG_PASSWORD}, {shlex.join(option)}"
        yield case(what, *option, "-F", large, login=wrong, expected=refused(401, "credentials"))
    if not service.is_private:
        yield Skipped(name, TOO_LARGE, NEEDS_PRIVATE)
        yield Skipped(name, NON_ASCII_PASSWORD, NEEDS_PRIVATE)
        return
    yield case(TOO_LARGE, "-F", large, expected=refused(413, "larger"))
    yield case(f"-u, {NON_ASCII_PASSWORD}", "-F", file, login=("-u", ":".join(service.accents)))


def slash_added(upload):
    return upload.service.url(path=f"{upload.service.parts.path}/")


def wget(upload, _packages):
    name = "wget"
    try:
        program = find(name)
    except NotInstalled as reason:
        yield Skipped(name, "everything", reason)
        return
    number = version([program, "--version"])
    service = upload.service
    login = [f"--user={service.user}", f"--password={service.password}"]
    form = "--header=Content-Type: multipart/form-data; boundary=clients-boundary"

    def case(what, *arguments, expected=IMPORTED, url=upload.url):
        # Without a configuration file. The status is in the headers that -S prints to standard error.
        command = [program, "--no-config", "-S", "-O", "-", "--content-on-error", "--tries=1", "--timeout=100"]
        trust = f"--ca-certificate={service.certificate}"
        return Case(name, number, what, [*command, trust, *login, *arguments, url], expected, read=last_header)

    form_file = upload.write("form", upload.form())
    yield case("--post-file=form, login after the 401", form, f"--post-file={form_file}")
    yield case("--post-file=form --auth-no-challenge", "--auth-no-challenge", form, f"--post-file={form_file}")
    yield case("--post-file=users.csv", f"--post-file={upload.file}", expected=refused(400, "-F", URLENCODED))
    yield case(
        "--post-file=users.csv --header='Content-Type: text/csv'",
        *("--header=Content-Type: text/csv", f"--post-file={upload.file}"),
        expected=refused(400, "text/csv"),
    )
    yield case(
        "http:// on the TLS port",
        *(form, f"--post-file={form_file}"),
        url=service.url("http"),
        expected=refused(400, "https"),
    )


def last_header(out, errors):
    statuses = re.findall(r"^ *HTTP/\S+ (\d{3})", errors, re.MULTILINE)
    return (statuses or [""])[-1], out


def httpie(upload, packages):
    name = "HTTPie"
    try:
        program = packages.python("httpie", "httpie").parent / "http"
    except NotInstalled as reason:
        yield Skipped(name, "everything", reason)
        return
    number = version([program, "--version"])
    service = upload.service
    home = {"HTTPIE_CONFIG_DIR": str(upload.folder / "httpie")}

    def case(what, *arguments, expected=IMPORTED, stdin=b""):
        common = ["--pretty=none", "--print=hb", "--timeout=100", f"--verify={service.certificate}"]
        login = ["-a", f"{service.user}:{service.password}"]
        ignore = [] if stdin else ["--ignore-stdin"]
        command = [program, *common, *ignore, *login, *arguments]
        return Case(name, number, what, command, expected, stdin, home, read=head_and_body)

    yield case("-f POST URL file@users.csv", "-f", "POST", upload.url, f"file@{upload.file}")
    yield case("--multipart POST URL file@users.csv", "--multipart", "POST", upload.url, f"file@{upload.file}")
    yield case("-f --chunked POST URL file@users.csv", "-f", "--chunked", "POST", upload.url, f"file@{upload.file}")
    yield case(
        "-f POST URL file@users.csv 'Content-Type: text/csv'",
        *("-f", "POST", upload.url, f"file@{upload.file}", "Content-Type:text/csv"),
        expected=refused(400, "Content-Type", "text/csv"),
    )
    yield case("POST URL @users.csv", "POST", upload.url, f"@{upload.file}", expected=refused(400, "-F", "text/csv"))
    yield case(
        "POST URL < users.csv",
        *("POST", upload.url),
        expected=refused(400, "-F", "application/json"),
        stdin=upload.file.read_bytes(),
    )


def head_and_body(out, _errors):
    head, _, body = out.replace("\r\n", "\n").partition("\n\n")
    status = re.match(r"HTTP/\S+ (\d{3})", head)
    return (status.group(1) if status else ""), body.strip("\n")
