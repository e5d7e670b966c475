"""One session per run: every request of every connector goes through here."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Final, Generic, NamedTuple, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec
import requests
import structlog
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from connectors.http import failures
from connectors.http.auth import Auth, NoAuth, hint_of
from connectors.http.bodies import read_body
from connectors.http.connect import GuardedAdapter
from connectors.http.guard import Guard
from connectors.http.log import shown_path
from connectors.http.pace import Ask, Pace, Permits
from connectors.http.retry import Patience, Transient, retrying
from connectors.watch import Watch

T = TypeVar("T")
Query = Sequence[tuple[str, str]]

log = structlog.get_logger("rostersync.http")

#: The host's next minute never is further off, whatever was rounded; seconds.
_NEXT_MINUTE: Final = 90.0


class HttpRules(msgspec.Struct, frozen=True):
    """What the operator and a connection's settings allow. Times in seconds, sizes in bytes.

    ``allowed_hosts`` ("host" or "host:port") may be plain http and may have private addresses; all others must be https
    and public. ``requests_per_minute`` 0 means no limit of our own. ``tries`` is how often one request is made at most,
    ``patience`` how long a run may wait because tries failed, all its waits together (waits for the limit of requests are
    not among them: they are the speed we were told to go at). ``deadline`` is how long one answer may take to arrive.
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


#: Called with every answer that came, wanted or not, for ``rostersync record``. The request is the one that was sent: its
#: headers, query and form hold secrets.
Observer = Callable[[requests.PreparedRequest, Answer], None]


class HttpClient:
    """Makes requests by the rules, one at a time, with retries. Close it when the run ends."""

    def __init__(
        self,
        rules: HttpRules,
        watch: Watch,
        *,
        adapter: BaseAdapter | None = None,
        observe: Observer | None = None,
        permits: Ask | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``adapter`` stands for the network (replay; its responses need ``raw``); by default real connections are made.
        ``permits`` asks for a part of the requests per minute that several processes share, all hosts together. ``clock``
        gives Unix seconds."""
        self._rules = rules
        self._watch = watch
        self._observe = observe
        self._sleep = sleep
        self._clock = clock
        self._guard = Guard(rules.allowed_hosts)
        self._patience = Patience(rules.patience)
        self._paces: dict[str, Pace] = {}
        self._permits = Permits(permits, clock)
        #: Seconds waited so far because a limit of requests was reached.
        self.waited = 0.0
        self._session = _session(adapter or GuardedAdapter(self._guard, rules.deadline))

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
        return self._ask(_Call("GET", with_query(url, query), None, what, read, auth or NoAuth(), accept))

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
        return self._ask(_Call("POST", with_query(url, query), form, what, read, auth or NoAuth(), accept))

    def close(self) -> None:
        """Close all connections; may be called again."""
        self._session.close()

    # --- one request, as many tries as it takes -------------------------------------------------------------------------

    def _ask(self, call: "_Call[T]") -> T:
        tries = 0
        renewed = False

        def once() -> T:
            nonlocal tries, renewed
            tries += 1
            answer = self._exchange(call, tries)
            if answer.status == 401 and 401 not in call.accept and not renewed:
                renewed = True
                if call.auth.renew():
                    answer = self._exchange(call, tries)
            return self._judge(call, answer)

        def rest(seconds: float, failure: Transient) -> None:
            log.warning(
                "trying again",
                host=call.host,
                what=call.what,
                reason=failure.reason,
                seconds=round(seconds, 1),
                **{"try": tries},
            )
            self._pause(seconds, f"{call.what}: {failure.reason}")
            self.waited += seconds if failure.limit else 0.0

        try:
            return retrying(self._rules.tries, self._patience, rest)(once)
        except Transient as failure:
            last = failure
        raise failures.of_giving_up(last, tries, self._clock(), call.what, call.host, self._patience.left)

    def _judge(self, call: "_Call[T]", answer: Answer) -> T:
        if answer.status != 200 and answer.status not in call.accept:
            raise failures.of_status(
                answer.status, answer.headers, self._clock(), call.what, call.host, hint_of(call.auth)
            )
        try:
            return call.read(answer)
        except Torn as torn:
            raise Transient(torn.reason, torn=True) from None

    # --- one try --------------------------------------------------------------------------------------------------------

    def _exchange(self, call: "_Call[T]", tried: int) -> Answer:
        """Send a request once. Raises Transient if no whole answer came."""
        request = self._prepare(call)
        host = self._guard.check_url(request.url or "")
        pace = self._paces.setdefault(host, Pace(self._rules.requests_per_minute))
        self._keep(pace, call)
        call.auth.sign(request)
        self._keep(pace, call)  # signing may have asked the same host for a token
        self._permits.use()
        began = self._clock()
        try:
            answer = self._send(request, call.what, host)
        except Exception:
            pace.answered(self._clock(), {})
            raise
        pace.answered(self._clock(), answer.headers)
        log.debug(
            "answer",
            method=call.method,
            host=host,
            what=call.what,
            path=shown_path(request.url or ""),
            status=answer.status,
            bytes=len(answer.body),
            ms=round((self._clock() - began) * 1000),
            **{"try": tried},
        )
        if self._observe:
            self._observe(request, answer)
        return answer

    def _prepare(self, call: "_Call[T]") -> requests.PreparedRequest:
        # Anew for every try: a load balancer's cookies may have come with the last one.
        data = None if call.form is None else list(call.form)
        try:
            return self._session.prepare_request(requests.Request(call.method, call.url, data=data))
        except (requests.RequestException, ValueError):
            pass
        raise failures.of_address(call.what)

    def _send(self, request: requests.PreparedRequest, what: str, host: str) -> Answer:
        timeouts = (self._rules.connect_timeout, self._rules.read_timeout)
        try:
            response = self._session.send(request, stream=True, allow_redirects=False, timeout=timeouts)
            with closing(response):
                body = read_body(response.raw, self._rules.most_bytes)
            return Answer(response.status_code, CaseInsensitiveDict(response.headers), body)
        except failures.SENDING_FAILS as error:
            failure = failures.of_sending(error, what, host, self._rules.most_bytes)
        # Raised out here, so that the library's error is not its context: such errors quote addresses with their query.
        raise failure

    # --- waiting --------------------------------------------------------------------------------------------------------

    def _keep(self, pace: Pace, call: "_Call[T]") -> None:
        """Wait until pace and permits allow another request."""
        self._keep_for(pace.wait(self._clock()), call)
        while seconds := self._permits.wait():
            self._keep_for(seconds, call)

    def _keep_for(self, seconds: float, call: "_Call[T]") -> None:
        if seconds > max(_NEXT_MINUTE, self._patience.left):
            raise failures.of_window(seconds, self._clock(), call.what, call.host)
        if seconds > 0:
            allowed = self._rules.requests_per_minute
            why = f"the source allows {allowed:,} requests a minute" if allowed else "the source's limit"
            self._pause(seconds, why)
            self.waited += seconds

    def _pause(self, seconds: float, why: str) -> None:
        """Wait, in slices so small that a person who stops the run need not wait as well."""
        if seconds >= 1:
            self._watch.waiting(seconds, why)
        while seconds > 0:
            self._watch.checkpoint()
            self._sleep(min(seconds, 1.0))
            seconds -= 1
        self._watch.checkpoint()


class _Call(NamedTuple, Generic[T]):
    """What a caller asked for; ``form`` None means a GET."""

    method: str
    url: str
    form: Query | None
    what: str
    read: Callable[[Answer], T]
    auth: Auth
    accept: frozenset[int]

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """None is followed; requests would read the whole body of one merely to say where it leads."""


def _session(adapter: BaseAdapter) -> requests.Session:
    session = _Session()
    # Else a .netrc would overwrite what an Auth has signed, and proxies would come from the environment.
    session.trust_env = False
    session.headers.update({"User-Agent": "rostersync", "Accept": "application/json", "Accept-Encoding": "gzip"})
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def with_query(url: str, query: Query) -> str:
    """An address with a query, all of it percent-encoded: "+" for a blank is not understood by every source
    (reference/oneroster-classlink.md, 1.4, trap 2)."""
    if not query:
        return url
    return f"{url}{'&' if '?' in url else '?'}{urlencode(query, safe='', quote_via=quote)}"
