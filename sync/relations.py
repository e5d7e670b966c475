"""Comparing the relations of one kind (affiliations, enrollments, guardianships) with what is stored.

A relation is its packed key (``models.state``) and a small content: a tuple of its columns, numbered as contents are
met, since few different ones exist. So a million new relations are two sorted arrays until the plan is written.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from xxhash import xxh3_64_intdigest

from models.state import ACTIVE, MANAGED, RoleCodes, StoredState, unpack
from models.vocabulary import LISTINGS, Kind
from sync.book import BLOCKED, CHANGED, LISTED, UNSEEN, Book
from sync.index import Ints, Keys, KeyTable, Mask, locate, repeated

_encode = msgspec.msgpack.Encoder().encode

# The value that travels with a new or changed key: content number, listing and line in one integer.
_LINE_BITS, _LISTING_BITS = 32, 6

Row = tuple[Any, ...]


@dataclass
class RelationComparison:
    """What became of each record of a page: masks, and (index, same content) of each duplicate."""

    unchanged: Mask
    changed: Mask
    restored: Mask
    created: Mask
    duplicates: list[tuple[int, bool]]


class RelationBook(Book):
    """All that a run knows of one kind of relation. Rows that others manage are left alone and count as unchanged."""

    def __init__(self, kind: Kind, stored: StoredState, roles: RoleCodes) -> None:
        super().__init__(stored)
        self.kind = kind
        self.roles = roles
        self._new = KeyTable()
        self._changed = KeyTable()
        self._contents: dict[tuple[Any, ...], int] = {}
        self._content_list: list[tuple[Any, ...]] = []
        self._fingerprints: list[int] = []

    def number_of(self, content: tuple[Any, ...]) -> int:
        """The small number of a content."""
        number = self._contents.get(content)
        if number is None:
            number = self._contents[content] = len(self._content_list)
            self._content_list.append(content)
            self._fingerprints.append(xxh3_64_intdigest(_encode(content)))
        return number

    def compare(self, keys: Keys, contents: Ints, lines: Ints, listing: str) -> RelationComparison:
        """Compare a page of resolved relations; among records of one key the first counts."""
        stored = self.stored
        fingerprints = np.array(self._fingerprints, dtype=np.uint64)[contents]
        positions, known = locate(stored.keys, keys)
        seen = self.seen[positions] if len(stored) else np.zeros(len(keys), dtype=np.uint8)
        _, added = self._new.find(keys)
        duplicate = repeated(keys) | added | (known & np.isin(seen, (LISTED, CHANGED)))
        duplicates = self._judge_duplicates(keys, contents, duplicate) if duplicate.any() else []
        fresh = ~duplicate
        flags = stored.flags[positions] if len(stored) else seen
        same = known & fresh
        moved = np.zeros(len(keys), dtype=np.bool_)
        if len(stored):
            equal = (flags == (ACTIVE | MANAGED)) & (stored.fingerprints[positions] == fingerprints)
            moved = same & equal & (stored.listings[positions] != LISTINGS.index(listing))
            same &= equal | ((flags & MANAGED) == 0)
        differs = known & fresh & ~same
        created = ~known & fresh
        self.seen[positions[same]] = LISTED
        self.seen[positions[differs]] = CHANGED
        values = self._values(contents, lines, listing)
        self._new.add(keys[created], values[created])
        # What only stands in another listing now is written down, so that absence from the old one proves nothing.
        self._changed.add(keys[differs | moved], values[differs | moved])
        restored = differs & ((flags & ACTIVE) == 0)
        return RelationComparison(same, differs & ~restored, restored, created, duplicates)

    @staticmethod
    def _values(contents: Ints, lines: Ints, listing: str) -> Ints:
        code = LISTINGS.index(listing)
        return (((contents << _LISTING_BITS) | code) << _LINE_BITS) | lines

    def _judge_duplicates(self, keys: Keys, contents: Ints, duplicate: Mask) -> list[tuple[int, bool]]:
        in_page: dict[int, int] = {}
        verdicts = []
        for index, key in enumerate(keys.tolist()):
            if not duplicate[index]:
                in_page[key] = int(contents[index])
                continue
            first = in_page.get(key)
            if first is None:
                first = self._first_content(keys[index : index + 1])
            verdicts.append((index, first == int(contents[index])))
        return verdicts

    def _first_content(self, key: Keys) -> int:
        for table in (self._new, self._changed):
            value, found = table.find(key)
            if found[0]:
                return int(value[0]) >> (_LISTING_BITS + _LINE_BITS)
        position, known = locate(self.stored.keys, key)
        if not known[0]:
            return -1
        fingerprint = int(self.stored.fingerprints[position[0]])
        return self._fingerprints.index(fingerprint) if fingerprint in self._fingerprints else -1

    def block_pair(self, first: int, second: int) -> None:
        """Refused records of unknown role: every stored relation of the two ends stays as it is."""
        low = np.uint64((first << 36) | (second << 8))
        start, end = np.searchsorted(self.stored.keys, [low, low | np.uint64(255)])
        part = self.seen[start : end + 1]
        part[(part == UNSEEN) & (self.stored.keys[start : end + 1] >> np.uint64(8) == low >> np.uint64(8))] = BLOCKED

    def withdraw(self, keys: Keys) -> None:
        """Take back what ``compare`` just noted, as if these relations had not been listed."""
        self._new.remove(keys)
        self._changed.remove(keys)
        positions, known = locate(self.stored.keys, keys)
        self.seen[positions[known]] = UNSEEN

    def created(self) -> Keys:
        """Packed keys of all new relations, sorted."""
        return self._new.items()[0]

    @property
    def created_count(self) -> int:
        return len(self._new)

    def new_rows(self, size: int) -> Iterator[list[Row]]:
        """Rows (``models.plan``) of all relations to create, in key order, ``size`` at a time."""
        yield from self._rows(*self._new.items(), size)

    def changed_rows(self, size: int) -> Iterator[tuple[list[Row], Mask]]:
        """Rows of all relations to update or restore (mask true: restore), in key order, without before and after."""
        keys, values = self._changed.items()
        positions, _ = locate(self.stored.keys, keys)
        archived = (self.stored.flags[positions] & ACTIVE) == 0 if len(keys) else np.zeros(0, dtype=np.bool_)
        for number, part in enumerate(self._rows(keys, values, size)):
            yield part, archived[number * size : number * size + len(part)]

    def _rows(self, keys: Keys, values: Ints, size: int) -> Iterator[list[Row]]:
        signed = np.array(self._fingerprints, dtype=np.uint64).view(np.int64).tolist()
        role = self.roles.name
        for start in range(0, len(keys), size):
            firsts, seconds, codes = unpack(keys[start : start + size])
            part = values[start : start + size]
            contents = (part >> (_LISTING_BITS + _LINE_BITS)).tolist()
            listings = ((part >> _LINE_BITS) & (2**_LISTING_BITS - 1)).tolist()
            lines = (part & (2**_LINE_BITS - 1)).tolist()
            yield [
                (a, b, role(code), signed[content], LISTINGS[listing], line, *self._content_list[content])
                for a, b, code, content, listing, line in zip(
                    firsts.tolist(), seconds.tolist(), codes.tolist(), contents, listings, lines, strict=True
                )
            ]
