"""What is gone: by tombstone, by proven absence, or because what it belongs to is gone. Never by anything else."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.state import ACTIVE, MANAGED, unpack
from models.tables import DISTRICT_SCHOOL_ID
from models.vocabulary import CAUSES, LISTINGS, Kind
from sync.context import Context
from sync.index import Ints, Keys, Mask, keys_from

ABSENT, TOMBSTONE, PARENT_REMOVED = CAUSES.index("absent"), CAUSES.index("tombstone"), CAUSES.index("parent_removed")
NO_COVERAGE = -1

#: Which kind of entity stands at the two ends of a relation.
END_KINDS: dict[Kind, tuple[Kind, Kind]] = {
    "affiliation": ("person", "school"),
    "enrollment": ("class", "person"),
    "guardianship": ("person", "person"),
}


@dataclass
class Removals:
    """Candidates for removal of one kind: ``keys`` are internal ids (entities) or packed keys (relations).

    ``causes`` are positions in CAUSES, ``coverage`` positions of the statement that allows each (NO_COVERAGE for a
    tombstone), ``schools`` the school that each is measured at (0: none), ``held`` is the guard's verdict.
    """

    kind: Kind
    keys: Keys
    causes: NDArray[np.uint8]
    coverage: NDArray[np.int16]
    schools: NDArray[np.uint32]
    held: Mask

    def __len__(self) -> int:
        return len(self.keys)


class RemovalFinder:
    """Finds the removals of each kind when its last page has been compared. Call in the order of KINDS."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.found: dict[Kind, Removals] = {}

    # --- entities --------------------------------------------------------------------------------------------------

    def finish_entities(self, kind: Kind) -> None:
        """Note which entities are gone; from now on they resolve to nothing."""
        book = self._context.entities(kind)
        ids = book.stored.ids
        covered = self._context.covered(kind)
        in_scope = self._in_scope(kind, ids)
        book.forget_gone(~in_scope)
        absent = book.absent([LISTINGS.index(listing) for listing in covered]) & in_scope
        if kind == "person":
            absent &= ~self._with_untold_role(ids)
        orphaned = np.zeros(len(ids), dtype=np.bool_)
        if kind == "class" and (schools := self._removed("school")) is not None:
            ours = book.stored.flags == (ACTIVE | MANAGED)
            orphaned = ours & np.isin(self._context.class_schools.get(ids), schools) & ~absent
        book.removable = absent | orphaned | book.gone
        schools_of = self._context.class_schools.get(ids) if kind == "class" else ids * (kind == "school")
        self._note(kind, ids.astype(np.uint64), book.stored.listings, absent, book.gone, orphaned, schools_of)

    def _in_scope(self, kind: Kind, ids: Ints) -> Mask:
        """A school-level upload speaks of its school only."""
        scope = self._scope(kind)
        if scope is None:
            return np.ones(len(ids), dtype=np.bool_)
        if kind == "class":
            return np.asarray(self._context.class_schools.get(ids) == scope)
        if kind == "person":
            inside, elsewhere = self._people_by_scope(scope)
            return np.isin(ids, inside) & ~np.isin(ids, elsewhere)
        return np.zeros(len(ids), dtype=np.bool_)

    def _scope(self, kind: Kind) -> int | None:
        scopes = {c.scope for c in self._context.coverage if c.kind == kind and c.scope is not None}
        if not scopes:
            return None
        keys = keys_from(scopes)
        return int(self._context.entities("school").resolve(keys)[0])

    def _people_by_scope(self, school_id: int) -> tuple[Ints, Ints]:
        """People with an active affiliation at the school, and people with one at another school."""
        stored = self._context.relations("affiliation").stored
        people, schools, _ = unpack(stored.keys[(stored.flags & ACTIVE) != 0])
        return people[schools == school_id], people[(schools != school_id) & (schools != DISTRICT_SCHOOL_ID)]

    def _untold_codes(self, kind: Kind) -> list[int]:
        """Codes of the roles that the source does not show."""
        roles = {
            role for statement in self._context.coverage if statement.kind == kind for role in statement.untold_roles
        }
        return [self._context.roles.code(role) for role in sorted(roles)]

    def _with_untold_role(self, people: Ints) -> Mask:
        """Who is stored with a role that the source does not show: not being listed says nothing of them."""
        codes = self._untold_codes("person")
        if not codes:
            return np.zeros(len(people), dtype=np.bool_)
        stored = self._context.relations("affiliation").stored
        owners, _, roles = unpack(stored.keys[(stored.flags & ACTIVE) != 0])
        return np.isin(people, owners[np.isin(roles, codes)])

    # --- relations -------------------------------------------------------------------------------------------------

    def finish_relations(self, kind: Kind) -> None:
        """Note which relations are gone, be it because one of their ends is."""
        covered = self._context.covered(kind)
        ends = [self._removed(end) for end in END_KINDS[kind]]
        book = self._context.relations(kind)
        if not covered and not any(end is not None for end in ends) and not book.gone.any():
            return
        listings = [LISTINGS.index(listing) for listing in covered]
        if not any(end is not None for end in ends) and not book.gone.any() and not book.absent(listings).any():
            return  # an unchanged night: nothing to look at
        first, second, codes = unpack(book.stored.keys)
        in_scope = self._relations_in_scope(kind, first, second)
        book.forget_gone(~in_scope)
        absent = book.absent(listings)
        absent &= in_scope & ~self._protected(kind, first, second)
        if kind != "guardianship":
            absent &= ~np.isin(codes, self._untold_codes(kind))
        orphaned = np.zeros(len(first), dtype=np.bool_)
        for side, removed in zip((first, second), ends, strict=True):
            if removed is not None:
                orphaned |= np.isin(side, removed)
        orphaned &= (book.stored.flags == (ACTIVE | MANAGED)) & ~book.gone
        schools = self.schools_of(kind, book.stored.keys)
        self._note(kind, book.stored.keys, book.stored.listings, absent & ~orphaned, book.gone, orphaned, schools)

    def _relations_in_scope(self, kind: Kind, first: Ints, second: Ints) -> Mask:
        scope = self._scope(kind)
        if scope is None:
            return np.ones(len(first), dtype=np.bool_)
        if kind == "enrollment":
            return np.asarray(self._context.class_schools.get(first) == scope)
        if kind == "affiliation":
            return np.asarray(second == scope)
        return np.isin(first, self._people_by_scope(scope)[0])

    def _protected(self, kind: Kind, first: Ints, second: Ints) -> Mask:
        """Affiliations and guardianships stand in a person's own row: a refused row leaves them as they are."""
        if kind == "enrollment" or not self._context.protected_people:
            return np.zeros(len(first), dtype=np.bool_)
        people = np.concatenate(self._context.protected_people)
        mask = np.isin(first, people)
        return mask | np.isin(second, people) if kind == "guardianship" else mask

    def schools_of(self, kind: Kind, keys: Keys) -> NDArray[np.uint32]:
        """The school that each relation is measured at: the class's, the affiliation's, or the student's first."""
        first, second, _ = unpack(keys)
        if kind == "enrollment":
            return np.asarray(self._context.class_schools.get(first), dtype=np.uint32)
        if kind == "affiliation":
            return second.astype(np.uint32)
        return self.schools_of_people(first)

    def schools_of_people(self, people: Ints) -> NDArray[np.uint32]:
        """The first school (lowest id) of each person by the stored affiliations; 0 for none."""
        stored = self._context.relations("affiliation").stored
        owners, schools, _ = unpack(stored.keys[(stored.flags & ACTIVE) != 0])
        answer = np.zeros(len(people), dtype=np.uint32)
        if len(owners):
            places = np.searchsorted(owners, people)
            places[places == len(owners)] = 0
            hit = owners[places] == people
            answer[hit] = schools[places[hit]]
        return answer

    # --- both ------------------------------------------------------------------------------------------------------

    def _removed(self, kind: Kind) -> Ints | None:
        removals = self.found.get(kind)
        return removals.keys.astype(np.int64) if removals is not None and len(removals) else None

    def _note(
        self,
        kind: Kind,
        keys: Keys,
        listings: NDArray[np.uint8],
        absent: Mask,
        gone: Mask,
        orphaned: Mask,
        schools: "NDArray[np.uint32] | Ints",
    ) -> None:
        every = absent | gone | orphaned
        if not every.any():
            return
        causes = np.full(len(keys), ABSENT, dtype=np.uint8)
        causes[gone] = TOMBSTONE
        causes[orphaned] = PARENT_REMOVED
        coverage = np.full(len(keys), NO_COVERAGE, dtype=np.int16)
        for listing, position in self._context.covered(kind).items():
            coverage[absent & (listings == LISTINGS.index(listing))] = position
        coverage[orphaned] = self._parents_coverage(kind)
        self.found[kind] = Removals(
            kind,
            keys[every].copy(),
            causes[every],
            coverage[every],
            np.asarray(schools)[every].astype(np.uint32),
            np.zeros(int(np.count_nonzero(every)), dtype=np.bool_),
        )

    def _parents_coverage(self, kind: Kind) -> int:
        """The statement that let the parents go."""
        parents: tuple[Kind, ...] = ("school",) if kind == "class" else END_KINDS.get(kind, ())
        for parent in parents:
            removals = self.found.get(parent)
            if removals is not None and len(removals):
                return int(removals.coverage.max())
        return NO_COVERAGE
