"""Comparing the entities of one kind (schools, terms, classes, people) with what is stored, a page at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from models.state import ACTIVE, MANAGED, StoredState
from models.vocabulary import LISTINGS, Kind
from sync.book import CHANGED, GONE, LISTED, Book
from sync.index import Ints, Keys, KeyTable, Mask, locate, repeated, unsigned

#: Fingerprint of a record that was taken with something left out: never equal, so it is looked at again next time.
UNSETTLED = 0


@dataclass
class PageComparison:
    """Where each record of a page stands: index arrays into the page (``ids`` of ``created``, positions of ``changed``)."""

    unchanged: Ints
    changed: Ints
    changed_positions: Ints
    created: Ints
    created_ids: Ints
    duplicates: list[tuple[int, bool]] = field(default_factory=list)


class EntityBook(Book):
    """All that a run knows of one kind of entity: stored, listed and new ones; resolves source ids to internal ids.

    ``others`` are (key, id) pairs as the tenant's other connections know them, best first. Records that another
    connection (or a person) manages count as unchanged: this one only refers to them.
    """

    def __init__(self, kind: Kind, stored: StoredState, others: Sequence[tuple[int, int]], next_id: int) -> None:
        super().__init__(stored)
        self.kind = kind
        self.first_new_id = next_id
        self.next_id = next_id
        self._new = KeyTable()
        self._fresh = KeyTable()
        self._others = KeyTable()
        first: dict[int, int] = {}
        for key, entity_id in others:
            first.setdefault(key, entity_id)
        self._others.add(unsigned(list(first)), np.array(list(first.values()), dtype=np.int64))
        #: Stored entities that the source proved to be gone; set when the kind is finished.
        self.removable: Mask = np.zeros(len(stored), dtype=np.bool_)

    def compare(self, keys: Keys, fingerprints: Keys, listing: str) -> PageComparison:
        """Compare a page; what it lists is marked as seen. Among records of one id the first counts.

        A record that stood in another listing before counts as changed, so that the new place is written down.
        """
        stored = self.stored
        positions, known = locate(stored.keys, keys)
        _, added = self._new.find(keys)
        listed = known.copy()
        listed[known] = np.isin(self.seen[positions[known]], (LISTED, CHANGED))
        again = repeated(keys)
        duplicate = again | listed | added
        duplicates = self._judge_duplicates(keys, fingerprints, positions, known, duplicate) if duplicate.any() else []

        fresh = ~duplicate
        same = known & fresh
        flags = stored.flags[positions[same]]
        untouched = (stored.fingerprints[positions[same]] == fingerprints[same]) & (fingerprints[same] != UNSETTLED)
        untouched &= flags == (ACTIVE | MANAGED)
        untouched &= stored.listings[positions[same]] == LISTINGS.index(listing)
        same[same] = untouched | ((flags & MANAGED) == 0)
        changed = known & fresh & ~same
        created = ~known & fresh
        self.seen[positions[same]] = LISTED
        self.seen[positions[changed]] = CHANGED
        self._fresh.add(keys[changed | created], fingerprints[changed | created].view(np.int64))
        ids = np.arange(self.next_id, self.next_id + np.count_nonzero(created), dtype=np.int64)
        self.next_id += len(ids)
        self._new.add(keys[created], ids)
        return PageComparison(
            unchanged=np.flatnonzero(same),
            changed=np.flatnonzero(changed),
            changed_positions=positions[changed],
            created=np.flatnonzero(created),
            created_ids=ids,
            duplicates=duplicates,
        )

    def _judge_duplicates(
        self, keys: Keys, fingerprints: Keys, positions: Ints, known: Mask, duplicate: Mask
    ) -> list[tuple[int, bool]]:
        """(index in the page, whether it says the same as the first one) of each duplicate."""
        in_page: dict[int, int] = {}
        for index in np.flatnonzero(~duplicate):
            in_page[int(keys[index])] = int(fingerprints[index])
        fresh, found = self._fresh.find(keys)
        verdicts = []
        for index in np.flatnonzero(duplicate):
            key = int(keys[index])
            if key in in_page:
                first = in_page[key]
            elif found[index]:
                first = int(fresh[index]) % 2**64
            else:
                first = int(self.stored.fingerprints[positions[index]]) if known[index] else -1
            verdicts.append((int(index), first == int(fingerprints[index])))
        return verdicts

    def knows(self, keys: Keys) -> Mask:
        """Which keys the source has, or had, in any state."""
        _, stored = locate(self.stored.keys, keys)
        _, new = self._new.find(keys)
        return stored | new

    def link(self, key: Keys, entity_id: int) -> None:
        """Remember that the source knows an existing entity by this key, from now on."""
        self._new.add(key, np.array([entity_id], dtype=np.int64))

    def block(self, keys: Keys) -> Ints:
        """Refused records: what is stored of them stays as it is. Returns their internal ids."""
        return self.stored.ids[self.keep_as_is(keys)]

    def resolve(self, keys: Keys) -> Ints:
        """Internal ids of source ids, 0 where there is no such record (or it is archived, or about to be)."""
        answer = np.zeros(len(keys), dtype=np.int64)
        positions, known = locate(self.stored.keys, keys)
        at = positions[known]
        seen = self.seen[at]
        active = (self.stored.flags[at] & ACTIVE).astype(np.bool_)
        alive = (active & (seen != GONE) & ~self.removable[at]) | (seen == CHANGED)
        answer[known] = np.where(alive, self.stored.ids[at], 0)
        new, added = self._new.find(keys)
        answer[added] = new[added]
        # What was archived here may have been set up again elsewhere; what goes in this run has not.
        going = np.zeros(len(keys), dtype=np.bool_)
        going[known] = active & ~alive
        missing = (answer == 0) & ~going
        if missing.any() and len(self._others):
            other, found = self._others.find(keys)
            answer[missing & found] = other[missing & found]
        return answer

    def adopt(self, keys: Keys) -> Ints:
        """Ids that the tenant's other connections (or people) gave to these source ids; 0 where there is none."""
        other, _ = self._others.find(keys)
        return other
