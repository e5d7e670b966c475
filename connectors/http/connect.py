"""Real connections: to addresses that the guard lets through, and read no longer than one answer may take."""

import io
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from http.client import HTTPResponse
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from connectors.http.guard import Guard


class GuardedAdapter(HTTPAdapter):
    """Connects for a session. ``deadline``: seconds from a request's last byte to its answer's last."""

    def __init__(self, guard: Guard, deadline: float) -> None:
        self._rules: dict[str, Any] = {"guard": guard, "deadline": deadline}
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {
            "http": self._pools(HTTPConnectionPool, _Connection),
            "https": self._pools(HTTPSConnectionPool, _SecureConnection),
        }

    def _pools(
        self, pool_class: type[HTTPConnectionPool], connection_class: type[HTTPConnection]
    ) -> Callable[..., HTTPConnectionPool]:
        def make(host: str, port: int, **options: Any) -> HTTPConnectionPool:
            pool = pool_class(host, port, **options)
            pool.ConnectionCls = partial(connection_class, **self._rules)  # type: ignore[assignment]
            return pool

        return make


class _Connection(HTTPConnection):
    def __init__(self, *args: Any, guard: Guard, deadline: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._guard = guard
        self.response_class = partial(_PunctualResponse, deadline=deadline)  # type: ignore[assignment]

    def _new_conn(self) -> socket.socket:
        """Raises SettingsError for an address that is not public, before TLS begins or any byte is sent."""
        # Looked up first, so that no address inside is even knocked at; and asked of the connection that was made, since
        # the name may lead elsewhere a moment later.
        for address in self._addresses():
            self._guard.check_address(self.host, self.port, address)
        connected = super()._new_conn()
        try:
            self._guard.check_address(self.host, self.port, connected.getpeername()[0])
        except BaseException:
            connected.close()
            raise
        return connected

    def _addresses(self) -> list[str]:
        with suppress(OSError, UnicodeError):  # connecting meets the same, and says so
            found = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
            return [str(address[0]) for *_, address in found]
        return []


class _SecureConnection(_Connection, HTTPSConnection):
    """The same over TLS."""


class _PunctualResponse(HTTPResponse):
    """An answer that must have come whole by the deadline, headers and all: without one, a byte now and then would keep a
    run waiting for ever, as a read timeout begins anew with each."""

    def __init__(self, sock: socket.socket, *args: Any, deadline: float, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_UntilDeadline(sock, self.fp.detach(), time.monotonic() + deadline), 65_536)


class _UntilDeadline(io.RawIOBase):
    def __init__(self, sock: socket.socket, raw: io.RawIOBase, deadline: float) -> None:
        super().__init__()
        self._sock = sock
        self._raw = raw
        self._deadline = deadline
        self._timeout = sock.gettimeout() or deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer took too long as a whole")
        self._sock.settimeout(min(self._timeout, left))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()
