"""What a Python program sends, and how it reports the answer."""

import os

URL = os.environ.get("UPLOAD_URL")
LOGIN = (os.environ.get("UPLOAD_USER"), os.environ.get("UPLOAD_PASSWORD"))
CERTIFICATE = os.environ.get("UPLOAD_CERTIFICATE")
FILE = os.environ.get("UPLOAD_FILE")
NAME_WITH_ACCENTS = 'Schüler "5a"; März.csv'
TIMEOUT_SECONDS = 100


def data():
    with open(FILE, "rb") as file:
        return file.read()


def answer(status, body):
    print(body if isinstance(body, str) else body.decode())
    print(status)
