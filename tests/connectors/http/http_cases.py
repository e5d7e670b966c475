"""What the tests of the HTTP layer share: a clock that only sleeping moves, answers by a script, and servers on loopback."""

import io
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.message import Message
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from requests import PreparedRequest, Response
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPResponse

from connectors.http.client import Answer, HttpClient, HttpRules
from connectors.watch import Watch
from models.progress import Progress

HOST = "sis.example.org"
BASE = f"https://{HOST}/ims/oneroster/v1p1"


class FakeClock:
    """``slept`` are all sleeps, in seconds."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    @property
    def waited(self) -> float:
        return sum(self.slept)


class Say(NamedTuple):
    """An answer to be given."""

    status: int = 200
    headers: Mapping[str, str] = {}
    body: bytes = b"{}"


class Script(BaseAdapter):
    """Stands for the network: gives one answer after the other, or raises it, and keeps what was asked."""

    def __init__(self, *steps: Say | Exception | Callable[[PreparedRequest], Say]) -> None:
        super().__init__()
        self.steps = list(steps)
        self.asked: list[PreparedRequest] = []

    def send(self, request: PreparedRequest, *_args: Any, **_options: Any) -> Response:
        self.asked.append(request)
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if isinstance(step, Exception):
            raise step
        say = step if isinstance(step, Say) else step(request)
        raw = HTTPResponse(io.BytesIO(say.body), say.headers, say.status, preload_content=False)
        return HTTPAdapter().build_response(request, raw)

    def close(self) -> None:
        return


class Told:
    """What a run was told of waiting, and whether it is to stop."""

    def __init__(self) -> None:
        self.waits: list[Progress] = []
        self.stop_after: int | None = None
        self.asked = 0

    def cancelled(self) -> bool:
        self.asked += 1
        return self.stop_after is not None and self.asked > self.stop_after

    @property
    def watch(self) -> Watch:
        return Watch(self.waits.append, self.cancelled)


class Scripted(NamedTuple):
    client: HttpClient
    script: Script
    clock: FakeClock
    told: Told


def scripted(*steps: Say | Exception | Callable[[PreparedRequest], Say], **rules: Any) -> Scripted:
    script, clock, told = Script(*steps), FakeClock(), Told()
    client = HttpClient(HttpRules(**rules), told.watch, adapter=script, sleep=clock.sleep, clock=clock)
    return Scripted(client, script, clock, told)


def body_of(answer: Answer) -> bytes:
    return answer.body


def http_date(time: float) -> str:
    return formatdate(time, usegmt=True)


# --- loopback ---------------------------------------------------------------------------------------------------------


class Seen(NamedTuple):
    """A request as a server got it."""

    path: str
    headers: Message
    client_address: tuple[str, int]


class Handler(BaseHTTPRequestHandler):
    """A server's side of one connection; ``answer`` (of the server) is called for every request."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server: Any = self.server
        server.seen.append(Seen(self.path, self.headers, self.client_address))
        server.answer(self)

    do_POST = do_GET  # noqa: N815

    def say(self, status: int = 200, body: bytes = b"{}", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            if name != "Content_Length" or "Transfer_Encoding" not in headers:
                self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: Any) -> None:
        return


class Loopback(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, answer: Callable[[Handler], None]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = answer
        self.seen: list[Seen] = []

    def handle_error(self, *_args: Any) -> None:
        return  # clients that go away in the middle are what is tested

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def loopback(answer: Callable[[Handler], None]) -> Iterator[Loopback]:
    """A server whose every answer ``answer`` writes."""
    server = Loopback(answer)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def real_client(**changes: Any) -> HttpClient:
    """Makes real connections; never sleeps, and tries once unless told otherwise."""
    rules = {"allowed_hosts": frozenset({"127.0.0.1"}), "tries": 1, "connect_timeout": 2.0, "read_timeout": 2.0}
    return HttpClient(HttpRules(**(rules | changes)), Watch(), sleep=lambda _seconds: None)  # type: ignore[arg-type]
