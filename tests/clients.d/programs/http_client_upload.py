"""The standard library alone, with forms as scripts put them together."""

import http.client
import platform
import ssl
import sys
import urllib.error
import urllib.request
from base64 import b64encode
from urllib.parse import urlsplit

from sent import CERTIFICATE, LOGIN, TIMEOUT_SECONDS, URL, answer, data

BOUNDARY = "----WebKitFormBoundary7MA4YWxkTrZu0gW"
DISPOSITION = 'Content-Disposition: form-data; name="file"; filename="users.csv"'
FOLDED = 'Content-Disposition: form-data; name="file";\r\n\tfilename="users.csv"'


def form(
    end="\r\n", disposition=DISPOSITION, blank="", dashes="--", preamble="", close=True, head_end=None, last_end=None
):
    head = [disposition, "Content-Type: text/csv"] + ([] if blank is None else [blank])
    first = preamble + dashes + BOUNDARY + end + (head_end or end).join([*head, ""])
    last = dashes + BOUNDARY + "--" + end if close else ""
    return first.encode() + data() + ((last_end or end) + last).encode()


FORMS = {
    "crlf": form,
    "lf": lambda: form(end="\n"),
    "mixed": lambda: form(last_end="\n"),
    "quoted": form,
    "folded": lambda: form(disposition=FOLDED),
    "preamble": lambda: form(preamble="\r\n"),
    "no-close": lambda: form(close=False),
    "no-dashes": lambda: form(dashes=""),
    "no-blank": lambda: form(blank=None),
    "blank": lambda: form(blank=" "),
    # What "\r\n" becomes in a file that Windows writes as text.
    "cr-cr-lf": lambda: form(head_end="\r\r\n"),
    # What PowerShell writes first into a file in UTF-8.
    "bom": lambda: form(preamble="\ufeff"),
    "characters": form,
}


def content_type(way):
    boundary = f'"{BOUNDARY}"' if way == "quoted" else BOUNDARY
    return f"multipart/form-data; boundary={boundary}"


def with_http_client(way):
    parts = urlsplit(URL)
    context = ssl.create_default_context(cafile=CERTIFICATE)
    connection = http.client.HTTPSConnection(parts.netloc, context=context, timeout=TIMEOUT_SECONDS)
    login = b64encode(":".join(LOGIN).encode()).decode()
    headers = {"Authorization": f"Basic {login}", "Content-Type": content_type(way)}
    body = FORMS[way]()
    if way == "characters":
        headers["Content-Length"] = str(len(body.decode()))
    connection.request("POST", parts._replace(scheme="", netloc="").geturl(), body, headers)
    response = connection.getresponse()
    answer(response.status, response.read())


def with_urllib():
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    passwords.add_password(None, URL, *LOGIN)
    opener = urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=CERTIFICATE)),
        urllib.request.HTTPBasicAuthHandler(passwords),
    )
    request = urllib.request.Request(URL, form(), {"Content-Type": content_type("urllib")})
    try:
        response = opener.open(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as refusal:
        response = refusal
    answer(response.status, response.read())


if sys.argv[1] == "version":
    print(platform.python_version())
elif sys.argv[1] == "urllib":
    with_urllib()
else:
    with_http_client(sys.argv[1])
