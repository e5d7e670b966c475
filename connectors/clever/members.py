"""Who came, and which links name people who did not: districts share some of a class's members only.

Ids that we may not read are normal at Clever (reference/clever.md, 2.4, "unshared members"): they are counted and left out.
"""

from array import array
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from connectors.normalize.listing import Part
from models.records import keys_of


class Arrived:
    """The ids of all users that were listed, whether they could be taken or not: eight bytes each."""

    def __init__(self) -> None:
        self._keys = array("Q")
        self._sorted = np.empty(0, dtype=np.uint64)

    def add(self, source_ids: Iterable[str]) -> None:
        self._keys.extend(keys_of(source_ids))

    def know(self, source_ids: Iterable[str]) -> list[bool]:
        """Whether each of some people was listed."""
        if len(self._sorted) != len(self._keys):
            self._sorted = np.sort(np.frombuffer(self._keys, dtype=np.uint64))
        keys = np.array(keys_of(source_ids), dtype=np.uint64)
        places = np.searchsorted(self._sorted, keys)
        places[places == len(self._sorted)] = 0
        known: list[bool] = (self._sorted[places] == keys).tolist() if len(self._sorted) else [False] * len(keys)
        return known


def keep_shared(named: Part, kept: Part, person_of: Callable[[Any], str], arrived: Arrived) -> int:
    """Hand the relations of ``named`` on to ``kept``, less those whose person did not come; how many those were."""
    named.keep_all()
    kept.keep_all()
    left_out = 0
    listing = kept.listing
    for page in named.spool.pages():
        shared = arrived.know(map(person_of, page.records))
        if all(shared):
            listing.records, listing.lines = list(page.records), list(page.lines)
        else:
            for record, line, came in zip(page.records, page.lines, shared, strict=True):
                if came:
                    listing.add(record, line)
            left_out += shared.count(False)
        kept.keep_all()
    named.spool.clear()
    return left_out
