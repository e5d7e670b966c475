"""Where a worker tells how it is: ``/healthz``, ``/readyz`` and ``/metrics`` on one port."""

import errno
import socket
import socketserver
import threading
from collections.abc import Callable, Iterable
from typing import Any, Final, Self
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import structlog
from prometheus_client import make_wsgi_app

from models.errors import SettingsError
from sync.metrics import Metrics
from sync.patient import NO_ANSWER, Patient
from sync.settings import Settings

log = structlog.get_logger("rostersync.health")

#: Seconds for which a database is waited for: fewer than probes have.
_PATIENCE: Final = 3.0
#: Seconds after which a client that sends nothing is hung up on.
_SILENT: Final = 10
#: Seconds until the server sees that it is to stop.
_STOPS_WITHIN: Final = 0.1


class HealthServer:
    """Answers between ``start`` and ``stop``, or in a ``with``; not at all where ``settings.health_port`` is 0.

    ``alive`` says whether the process does its work, ``ready`` what it lacks to take syncs, in a sentence, or None. A database
    that does not answer (``ready`` says NO_ANSWER, or nothing in time) is no reason to restart a process, which stands still
    with it and goes on with it. ``start`` raises SettingsError when the port cannot be had.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        alive: Callable[[], bool],
        ready: Callable[[], str | None],
        *,
        patience: float = _PATIENCE,
    ) -> None:
        """``patience``: seconds for which ``ready`` is waited for."""
        self._address = settings.health_host, settings.health_port
        lacks = Patient(lambda: ready() or "", patience=patience)
        self._app = _app(make_wsgi_app(metrics.registry), alive, lacks)
        self._server: _Server | None = None

    @property
    def port(self) -> int:
        """The port that is answered on; 0 while there is none."""
        return self._server.server_port if self._server else 0

    @property
    def url(self) -> str:
        """The address that is answered on; "" while there is none."""
        host = f"[{self._address[0]}]" if ":" in self._address[0] else self._address[0]
        return f"http://{host}:{self.port}" if self.port else ""

    def start(self) -> None:
        host, port = self._address
        if port:
            self._server = _listening(host, port)
            self._server.set_app(self._app)
            threading.Thread(
                target=self._server.serve_forever, args=(_STOPS_WITHIN,), name="health", daemon=True
            ).start()

    def stop(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _app(metrics: WSGIApplication, alive: Callable[[], bool], lacks: Patient[str]) -> WSGIApplication:
    def lacking() -> str:
        found = lacks.answer()
        return NO_ANSWER if found is None else found

    def health() -> tuple[str, str]:
        if alive() or lacking() == NO_ANSWER:
            return "200 OK", "ok"
        return "503 Service Unavailable", "The scheduler of this worker stands still."

    def readiness() -> tuple[str, str]:
        sentence = lacking()
        return ("503 Service Unavailable", sentence) if sentence else ("200 OK", "ok")

    answers = {"/healthz": health, "/readyz": readiness}

    def answer(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path, head = environ["PATH_INFO"], environ["REQUEST_METHOD"] == "HEAD"
        if path not in (*answers, "/metrics"):
            return _text(start, "404 Not Found", "There are /healthz, /readyz and /metrics.", head)
        if not head and environ["REQUEST_METHOD"] != "GET":
            return _text(start, "405 Method Not Allowed", "Only GET and HEAD.", head, [("Allow", "GET, HEAD")])
        try:
            if path == "/metrics":
                body = list(metrics(environ | {"REQUEST_METHOD": "GET"}, start))
                return [] if head else body
            return _text(start, *answers[path](), head)
        except Exception as error:  # its text, which the server would print, may quote anything
            log.error("health could not be told", path=path, error=type(error).__name__)
            return _text(start, "500 Internal Server Error", "This could not be told; the log says more.", head)

    return answer


def _text(
    start: StartResponse, status: str, sentence: str, head: bool, headers: Iterable[tuple[str, str]] = ()
) -> list[bytes]:
    body = f"{sentence}\n".encode()
    kind = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
    start(status, [*kind, ("Cache-Control", "no-store"), *headers])
    return [] if head else [body]


class _Handler(WSGIRequestHandler):
    timeout = _SILENT

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (http.server's name)
        """A probe every few seconds is no news."""


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def server_bind(self) -> None:
        # http.server would ask the name service for this machine's name, which may take its time.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who hangs up in the middle is no news either; a traceback on stderr would be."""


class _Server6(_Server):
    address_family = socket.AF_INET6


def _listening(host: str, port: int) -> _Server:
    try:
        return (_Server6 if ":" in host else _Server)((host, port), _Handler)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            why = (
                f"The port {port} for health and metrics is taken by another process; set ROSTERSYNC_HEALTH_PORT to a free "
                "one, or to 0 for none."
            )
        else:
            why = (
                f"Health and metrics cannot be answered on {host}, port {port}; set ROSTERSYNC_HEALTH_HOST and "
                "ROSTERSYNC_HEALTH_PORT to an address of this machine and a free port, or the port to 0 for none."
            )
        raise SettingsError(why, type(error).__name__) from None
