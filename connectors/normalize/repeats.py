"""Enrollments that a source lists more than once for a class, a person and a role: whoever leaves and comes back has one
for each time (reference/oneroster-classlink.md, 4.2).

Stored is one. Which of them it is must not hang on the order in which they come, else every night would write a change.
"""

from array import array
from collections.abc import Iterable, Iterator
from datetime import date
from functools import lru_cache
from typing import Final

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from connectors.normalize.listing import Part
from models.pages import Page
from models.records import Enrollment, keys_of

#: Later than any day.
_NO_END: Final = date.max.toordinal() + 1
_PRIMARY: Final = {None: 0, False: 1, True: 2}


class Repeats:
    """Knows eight bytes of each enrollment that a part is given; ``pages`` hands them out afterwards, each once.

    Of several the one that ends last counts (above all one without an end), then the one that begins last, then a
    primary one.
    """

    def __init__(self, part: Part) -> None:
        self._part = part
        self._keys = array("Q")
        self._left_out = np.empty(0, dtype=np.intp)

    def note(self, identities: Iterable[str]) -> None:
        """What class, person and role the part's next enrollments are of, as a text of all three for each."""
        self._keys.extend(keys_of(identities))

    def finish(self) -> None:
        """Choose; ask when the last enrollment has been added. Tells the listing how many were left out."""
        self._part.keep_all()
        keys = np.frombuffer(self._keys, dtype=np.uint64)
        ordered = np.sort(keys)
        several = ordered[1:][ordered[1:] == ordered[:-1]]
        if not len(several):
            return
        places = np.flatnonzero(np.isin(keys, several))
        keys, ranks = keys[places], self._ranks(places)
        order = np.lexsort((places, ~ranks, keys))
        again = np.r_[False, keys[order][1:] == keys[order][:-1]]
        self._left_out = np.sort(places[order[again]])
        self._part.listing.tell("enrollments_repeated", 0, detail=f"{len(self._left_out):,}")

    def pages(self) -> Iterator[Page]:
        """All pages of the part, less the enrollments that do not count."""
        for page, dropped in self._with_places(self._left_out):
            if not len(dropped):
                yield page
                continue
            kept = np.delete(np.arange(len(page.records)), dropped).tolist()
            yield structs.replace(
                page,
                records=[page.records[place] for place in kept],
                lines=[page.lines[place] for place in kept],
                schools=[page.schools[place] for place in kept],
            )

    def _ranks(self, places: NDArray[np.intp]) -> NDArray[np.uint64]:
        """The rank of the enrollments at some places, counted through all pages."""
        ranks = array("Q")
        for page, wanted in self._with_places(places):
            for place in wanted.tolist():
                record = page.records[place]
                assert isinstance(record, Enrollment)
                ranks.append(_rank(record.ends_on, record.begins_on, record.primary))
        return np.frombuffer(ranks, dtype=np.uint64)

    def _with_places(self, places: NDArray[np.intp]) -> Iterator[tuple[Page, NDArray[np.intp]]]:
        """The part's pages, each with those of the places that are in it, counted from its own first enrollment."""
        start = 0
        for page in self._part.spool.pages():
            if page.tombstones:
                yield page, places[:0]
                continue
            low, high = np.searchsorted(places, (start, start + len(page.records)))
            yield page, places[low:high] - start
            start += len(page.records)


@lru_cache(maxsize=8192)
def _rank(ends_on: str | None, begins_on: str | None, primary: bool | None) -> int:
    """The higher, the sooner it counts; equal only for the same content."""
    end = date.fromisoformat(ends_on).toordinal() if ends_on else _NO_END
    begin = date.fromisoformat(begins_on).toordinal() if begins_on else 0
    return (end << 24 | begin) << 2 | _PRIMARY[primary]
