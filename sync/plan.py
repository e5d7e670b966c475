"""From comparison to plan: measures, the guard's verdict, and which operations go on and which wait."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from models.plan import Chunk, ChunkFile
from models.report import Hold, KindCounts
from models.state import ACTIVE, MANAGED, unpack
from models.vocabulary import CAUSES, ENTITY_KINDS, KINDS, RELATION_KINDS, Kind
from sync import consequences
from sync.book import CHANGED
from sync.columns import natural_key
from sync.consequences import Movement
from sync.context import Context
from sync.guard import Churn, Measure, Verdict, judge
from sync.index import Ints, Keys
from sync.removals import END_KINDS, NO_COVERAGE, RemovalFinder, Removals

_CHUNK = 5_000
#: Kinds whose re-issued ids do harm enough to hold both halves.
_CHURN_KINDS: tuple[Kind, ...] = ("class", "person")


@dataclass
class Plan:
    """Everything that a run would do: ``go`` is applied at once, ``held`` waits for a person (or for an approved dry run)."""

    go: ChunkFile
    held: ChunkFile
    counts: list[KindCounts]
    holds: list[Hold]
    consequences: list[str]

    def chunks(self) -> Iterator[Chunk]:
        """Both parts, in the order in which they would be applied."""
        yield from self.go
        yield from self.held

    @property
    def empty(self) -> bool:
        return not self.go.operations and not self.held.operations


class Planner:
    """Makes the plan of a finished comparison."""

    def __init__(self, context: Context, removals: RemovalFinder, first_sync: bool) -> None:
        self._context = context
        self._finder = removals
        self._removals = removals.found
        self._first_sync = first_sync

    def plan(self, go: ChunkFile, held: ChunkFile, school_names: dict[int, str]) -> Plan:
        """Measure, judge and split; ``go`` and ``held`` are empty files for the two parts."""
        settings = self._context.settings.guard
        verdict = Verdict([], frozenset(), frozenset(), frozenset())
        churns = self._churns()
        if self._context.add_only:
            self._keep_all()
        if not self._first_sync:
            verdict = judge(self._measures(), churns, settings, school_names)
            verdict = self._hold_schools_in_use(verdict)
            self._hold_removals(verdict)
        if verdict.updates or verdict.both_halves:
            for chunk in self._context.plan:
                now, later = self._split(chunk, verdict)
                go.append(now)
                held.append(later)
                self._count_held(later)
        else:
            go = self._context.plan  # nothing but removals can wait: what was compared is what goes on
        for kind in reversed(KINDS):
            self._write_removals(kind, go, held)
        counts = [self._context.counts[kind] for kind in KINDS]
        return Plan(go, held, counts, list(verdict.holds), self._consequences())

    # --- measure ---------------------------------------------------------------------------------------------------

    def _measures(self) -> list[Measure]:
        measures = []
        for kind in KINDS:
            counts, removals = self._context.counts[kind], self._removals.get(kind)
            removed = len(removals) if removals else 0
            if not removed and not counts.updated:
                continue
            managed, schools = self._managed(kind)
            created = counts.created + counts.restored
            measures.append(Measure(kind, None, managed, created, counts.updated, removed))
            if removals:
                measures.extend(self._measures_by_school(kind, schools, removals))
        return measures

    def _managed(self, kind: Kind) -> tuple[int, Ints]:
        """How many records the connection manages, and the school of each."""
        if kind in ENTITY_KINDS:
            stored = self._context.entities(kind).stored
            ids = stored.ids[stored.flags == (ACTIVE | MANAGED)]
            if kind == "class":
                return len(ids), self._context.class_schools.get(ids).astype(np.int64)
            if kind == "person":
                return len(ids), self._finder.schools_of_people(ids).astype(np.int64)
            return len(ids), np.zeros(len(ids), dtype=np.int64)
        stored = self._context.relations(kind).stored
        keys = stored.keys[stored.flags == (ACTIVE | MANAGED)]
        return len(keys), self._finder.schools_of(kind, keys).astype(np.int64)

    def _measures_by_school(self, kind: Kind, schools: Ints, removals: Removals) -> Iterator[Measure]:
        if kind == "person":
            removals.schools = self._finder.schools_of_people(removals.keys.astype(np.int64))
        managed = np.bincount(schools.astype(np.int64))
        removed = np.bincount(removals.schools.astype(np.int64))
        created = self._created_by_school(kind)
        for school in np.flatnonzero(removed).tolist():
            if school:
                before = int(managed[school]) if school < len(managed) else 0
                yield Measure(kind, school, before, created[school], 0, int(removed[school]))

    def _created_by_school(self, kind: Kind) -> Counter[int]:
        if kind not in RELATION_KINDS:
            return Counter()
        book = self._context.relations(kind)
        return Counter(self._finder.schools_of(kind, self._added(book.created(), kind)).tolist())

    def _added(self, created: Keys, kind: Kind) -> Keys:
        """New and restored relations."""
        book = self._context.relations(kind)
        back = (book.seen == CHANGED) & ((book.stored.flags & ACTIVE) == 0)
        return np.concatenate([created, book.stored.keys[back]])

    def _churns(self) -> list[Churn]:
        """Removed records whose names come back under new ids."""
        churns = []
        floor = self._context.settings.guard.churn_floor
        for kind in _CHURN_KINDS:
            removals, new = self._removals.get(kind), self._context.new_natural_keys.get(kind, [])
            if removals is None or len(removals) < floor or len(new) < floor:
                continue
            rows = self._context.stored.entities(kind, removals.keys.astype(np.int64).tolist())
            gone = Counter(natural_key(kind, columns) for columns in rows.values())
            pairs = sum((gone & Counter(new)).values())
            churns.append(Churn(kind, len(removals), pairs, kept=self._context.add_only))
        return churns

    def _keep_all(self) -> None:
        """Nothing is removed these days. Re-issued ids are told by what would have gone, so call it after ``_churns``."""
        for kind, removals in self._removals.items():
            self._context.counts[kind].kept = len(removals)
        self._removals.clear()

    # --- hold ------------------------------------------------------------------------------------------------------

    def _hold_removals(self, verdict: Verdict) -> None:
        for kind, removals in self._removals.items():
            if (kind, None) in verdict.removals:
                removals.held[:] = True
            schools = [school for held_kind, school in verdict.removals if held_kind == kind and school is not None]
            removals.held |= np.isin(removals.schools, schools)
        self._spread_holds()

    def _hold_schools_in_use(self, verdict: Verdict) -> Verdict:
        """A school that other connections (or people) still fill does not go without a person's word."""
        schools = self._removals.get("school")
        if schools is None:
            return verdict
        stored = self._context.relations("affiliation").stored
        foreign = ((stored.flags & ACTIVE) != 0) & ((stored.flags & MANAGED) == 0)
        used = np.r_[unpack(stored.keys[foreign])[1], self._context.stored.schools_with_foreign_classes()]
        in_use = np.isin(schools.keys.astype(np.int64), used.astype(np.int64))
        schools.held |= in_use
        count, managed = int(np.count_nonzero(in_use)), self._context.entities("school").managed_before
        if not count:
            return verdict
        what = "it" if count == 1 else "them"
        sentence = (
            f"{count} of {managed} schools would go though another source still fills {what}; held until you decide."
        )
        return replace(verdict, holds=[*verdict.holds, Hold("school", "in_use", count, managed, 0, None, sentence)])

    def _spread_holds(self) -> None:
        """What hangs together waits together: a class and its enrollments, a person and all that the person has."""
        while True:
            before = sum(int(np.count_nonzero(removals.held)) for removals in self._removals.values())
            self._spread_between_classes_and_schools()
            for kind in RELATION_KINDS:
                if kind in self._removals:
                    self._spread_to_ends(kind)
            if before == sum(int(np.count_nonzero(removals.held)) for removals in self._removals.values()):
                return

    def _spread_between_classes_and_schools(self) -> None:
        classes, schools = self._removals.get("class"), self._removals.get("school")
        if classes is not None and schools is not None:
            classes.held |= np.isin(classes.schools, schools.keys[schools.held])
            schools.held |= np.isin(schools.keys, classes.schools[classes.held])

    def _spread_to_ends(self, kind: Kind) -> None:
        relation = self._removals[kind]
        first, second, _ = unpack(relation.keys)
        for side, end in zip((first, second), END_KINDS[kind], strict=True):
            parents = self._removals.get(end)
            if parents is not None:
                ids = parents.keys.astype(np.int64)
                parents.held |= np.isin(ids, side[relation.held])
                relation.held |= np.isin(side, ids[parents.held])

    def _split(self, chunk: Chunk, verdict: Verdict) -> tuple[Chunk, Chunk]:
        """The rows that go on and the rows that wait."""
        everything, nothing = chunk, Chunk(chunk.kind, chunk.operation, [])
        if chunk.operation == "update" and chunk.kind in verdict.updates:
            return nothing, everything
        if chunk.kind in ENTITY_KINDS:
            waits = chunk.operation == "create" and chunk.kind in verdict.both_halves
            return (nothing, everything) if waits else (everything, nothing)
        limits = [
            self._context.entities(end).first_new_id if end in verdict.both_halves else None
            for end in END_KINDS[chunk.kind]
        ]
        if limits == [None, None]:
            return everything, nothing
        now: list[tuple[Any, ...]] = []
        later: list[tuple[Any, ...]] = []
        for row in chunk.rows:
            new = any(limit is not None and row[side] >= limit for side, limit in enumerate(limits))
            (later if new else now).append(row)
        return Chunk(chunk.kind, chunk.operation, now), Chunk(chunk.kind, chunk.operation, later)

    def _count_held(self, later: Chunk) -> None:
        counts, waiting = self._context.counts[later.kind], len(later.rows)
        counts.held += waiting
        if later.operation == "create":
            counts.created -= waiting
        elif later.operation == "update":
            counts.updated -= waiting
        elif later.operation == "restore":
            counts.restored -= waiting

    def _write_removals(self, kind: Kind, go: ChunkFile, held: ChunkFile) -> None:
        removals = self._removals.get(kind)
        if removals is None:
            return
        counts = self._context.counts[kind]
        for waits, target in ((False, go), (True, held)):
            rows = self._removal_rows(kind, removals, waits)
            for start in range(0, len(rows), _CHUNK):
                target.append(Chunk(kind, "archive", rows[start : start + _CHUNK]))
            if waits:
                counts.held += len(rows)
            else:
                counts.archived += len(rows)

    def _removal_rows(self, kind: Kind, removals: Removals, waits: bool) -> list[tuple[Any, ...]]:
        chosen = removals.held == waits
        causes = [CAUSES[cause] for cause in removals.causes[chosen].tolist()]
        coverage = [None if seq == NO_COVERAGE else seq for seq in removals.coverage[chosen].tolist()]
        if kind in ENTITY_KINDS:
            return list(zip(removals.keys[chosen].tolist(), causes, coverage, strict=True))
        first, second, codes = unpack(removals.keys[chosen])
        names = [self._context.roles.name(code) for code in codes.tolist()]
        return list(zip(first.tolist(), second.tolist(), names, causes, coverage, strict=True))

    # --- consequences ----------------------------------------------------------------------------------------------

    def _consequences(self) -> list[str]:
        happening = self._consequences_of(waits=False)
        waiting = self._consequences_of(waits=True)
        return happening + consequences.conditional(waiting)

    def _consequences_of(self, waits: bool) -> list[str]:
        people, classes = self._leaving("person", waits), self._leaving("class", waits)
        sentences = []
        if movement := self._movement("enrollment", waits):
            sentences += consequences.of_enrollments(movement, self._context.roles, people, classes)
        if movement := self._movement("guardianship", waits):
            sentences += consequences.of_guardianships(movement, people)
        return sentences

    def _leaving(self, kind: Kind, waits: bool) -> Ints:
        removals = self._removals.get(kind)
        if removals is None:
            return np.empty(0, dtype=np.int64)
        return removals.keys[removals.held == waits].astype(np.int64) if not waits else removals.keys.astype(np.int64)

    def _movement(self, kind: Kind, waits: bool) -> Movement | None:
        removals = self._removals.get(kind)
        if removals is None or not np.any(removals.held == waits):
            return None
        book = self._context.relations(kind)
        before = book.stored.keys[(book.stored.flags & ACTIVE) != 0]
        removed = removals.keys if waits else removals.keys[~removals.held]
        return Movement(before, self._added(book.created(), kind), removed)
