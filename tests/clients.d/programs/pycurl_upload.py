import io
import sys

import pycurl
from sent import CERTIFICATE, FILE, LOGIN, TIMEOUT_SECONDS, URL, answer, data

WAYS = {
    "file": lambda curl: curl.setopt(curl.HTTPPOST, [("file", (curl.FORM_FILE, FILE))]),
    "buffer": lambda curl: curl.setopt(
        curl.HTTPPOST, [("file", (curl.FORM_BUFFER, "users.csv", curl.FORM_BUFFERPTR, data()))]
    ),
    "http1.0": lambda curl: (curl.setopt(curl.HTTP_VERSION, curl.CURL_HTTP_VERSION_1_0), WAYS["file"](curl)),
}

if sys.argv[1] == "version":
    print(pycurl.version_info()[1])
else:
    curl, received = pycurl.Curl(), io.BytesIO()
    curl.setopt(curl.URL, URL)
    curl.setopt(curl.USERPWD, ":".join(LOGIN).encode())
    curl.setopt(curl.CAINFO, CERTIFICATE)
    curl.setopt(curl.TIMEOUT, TIMEOUT_SECONDS)
    curl.setopt(curl.WRITEDATA, received)
    WAYS[sys.argv[1]](curl)
    curl.perform()
    answer(curl.getinfo(curl.RESPONSE_CODE), received.getvalue())
