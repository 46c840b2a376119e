import asyncio
import ssl
import sys

import httpx
from sent import CERTIFICATE, FILE, LOGIN, NAME_WITH_ACCENTS, TIMEOUT_SECONDS, URL, answer, data


def options():
    return {"auth": LOGIN, "verify": ssl.create_default_context(cafile=CERTIFICATE), "timeout": TIMEOUT_SECONDS}


def post(http1=True, http2=False, **body):
    with httpx.Client(http1=http1, http2=http2, **options()) as client:
        return client.post(URL, **body)


async def post_async():
    async with httpx.AsyncClient(**options()) as client:
        return await client.post(URL, files={"file": open(FILE, "rb")})


def files():
    return {"file": open(FILE, "rb")}


WAYS = {
    "files": lambda: post(files=files()),
    "async": lambda: asyncio.run(post_async()),
    "http2": lambda: post(http2=True, files=files()),
    "name": lambda: post(files={"file": (NAME_WITH_ACCENTS, data())}),
    "content-type": lambda: post(files=files(), headers={"Content-Type": "multipart/form-data"}),
    "content": lambda: post(content=open(FILE, "rb")),
}

if sys.argv[1] == "version":
    print(httpx.__version__)
else:
    response = WAYS[sys.argv[1]]()
    answer(response.status_code, response.content)
