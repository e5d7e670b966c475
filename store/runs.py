"""Run rows and what hangs on them: coverage, problems, stored plans."""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, Engine, and_, delete, or_, select, text, update

from models.errors import NotFoundError
from models.pages import Coverage
from models.plan import Chunk, decode_chunk, encode_chunk
from models.problems import Problem
from models.report import RunReport
from models.tables import Connection as ConnectionRow
from models.tables import Coverage as CoverageRow
from models.tables import PlanChunk, ProblemRow, Run, Tenant
from models.vocabulary import RESTING_STATES, RunState
from store.bulk import insert_rows
from store.database import reading, writing

_RUN = Run.__table__  # type: ignore[attr-defined]
_CONNECTION = ConnectionRow.__table__  # type: ignore[attr-defined]
_TENANT = Tenant.__table__  # type: ignore[attr-defined]
_COVERAGE = CoverageRow.__table__  # type: ignore[attr-defined]
_PROBLEM = ProblemRow.__table__  # type: ignore[attr-defined]
_CHUNK = PlanChunk.__table__  # type: ignore[attr-defined]

#: Ends of a run after which the roster is as the source said, but for what waited; one that a dry run planned counts once it is
#: approved.
ENDED_WELL = or_(_RUN.c.state.in_(("applied", "held")), and_(_RUN.c.state == "discarded", _RUN.c.dry_run.is_(False)))

INTERRUPTED = "The run was interrupted (its process ended); the roster is as it was before. Start it again."


def begin_run(
    engine: Engine, tenant_id: int, connection_id: int, *, dry_run: bool, started_by: str, slot: str | None, now: str
) -> tuple[int, int]:
    """A new run in state queued, and the tenant's revision. Runs that a killed process left behind are failed.

    Call with the tenant's lock held. ``slot`` is the scheduled time that the run is for.
    """
    with writing(engine) as connection:
        connection.execute(
            update(_RUN)
            .where(_RUN.c.tenant_id == tenant_id, _RUN.c.state.not_in(sorted(RESTING_STATES)))
            .values(state="failed", error_code="interrupted", finished_at=now)
        )
        revision = connection.execute(select(_TENANT.c.revision).where(_TENANT.c.id == tenant_id)).scalar_one()
        values = {
            "tenant_id": tenant_id, "connection_id": connection_id, "state": "queued", "dry_run": dry_run,
            "started_by": started_by, "waits_for": "", "base_revision": revision, "created_at": now, "report": "{}",
            "slot": slot,
        }  # fmt: skip
        run_id = connection.execute(_RUN.insert().values(values).returning(_RUN.c.id)).scalar_one()
    return int(run_id), int(revision)


def newest_run(column: Any, *wanted: ColumnElement[bool]) -> Any:
    """A column of the newest of some runs, as a part of another query."""
    return select(column).where(*wanted).order_by(_RUN.c.id.desc()).limit(1).scalar_subquery()


def set_state(engine: Engine, run_id: int, state: RunState) -> None:
    with writing(engine) as connection:
        connection.execute(update(_RUN).where(_RUN.c.id == run_id).values(state=state))


def state_of(connection: Connection, run_id: int, *, lock: bool = False) -> str:
    """The state of a run; with ``lock`` nobody else changes it before the transaction ends."""
    query = select(_RUN.c.state).where(_RUN.c.id == run_id)
    return str(connection.execute(query.with_for_update(key_share=True) if lock else query).scalar_one())


class GoingOn(NamedTuple):
    """A run that is going on, or was left behind by a process that was killed."""

    run_id: int
    connection: str


def going_on(engine: Engine, tenant_id: int) -> list[GoingOn]:
    """The runs of a tenant that have not ended, oldest first."""
    query = (
        select(_RUN.c.id, _CONNECTION.c.name)
        .join(_CONNECTION, _CONNECTION.c.id == _RUN.c.connection_id)
        .where(_RUN.c.tenant_id == tenant_id, _RUN.c.state.not_in(sorted(RESTING_STATES)))
        .order_by(_RUN.c.id)
    )
    with reading(engine) as connection:
        return [GoingOn(int(run_id), str(name)) for run_id, name in connection.execute(query)]


def ask_to_stop(engine: Engine, run_id: int, by: str) -> bool:
    """Ask a run to stop. False when it has ended."""
    going_on = (_RUN.c.id == run_id, _RUN.c.state.not_in(sorted(RESTING_STATES)))
    with writing(engine) as connection:
        return bool(connection.execute(update(_RUN).where(*going_on).values(cancel_by=by)).rowcount)


def asked_to_stop(engine: Engine, run_id: int) -> str | None:
    """Who asked the run to stop, if somebody did."""
    with reading(engine) as connection:
        return stop_asked_by(connection, run_id)


def stop_asked_by(connection: Connection, run_id: int) -> str | None:
    """As ``asked_to_stop``, in a transaction that is open."""
    by: str | None = connection.execute(select(_RUN.c.cancel_by).where(_RUN.c.id == run_id)).scalar_one()
    return by


def revision_of(connection: Connection, tenant_id: int, *, lock: bool = False) -> int:
    """The tenant's revision; with ``lock`` nobody else moves it before the transaction ends.

    The tenant's lock is not enough: a session of the database that is cut off loses it, and its run does not notice.
    """
    query = select(_TENANT.c.revision).where(_TENANT.c.id == tenant_id)
    return int(connection.execute(query.with_for_update(key_share=True) if lock else query).scalar_one())


def bump_revision(connection: Connection, tenant_id: int) -> int:
    """The tenant's roster changes in this transaction; returns the new revision."""
    query = update(_TENANT).where(_TENANT.c.id == tenant_id).values(revision=_TENANT.c.revision + 1)
    return int(connection.execute(query.returning(_TENANT.c.revision)).scalar_one())


def save_report(
    connection: Connection, run_id: int, report: RunReport, *, base_revision: int, decided_by: str | None = None
) -> None:
    """The run's end (or rest), with its report."""
    values = {
        "state": report.state, "waits_for": report.waits_for, "finished_at": report.finished_at,
        "report": msgspec.json.encode(report).decode(), "base_revision": base_revision,
    }  # fmt: skip
    if decided_by:
        values["decided_by"] = decided_by
    connection.execute(update(_RUN).where(_RUN.c.id == run_id).values(values))


def save_notes(engine: Engine, run_id: int, notes: Sequence[str]) -> None:
    """Notes in the place of those in the report of a run that has ended; all else in it stays as it is stored."""
    place = _RUN.c.id == run_id
    with writing(engine) as connection:
        state_of(connection, run_id, lock=True)
        report = msgspec.json.decode(connection.execute(select(_RUN.c.report).where(place)).scalar_one())
        report["notes"] = list(notes)
        connection.execute(update(_RUN).where(place).values(report=msgspec.json.encode(report).decode()))


def save_failure(
    engine: Engine,
    run_id: int,
    tenant_id: int,
    report: RunReport,
    code: str,
    coverage: Sequence[Coverage],
    problems: Sequence[Problem],
) -> None:
    """The end of a run that changed nothing, with all that it had found until then. One that has ended stays as it is: a
    session can be cut off between its commit and the word that it was made."""
    with writing(engine) as connection:
        if state_of(connection, run_id, lock=True) in RESTING_STATES:
            return
        save_findings(connection, run_id, tenant_id, coverage, problems)
        save_report(connection, run_id, report, base_revision=0)
        connection.execute(update(_RUN).where(_RUN.c.id == run_id).values(error_code=code))


def save_findings(
    connection: Connection, run_id: int, tenant_id: int, coverage: Sequence[Coverage], problems: Sequence[Problem]
) -> None:
    """Coverage statements, numbered as the removals name them, and the first problems."""
    insert_rows(
        connection,
        _COVERAGE,
        ("run_id", "seq", "kind", "listing", "file", "verdict", "received", "refused", "reason", "scope"),
        [
            (run_id, seq, c.kind, c.listing, c.file, c.verdict, c.received, c.refused, c.reason, c.scope)
            for seq, c in enumerate(coverage)
        ],
    )
    insert_rows(
        connection,
        _PROBLEM,
        ("run_id", "seq", "tenant_id", "code", "severity", "kind", "source_id", "file", "line", "field", "detail"),
        [
            (run_id, seq, tenant_id, p.code, p.severity, p.kind, p.source_id, p.file, p.line, p.field, p.detail)
            for seq, p in enumerate(problems)
        ],
    )


# --- stored plans ---------------------------------------------------------------------------------------------------


def save_plan(connection: Connection, run_id: int, chunks: Iterable[Chunk]) -> None:
    """Keep a plan that waits, compressed."""
    for seq, chunk in enumerate(chunks):
        payload = zlib.compress(encode_chunk(chunk), 1)
        insert_rows(
            connection, _CHUNK, ("run_id", "seq", "operations", "payload"), [(run_id, seq, len(chunk.rows), payload)]
        )


def load_plan(connection: Connection, run_id: int) -> Iterator[Chunk]:
    """The chunks of a stored plan, in order, one at a time."""
    seqs = connection.execute(select(_CHUNK.c.seq).where(_CHUNK.c.run_id == run_id).order_by(_CHUNK.c.seq)).scalars()
    for seq in list(seqs):
        query = select(_CHUNK.c.payload).where(_CHUNK.c.run_id == run_id, _CHUNK.c.seq == seq)
        yield decode_chunk(zlib.decompress(connection.execute(query).scalar_one()))


def drop_plan(connection: Connection, run_id: int) -> None:
    connection.execute(delete(_CHUNK).where(_CHUNK.c.run_id == run_id))


class WaitingPlan(NamedTuple):
    """A run whose plan waits for a decision: of a dry run (planned), or what was held. It can be approved as long as the
    tenant's revision is ``base_revision``."""

    run_id: int
    state: str
    base_revision: int


def waiting_plans(connection: Connection, connection_id: int, *, before: int) -> list[WaitingPlan]:
    """The plans of a connection's runs ``before`` a run that wait, oldest first."""
    query = (
        select(_RUN.c.id, _RUN.c.state, _RUN.c.base_revision)
        .where(_RUN.c.connection_id == connection_id, _RUN.c.id < before, _RUN.c.state.in_(("planned", "held")))
        .order_by(_RUN.c.id)
    )
    return [WaitingPlan._make(row) for row in connection.execute(query)]


def discard(connection: Connection, run_id: int, *, by: str) -> None:
    """A plan waits no more: ``by`` ("run 7") has taken its place."""
    drop_plan(connection, run_id)
    values = {"state": "discarded", "waits_for": "", "decided_by": by}
    connection.execute(update(_RUN).where(_RUN.c.id == run_id).values(values))


def report_of(connection: Connection, run_id: int) -> RunReport:
    """The report of a run that has ended."""
    report = connection.execute(select(_RUN.c.report).where(_RUN.c.id == run_id)).scalar_one()
    return msgspec.json.decode(report, type=RunReport)


# --- reading --------------------------------------------------------------------------------------------------------


def load_run(engine: Engine, run_id: int) -> tuple[Run, str, str]:
    """A run row with its tenant's and connection's names. Raises NotFoundError."""
    with reading(engine) as connection:
        found = connection.execute(
            text(
                "SELECT run.*, tenant.name AS tenant_name, connection.name AS connection_name FROM run "
                "JOIN tenant ON tenant.id = run.tenant_id JOIN connection ON connection.id = run.connection_id "
                "WHERE run.id = :run"
            ),
            {"run": run_id},
        ).mappings().first()  # fmt: skip
    if found is None:
        raise NotFoundError(f"There is no run {run_id}. See: rostersync runs")
    row = {name: value for name, value in found.items() if name not in ("tenant_name", "connection_name")}
    return Run(**row), found["tenant_name"], found["connection_name"]
