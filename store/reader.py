"""The stored roster of one tenant, as one connection sees it: what a comparison asks for."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, text

from models.plan import COLUMNS
from models.state import ENDS, RoleCodes, StoredState
from models.vocabulary import Kind
from store import state
from store.bulk import quoted
from store.database import is_sqlite, reading

_BATCH = 500


class RosterReader:
    """Reads in short transactions of its own; the tenant's lock keeps other runs away meanwhile."""

    def __init__(self, engine: Engine, tenant_id: int, connection_id: int) -> None:
        self._engine = engine
        self._tenant_id = tenant_id
        self._connection_id = connection_id

    def links(self, kind: Kind) -> StoredState:
        with reading(self._engine) as connection:
            return state.load_links(connection, self._connection_id, kind)

    def other_links(self, kind: Kind) -> list[tuple[int, int]]:
        with reading(self._engine) as connection:
            return state.load_other_links(connection, self._tenant_id, self._connection_id, kind)

    def relations(self, kind: Kind, roles: RoleCodes) -> StoredState:
        with reading(self._engine) as connection:
            return state.load_relations(connection, self._tenant_id, self._connection_id, kind, roles)

    def class_schools(self) -> NDArray[np.int64]:
        with reading(self._engine) as connection:
            return state.load_class_schools(connection, self._tenant_id)

    def next_ids(self) -> dict[Kind, int]:
        with reading(self._engine) as connection:
            return state.next_ids(connection, self._tenant_id)

    def entities(self, kind: Kind, ids: Sequence[int]) -> dict[int, tuple[Any, ...]]:
        """Columns of entities, by internal id."""
        columns = ", ".join(map(quoted, COLUMNS[kind]))
        answer: dict[int, tuple[Any, ...]] = {}
        with reading(self._engine) as connection:
            for start in range(0, len(ids), _BATCH):
                some = ", ".join(str(int(entity_id)) for entity_id in ids[start : start + _BATCH])
                rows = connection.exec_driver_sql(
                    f"SELECT id, {columns} FROM {quoted(kind)} WHERE tenant_id = {self._tenant_id} AND id IN ({some})"
                )
                for row in rows:
                    answer[row[0]] = tuple(row[1:])
        return answer

    def count_having(self, kind: Kind, name: str) -> int:
        """How many active records that this connection manages have a value of a column.

        "identifiers.state_id" asks for identifiers of that type.
        """
        column, _, key = name.partition(".")
        condition = f"{quoted(column)} IS NOT NULL AND CAST({quoted(column)} AS TEXT) NOT IN ('', '[]', '{{}}')"
        values: dict[str, Any] = {"tenant": self._tenant_id, "connection": self._connection_id}
        if key:
            condition = f"{quoted(column)} LIKE :key ESCAPE '!'"
            values["key"] = f"%{_escaped(msgspec.json.encode(key).decode())}:%"
        query = text(
            f"SELECT count(*) FROM {quoted(kind)} "
            f"WHERE tenant_id = :tenant AND connection_id = :connection AND status = 'active' AND {condition}"
        )
        with reading(self._engine) as connection:
            return int(connection.execute(query, values).scalar_one())

    def schools_with_foreign_classes(self) -> list[int]:
        """Schools with active classes that this connection does not manage."""
        with reading(self._engine) as connection:
            rows = connection.exec_driver_sql(
                f"SELECT DISTINCT school_id FROM class WHERE tenant_id = {self._tenant_id} AND status = 'active' "
                f"AND (connection_id IS NULL OR connection_id <> {self._connection_id})"
            )
            return [int(school_id) for (school_id,) in rows]

    def relation_columns(
        self, kind: Kind, ends: Sequence[tuple[int, int, str]]
    ) -> dict[tuple[int, int, str], tuple[Any, ...]]:
        """Columns of stored relations by (first id, second id, role); "" is the role of relations that have none."""
        wanted = set(ends)
        answer: dict[tuple[int, int, str], tuple[Any, ...]] = {}
        with reading(self._engine) as connection:
            for start in range(0, len(ends), _BATCH):
                pairs = sorted({(int(a), int(b)) for a, b, _ in ends[start : start + _BATCH]})
                for row in connection.exec_driver_sql(self._relations_query(kind, pairs, is_sqlite(connection))):
                    if (row[0], row[1], row[2]) in wanted:
                        answer[row[0], row[1], row[2]] = tuple(row[3:])
        return answer

    def _relations_query(self, kind: Kind, pairs: Sequence[tuple[int, int]], sqlite: bool) -> str:
        """On PostgreSQL one index look-up per pair whatever the planner believes of a tenant that it does not know yet:
        the limit keeps it from turning the look-ups into one join over all of the tenant's rows."""
        first, second = ENDS[kind]
        role = "''" if kind == "guardianship" else "role"
        columns = ", ".join(map(quoted, COLUMNS[kind]))
        values = ", ".join(f"({a}, {b})" for a, b in pairs)
        select = f"SELECT {first}, {second}, {role}, {columns} FROM {quoted(kind)} WHERE tenant_id = {self._tenant_id}"
        if sqlite:
            return f"{select} AND ({first}, {second}) IN (VALUES {values})"
        found = f"{select} AND {first} = wanted.a AND {second} = wanted.b LIMIT 256"
        return f"SELECT found.* FROM (VALUES {values}) AS wanted (a, b) CROSS JOIN LATERAL ({found}) AS found"


def _escaped(literal: str) -> str:
    """A text that LIKE takes letter by letter."""
    return "".join(f"!{char}" if char in "!%_" else char for char in literal)
