"""What a sync has to know of the stored roster before it starts: slim arrays, one number per fact, no text per record.

The arrays and the packed keys of relations are those of ``models.state``.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from models.state import ACTIVE, ENDS, MANAGED, RoleCodes, StoredState
from models.vocabulary import LISTINGS, Kind
from store.bulk import fetch_integers, quoted

#: Where most records of a kind stand, and the roles that most people have: the database tries the cases of an expression
#: one after the other for every row.
_USUAL_LISTING: dict[Kind, str] = {
    "school": "orgs",
    "term": "academicSessions",
    "class": "classes",
    "enrollment": "enrollments",
}
_USUAL_ROLES = ("student", "parent", "teacher", "guardian")


def _meta(kind: Kind, active: str, managed: str) -> str:
    """SQL for flags + 4 * listing of a row; ``active`` and ``managed`` are conditions. Nearly all rows fit the first case."""
    usual = _USUAL_LISTING.get(kind, "users")
    listings = " ".join(f"WHEN '{name}' THEN {code}" for code, name in enumerate(LISTINGS))
    full = (
        f"CASE WHEN {active} THEN {ACTIVE} ELSE 0 END + CASE WHEN {managed} THEN {MANAGED} ELSE 0 END "
        f"+ 4 * CASE listing {listings} ELSE 0 END"
    )
    first = (ACTIVE | MANAGED) + 4 * LISTINGS.index(usual)
    return f"CAST(CASE WHEN listing = '{usual}' AND {active} AND ({managed}) THEN {first} ELSE {full} END AS BIGINT)"


def _sorted_state(blocks: Iterable[NDArray[np.int64]], entities: bool) -> StoredState:
    """Blocks of columns (key, fingerprint, meta[, id]) as one sorted state; meta is flags + 4 * listing.

    Each block is taken apart at once: of six million rows, two whole copies would not fit into the budget.
    """
    parts: list[list[NDArray[Any]]] = [[], [], [], []]
    for block in blocks:
        parts[0].append(block[:, 0].view(np.uint64).copy())
        parts[1].append(block[:, 1].view(np.uint64).copy())
        parts[2].append(block[:, 2].astype(np.uint8))
        if entities:
            parts[3].append(block[:, 3].copy())
    keys, fingerprints = _joined(parts[0], np.uint64), _joined(parts[1], np.uint64)
    meta, ids = _joined(parts[2], np.uint8), _joined(parts[3], np.int64)
    if len(keys) and not bool(np.all(keys[1:] >= keys[:-1])):
        order = np.argsort(keys)
        keys, fingerprints, meta = keys[order], fingerprints[order], meta[order]
        ids = ids[order] if entities else ids
    return StoredState(keys, ids, fingerprints, meta & np.uint8(3), meta >> np.uint8(2))


def _joined(parts: list[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    joined = np.concatenate(parts) if parts else np.empty(0, dtype=dtype)
    parts.clear()
    return joined


def load_links(connection: Connection, connection_id: int, kind: Kind) -> StoredState:
    """All entities of a kind that a connection knows, archived ones included."""
    select = (
        f"SELECT key AS v0, fingerprint AS v1, {_meta(kind, 'active', 'manages')} AS v2, entity_id AS v3 "
        f"FROM link WHERE connection_id = {int(connection_id)} AND kind = '{kind}'"
    )
    return _sorted_state(fetch_integers(connection, select, 4), entities=True)


def load_other_links(connection: Connection, tenant_id: int, connection_id: int, kind: Kind) -> list[tuple[int, int]]:
    """(key, internal id) of active entities as the tenant's other connections know them, hand-set ids first."""
    rows = connection.execute(
        text(
            "SELECT link.key, link.entity_id FROM link JOIN connection ON connection.id = link.connection_id "
            "WHERE link.tenant_id = :tenant AND link.kind = :kind AND link.connection_id <> :connection AND link.active "
            "ORDER BY CASE connection.connector WHEN 'manual' THEN 0 ELSE 1 END, link.connection_id"
        ),
        {"tenant": tenant_id, "connection": connection_id, "kind": kind},
    )
    return [(key % 2**64, entity_id) for key, entity_id in rows]


def load_relations(
    connection: Connection, tenant_id: int, connection_id: int, kind: Kind, roles: RoleCodes
) -> StoredState:
    """All stored relations of a kind in the tenant, archived and foreign ones included (their flags tell).

    What another connection has archived counts as managed: whoever lists it again takes it over. What was made by hand
    never does.
    """
    table = quoted(kind)
    managed = f"connection_id = {int(connection_id)} OR (status <> 'active' AND connection_id IS NOT NULL)"
    meta = _meta(kind, "status = 'active'", managed)
    state = _load_relations(connection, tenant_id, kind, meta, roles)
    if kind != "guardianship" and bool(np.any(state.keys & np.uint64(255) == 0)):
        _number_extension_roles(connection, tenant_id, table, roles)
        state = _load_relations(connection, tenant_id, kind, meta, roles)
    return state


def _load_relations(connection: Connection, tenant_id: int, kind: Kind, meta: str, roles: RoleCodes) -> StoredState:
    """Rows whose role has no number yet get 0 for it."""
    first, second = ENDS[kind]
    role = "0"
    if kind != "guardianship":
        codes = sorted(roles.all_codes(), key=lambda code: roles.name(code) not in _USUAL_ROLES)
        cases = " ".join(f"WHEN '{roles.name(code)}' THEN {code}" for code in codes)
        role = f"CASE role {cases} ELSE 0 END"
    key = f"({first} << 36) | ({second} << 8) | ({role})"
    table = quoted(kind)
    select = f"SELECT {key} AS v0, fingerprint AS v1, {meta} AS v2 FROM {table} WHERE tenant_id = {int(tenant_id)}"
    return _sorted_state(fetch_integers(connection, select, 3), entities=False)


def _number_extension_roles(connection: Connection, tenant_id: int, table: str, roles: RoleCodes) -> None:
    """Extension roles are rare, so they are asked for only when one has been met."""
    rows = connection.execute(
        text(f"SELECT DISTINCT role FROM {table} WHERE tenant_id = :tenant AND role LIKE 'ext:%'"),
        {"tenant": tenant_id},
    )
    for (role,) in rows:
        if not all(letter.isalnum() or letter in ":._-" for letter in role):
            raise ValueError("a stored role holds characters that OneRoster does not allow")
        roles.code(role)


def next_ids(connection: Connection, tenant_id: int) -> dict[Kind, int]:
    """The first free internal id of each kind of entity. Ids are never used twice, as nothing is ever deleted."""
    answer: dict[Kind, int] = {}
    kinds: tuple[Kind, ...] = ("school", "term", "class", "person")
    for kind in kinds:
        top = connection.scalar(text(f'SELECT max(id) FROM "{kind}" WHERE tenant_id = :tenant'), {"tenant": tenant_id})
        answer[kind] = (top or 0) + 1
    return answer


def load_class_schools(connection: Connection, tenant_id: int) -> NDArray[np.int64]:
    """Rows of (class id, school id), archived classes included."""
    select = f'SELECT id AS v0, school_id AS v1 FROM "class" WHERE tenant_id = {int(tenant_id)}'
    blocks = list(fetch_integers(connection, select, 2))
    return np.concatenate(blocks) if blocks else np.empty((0, 2), dtype=np.int64)


def load_school_names(connection: Connection, tenant_id: int) -> dict[int, str]:
    """Names of all schools by internal id."""
    rows = connection.execute(text("SELECT id, name FROM school WHERE tenant_id = :tenant"), {"tenant": tenant_id})
    return {int(school_id): str(name) for school_id, name in rows}
