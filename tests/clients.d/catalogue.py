"""All clients, in the order in which they run."""

import command_line
import programs


def cases(upload, packages, wanted):
    """The cases of the clients whose names `wanted` accepts. Nothing is installed for the others."""
    for client, cases in clients():
        if wanted(client):
            yield from cases(upload, packages)


def clients():
    """The name of each client and the function that yields its cases."""
    yield "curl", command_line.curl
    yield "wget", command_line.wget
    yield "HTTPie", command_line.httpie
    for library in programs.LIBRARIES:
        yield library.name, library.cases
