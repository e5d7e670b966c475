"""A prepared source in a process of its own: ``python -m benchmarks.api_server FORM DIRECTORY [LIMIT]``.

It serves the page bodies that ``fixtures.api.prepare`` wrote, on a free port of loopback, until its standard input ends.
The first line that it prints is its ``Address`` as JSON. ``LIMIT`` is how many requests a minute it answers.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from tests.servers import CleverServer, OneRosterServer, PreparedPages

FORMS: Final = ("oneroster11", "clever")


class Address(NamedTuple):
    """What a connection to the server is made of; ``settings`` as a person would type them."""

    host: str
    connector: str
    settings: dict[str, str]
    credentials: dict[str, str]


@contextmanager
def serving(form: str, pages: Path, limit: int = 1_000_000) -> Iterator[tuple[Address, Any]]:
    """Run the server; its address, and a function that ends it and answers what it counted."""
    command = [sys.executable, "-m", "benchmarks.api_server", form, str(pages), str(limit)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        address = msgspec.json.decode(process.stdout.readline(), type=Address)

        def counted() -> dict[str, int]:
            answer, _ = process.communicate()
            return dict(msgspec.json.decode(answer))

        try:
            yield address, counted
        finally:
            process.kill()


def main(form: str, pages: str, limit: str) -> None:
    """Serve until nobody listens any more; print how many requests were answered and how many refused."""
    prepared = PreparedPages(Path(pages))
    server: Any = CleverServer(prepared=prepared) if form == "clever" else OneRosterServer(prepared=prepared)
    with server:
        if form == "clever":
            server.rate_limit = int(limit)
        settings = server.settings(page_size=prepared.index.page_size)
        typed = {name: str(getattr(settings, name)) for name in _told(form)}
        credentials = msgspec.to_builtins(server.credentials())
        connector = "clever" if form == "clever" else "oneroster"
        sys.stdout.buffer.write(msgspec.json.encode(Address(server.host, connector, typed, credentials)) + b"\n")
        sys.stdout.flush()
        sys.stdin.read()
    refused = sum(request.status == 429 for request in server.requests)
    sys.stdout.buffer.write(msgspec.json.encode({"answered": len(server.requests) - refused, "refused": refused}))


def _told(form: str) -> tuple[str, ...]:
    if form == "clever":
        return ("district_id", "page_size", "api_url", "login_url")
    return ("base_url", "version", "auth", "token_url", "page_size")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3])
