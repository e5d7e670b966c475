"""What has happened: runs, their problems and their changes."""

import msgspec

from models.problems import CATALOG, Problem
from models.report import ChangeView, ProblemView, RunReport, RunSummary
from models.vocabulary import ENTITY_KINDS, Kind
from store import history
from store.database import reading
from store.names import Names
from store.runs import INTERRUPTED, load_run
from sync.problems import view
from sync.run import stored_report
from sync.service import Service


def list_runs(
    service: Service, tenant: str | None = None, *, limit: int = 20, connection_id: int | None = None
) -> list[RunSummary]:
    """The newest runs first, of one tenant (or of one of its connections) or all. Raises NotFoundError for an unknown
    tenant."""
    return [_summary(*row) for row in history.newest_runs(service.engine, tenant, limit, connection_id)]


def _summary(run_id: int, tenant: str, connection: str, state: str, dry_run: bool, started_by: str, started_at: str,
             report_json: str) -> RunSummary:  # fmt: skip
    report = stored_report(report_json) if report_json != "{}" else None
    kinds = report.kinds if report else []
    return RunSummary(
        run_id,
        tenant,
        connection,
        state,
        bool(dry_run),
        started_by,
        started_at,
        report.seconds if report else 0.0,
        sum(kind.created for kind in kinds),
        sum(kind.updated + kind.restored for kind in kinds),
        sum(kind.archived for kind in kinds),
        sum(kind.held for kind in kinds) if state in ("held", "planned") else 0,
        sum(kind.refused for kind in kinds),
        "district admin" if state == "held" else "",
    )


def get_run(service: Service, run_id: int) -> RunReport:
    """The whole report of a run; one that has no report (it is going on, or was killed) says so. Raises NotFoundError."""
    row, tenant, connection = load_run(service.engine, run_id)
    if row.report != "{}":
        report = stored_report(row.report)
        report.state = row.state  # type: ignore[assignment]
        report.waits_for = row.waits_for
        return report
    return RunReport(
        run_id, tenant, connection, row.state, row.dry_run, row.started_by, row.created_at,  # type: ignore[arg-type]
        finished_at=row.finished_at, error=INTERRUPTED if row.state == "failed" else "",
    )  # fmt: skip


def list_problems(
    service: Service, run_id: int, *, limit: int = 100, code: str | None = None, file: str | None = None
) -> list[ProblemView]:
    """Stored problems of a run (the first ones of each code and file), in the order of files and lines."""
    load_run(service.engine, run_id)
    rows = history.problems_of(service.engine, run_id, limit, code, file)
    return [view(Problem(**row)) for row in rows if row["code"] in CATALOG]


def list_changes(
    service: Service, run_id: int, *, limit: int = 100, kind: str | None = None, action: str | None = None
) -> list[ChangeView]:
    """What a run created, changed, restored or archived, by source ids; fields before and after."""
    row, _, _ = load_run(service.engine, run_id)
    with reading(service.engine) as connection:
        names = Names(connection, row.tenant_id, row.connection_id)
        changes = [
            _change(run_id, found, names) for found in history.changes_of(connection, run_id, limit, kind, action)
        ]
        if action in (None, "create") and len(changes) < limit:
            for created_kind, ends in history.created_by(connection, row.tenant_id, run_id, limit - len(changes), kind):
                who = _who(names, created_kind, *ends)
                changes.append(ChangeView(run_id, 0, created_kind, "create", who, None, {}, {}))
    return changes


def _change(run_id: int, found: history.StoredChange, names: Names) -> ChangeView:
    kind: Kind = found.kind
    ends = (found.subject_id, found.object_id, found.role)
    if kind == "enrollment":
        ends = (found.object_id or 0, found.subject_id, found.role)
    return ChangeView(
        run_id,
        found.seq,
        kind,
        found.action,
        _who(names, kind, *ends),
        found.cause,
        msgspec.json.decode(found.before),
        msgspec.json.decode(found.after),
    )


def _who(names: Names, kind: Kind, first: int, second: int | None, role: str | None) -> str:
    if kind in ENTITY_KINDS:
        return names.entity(kind, first)
    return names.relation(kind, first, second or 0, role)
