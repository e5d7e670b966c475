"""The active stored roster of one tenant, in id order and in batches: what an export writes.

Everything is read inside the caller's one read transaction, so that an export is one moment's roster. Memory holds the
source ids (about 30 bytes each) and one batch.
"""

from array import array
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Select, Table, and_, exists, func, select

from models.plan import COLUMNS
from models.state import ENDS
from models.tables import Affiliation, Class, Enrollment, Guardianship, Link, Person, School, Term
from models.vocabulary import Kind

BATCH: Final = 5_000

_MODELS: Final[dict[Kind, Any]] = {
    "school": School,
    "term": Term,
    "class": Class,
    "person": Person,
    "affiliation": Affiliation,
    "enrollment": Enrollment,
    "guardianship": Guardianship,
}
_TABLES: Final[dict[Kind, Table]] = {kind: model.__table__ for kind, model in _MODELS.items()}
_LINKS: Final[Table] = cast(Any, Link).__table__

Row = tuple[Any, ...]


class SourceIds:
    """The id under which each active entity of a kind is exported, by internal id; None for all others.

    It is the id of the connection that manages the entity, else of the first connection that knows it. Entities without
    any (made by hand), and those whose id another entity has already, get ``rs-<kind>-<internal id>``.
    """

    def __init__(self, connection: Connection, tenant_id: int, kind: Kind) -> None:
        self._kind = kind
        self._texts = bytearray()
        #: how many entities got an id of ours
        self.synthetic = 0
        active = _active_ids(connection, tenant_id, kind)
        shared = _shared_keys(connection, tenant_id, kind)
        self._ends = self._fill(active, _links(connection, tenant_id, kind), shared)

    def __call__(self, entity_id: int) -> str | None:
        ends = self._ends
        if not 0 < entity_id < len(ends):
            return None
        start, end = ends[entity_id - 1], ends[entity_id]
        return self._texts[start:end].decode() if end > start else None

    def _fill(self, active: NDArray[np.bool_], links: Iterator[Row], shared: set[int]) -> "array[int]":
        """Where each entity's id ends in the texts, by internal id."""
        lengths = np.zeros(len(active), dtype=np.int64)
        taken: set[int] = set()
        link = next(links, None)
        for entity_id in np.flatnonzero(active).tolist():
            while link is not None and link[0] < entity_id:
                link = next(links, None)
            if link is not None and link[0] == entity_id and link[2] not in taken:
                source_id = str(link[1])
                if link[2] in shared:
                    taken.add(link[2])
            else:
                source_id = f"rs-{self._kind}-{entity_id}"
                self.synthetic += 1
            text = source_id.encode()
            self._texts += text
            lengths[entity_id] = len(text)
        return array("q", np.cumsum(lengths).tobytes())


class People(NamedTuple):
    """Some people in id order and what hangs on them, all by internal ids and all active.

    ``people`` are (id, …columns as in ``models.plan.COLUMNS``); ``affiliations`` by person (school, role, is primary);
    ``guardians`` by student and ``students`` by guardian (other person, relationship, contact type).
    """

    people: list[Row]
    affiliations: dict[int, list[Row]]
    guardians: dict[int, list[Row]]
    students: dict[int, list[Row]]


class StoredRoster:
    """One tenant's active roster as one read transaction sees it."""

    def __init__(self, connection: Connection, tenant_id: int) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    def source_ids(self, kind: Kind) -> SourceIds:
        return SourceIds(self._connection, self._tenant_id, kind)

    def entities(self, kind: Kind) -> Iterator[Row]:
        """(id, …columns) of all active entities of a kind, in id order."""
        columns = _TABLES[kind].c
        query = self._active(kind, columns.id, *(columns[name] for name in COLUMNS[kind])).order_by(columns.id)
        return _rows(self._connection, query)

    def courses(self) -> Iterator[Row]:
        """(title, number) of the courses that active classes name, each once."""
        columns = _TABLES["class"].c
        query = self._active("class", columns.course_title, columns.course_number).distinct()
        query = query.order_by(columns.course_title, columns.course_number)
        return (row for row in _rows(self._connection, query) if row != (None, None))

    def enrollments(self) -> Iterator[Row]:
        """(class id, person id, role, is primary, begins on, ends on), class by class."""
        columns = _TABLES["enrollment"].c
        chosen = [columns[name] for name in (*ENDS["enrollment"], "role", *COLUMNS["enrollment"])]
        query = self._active("enrollment", *chosen).order_by(columns.class_id, columns.person_id, columns.role)
        return _rows(self._connection, query)

    def people(self) -> Iterator[People]:
        """All active people, up to BATCH internal ids at a time: ranges of ids are ranges of every index involved."""
        last = self._connection.scalar(select(func.max(_TABLES["person"].c.id)).where(self._is_tenant("person"))) or 0
        for first in range(1, last + 1, BATCH):
            ids = (first, first + BATCH - 1)
            people = self._between("person", "id", ids, COLUMNS["person"])
            affiliations = self._between("affiliation", "person_id", ids, ("school_id", "role", "is_primary"))
            facts = COLUMNS["guardianship"]
            guardians = self._between("guardianship", "student_id", ids, ("guardian_id", *facts))
            students = self._between("guardianship", "guardian_id", ids, ("student_id", *facts))
            yield People(people, _grouped(affiliations), _grouped(guardians), _grouped(students))

    def guardians_without_role(self) -> NDArray[np.bool_]:
        """True at the internal ids of people who are somebody's guardian and have no role anywhere."""
        links, roles = _TABLES["guardianship"].c, _TABLES["affiliation"].c
        has_role = exists(
            self._active("affiliation", 1).where(
                roles.tenant_id == links.tenant_id, roles.person_id == links.guardian_id
            )
        )
        query = self._active("guardianship", links.guardian_id).where(~has_role).distinct()
        return _mask(np.fromiter((row[0] for row in _rows(self._connection, query)), dtype=np.int64))

    def enrolled_as(self, person_id: int) -> str | None:
        """A role that a person has in some class: for those who have none at a school."""
        columns = _TABLES["enrollment"].c
        query = self._active("enrollment", func.min(columns.role)).where(columns.person_id == person_id)
        role = self._connection.scalar(query)
        return None if role is None else str(role)

    def has_several_roles(self) -> bool:
        """Whether any person has more than one role, wherever."""
        columns = _TABLES["affiliation"].c
        query = self._active("affiliation", columns.person_id).group_by(columns.person_id)
        return self._connection.scalar(query.having(func.count(columns.role.distinct()) > 1).limit(1)) is not None

    def has_people_without_role(self) -> bool:
        """Whether anybody is neither affiliated nor somebody's guardian."""
        people, roles, links = (_TABLES[kind].c for kind in ("person", "affiliation", "guardianship"))
        has_role = self._active("affiliation", 1).where(
            roles.tenant_id == people.tenant_id, roles.person_id == people.id
        )
        is_guardian = self._active("guardianship", 1).where(
            links.tenant_id == people.tenant_id, links.guardian_id == people.id
        )
        query = self._active("person", 1).where(~exists(has_role), ~exists(is_guardian))
        return bool(self._connection.scalar(select(exists(query))))

    def has_value(self, kind: Kind, column: str) -> bool:
        """Whether any active row of the kind has a value in the column."""
        columns = _TABLES[kind].c
        return bool(self._connection.scalar(select(exists(self._active(kind, 1).where(columns[column].is_not(None))))))

    def has_identifier(self, name: str) -> bool:
        """Whether any active person has an identifier of this type."""
        found = _TABLES["person"].c.identifiers.contains(f'"{name}"', autoescape=True)
        return bool(self._connection.scalar(select(exists(self._active("person", 1).where(found)))))

    def _active(self, kind: Kind, *columns: Any) -> Select[Any]:
        return select(*columns).where(self._is_tenant(kind), _TABLES[kind].c.status == "active")

    def _is_tenant(self, kind: Kind) -> Any:
        return _TABLES[kind].c.tenant_id == self._tenant_id

    def _between(self, kind: Kind, key: str, ids: tuple[int, int], names: tuple[str, ...]) -> list[Row]:
        """(key, …columns) of the active rows whose ``key`` lies in a range, in key order."""
        columns = _TABLES[kind].c
        chosen = [columns[name] for name in (key, *names)]
        query = self._active(kind, *chosen).where(columns[key].between(*ids)).order_by(*chosen[:2])
        return [tuple(row) for row in self._connection.execute(query)]


def _grouped(rows: list[Row]) -> dict[int, list[Row]]:
    groups: dict[int, list[Row]] = defaultdict(list)
    for first, *others in rows:
        groups[first].append(tuple(others))
    return groups


def _active_ids(connection: Connection, tenant_id: int, kind: Kind) -> NDArray[np.bool_]:
    """True at the internal ids of active entities."""
    columns = _TABLES[kind].c
    query = select(columns.id).where(columns.tenant_id == tenant_id, columns.status == "active").order_by(columns.id)
    return _mask(np.fromiter((row[0] for row in _rows(connection, query)), dtype=np.int64))


def _mask(ids: NDArray[np.int64]) -> NDArray[np.bool_]:
    mask = np.zeros(int(ids.max()) + 1 if len(ids) else 1, dtype=np.bool_)
    mask[ids] = True
    return mask


def _links(connection: Connection, tenant_id: int, kind: Kind) -> Iterator[Row]:
    """(entity id, source id, key) in entity order, the managing connection's first."""
    columns = _LINKS.c
    query = (
        select(columns.entity_id, columns.source_id, columns.key)
        .where(columns.tenant_id == tenant_id, columns.kind == kind)
        .order_by(columns.entity_id, columns.manages.desc(), columns.connection_id)
    )
    return _rows(connection, query)


def _shared_keys(connection: Connection, tenant_id: int, kind: Kind) -> set[int]:
    """Keys of ids that stand for several entities: two connections may use one id for two people."""
    columns = _LINKS.c
    query = (
        select(columns.key)
        .where(and_(columns.tenant_id == tenant_id, columns.kind == kind))
        .group_by(columns.key)
        .having(func.count(columns.entity_id.distinct()) > 1)
    )
    return {row[0] for row in _rows(connection, query)}


def _rows(connection: Connection, query: Select[Any]) -> Iterator[Row]:
    """The answer row by row, fetched BATCH rows at a time; from a server-side cursor on PostgreSQL."""
    answer = connection.execute(query.execution_options(yield_per=BATCH))
    for rows in answer.partitions():
        for row in rows:
            yield tuple(row)
