"""Plans that wait: show, approve exactly as shown, or discard."""

import time
from collections import Counter

from sqlalchemy import Connection

from models.errors import SettingsError, StalePlanError
from models.plan import COLUMNS, Chunk
from models.report import KindCounts, PlanView, RunReport
from models.tables import Run
from models.vocabulary import ENTITY_KINDS, Kind
from store import runs
from store.connections import connections_of
from store.database import reading, writing
from store.lock import tenant_lock
from store.names import Names
from store.writer import RosterWriter
from sync import by_hand
from sync.clock import now
from sync.consequences import happened
from sync.run import storage_errors_translated, stored_report
from sync.service import Service

_WAITING = ("planned", "held")
_ACTIONS = {"link": "link", "touch": "refresh"}


def show_plan(service: Service, run_id: int, *, limit: int = 50) -> PlanView:
    """A waiting plan with its first ``limit`` operations in words. Raises NotFoundError, SettingsError when none waits."""
    row, tenant, name = _waiting(service, run_id)
    connector = next(c.connector for c in connections_of(service.engine, row.tenant_id) if c.id == row.connection_id)
    report = stored_report(row.report)
    shown: list[tuple[str, str, str, str]] = []
    total = 0
    with reading(service.engine) as connection:
        names = Names(connection, row.tenant_id, row.connection_id)
        stale = runs.revision_of(connection, row.tenant_id) != row.base_revision
        for chunk in runs.load_plan(connection, run_id):
            if len(shown) < limit:
                shown.extend(_describe(chunk, names, limit - len(shown)))
            total += len(chunk.rows)
    return PlanView(
        run_id, tenant, row.state, stale, report.kinds, report.holds, report.consequences, shown, total, name, connector
    )


def _describe(chunk: Chunk, names: Names, limit: int) -> list[tuple[str, str, str, str]]:
    """(kind, action, who, cause or fields) of a chunk's first operations."""
    action = _ACTIONS.get(chunk.operation, chunk.operation)
    lines: list[tuple[str, str, str, str]] = []
    for row in chunk.rows[:limit]:
        if chunk.kind in ENTITY_KINDS:
            who = row[1] if chunk.operation != "archive" else names.entity(chunk.kind, row[0])
            cause = row[1] if chunk.operation == "archive" else _fields(chunk, row)
        else:
            who = names.relation(chunk.kind, row[0], row[1], row[2])
            cause = row[3] if chunk.operation == "archive" else _fields(chunk, row)
        lines.append((chunk.kind, action, who, cause))
    return lines


def _fields(chunk: Chunk, row: tuple[object, ...]) -> str:
    """Which fields an update changes; never their values."""
    if chunk.operation not in ("update", "restore"):
        return ""
    after = str(row[-1])
    return ", ".join(name for name in COLUMNS[chunk.kind] if f'"{name}":' in after)


def approve_plan(service: Service, run_id: int, *, decided_by: str) -> RunReport:
    """Apply a waiting plan exactly as it was shown, in one transaction.

    Raises StalePlanError when the roster has moved since, TenantBusyError while another run is going on, RetryLaterError
    when the database or the disk cannot be written.
    """
    row, tenant, _ = _waiting(service, run_id)
    with storage_errors_translated():
        report = _approve(service, row, tenant, run_id, decided_by)
    by_hand.approved(service, row)
    return report


def _approve(service: Service, row: Run, tenant: str, run_id: int, decided_by: str) -> RunReport:
    started = time.perf_counter()
    with tenant_lock(service.engine, row.tenant_id, tenant), writing(service.engine) as connection:
        revision = runs.revision_of(connection, row.tenant_id, lock=True)
        _check_still_waits(connection, run_id)
        if revision != row.base_revision:
            raise StalePlanError(
                f"The roster of {tenant} has changed since the plan of run {run_id} was made; make a new one.",
                f"base revision {row.base_revision} has passed",
            )
        writer = RosterWriter(connection, row.tenant_id, row.connection_id, run_id, now())
        writer.continue_changes()
        done: Counter[tuple[Kind, str]] = Counter()
        for chunk in runs.load_plan(connection, run_id):
            writer.write(chunk)
            done[chunk.kind, chunk.operation] += len(chunk.rows)
        runs.drop_plan(connection, run_id)
        if done:
            revision = runs.bump_revision(connection, row.tenant_id)
            for earlier in runs.waiting_plans(connection, row.connection_id, before=run_id):
                runs.discard(connection, earlier.run_id, by=f"run {run_id}")
        report = _approved(stored_report(row.report), done, decided_by, time.perf_counter() - started)
        runs.save_report(connection, run_id, report, base_revision=revision, decided_by=decided_by)
    return report


def _approved(report: RunReport, done: Counter[tuple[Kind, str]], decided_by: str, seconds: float) -> RunReport:
    """The report after the approval: what was held is counted where it belongs."""
    for counts in report.kinds:
        before = KindCounts(counts.kind) if report.state == "planned" else counts
        counts.created = before.created + done[counts.kind, "create"]
        counts.updated = before.updated + done[counts.kind, "update"]
        counts.restored = before.restored + done[counts.kind, "restore"]
        counts.archived = before.archived + done[counts.kind, "archive"]
        counts.held = 0
    report.consequences = happened(report.consequences, everything=report.state == "planned")
    after = " after a dry run" if report.dry_run else ""
    report.state, report.waits_for, report.finished_at = "applied", "", now()
    report.seconds = round(report.seconds + seconds, 3)
    report.notes = [*report.notes, f"Approved by {decided_by}{after}."]
    return report


def discard_plan(service: Service, run_id: int, *, decided_by: str) -> RunReport:
    """Drop a waiting plan; the roster stays as it is. Raises SettingsError when no plan waits, else as ``approve_plan``."""
    row, tenant, _ = _waiting(service, run_id)
    with (
        storage_errors_translated(),
        tenant_lock(service.engine, row.tenant_id, tenant),
        writing(service.engine) as connection,
    ):
        _check_still_waits(connection, run_id)
        runs.drop_plan(connection, run_id)
        report = stored_report(row.report)
        report.state, report.waits_for = "discarded", ""
        report.notes = [*report.notes, f"Discarded by {decided_by}."]
        runs.save_report(connection, run_id, report, base_revision=row.base_revision, decided_by=decided_by)
    if row.state == "held":
        by_hand.discarded(service, row)
    return report


def _waiting(service: Service, run_id: int) -> tuple[Run, str, str]:
    row, tenant, connection = runs.load_run(service.engine, run_id)
    if row.state not in _WAITING:
        raise SettingsError(f"Run {run_id} is {row.state}; no plan of it waits.")
    return row, tenant, connection


def _check_still_waits(connection: Connection, run_id: int) -> None:
    """Somebody else may have decided between the look at the run and its lock."""
    state = runs.state_of(connection, run_id, lock=True)
    if state not in _WAITING:
        raise SettingsError(f"Run {run_id} is {state}; no plan of it waits.")
