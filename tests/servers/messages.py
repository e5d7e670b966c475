"""What goes over the wire, for servers and faults."""

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import msgspec


class Request(NamedTuple):
    """What came, as it came: ``path`` and ``query`` are not decoded."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def target(self) -> str:
        """Path and query, as in the request line."""
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def params(self) -> dict[str, str]:
        return dict(parse_qsl(self.query, keep_blank_values=True))

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


class Reply(msgspec.Struct, frozen=True):
    """What is answered: a JSON ``document`` or a ``body``.

    ``envelope`` names the list of records in the document, for faults that change them. ``sent`` cuts the connection after
    so many bytes of what Content-Length promises (-1: before the first byte of all). ``pieces`` and ``pause`` (seconds): the
    body drips.
    """

    status: int = 200
    document: Any = None
    body: bytes = b""
    headers: dict[str, str] = {}
    envelope: str = ""
    sent: int | None = None
    pieces: int = 1
    pause: float = 0.0

    def payload(self) -> bytes:
        return self.body if self.document is None else msgspec.json.encode(self.document)

    def but(self, **changes: Any) -> "Reply":
        """The same with some of it changed; headers are added to those that are there."""
        headers = self.headers | changes.pop("headers", {})
        return msgspec.structs.replace(self, headers=headers, **changes)


class Recorded(NamedTuple):
    """One request and the status that it got (0: none)."""

    method: str
    path: str
    query: str
    status: int
