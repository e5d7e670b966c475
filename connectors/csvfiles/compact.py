"""A map from ids to a few bits in about ten bytes an entry, for what must be known of a million people at once."""

from array import array
from bisect import bisect_left

from models.records import key_of

_BITS = 4
_MASK = (1 << _BITS) - 1


class CompactMap:
    """Up to four bits per id; built first, asked afterwards. Ids are kept as 60-bit hashes only."""

    def __init__(self) -> None:
        self._buckets = [array("Q") for _ in range(256)]
        self._sorted = True

    def __len__(self) -> int:
        return sum(map(len, self._buckets))

    def add(self, source_id: str, bits: int = 1) -> None:
        """Set bits for an id; several calls for one id add up."""
        key = key_of(source_id)
        self._buckets[key >> 56].append(key & ~_MASK | bits)
        self._sorted = False

    def bits(self, source_id: str) -> int:
        """All bits set for an id, 0 if there are none."""
        if not self._sorted:
            self._buckets = [array("Q", sorted(bucket)) for bucket in self._buckets]
            self._sorted = True
        key = key_of(source_id) & ~_MASK
        bucket = self._buckets[key >> 56]
        found = 0
        place = bisect_left(bucket, key)
        while place < len(bucket) and bucket[place] & ~_MASK == key:
            found |= bucket[place] & _MASK
            place += 1
        return found
