"""Exchanges with a source as JSON lines (gzipped where the file's name ends in ``.gz``): written while a sync goes on, and
played back in place of the network."""

import gzip
import io
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Any, Final, Literal, cast
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec
import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPResponse

from connectors.http.client import Answer
from connectors.recording.clean import Cleaner, is_secret
from models.errors import SettingsError, StoppedError

Failure = Literal["timeout", "connection"]

_IN_MEMORY: Final = 8 * 2**20
_FAILURES: Final[dict[Failure, type[requests.RequestException]]] = {
    "timeout": requests.ReadTimeout,
    "connection": requests.ConnectionError,
}
#: Left out of a line only as this very object.
_NO_JSON: Final = msgspec.Raw(b"")


class Exchange(msgspec.Struct, frozen=True, omit_defaults=True):
    """One request and what came of it. ``url`` is path and query, without the host.

    The body is ``json`` (any value), or ``text`` as it was sent (HTML, torn JSON); neither stands for an empty one. ``failure``
    says that no answer came at all.
    """

    method: str
    url: str
    status: int = 200
    headers: dict[str, str] = {}
    json: msgspec.Raw = _NO_JSON
    text: str = ""
    failure: Failure | None = None

    @property
    def body(self) -> bytes:
        return bytes(self.json) or self.text.encode()


_decode = msgspec.json.Decoder(Exchange).decode
_encode = msgspec.json.Encoder().encode


class Recorder:
    """Observes an HttpClient and writes what it sees, cleaned, as it comes. Use as a context manager."""

    def __init__(self, path: Path, cleaner: Cleaner) -> None:
        self._cleaner = cleaner
        self._file = _open(path, "wb")
        self.exchanges = 0

    def __call__(self, request: requests.PreparedRequest, answer: Answer) -> None:
        """An answer came, wanted or not."""
        body = self._cleaner.body(answer.body)
        exchange = Exchange(
            request.method or "GET",
            self._cleaner.path(_on_the_wire(request)),
            answer.status,
            self._cleaner.headers(answer.headers),
            json=_NO_JSON if body.json is None else msgspec.Raw(body.json),
            text=body.text or "",
        )
        self._file.write(_encode(exchange) + b"\n")
        self._file.flush()
        self.exchanges += 1

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


class ReplayAdapter(BaseAdapter):
    """Answers from a file of exchanges, whatever the host: for ``HttpClient(adapter=…)``. Close it afterwards.

    Requests are told apart by method, path and query (in any order, secrets left out). Several answers to one request come one
    after the other; a request for which no answer is left raises StoppedError, since any answer would be made up.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._lines = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
        self._left: dict[str, list[int]] = defaultdict(list)
        self._build = HTTPAdapter().build_response
        for line, exchange in _exchanges(path):
            self._left[_key(exchange.method, exchange.url)].append(self._lines.tell())
            self._lines.write(line)
        for places in self._left.values():
            places.reverse()

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """The next recorded answer to this request."""
        method, url = request.method or "GET", _on_the_wire(request)
        places = self._left.get(_key(method, url))
        if not places:
            more = "no further answer" if places is not None else "no answer"
            raise StoppedError(
                "The recording does not hold all that the connector asked for; it was made with other settings or code.",
                f"{more} to {method} {_shown(url)}",
            )
        self._lines.seek(places.pop())
        exchange = _decode(self._lines.readline())
        if exchange.failure:
            raise _FAILURES[exchange.failure](request=request)
        answer = HTTPResponse(
            io.BytesIO(exchange.body), exchange.headers, exchange.status, preload_content=False, request_method=method
        )
        return self._build(request, answer)

    def unasked(self) -> int:
        """How many recorded answers nobody has asked for."""
        return sum(map(len, self._left.values()))

    def close(self) -> None:
        self._lines.close()


def _open(path: Path, mode: Literal["rb", "wb"]) -> IO[bytes]:
    file: Any = gzip.open(path, mode) if path.suffix == ".gz" else path.open(mode)  # noqa: SIM115 (closed by the caller)
    return cast(IO[bytes], file)


def _exchanges(path: Path) -> Iterator[tuple[bytes, Exchange]]:
    """The lines of a file, and what they say. Raises SettingsError for a file that is none of exchanges."""
    number = 0
    try:
        with _open(path, "rb") as file:
            for line in file:
                number += 1
                if line.strip():
                    yield line.rstrip(b"\n") + b"\n", _decode(line)
    except msgspec.DecodeError as error:
        raise SettingsError(f"Line {number} of {path} is not a recorded exchange.", str(error)) from None
    except (OSError, EOFError) as error:
        raise SettingsError(f"{path} cannot be read.", type(error).__name__) from None


def _on_the_wire(request: requests.PreparedRequest) -> str:
    """Path and query as they are sent."""
    parts = urlsplit(request.url or "")
    return f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"


def _key(method: str, url: str) -> str:
    """What tells requests apart, whichever way they are escaped: "%2F" in a segment is not a slash between segments."""
    parts = urlsplit(url)
    query = sorted((name, value) for name, value in parse_qsl(parts.query, True) if not is_secret(name))
    return _encode((method, [unquote(segment) for segment in parts.path.split("/")], query)).decode()


def _shown(url: str) -> str:
    """A URL for an error's text: no secret that stands in its query."""
    path, _, query = url.partition("?")
    return path + "".join(f" {name}={value}" for name, value in parse_qsl(query, True) if not is_secret(name))
