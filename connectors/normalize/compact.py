"""A map from ids to small numbers in about ten bytes an entry, for what must be known of a million people at once."""

from array import array
from bisect import bisect_left

from models.records import key_of


class CompactMap:
    """Numbers of up to ``bits`` bits per id; built first, asked afterwards. Of an id only 64 - ``bits`` bits of a hash
    are kept."""

    def __init__(self, bits: int = 4) -> None:
        self._mask = (1 << bits) - 1
        self._buckets = [array("Q") for _ in range(256)]
        self._sorted = True

    def __len__(self) -> int:
        return sum(map(len, self._buckets))

    def add(self, source_id: str, number: int = 1) -> None:
        """Note a number for an id; an id may have several."""
        key = key_of(source_id)
        self._buckets[key >> 56].append(key & ~self._mask | number)
        self._sorted = False

    def entries(self, source_id: str) -> list[int]:
        """All numbers noted for an id."""
        if not self._sorted:
            self._buckets = [array("Q", sorted(bucket)) for bucket in self._buckets]
            self._sorted = True
        mask = self._mask
        key = key_of(source_id) & ~mask
        bucket = self._buckets[key >> 56]
        found = []
        place = bisect_left(bucket, key)
        while place < len(bucket) and bucket[place] & ~mask == key:
            found.append(bucket[place] & mask)
            place += 1
        return found

    def bits(self, source_id: str) -> int:
        """All numbers noted for an id, taken as bits and put together; 0 if there are none."""
        together = 0
        for number in self.entries(source_id):
            together |= number
        return together
