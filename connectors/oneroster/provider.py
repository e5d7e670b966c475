"""How one provider is asked for a page, and what is learned of it while it is."""

from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple

from msgspec import structs

from connectors.http.client import Answer, Torn
from connectors.oneroster.delta import iso_utc
from connectors.oneroster.endpoint import Endpoint, PullSettings
from connectors.oneroster.envelope import Collection, Decoded, read_count
from connectors.source import Access
from models.connections import Memory
from models.errors import CredentialsRefusedError

#: The page was too heavy for it (reference/oneroster-classlink.md, 1.5): asked again in smaller pieces.
TOO_HEAVY: Final = frozenset({502, 504})
#: It does not understand the question: sort and filter are left away one after the other.
NOT_UNDERSTOOD: Final = frozenset({400, 422})
#: It has no such collection.
NOT_OFFERED: Final = frozenset({404, 405, 501})


class PageAnswer(NamedTuple):
    """A page, or the status of an answer that was accepted instead of one."""

    decoded: Decoded
    answer: Answer

    @property
    def status(self) -> int:
        return self.decoded.status

    @property
    def total(self) -> int | None:
        """How many records the collection has, where the provider says so: in a header, or in the body."""
        header = read_count(self.answer.headers.get("X-Total-Count"))
        return self.decoded.total if header is None else header


class Provider:
    """A OneRoster provider during one pull.

    ``since`` is the time from which on changes only are asked for; None for everything. ``refused`` are the options of a
    query ("sort", "filter") that it does not understand, ``page_limit`` the page sizes beyond which it does not go, by
    collection. ``started`` is its own time at the first answer, in UTC.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        settings: PullSettings,
        access: Access,
        inspect: Callable[[Answer], None],
    ) -> None:
        self.page_size = settings.page_size
        self.refused = set(access.memory.refused)
        self.page_limit = dict(access.memory.page_limit)
        self.since: str | None = None
        self.started = ""
        self.watch = access.watch
        self._endpoint = endpoint
        self._sort = settings.sort
        self._access = access
        self._inspect = inspect

    def begin(self, since: str | None) -> None:
        """A pull begins, or begins anew."""
        self.since = since
        self.started = ""

    def options(self, collection: Collection) -> frozenset[str]:
        """What the query for a collection says beyond limit and offset."""
        wanted = {"sort"} if self._sort else set()
        if self.since and collection.delta:
            wanted.add("filter")
        return frozenset(wanted - self.refused)

    def ask(
        self, collection: Collection, limit: int, offset: int, options: frozenset[str], accept: frozenset[int]
    ) -> PageAnswer:
        """One page, or an answer with one of the statuses in ``accept``. Raises RosterSyncError, SourceChangedError."""
        query = [("limit", str(limit)), ("offset", str(offset))]
        if "sort" in options:
            query += [("sort", "sourcedId"), ("orderBy", "asc")]
        if "filter" in options:
            query.append(("filter", f"dateLastModified>'{self.since}'"))
        asked_at = self._access.now()

        def read(answer: Answer) -> PageAnswer:
            if answer.status != 200:
                return PageAnswer(Decoded(answer.status), answer)
            decoded = collection.decode(answer.body)
            if decoded.status not in (200, 403) and decoded.status not in accept:
                raise Torn("the provider reports a failure")
            return PageAnswer(decoded, answer)

        page = self._access.http.get(
            f"{self._endpoint.base_url}/{collection.name}",
            query,
            what=collection.name,
            read=read,
            auth=self._endpoint.auth,
            accept=accept,
        )
        if page.status == 403:  # said inside of an answer with status 200
            raise CredentialsRefusedError("The source refuses our credentials.", f"{collection.name}: forbidden")
        if page.status == 200:
            self.started = self.started or _server_time(page.answer) or iso_utc(asked_at)
            self._inspect(page.answer)
        return page

    def remember(self, memory: Memory) -> Memory:
        """What was learned, put into a connection's memory."""
        return structs.replace(memory, refused=tuple(sorted(self.refused)), page_limit=self.page_limit)


def _server_time(answer: Answer) -> str | None:
    """The provider's clock counts where it shows it: changes are asked for by its time (reference, 2.7)."""
    try:
        return iso_utc(parsedate_to_datetime(answer.headers.get("Date", "")).isoformat())
    except ValueError:
        return None
