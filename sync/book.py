"""What a run knows of the stored records of one kind: which were listed, which refused, which are gone."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.state import ACTIVE, MANAGED, StoredState
from sync.index import Ints, Keys, Mask, locate

#: What this run knows of a stored record. LISTED and CHANGED were in the source; BLOCKED was listed but refused (so it
#: stays as it is); GONE is what the source marked as deleted.
UNSEEN, LISTED, CHANGED, BLOCKED, GONE = range(5)


class Book:
    """The stored records of one kind, and one state for each in ``seen``."""

    def __init__(self, stored: StoredState) -> None:
        self.stored = stored
        self.seen: NDArray[np.uint8] = np.zeros(len(stored), dtype=np.uint8)

    @property
    def managed(self) -> Mask:
        """Which records are active and managed by the connection that syncs."""
        return np.asarray(self.stored.flags == (ACTIVE | MANAGED))

    @property
    def managed_before(self) -> int:
        return int(np.count_nonzero(self.managed))

    def keep_as_is(self, keys: Keys) -> Ints:
        """Refused records: what is stored of them stays. Returns their positions."""
        positions, known = locate(self.stored.keys, keys)
        hit = positions[known]
        self.seen[hit[self.seen[hit] == UNSEEN]] = BLOCKED
        return hit

    def mark_gone(self, keys: Keys) -> Mask:
        """Tombstones. Returns which of them were stored, active and managed here, and are not listed as well.

        A source may mark one enrollment as deleted and list another for the same person and class: listed wins,
        whichever row comes first.
        """
        positions, known = locate(self.stored.keys, keys)
        effective = known.copy()
        effective[known] = self.managed[positions[known]] & ~np.isin(self.seen[positions[known]], (LISTED, CHANGED))
        self.seen[positions[effective]] = GONE
        return effective

    def forget_gone(self, where: Mask) -> None:
        """Tombstones that do not count, because an upload for one school cannot speak of another's records."""
        self.seen[self.gone & where] = BLOCKED

    def is_listed(self, keys: Keys) -> Mask:
        """Which of the keys are stored, and were in the source."""
        positions, known = locate(self.stored.keys, keys)
        known[known] = np.isin(self.seen[positions[known]], (LISTED, CHANGED))
        return known

    def absent(self, covered_listings: Sequence[int]) -> Mask:
        """Which records this connection manages that the covered listings no longer list."""
        unseen = self.managed & (self.seen == UNSEEN)
        return np.asarray(unseen & np.isin(self.stored.listings, covered_listings))

    @property
    def gone(self) -> Mask:
        return np.asarray(self.seen == GONE)
