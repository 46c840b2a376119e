import sys

import urllib3
from sent import CERTIFICATE, LOGIN, NAME_WITH_ACCENTS, TIMEOUT_SECONDS, URL, answer, data

WAYS = {
    "fields": lambda: {"file": ("users.csv", data())},
    "name": lambda: {"file": (NAME_WITH_ACCENTS, data())},
    "field": lambda: {"file": data()},
}

if sys.argv[1] == "version":
    print(urllib3.__version__)
else:
    pool = urllib3.PoolManager(ca_certs=CERTIFICATE, timeout=TIMEOUT_SECONDS, retries=False)
    headers = urllib3.make_headers(basic_auth=":".join(LOGIN))
    response = pool.request("POST", URL, headers=headers, fields=WAYS[sys.argv[1]]())
    answer(response.status, response.data)
