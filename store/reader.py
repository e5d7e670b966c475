"""The stored roster of one tenant, as one connection sees it: what a comparison asks for."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, text

from models.plan import COLUMNS
from models.state import ENDS, RoleCodes, StoredState
from models.vocabulary import Kind
from store import state
from store.bulk import quoted
from store.database import reading

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

    def entities(self, kind: Kind, ids: Sequence[int]) -> dict[int, tuple[str, tuple[Any, ...]]]:
        """Source id and columns of entities that this connection knows, by internal id."""
        columns = ", ".join(f"entity.{quoted(name)}" for name in COLUMNS[kind])
        answer: dict[int, tuple[str, tuple[Any, ...]]] = {}
        with reading(self._engine) as connection:
            for start in range(0, len(ids), _BATCH):
                some = ", ".join(str(int(entity_id)) for entity_id in ids[start : start + _BATCH])
                rows = connection.exec_driver_sql(
                    f"SELECT entity.id, link.source_id, {columns} FROM {quoted(kind)} AS entity "
                    f"JOIN link ON link.tenant_id = entity.tenant_id AND link.kind = '{kind}' AND link.entity_id = entity.id "
                    f"WHERE entity.tenant_id = {self._tenant_id} AND entity.id IN ({some}) "
                    f"AND link.connection_id = {self._connection_id}"
                )
                for row in rows:
                    answer[row[0]] = (row[1], tuple(row[2:]))
        return answer

    def relation_columns(
        self, kind: Kind, ends: Sequence[tuple[int, int, str]]
    ) -> dict[tuple[int, int, str], tuple[Any, ...]]:
        """Columns of stored relations by (first id, second id, role); "" is the role of relations that have none."""
        first, second = ENDS[kind]
        role = "''" if kind == "guardianship" else "role"
        columns = ", ".join(map(quoted, COLUMNS[kind]))
        wanted = set(ends)
        answer: dict[tuple[int, int, str], tuple[Any, ...]] = {}
        with reading(self._engine) as connection:
            for start in range(0, len(ends), _BATCH):
                pairs = sorted({(int(a), int(b)) for a, b, _ in ends[start : start + _BATCH]})
                values = ", ".join(f"({a}, {b})" for a, b in pairs)
                rows = connection.execute(
                    text(
                        f"SELECT {first}, {second}, {role}, {columns} FROM {quoted(kind)} "
                        f"WHERE tenant_id = :tenant AND ({first}, {second}) IN (VALUES {values})"
                    ),
                    {"tenant": self._tenant_id},
                )
                for row in rows:
                    if (row[0], row[1], row[2]) in wanted:
                        answer[row[0], row[1], row[2]] = tuple(row[3:])
        return answer
