"""The files that schemathesis uploads: rosters, which it cannot know from the document, since to that a file is bytes.

Loaded by schemathesis (SCHEMATHESIS_HOOKS). The bytes that it has made up for a file choose the roster, so a case that it
repeats or shrinks uploads the same one."""

import csv
import io
import random

import schemathesis

USER_COLUMNS = [
    "given name", "surname", "Email", "graduationyear", "barcode", "adminsystemid", "gender", "password", "formclass",
    "enabled", "staffmember", "presentationgrouplabel", "unheard of",
]
CELLS = [
    "", " ", "jane", "Zoë", "李", "y", "n", "yes", "maybe", "2031", "31", "M", "x", "jane@example.org", "jane@", "a,b", 'a"b',
    "two\nlines", "\u200bx", "x" * 300, "\x01", "=1+1", "NULL",
]

ENCODINGS = ["utf-8", "utf-8-sig", "utf-16"]
# What every roster begins with.
BEGINNINGS = tuple("username".encode(encoding) for encoding in ENCODINGS)


def roster(seed, is_groups):
    """A CSV file that the endpoint takes, with good and bad rows."""
    chance = random.Random(seed)
    if is_groups:
        columns = ["library-group", "system-group"]
    else:
        columns = chance.sample(USER_COLUMNS, chance.randrange(len(USER_COLUMNS) + 1))
    text = io.StringIO()
    writer = csv.writer(text, delimiter=chance.choice(",;\t"), lineterminator=chance.choice(["\n", "\r\n"]))
    writer.writerow(["username", *columns])
    for row in range(chance.choice([0, 1, 1, 2, 5, 40])):
        username = chance.choice([f"user{chance.randrange(50)}", f"new{row}", *CELLS])
        writer.writerow([username, *(chance.choice(CELLS) for _ in columns)])
    return text.getvalue().encode(chance.choice(ENCODINGS))


@schemathesis.hook
def before_call(context, case, kwargs):
    body = case.body
    if not isinstance(body, dict) or "file" not in body:
        return
    file = body["file"]
    # schemathesis's own type for the bytes of a file. Anything else is a wrong value, which is what such a case is about.
    data = getattr(file, "data", None)
    if isinstance(data, bytes) and not data.startswith(BEGINNINGS):
        is_groups = case.operation.path.endswith("/userGroups")
        case.body = {**body, "file": type(file)(roster(data, is_groups))}
        # Or the body would be judged anew, and bytes are no JSON. The version in requirements.txt has this method.
        case._record_starting_state()
