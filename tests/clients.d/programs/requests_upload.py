import sys

import requests
from requests_toolbelt import MultipartEncoder
from sent import CERTIFICATE, FILE, LOGIN, NAME_WITH_ACCENTS, TIMEOUT_SECONDS, URL, answer, data


def post(**body):
    return requests.post(URL, auth=LOGIN, verify=CERTIFICATE, timeout=TIMEOUT_SECONDS, **body)


def chunked():
    encoder = MultipartEncoder({"file": ("users.csv", open(FILE, "rb"), "text/csv")})
    pieces = iter(lambda: encoder.read(64), b"")
    return post(data=pieces, headers={"Content-Type": encoder.content_type})


WAYS = {
    "files": lambda: post(files={"file": open(FILE, "rb")}),
    "tuple": lambda: post(files={"file": ("users.csv", data(), "text/csv")}),
    "text": lambda: post(files={"file": open(FILE, newline="").read()}),
    "name": lambda: post(files={"file": (NAME_WITH_ACCENTS, data())}),
    "chunked": chunked,
    "content-type": lambda: post(files={"file": open(FILE, "rb")}, headers={"Content-Type": "multipart/form-data"}),
    "content-type-csv": lambda: post(files={"file": open(FILE, "rb")}, headers={"Content-Type": "text/csv"}),
    "data": lambda: post(data=open(FILE, "rb")),
    "field": lambda: post(data={"file": data()}),
}

if sys.argv[1] == "version":
    print(requests.__version__)
else:
    response = WAYS[sys.argv[1]]()
    answer(response.status_code, response.content)
