import asyncio
import ssl
import sys

import aiohttp
from sent import CERTIFICATE, FILE, LOGIN, NAME_WITH_ACCENTS, TIMEOUT_SECONDS, URL, answer, data


def form(*value, **options):
    form = aiohttp.FormData()
    form.add_field("file", *value, **options)
    return form


def files():
    return {"file": open(FILE, "rb")}


WAYS = {
    "files": lambda: {"data": files()},
    "form": lambda: {"data": form(data(), filename="users.csv", content_type="text/csv")},
    "text": lambda: {"data": form(data().decode(), filename="users.csv")},
    "name": lambda: {"data": form(data(), filename=NAME_WITH_ACCENTS)},
    "chunked": lambda: {"data": files(), "chunked": True},
    "expect": lambda: {"data": files(), "expect100": True},
    "compress": lambda: {"data": files(), "compress": "gzip"},
    "field": lambda: {"data": form(data().decode(), content_type="text/plain")},
    "data": lambda: {"data": open(FILE, "rb")},
}


async def post(**body):
    context = ssl.create_default_context(cafile=CERTIFICATE)
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    async with aiohttp.ClientSession(auth=aiohttp.BasicAuth(*LOGIN), timeout=timeout) as session:
        async with session.post(URL, ssl=context, **body) as response:
            answer(response.status, await response.read())


if sys.argv[1] == "version":
    print(aiohttp.__version__)
else:
    asyncio.run(post(**WAYS[sys.argv[1]]()))
