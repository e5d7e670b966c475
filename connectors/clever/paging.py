"""Clever's lists, page by page: read to their end and counted, or not taken for whole (reference/clever.md, 2.2)."""

from array import array
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

import numpy as np

from connectors.clever.answers import HasId, ListPage, Malformed, next_query, page_reader, read_count
from connectors.http.auth import Auth
from connectors.http.client import Answer, HttpClient, Query
from connectors.watch import Watch
from models.errors import SettingsError, SourceProtocolError
from models.records import keys_of

T = TypeVar("T")
R = TypeVar("R", bound=HasId)
R_contra = TypeVar("R_contra", bound=HasId, contravariant=True)


class Taker(Protocol[R_contra]):
    """Makes records of what a list holds."""

    def take(self, records: Sequence[R_contra | Malformed], first: int) -> None:
        """``first`` is the position of the page's first record in the list, from 1 on."""
        ...


TakerT = TypeVar("TakerT", bound=Taker[Any])


class Collected(NamedTuple, Generic[TakerT]):
    """A list that was read: who took its records, how many there were, and why it may not be whole ("" if it is)."""

    taker: TakerT
    rows: int
    doubt: str


class _Stuck(Exception):  # noqa: N818 (it never leaves this module)
    """The pages go round in a circle."""


_OK: Final = 200
_REFUSED: Final = 403
_NOT_THERE: Final = 404


class Lists:
    """The lists of the district that a token is for: ``{api_url}/{version}/{name}``."""

    def __init__(self, http: HttpClient, auth: Auth, api_url: str, version: str, page_size: int, watch: Watch) -> None:
        self._http = http
        self._auth = auth
        self._api_url = api_url.rstrip("/")
        self._version = version
        self._page_size = page_size
        self._watch = watch

    def ask(self, name: str, query: Query, read: Callable[[Answer], T]) -> T | None:
        """One answer of a list; None if Clever refuses it (403). Raises SettingsError where there is no such list (404)."""

        def judge(answer: Answer) -> tuple[int, T | None]:
            return answer.status, read(answer) if answer.status == _OK else None

        status, found = self._http.get(
            f"{self._api_url}/{self._version}/{name}",
            query,
            what=name,
            read=judge,
            auth=self._auth,
            accept=frozenset({_REFUSED, _NOT_THERE}),
        )
        if status == _NOT_THERE:
            # The wrong sort of token or product, never "empty" (reference/clever.md, 3.2).
            raise SettingsError(
                f"Clever has no {name} for this token. It must be the district token of an app with Secure Sync: check "
                "the credentials, and with Clever what your app may use; check api_url if you changed it.",
                f"{name}: status 404",
            )
        return found

    def collect(self, name: str, shape: type[R], start: Callable[[], TakerT]) -> Collected[TakerT] | None:
        """Read a list to its end; None if Clever refuses it (403).

        ``start`` makes a ``Taker`` of ``shape``. Where the list is not as long as Clever says, it is read once more from
        its beginning, for a new taker: Clever syncs the district under us, and restored records come back behind our
        cursor. Raises SettingsError for a list that does not exist, SourceProtocolError for one that has no end or leads
        elsewhere, and what the client raises.
        """
        read = page_reader(shape)
        found, stuck = None, ""
        for _ in range(2):
            expected = self.ask(name, [("count", "true")], read_count)
            taker = start()
            try:
                ids = self._pages(name, read, taker, expected or 0)
            except _Stuck as circle:
                found, stuck = None, str(circle)
                continue
            if ids is None:
                return None
            found = Collected(taker, len(ids), _doubt(name, ids, expected))
            if not found.doubt:
                break
        if found is None:
            raise SourceProtocolError(
                f"Clever's pages of {name} go round in a circle. Try again later; if it stays so, tell Clever's support.",
                f"{name}: {stuck}",
            )
        return found

    def _pages(
        self, name: str, read: Callable[[Answer], ListPage[R]], taker: Taker[R], expected: int
    ) -> "array[int] | None":
        """Hand a list's records to ``taker``; the keys of their ids, None if Clever refuses the list."""
        query: Query = [("limit", str(self._page_size))]
        asked: set[tuple[tuple[str, str], ...]] = set()
        beginnings: set[str] = set()
        ids = array("Q")
        while True:
            asked.add(tuple(query))
            page = self.ask(name, query, read)
            if page is None:
                return None
            if page.records:
                beginning = page.records[0].id
                if beginning and beginning in beginnings:
                    raise _Stuck("a page came twice")
                beginnings.add(beginning)
                taker.take(page.records, len(ids) + 1)
                ids.extend(keys_of(record.id for record in page.records))
            self._watch.page(name, len(asked), len(ids), expected)
            # The end is where no next link is: a full page may be the last one, and an empty one may follow it.
            following = next_query(page.links, self._api_url, f"/{self._version}/{name}", name)
            if following is None:
                return ids
            query = following
            if tuple(query) in asked:
                raise _Stuck("a next link leads back")


def _doubt(name: str, ids: "array[int]", expected: int | None) -> str:
    """Why a list that came to its end may not be whole all the same; "" if every record came."""
    if expected is None:
        return f"Clever does not say how many {name} there are"
    different = len(np.unique(np.frombuffer(ids, dtype=np.uint64))) if ids else 0
    return "" if different == expected else f"Clever counts {expected} {name} and sent {different}"
