"""A collection, page by page, from providers that count, clamp, sort and repeat as they please.

The rules are those of reference/oneroster-classlink.md, 2.3: the offset is ours and advances by the records received; a
collection ends where its total is reached or a page is empty; what came twice is dropped; and where counts do not agree,
the pass says so. A short page is never the end by itself: one more request costs less than the people behind it. Links
are not even looked at: they name other hosts, lose characters, and miscount.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any, Final, NamedTuple

from connectors.oneroster.envelope import Collection
from connectors.oneroster.provider import NOT_OFFERED, NOT_UNDERSTOOD, TOO_HEAVY, PageAnswer, Provider
from connectors.oneroster.seen import SeenIds
from connectors.oneroster.texts import text_of
from models.errors import SourceProtocolError

#: Below this a page is not too heavy for anybody.
_SMALLEST_LIMIT: Final = 50
#: Nobody clamps below this: pages so short have other reasons.
_SMALLEST_CLAMP: Final = 10
_MOST_PAGES: Final = 200_000


class NotOfferedError(Exception):
    """The provider has no such collection."""


class FilterRefusedError(Exception):
    """The provider cannot be asked for changes only: the pull begins anew, in full."""


class Rows(NamedTuple):
    """New records of one page, as Structs of ``wire``, with their positions in the collection (1-based)."""

    lines: Sequence[int]
    rows: Sequence[Any]


class Pass:
    """One pass over one collection. Go through ``pages`` once; then ``doubt`` says why it may not have been whole ("" for
    no doubt), ``stuck`` whether the provider cannot be read beyond some page at all, and ``clamp`` the page size beyond
    which it does not go, if it has shown one."""

    def __init__(self, provider: Provider, collection: Collection) -> None:
        size = provider.page_size
        self._provider = provider
        self._collection = collection
        self._limit = min(size, provider.page_limit.get(collection.name, size))
        self._smallest = min(_SMALLEST_LIMIT, self._limit)
        self._options = provider.options(collection)
        self._seen = SeenIds()
        self._without_id = 0
        self._first_total: int | None = None
        self._total: int | None = None
        #: Rows of the page before, how many were asked for, and their ids.
        self._before = (0, 0)
        self._ids_before: list[str] = []
        self._nothing_new = False
        self._end_doubt = ""
        self.pages_read = 0
        self.received = 0
        self.stuck = False
        self.clamp: int | None = None

    def pages(self) -> Iterator[Rows]:
        """The records, each once. Raises RosterSyncError, SourceChangedError, NotOfferedError, FilterRefusedError."""
        while self.pages_read < _MOST_PAGES:
            rows = self._next()
            new = self._new(rows)
            if new is None:
                return
            self._look_for_clamp(len(rows))
            self._before = (len(rows), self._limit)
            self.pages_read += 1
            self.received += len(rows)
            self._provider.watch.page(self._collection.name, self.pages_read, self.received, self._total or 0)
            yield new
            # A total that is below what came is wrong ("0" is met), and one that a full first page has reached may be the
            # page's own number: then only an empty page is the end.
            if self.received == self._total and (self.pages_read > 1 or len(rows) < self._limit):
                return
        raise SourceProtocolError(
            f"The source's {self._collection.name} have no end: it has sent {_MOST_PAGES:,} pages of them.",
            f"{self._collection.name}: stopped after {_MOST_PAGES} pages",
        )

    @property
    def doubt(self) -> str:
        """Why the pass may not have been whole, as a clause ("3 record(s) came more than once")."""
        distinct = len(self._seen) + self._without_id
        if self._end_doubt:
            return self._end_doubt
        if self.received > distinct:
            return f"{self.received - distinct:,} record(s) came more than once"
        if self._first_total != self._total:
            return f"their number moved from {self._first_total:,} to {self._total:,}"
        if self._total is not None and self._total != distinct:
            return f"{self._total:,} were announced and {distinct:,} came"
        return ""

    # --- asking ------------------------------------------------------------------------------------------------------

    def _next(self) -> Sequence[Any]:
        """The rows of the page at the offset."""
        page = self._ask()
        rows, asked = self._before
        # Nobody has announced this end, and the page before was full: a hiccup would look the same.
        if not page.decoded.rows and self._total is None and rows and rows == asked:
            page = self._ask()
        if page.total is not None:
            self._total = page.total
            self._first_total = page.total if self._first_total is None else self._first_total
        return page.decoded.rows

    def _ask(self) -> PageAnswer:
        while True:
            page = self._ask_at_limit() if self.pages_read else self._ask_first()
            if page.status not in TOO_HEAVY:
                return page
            self._limit = max(self._smallest, self._limit // 2)

    def _ask_at_limit(self, accept: frozenset[int] = frozenset()) -> PageAnswer:
        # At the smallest limit a gateway's failure is one like any other: the client waits and tries again.
        if self._limit > self._smallest:
            accept |= TOO_HEAVY
        return self._provider.ask(self._collection, self._limit, self.received, self._options, accept)

    def _ask_first(self) -> PageAnswer:
        """The first page shows whether there is such a collection, and which options are understood."""
        name, wanted = self._collection.name, self._options
        for dropped in _subsets(("sort", "filter")):
            if not dropped <= wanted:
                continue
            self._options = wanted - dropped
            page = self._ask_at_limit(NOT_UNDERSTOOD | NOT_OFFERED)
            if page.status in NOT_UNDERSTOOD and wanted and not dropped:
                # What is concluded from it is remembered for good, so it must not be a gateway's hiccup.
                page = self._ask_at_limit(NOT_UNDERSTOOD | NOT_OFFERED)
            if page.status in NOT_UNDERSTOOD:
                continue
            if page.status in NOT_OFFERED:
                raise NotOfferedError(f"{name}: status {page.status}")
            if page.status in TOO_HEAVY:
                self._options = wanted
                return page
            self._provider.refused |= dropped
            if "filter" in dropped:
                raise FilterRefusedError
            return page
        raise SourceProtocolError(
            f"The source understands none of our requests for {name}: try a smaller page_size (100), or ask the provider "
            "which limits it has.",
            f"{name}: status 400 or 422, with and without sort and filter, limit {self._limit}",
        )

    # --- what came ---------------------------------------------------------------------------------------------------

    def _new(self, rows: Sequence[Any]) -> Rows | None:
        """The page without what came before; None at the end. A record without an id is for its reader to refuse."""
        if not rows:
            return None
        ids = [text_of(getattr(row, "sourced_id", None)) for row in rows]
        named = [place for place, source_id in enumerate(ids) if source_id]
        whole = len(named) == len(rows)
        places = self._seen.add(ids if whole else [ids[place] for place in named]).tolist()
        # A page of which nothing is new may hold true doubles; that page again, or another such page, holds none.
        if not places and self.pages_read and (self._nothing_new or ids == self._ids_before):
            self._come_again()
            return None
        self._nothing_new, self._ids_before = not places, ids
        first = self.received + 1
        if len(places) == len(rows):
            return Rows(range(first, first + len(rows)), rows)
        if not whole:
            nameless = [place for place, source_id in enumerate(ids) if not source_id]
            self._without_id += len(nameless)
            places = sorted([named[place] for place in places] + nameless)
        return Rows([first + place for place in places], [rows[place] for place in places])

    def _come_again(self) -> None:
        """Pages come again: the provider does not heed the offset, or not beyond its last page.

        That is the end only if the page before was not a full one, and no total says otherwise. Whether a single page
        that keeps coming was all, nobody can say.
        """
        rows, asked = self._before
        if self._total == self.received:
            return
        if rows == asked or (self._total is not None and self._total > self.received):
            self.stuck = True
            self._end_doubt = f"what came after {self.received:,} had come before"
        elif self.pages_read == 1:
            self._end_doubt = "the source sends the same page for every offset"

    def _look_for_clamp(self, size: int) -> None:
        """Two pages alike and shorter than was asked for: more it does not give."""
        if self.pages_read == 1 and self._before == (size, self._limit) and _SMALLEST_CLAMP <= size < self._limit:
            self._limit = self.clamp = size


def _subsets(options: Sequence[str]) -> Iterator[frozenset[str]]:
    """None of them, each alone, all together."""
    return (frozenset(some) for count in range(len(options) + 1) for some in combinations(options, count))
