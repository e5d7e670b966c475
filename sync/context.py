"""What the steps of one comparison share: the stored roster as they may ask for it, and where findings go."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models.pages import Coverage
from models.plan import ChunkFile
from models.report import KindCounts
from models.settings import TenantSettings
from models.state import RoleCodes, StoredState
from models.vocabulary import KINDS, Kind
from sync.entities import EntityBook
from sync.index import Growing, Ints, Keys
from sync.outcomes import Outcomes
from sync.problems import ProblemLog
from sync.relations import RelationBook


class StoredRoster(Protocol):
    """The stored roster of one tenant, as seen by one connection (``store.reader``)."""

    def links(self, kind: Kind) -> StoredState: ...
    def other_links(self, kind: Kind) -> list[tuple[int, int]]: ...
    def relations(self, kind: Kind, roles: RoleCodes) -> StoredState: ...
    def class_schools(self) -> NDArray[np.int64]: ...
    def next_ids(self) -> dict[Kind, int]: ...
    def entities(self, kind: Kind, ids: Sequence[int]) -> dict[int, tuple[Any, ...]]:
        """Columns (``models.plan.COLUMNS``) of entities, by internal id."""
        ...

    def count_having(self, kind: Kind, name: str) -> int:
        """How many records that this connection manages have a value of a column ("identifiers.state_id": of that type)."""
        ...

    def schools_with_foreign_classes(self) -> list[int]:
        """Schools with active classes that this connection does not manage."""
        ...

    def relation_columns(
        self, kind: Kind, ends: Sequence[tuple[int, int, str]]
    ) -> dict[tuple[int, int, str], tuple[Any, ...]]:
        """Columns of relations by (first id, second id, role)."""
        ...


@dataclass
class Context:
    """State of one comparison. ``coverage`` is in the order in which it was stated; removals name positions in it."""

    stored: StoredRoster
    settings: TenantSettings
    problems: ProblemLog
    outcomes: Outcomes
    plan: ChunkFile
    #: Nothing is removed, whatever the source says of it.
    add_only: bool = False
    #: How many records would lose their value of a field (``sync.unshared``).
    blanked: Counter[tuple[Kind, str]] = field(default_factory=Counter)
    #: Those of them that come back after they were archived.
    blanked_again: Counter[tuple[Kind, str]] = field(default_factory=Counter)
    roles: RoleCodes = field(default_factory=RoleCodes)
    coverage: list[Coverage] = field(default_factory=list)
    counts: dict[Kind, KindCounts] = field(default_factory=lambda: {kind: KindCounts(kind) for kind in KINDS})
    #: School (internal id) of every class, by class id.
    class_schools: Growing = field(default_factory=lambda: Growing(np.uint32))
    #: Bits of the role groups of every person (``vocabulary.GROUP_BITS``), by person id.
    person_groups: Growing = field(default_factory=lambda: Growing(np.uint8))
    #: Ids of people whose own row was refused: what hangs on that row stays as well.
    protected_people: list[Ints] = field(default_factory=list)
    #: How many tombstones took effect.
    tombstones: int = 0
    #: Natural keys of new entities, to notice re-issued ids.
    new_natural_keys: dict[Kind, list[int]] = field(default_factory=dict)
    _entities: dict[Kind, EntityBook] = field(default_factory=dict)
    _relations: dict[Kind, RelationBook] = field(default_factory=dict)
    _next_ids: dict[Kind, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._next_ids = self.stored.next_ids()
        pairs = self.stored.class_schools()
        self.class_schools.put(pairs[:, 0], pairs[:, 1])

    def entities(self, kind: Kind) -> EntityBook:
        book = self._entities.get(kind)
        if book is None:
            stored = self.stored
            book = EntityBook(kind, stored.links(kind), stored.other_links(kind), self._next_ids[kind])
            self._entities[kind] = book
        return book

    def relations(self, kind: Kind) -> RelationBook:
        book = self._relations.get(kind)
        if book is None:
            book = RelationBook(kind, self.stored.relations(kind, self.roles), self.roles)
            self._relations[kind] = book
        return book

    def block_entities(self, kind: Kind, keys: Keys) -> None:
        """Refused rows of entities: what is stored of them stays, and with a person what stands in the person's row."""
        ids = self.entities(kind).block(keys)
        if kind == "person" and len(ids):
            self.protected_people.append(ids)

    def covered(self, kind: Kind) -> dict[str, int]:
        """Listings of a kind whose absence proves something -> position of their coverage statement."""
        return {
            statement.listing: position
            for position, statement in enumerate(self.coverage)
            if statement.kind == kind and statement.verdict == "complete"
        }
