"""A real HTTP/1.1 server on loopback that remembers what it was asked, and breaks where a test wants it to."""

import sys
import threading
import time
from abc import ABC, abstractmethod
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from connectors.http.client import HttpRules
from tests.servers.faults import Call, Fault
from tests.servers.messages import Recorded, Reply, Request


class Loopback(ABC):
    """A server on a free port of 127.0.0.1, running between ``with`` and its end.

    ``faults`` (see ``tests.servers.faults``) may be changed at any time. ``requests`` is all that came, ``late`` what came after
    ``no_more()``. ``date`` is what the Date header says (None: now).
    """

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.requests: list[Recorded] = []
        self.late: list[Recorded] = []
        self.date: datetime | None = None
        self._closed = False
        self._lock = threading.RLock()
        self._normal: dict[str, tuple[str, Reply]] = {}
        self._before: dict[str, Reply] = {}
        self._http = _Server(self)

    @abstractmethod
    def answer(self, request: Request) -> Reply:
        """What the vendor would answer. One request at a time."""

    @abstractmethod
    def revoke(self) -> None:
        """No token that was handed out so far is good any more; there are new ones where tokens come from."""

    @abstractmethod
    def unauthorized(self) -> Reply:
        """The vendor's 401."""

    @property
    def host(self) -> str:
        """host:port"""
        address, port = self._http.server_address[:2]
        return f"{address!s}:{port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def rules(self, **changes: Any) -> HttpRules:
        """Rules that let a client come here, with short timeouts."""
        known: dict[str, Any] = {
            "allowed_hosts": frozenset({self.host}),
            "connect_timeout": 5.0,
            "read_timeout": 5.0,
            "deadline": 10.0,
        }
        return HttpRules(**(known | changes))

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def no_more(self) -> None:
        """From here on every request is one too many: it gets a 503 and stands in ``late``."""
        self._closed = True

    def serve(self, request: Request) -> Reply:
        """The answer with whatever the faults make of it; remembered."""
        with self._lock:
            reply = Reply(503) if self._closed else self._with_faults(request, self._remembered(request))
            recorded = Recorded(request.method, request.path, request.query, 0 if reply.sent == -1 else reply.status)
            (self.late if self._closed else self.requests).append(recorded)
            return reply

    def _remembered(self, request: Request) -> Reply:
        """The vendor's answer; the one to the last other query of the same path is kept, for pages that come twice."""
        reply = self.answer(request)
        query, last = self._normal.get(request.path, (request.query, reply))
        if query != request.query:
            self._before[request.path] = last
        self._normal[request.path] = (request.query, reply)
        return reply

    def _with_faults(self, request: Request, reply: Reply) -> Reply:
        for fault in self.faults:
            if fault.strikes(request):
                reply = fault.action(Call(self, request, reply, self._before.get(request.path)))
        return reply


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, owner: Loopback) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.owner = owner
        self._open: set[Any] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Also end the connections that clients keep alive."""
        super().server_close()
        for request in list(self._open):
            self.shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is what some tests are about; all else must be seen."""
        if not isinstance(sys.exc_info()[1], OSError | ValueError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    #: Head and body leave together: two small packets would wait for each other for 40 ms.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request(self.command, path, query, self.headers, body)  # type: ignore[arg-type]
        self._send(self.server.owner.serve(request))

    do_POST = do_GET  # noqa: N815 (http.server's name)

    def _send(self, reply: Reply) -> None:
        if reply.sent == -1:
            self.close_connection = True
            return
        payload = reply.payload()
        date = self.server.owner.date or datetime.now(UTC)
        headers = {"Date": format_datetime(date, usegmt=True), "Content-Length": str(len(payload))}
        if payload:
            headers["Content-Type"] = "application/json; charset=utf-8"
        self.send_response_only(reply.status)
        for name, value in (headers | reply.headers).items():
            self.send_header(name, value)
        self.end_headers()
        if reply.sent is not None:
            payload, self.close_connection = payload[: reply.sent], True
        size = -(-len(payload) // reply.pieces) or 1
        for start in range(0, len(payload), size):
            if start:
                self.wfile.flush()
                time.sleep(reply.pause)
            self.wfile.write(payload[start : start + size])

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (http.server's name)
        return
