"""A picture of a tenant's stored roster that does not depend on internal ids, times or runs: for comparing rosters.

Everything is in memory at once: meant for replays and tests, not for districts of a million.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from models.plan import COLUMNS
from models.state import ENDS
from models.vocabulary import ENTITY_KINDS, KINDS, Kind
from store.database import reading
from store.snapshot import all_links, all_rows
from sync.service import Service
from sync.tenants import tenant_and_settings

Snapshot = dict[str, list[dict[str, Any]]]
#: Kind -> internal id -> (connection's name, source id), the managing connection's first.
Names = Mapping[Kind, Mapping[int, Sequence[tuple[str, str]]]]

#: Columns that hold internal ids -> the kind that they point at.
_POINTS_AT: Final[dict[str, Kind]] = {
    "parent_id": "school",
    "school_id": "school",
    "class_id": "class",
    "person_id": "person",
    "student_id": "person",
    "guardian_id": "person",
}
_JSON: Final = frozenset({"subjects", "grades", "periods", "identifiers", "term_ids"})
_BOOLEANS: Final = frozenset({"is_primary", "enabled"})
#: What tells the records of a kind apart.
_KEYS: Final[dict[Kind, tuple[str, ...]]] = {
    **dict.fromkeys(ENTITY_KINDS, ("id",)),
    "affiliation": ("person", "school", "role"),
    "enrollment": ("class", "person", "role"),
    "guardianship": ("student", "guardian"),
}
_MOST_LINES: Final = 50


def snapshot(service: Service, tenant: str, *, sources: bool = True) -> Snapshot:
    """The tenant's roster: per kind its records in the order of their source ids, as JSON would hold them.

    An entity's ``id`` is its id at the connection that manages it, else at the first that knows it; ``also`` lists what
    others call it ("csv:4001"). Relations name their ends by those ids (``person``, ``school``, ``class`` …). Archived records
    have no columns, only ``archived``, the cause. Columns without a value are left out. Without ``sources``
    nothing tells which connections a record came from: to compare what two ways in make of the same facts.
    Raises NotFoundError.
    """
    tenant_id, _ = tenant_and_settings(service, tenant)
    with reading(service.engine) as connection:
        names: dict[Kind, dict[int, list[tuple[str, str]]]] = {}
        for kind in ENTITY_KINDS:
            names[kind] = {}
            for entity_id, connection_name, source_id in all_links(connection, tenant_id, kind):
                names[kind].setdefault(entity_id, []).append((connection_name, source_id))
        return {
            kind: _sorted(kind, [_record(kind, row, names, sources) for row in all_rows(connection, tenant_id, kind)])
            for kind in KINDS
        }


def _record(kind: Kind, row: dict[str, Any], names: Names, sources: bool) -> dict[str, Any]:
    record: dict[str, Any] = {}
    if kind in ENTITY_KINDS:
        links = names[kind].get(row["id"], ())
        record["id"] = links[0][1] if links else f"#{row['id']}"
        if sources and len(links) > 1:
            record["also"] = sorted(f"{connection}:{source_id}" for connection, source_id in links[1:])
    else:
        record |= {name.removesuffix("_id"): _name(names, name, row[name]) for name in ENDS[kind]}
        if "role" in row:
            record["role"] = row["role"]
    if sources:
        record["managed_by"] = row["managed_by"] or "hand"
    if row["status"] != "active":
        return record | {"archived": row["archived_cause"]}
    for column in COLUMNS[kind]:
        value = _value(column, row[column], names)
        if value not in (None, [], {}):
            record[column.removesuffix("_id")] = value
    if "term_ids" in record:
        record["terms"] = record.pop("term_ids")
    return record


def _value(column: str, stored: Any, names: Names) -> Any:
    """A stored value as JSON would hold it, with source ids for internal ones."""
    if stored is None:
        return None
    if column in _POINTS_AT:
        return _name(names, column, stored)
    if column == "term_ids":
        return sorted(_entity(names, "term", term_id) for term_id in msgspec.json.decode(stored))
    if column in _JSON:
        return msgspec.json.decode(stored)
    return bool(stored) if column in _BOOLEANS else stored


def _name(names: Names, column: str, entity_id: int) -> str:
    return _entity(names, _POINTS_AT[column], entity_id)


def _entity(names: Names, kind: Kind, entity_id: int) -> str:
    links = names[kind].get(entity_id, ())
    return links[0][1] if links else f"#{entity_id}"


def _sorted(kind: Kind, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """By key; two entities of two connections may share an id, then by all that they hold."""
    return sorted(records, key=lambda record: (_key(kind, record), msgspec.json.encode(record, order="sorted")))


def _key(kind: Kind, record: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(record.get(name, "")) for name in _KEYS[kind])


def difference(expected: Snapshot, actual: Snapshot, *, most: int = _MOST_LINES) -> list[str]:
    """What differs between two snapshots, a line each, ``most`` at most; empty where they are equal.

    The lines hold values of records: only for rosters of made-up or de-identified people.
    """
    lines = [line for kind in KINDS for line in _differences(kind, expected.get(kind, []), actual.get(kind, []))]
    if len(lines) > most:
        return [*lines[:most], f"… and {len(lines) - most} more differences"]
    return lines


def _differences(kind: Kind, expected: list[dict[str, Any]], actual: list[dict[str, Any]]) -> Iterator[str]:
    wanted, found = _grouped(kind, expected), _grouped(kind, actual)
    for key in sorted(wanted.keys() | found.keys()):
        who = f"{kind} {' / '.join(part for part in key if part)}"
        for before, after in _paired(wanted.get(key, []), found.get(key, [])):
            if after is None:
                yield f"{who} is missing"
            elif before is None:
                yield f"{who} is there and was not expected"
            else:
                yield from (f"{who}: {change}" for change in _changes(before, after))


def _grouped(kind: Kind, records: list[dict[str, Any]]) -> dict[tuple[str, ...], list[dict[str, Any]]]:
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for record in _sorted(kind, records):
        groups.setdefault(_key(kind, record), []).append(record)
    return groups


def _paired(
    expected: list[dict[str, Any]], actual: list[dict[str, Any]]
) -> Iterator[tuple[dict[str, Any] | None, dict[str, Any] | None]]:
    """Records of one key side by side; equal ones are left out. There are several only where connections share an id."""
    missing = [record for record in expected if record not in actual]
    extra = [record for record in actual if record not in expected]
    for place in range(max(len(missing), len(extra))):
        yield (missing[place] if place < len(missing) else None, extra[place] if place < len(extra) else None)


def _changes(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> Iterator[str]:
    if _status(expected) != _status(actual):
        yield f"is {_status(actual)}, expected {_status(expected)}"
        return
    for name in sorted(expected.keys() | actual.keys()):
        if expected.get(name) != actual.get(name):
            yield f"{name} is {_shown(actual.get(name))}, expected {_shown(expected.get(name))}"


def _status(record: Mapping[str, Any]) -> str:
    return f"archived ({record['archived']})" if "archived" in record else "active"


def _shown(value: Any) -> str:
    return "nothing" if value is None else msgspec.json.encode(value).decode()
