"""A pull over a network is kept until it is whole: only then is it known what it proves, and nothing was changed if not.

Records are normalized before they are kept, so what is not needed never reaches the disk.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from connectors.normalize.listing import Listing, Part
from connectors.normalize.spool import Spool
from models.pages import Arrival, Coverage, Page, PullEvent
from models.vocabulary import KINDS, Kind


class Staging:
    """The pages of one pull by kind, in spools under ``scratch``; handed out in the order of KINDS."""

    def __init__(self, scratch: Path, page_size: int) -> None:
        self._scratch = scratch
        self._page_size = page_size
        self._parts: list[Part] = []
        self._turns: dict[Kind, list[Callable[[], Iterator[Page]]]] = {kind: [] for kind in KINDS}
        self._arrivals: list[Arrival] = []
        self._coverage: dict[Kind, list[Coverage]] = {kind: [] for kind in KINDS}

    def part(self, kind: Kind, listing: str, file: str = "") -> Part:
        """A new listing with a spool of its own; ``file`` is what people read as its name (the listing's by default).

        It is merely kept: whoever asked for it hands its pages out through ``emit`` when it is known that they count.
        """
        part = Part(Listing(kind, listing, file or listing, self._page_size), Spool(self._scratch, kind))
        self._parts.append(part)
        return part

    def emit(self, kind: Kind, pages: Callable[[], Iterator[Page]]) -> None:
        """Hand out pages when the kind's turn comes."""
        self._turns[kind].append(pages)

    def arrived(self, arrival: Arrival) -> None:
        self._arrivals.append(arrival)

    def state(self, coverage: Coverage) -> None:
        """A statement; it is handed out after the last page of its kind."""
        self._coverage[coverage.kind].append(coverage)

    def events(self) -> Iterator[PullEvent]:
        """All that was kept: arrivals, then kind by kind pages and statements."""
        for part in self._parts:
            part.keep_all()
        yield from self._arrivals
        for kind in KINDS:
            for pages in self._turns[kind]:
                yield from pages()
            yield from self._coverage[kind]

    def close(self) -> None:
        """Forget everything; a pull that begins anew makes a new Staging."""
        for part in self._parts:
            part.spool.close()
