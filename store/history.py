"""Reading what has happened: runs, problems, changes."""

from collections.abc import Iterator
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, text

from models.errors import NotFoundError
from models.state import ENDS
from models.vocabulary import ENTITY_KINDS, KINDS, Kind
from store.bulk import quoted
from store.database import reading


class StoredChange(msgspec.Struct, frozen=True):
    """A row of ``change``; ``before`` and ``after`` are JSON."""

    run_id: int
    seq: int
    kind: Kind
    action: str
    subject_id: int
    object_id: int | None
    role: str | None
    cause: str | None
    coverage_seq: int | None
    before: str
    after: str


_CHANGE_FIELDS = ", ".join(StoredChange.__struct_fields__)


def newest_runs(
    engine: Engine, tenant: str | None, limit: int, connection_id: int | None = None
) -> list[tuple[Any, ...]]:
    """(id, tenant, connection, state, dry run, started by, created at, report JSON), newest first; of a tenant also those
    of one connection only."""
    with reading(engine) as connection:
        if tenant and not connection.execute(text("SELECT 1 FROM tenant WHERE name = :name"), {"name": tenant}).first():
            raise NotFoundError(f"There is no tenant {tenant!r}. See: rostersync tenant list")
        rows = connection.execute(
            text(
                "SELECT run.id, tenant.name, connection.name, run.state, run.dry_run, run.started_by, run.created_at, "
                "run.report FROM run JOIN tenant ON tenant.id = run.tenant_id "
                "JOIN connection ON connection.id = run.connection_id "
                + ("WHERE tenant.name = :tenant " if tenant else "")
                + ("AND run.connection_id = :connection " if tenant and connection_id else "")
                + "ORDER BY run.id DESC LIMIT :limit"
            ),
            {"limit": limit}
            | ({"tenant": tenant} if tenant else {})
            | ({"connection": connection_id} if tenant and connection_id else {}),
        )
        return [tuple(row) for row in rows]


def problems_of(engine: Engine, run_id: int, limit: int, code: str | None, file: str | None) -> list[dict[str, Any]]:
    """Fields of ``models.problems.Problem``, by file and line."""
    where = "run_id = :run" + (" AND code = :code" if code else "") + (" AND file = :file" if file else "")
    values = {"run": run_id, "limit": limit, **({"code": code} if code else {}), **({"file": file} if file else {})}
    with reading(engine) as connection:
        rows = connection.execute(
            text(
                f"SELECT code, file, line, kind, source_id, field, detail FROM problem WHERE {where} "
                "ORDER BY file, line, seq LIMIT :limit"
            ),
            values,
        )
        return [dict(row) for row in rows.mappings()]


def changes_of(
    connection: Connection, run_id: int, limit: int, kind: str | None, action: str | None
) -> list[StoredChange]:
    """Updates, restores and removals of a run, in the order in which they were applied."""
    where = "run_id = :run" + (" AND kind = :kind" if kind else "") + (" AND action = :action" if action else "")
    values = {
        "run": run_id,
        "limit": limit,
        **({"kind": kind} if kind else {}),
        **({"action": action} if action else {}),
    }
    query = text(f"SELECT {_CHANGE_FIELDS} FROM change WHERE {where} ORDER BY seq LIMIT :limit")
    return [StoredChange(*row) for row in connection.execute(query, values)]


def changes_about(connection: Connection, tenant_id: int, person_id: int) -> list[StoredChange]:
    """All stored changes of a person and the person's relations, oldest first."""
    query = text(
        f"SELECT {_CHANGE_FIELDS} FROM change WHERE tenant_id = :tenant AND ("
        "(subject_id = :person AND kind IN ('person', 'affiliation', 'enrollment', 'guardianship')) "
        "OR (object_id = :person AND kind = 'guardianship')) ORDER BY run_id, seq"
    )
    return [StoredChange(*row) for row in connection.execute(query, {"tenant": tenant_id, "person": person_id})]


def created_by(
    connection: Connection, tenant_id: int, run_id: int, limit: int, kind: str | None
) -> Iterator[tuple[Kind, tuple[int, int | None, str | None]]]:
    """What a run created, kind by kind: (id, None, None), or both ends and the role of a relation."""
    for table in KINDS:
        if kind not in (None, table) or limit <= 0:
            continue
        if table in ENTITY_KINDS:
            columns = "id, NULL, NULL"
        else:
            columns = f"{ENDS[table][0]}, {ENDS[table][1]}, " + ("NULL" if table == "guardianship" else "role")
        rows = connection.execute(
            text(
                f"SELECT {columns} FROM {quoted(table)} WHERE tenant_id = :tenant AND created_run_id = :run LIMIT :limit"
            ),
            {"tenant": tenant_id, "run": run_id, "limit": limit},
        ).all()
        limit -= len(rows)
        for first, second, role in rows:
            yield table, (first, second, role)
