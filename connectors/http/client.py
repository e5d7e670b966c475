"""One session per run: every request of every connector goes through here."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import msgspec
import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from connectors.http.auth import Auth, NoAuth
from connectors.watch import Watch
from models.errors import SourceProtocolError, SourceUnavailableError

T = TypeVar("T")
Query = Sequence[tuple[str, str]]


class HttpRules(msgspec.Struct, frozen=True):
    """What the operator and a connection's settings allow. Times in seconds, sizes in bytes.

    ``allowed_hosts`` ("host" or "host:port") may be plain http and may have private addresses; all others must be https
    and public. ``requests_per_minute`` 0 means no limit of our own. ``patience`` is how long all waits of a run together
    may last, ``tries`` how often one request is made at most, ``deadline`` how long one answer may take to arrive.
    """

    allowed_hosts: frozenset[str] = frozenset()
    requests_per_minute: int = 0
    tries: int = 6
    patience: float = 900.0
    connect_timeout: float = 10.0
    read_timeout: float = 120.0
    deadline: float = 300.0
    most_bytes: int = 256_000_000


class Answer(NamedTuple):
    """One answer, whole. ``headers`` are case-insensitive; ``body`` is decompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Torn(Exception):  # noqa: N818 (it never leaves the connectors)
    """What a ``read`` function raises for a body that is not what it should be (torn JSON, HTML with status 200, no
    envelope): worth another try, since most such answers come from a gateway. ``reason`` says what, never a payload."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


#: Called with every answer that came, wanted or not, for ``rostersync record``.
Observer = Callable[[requests.PreparedRequest, Answer], None]


class HttpClient:
    """Makes requests by the rules, with retries. Close it when the run ends."""

    def __init__(
        self,
        rules: HttpRules,
        watch: Watch,
        *,
        adapter: BaseAdapter | None = None,
        observe: Observer | None = None,
    ) -> None:
        """``adapter`` stands for the network (replay); by default real connections are made."""
        self._session = requests.Session()
        if adapter:
            self._session.mount("https://", adapter)
            self._session.mount("http://", adapter)
        self._rules = rules
        self._watch = watch
        self._observe = observe

    def get(
        self,
        url: str,
        query: Query = (),
        *,
        what: str,
        read: Callable[[Answer], T],
        auth: Auth | None = None,
        accept: frozenset[int] = frozenset(),
    ) -> T:
        """GET and return what ``read`` makes of the answer.

        ``what`` names the request in messages and logs ("users"): never an id of a person. ``url`` and ``query`` must hold no
        secret; the query is percent-encoded with ``%20``. A status of 200, or one in ``accept``, goes to ``read`` at
        once (an accepted 502 is not tried again). All else is an error after as many tries as the rules allow:
        SettingsError (a redirect, a forbidden address), CredentialsRefusedError (401 that renewing does not mend, 403),
        SourceUnavailableError (no connection, 429, 5xx), SourceProtocolError (any other status; a body that stays torn,
        too large), CancelledError.
        """
        return self._ask("GET", url, query, None, what, read, auth or NoAuth(), accept)

    def post(
        self,
        url: str,
        form: Query,
        *,
        what: str,
        read: Callable[[Answer], T],
        auth: Auth | None = None,
        query: Query = (),
        accept: frozenset[int] = frozenset(),
    ) -> T:
        """POST a form (for tokens) and return what ``read`` makes of the answer; errors as ``get``."""
        return self._ask("POST", url, query, form, what, read, auth or NoAuth(), accept)

    def _ask(
        self,
        method: str,
        url: str,
        query: Query,
        form: Query | None,
        what: str,
        read: Callable[[Answer], T],
        auth: Auth,
        accept: frozenset[int],
    ) -> T:
        request = self._session.prepare_request(
            requests.Request(method, url, params=list(query), data=list(form) if form is not None else None)
        )
        auth.sign(request)
        response = self._session.send(request, allow_redirects=False, timeout=(10, 120))
        answer = Answer(response.status_code, CaseInsensitiveDict(response.headers), response.content)
        if self._observe:
            self._observe(request, answer)
        if answer.status != 200 and answer.status not in accept:
            raise SourceUnavailableError("The source did not answer.", f"{what}: status {answer.status}")
        try:
            return read(answer)
        except Torn as torn:
            raise SourceProtocolError("The source's answer cannot be read.", f"{what}: {torn.reason}") from None

    def close(self) -> None:
        self._session.close()
