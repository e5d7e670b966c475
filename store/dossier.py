"""All that is stored about one person, for the explanation of why the person is here or not."""

from typing import Any

import msgspec
from sqlalchemy import Connection, text

from models.records import key_of


def links_of(connection: Connection, tenant_id: int, source_id: str) -> list[dict[str, Any]]:
    """People whom any connection of the tenant knows by this source id."""
    return _rows(
        connection,
        "SELECT link.*, connection.name AS connection_name, connection.connector AS connector, run.created_at AS run_at, "
        "coverage.file AS file FROM link "
        "JOIN connection ON connection.id = link.connection_id LEFT JOIN run ON run.id = link.run_id "
        "LEFT JOIN coverage ON coverage.run_id = link.run_id AND coverage.kind = link.kind "
        "AND coverage.listing = link.listing "
        "WHERE link.tenant_id = :tenant AND link.kind = 'person' AND link.source_id = :source_id "
        "ORDER BY link.connection_id",
        tenant=tenant_id,
        source_id=source_id,
    )


def links_to(connection: Connection, tenant_id: int, person_id: int) -> list[str]:
    """Every source id of a person."""
    rows = _rows(
        connection,
        "SELECT source_id FROM link WHERE tenant_id = :tenant AND kind = 'person' AND entity_id = :person",
        tenant=tenant_id,
        person=person_id,
    )
    return [row["source_id"] for row in rows]


def people_with(connection: Connection, tenant_id: int, identifier: str, limit: int) -> list[int]:
    """Internal ids of people who have this value among their identifiers (student number, state id …)."""
    pattern = msgspec.json.encode(identifier).decode()
    for mark in "!%_":
        pattern = pattern.replace(mark, f"!{mark}")
    rows = _rows(
        connection,
        "SELECT id, identifiers FROM person WHERE tenant_id = :tenant AND identifiers LIKE :pattern ESCAPE '!' ORDER BY id",
        tenant=tenant_id,
        pattern=f"%:{pattern}%",
    )
    # SQLite's LIKE does not tell "a" from "A"; ids are compared exactly.
    return [row["id"] for row in rows if identifier in msgspec.json.decode(row["identifiers"]).values()][:limit]


def person(connection: Connection, tenant_id: int, person_id: int) -> dict[str, Any] | None:
    """Status and history of a person, with the times of the runs; no names."""
    rows = _rows(
        connection,
        "SELECT person.id, person.status, person.connection_id, person.created_run_id, person.changed_run_id, "
        "person.archived_run_id, person.archived_cause, person.archived_at, connection.name AS connection_name, "
        "made.created_at AS created_at, changed.created_at AS changed_at FROM person "
        "LEFT JOIN connection ON connection.id = person.connection_id "
        "LEFT JOIN run AS made ON made.id = person.created_run_id "
        "LEFT JOIN run AS changed ON changed.id = person.changed_run_id "
        "WHERE person.tenant_id = :tenant AND person.id = :person",
        tenant=tenant_id,
        person=person_id,
    )
    return rows[0] if rows else None


def relations(connection: Connection, tenant_id: int, person_id: int) -> list[dict[str, Any]]:
    """(kind, first, second, role, status, listing, line, created_run_id, archived_run_id, archived_cause, connector) of a
    person."""
    connector = "(SELECT connector FROM connection WHERE connection.id = connection_id) AS connector"
    shared = f"status, listing, line, created_run_id, archived_run_id, archived_cause, {connector}"
    return _rows(
        connection,
        f"SELECT 'affiliation' AS kind, person_id AS first, school_id AS second, role, {shared} FROM affiliation "
        "WHERE tenant_id = :tenant AND person_id = :person UNION ALL "
        f"SELECT 'enrollment', class_id, person_id, role, {shared} FROM enrollment "
        "WHERE tenant_id = :tenant AND person_id = :person UNION ALL "
        f"SELECT 'guardianship', student_id, guardian_id, NULL, {shared} FROM guardianship "
        "WHERE tenant_id = :tenant AND student_id = :person UNION ALL "
        f"SELECT 'guardianship', student_id, guardian_id, NULL, {shared} FROM guardianship "
        "WHERE tenant_id = :tenant AND guardian_id = :person AND student_id <> :person ORDER BY 1, 2, 3",
        tenant=tenant_id,
        person=person_id,
    )


def problems_about(connection: Connection, tenant_id: int, source_id: str, limit: int) -> list[dict[str, Any]]:
    """Stored problems of rows with this id, oldest first, with their runs' times."""
    rows = _rows(
        connection,
        "SELECT problem.*, run.created_at AS run_at, connection.connector AS connector FROM problem "
        "JOIN run ON run.id = problem.run_id JOIN connection ON connection.id = run.connection_id "
        "WHERE problem.tenant_id = :tenant AND problem.source_id = :source_id "
        "ORDER BY problem.run_id DESC, problem.seq LIMIT :limit",
        tenant=tenant_id,
        source_id=source_id,
        limit=limit,
    )
    return rows[::-1]


def waiting_runs(connection: Connection, tenant_id: int) -> list[int]:
    rows = _rows(
        connection,
        "SELECT id FROM run WHERE tenant_id = :tenant AND state IN ('held', 'planned') ORDER BY id",
        tenant=tenant_id,
    )
    return [row["id"] for row in rows]


def last_coverage(connection: Connection, tenant_id: int) -> dict[str, Any] | None:
    """The newest statement about a listing of people, with its run."""
    rows = _rows(
        connection,
        "SELECT coverage.*, run.created_at AS run_at FROM coverage JOIN run ON run.id = coverage.run_id "
        "WHERE run.tenant_id = :tenant AND coverage.kind = 'person' ORDER BY coverage.run_id DESC, seq LIMIT 1",
        tenant=tenant_id,
    )
    return rows[0] if rows else None


def known_ids(connection: Connection, tenant_id: int, source_ids: list[str]) -> list[str]:
    """Which of these ids some person has."""
    wanted = {
        key - 2**64 if key >= 2**63 else key: source_id for source_id in source_ids for key in [key_of(source_id)]
    }
    found = []
    for key, source_id in wanted.items():
        if _rows(
            connection,
            "SELECT 1 FROM link WHERE tenant_id = :tenant AND kind = 'person' AND key = :key AND source_id = :source_id",
            tenant=tenant_id,
            key=key,
            source_id=source_id,
        ):
            found.append(source_id)
    return found


def _rows(connection: Connection, query: str, **values: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(text(query), values).mappings()]
