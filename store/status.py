"""All connections at a glance: how each stands, what it does, and what its run history says."""

from typing import NamedTuple

from sqlalchemy import Connection as DatabaseConnection
from sqlalchemy import Engine, and_, case, func, or_, select

from models.tables import Connection, Delivery, PlanChunk, Run, Schedule, Tenant
from store.database import reading
from store.runs import ENDED_WELL, newest_run

_SCHEDULE = Schedule.__table__  # type: ignore[attr-defined]
_CONNECTION = Connection.__table__  # type: ignore[attr-defined]
_TENANT = Tenant.__table__  # type: ignore[attr-defined]
_RUN = Run.__table__  # type: ignore[attr-defined]
_DELIVERY = Delivery.__table__  # type: ignore[attr-defined]
_CHUNK = PlanChunk.__table__  # type: ignore[attr-defined]

#: Ends of a run that say nothing of the source.
_MEANINGLESS = ("cancelled", "parked", "stale_plan", "interrupted")
_FAILED = and_(
    _RUN.c.state == "failed",
    _RUN.c.dry_run.is_(False),
    func.coalesce(_RUN.c.error_code, "").not_in(_MEANINGLESS),
)


class Glance(NamedTuple):
    """A connection that was not removed, with its names and what is known of its syncs.

    ``state`` and ``state_reason`` are the connection's own. From ``timetable`` to ``worker`` it is the schedule row, None
    throughout where there is none; its ``last_good_at`` knows of files that came again and were the same, of which there is no
    run. ``good_at`` is when its last run that ended well did so. From ``run_id`` on it is its last run that ended well or
    failed, with the report (JSON) where that failed.
    """

    connection_id: int
    tenant: str
    tenant_settings: str
    connection: str
    connector: str
    state: str
    state_reason: str
    timetable: str | None
    next_at: str | None
    next_why: str | None
    asked_by: str | None
    health: str | None
    health_code: str | None
    health_reason: str | None
    last_run_id: int | None
    last_ended_at: str | None
    last_good_at: str | None
    stale_since: str | None
    job: str | None
    worker: str | None
    good_at: str | None
    run_id: int | None
    run_state: str | None
    run_code: str | None
    run_ended_at: str | None
    run_report: str | None


def glances(connection: DatabaseConnection, tenant: str | None = None) -> list[Glance]:
    """All connections (of one tenant) by tenant and age, in one query.

    The history is asked backward from each connection's newest run, so that it may be as long as it likes.
    """
    ended = or_(ENDED_WELL, _FAILED)
    report = case((_RUN.c.state == "failed", _RUN.c.report))
    its = _RUN.c.connection_id == _CONNECTION.c.id
    query = (
        select(
            _CONNECTION.c.id, _TENANT.c.name, _TENANT.c.settings, _CONNECTION.c.name, _CONNECTION.c.connector,
            _CONNECTION.c.state, _CONNECTION.c.state_reason, _SCHEDULE.c.timetable, _SCHEDULE.c.next_at,
            _SCHEDULE.c.next_why, _SCHEDULE.c.asked_by, _SCHEDULE.c.health, _SCHEDULE.c.health_code,
            _SCHEDULE.c.health_reason, _SCHEDULE.c.last_run_id, _SCHEDULE.c.last_ended_at, _SCHEDULE.c.last_good_at,
            _SCHEDULE.c.stale_since, _SCHEDULE.c.job, _SCHEDULE.c.worker,
            newest_run(_RUN.c.finished_at, its, ENDED_WELL),
            *(newest_run(column, its, ended)
              for column in (_RUN.c.id, _RUN.c.state, _RUN.c.error_code, _RUN.c.finished_at, report)),
        )
        .join(_TENANT, _TENANT.c.id == _CONNECTION.c.tenant_id)
        .outerjoin(_SCHEDULE, _SCHEDULE.c.connection_id == _CONNECTION.c.id)
        .where(_CONNECTION.c.state != "removed", _CONNECTION.c.connector != "manual")
        .order_by(_TENANT.c.name, _CONNECTION.c.id)
    )  # fmt: skip
    if tenant is not None:
        query = query.where(_TENANT.c.name == tenant)
    return [Glance._make(row) for row in connection.execute(query)]


class HeldPlan(NamedTuple):
    """What was held of a run and waits for a decision; ``report`` is the run's (JSON)."""

    run_id: int
    report: str


def held_plans(connection: DatabaseConnection) -> dict[int, HeldPlan]:
    """By connection. Only plans that wait have chunks, so these are asked, not the runs, which grow for ever."""
    waiting = select(_CHUNK.c.run_id).distinct()
    query = (
        select(_RUN.c.connection_id, _RUN.c.id, _RUN.c.report)
        .where(_RUN.c.id.in_(waiting), _RUN.c.state == "held")
        .order_by(_RUN.c.id)
    )
    return {connection_id: HeldPlan(run_id, report) for connection_id, run_id, report in connection.execute(query)}


def running_now(connection: DatabaseConnection) -> dict[str, list[str]]:
    """The connections ("tenant/connection") whose jobs workers have taken, by worker."""
    query = (
        select(_SCHEDULE.c.worker, _TENANT.c.name, _CONNECTION.c.name)
        .join(_TENANT, _TENANT.c.id == _SCHEDULE.c.tenant_id)
        .join(_CONNECTION, _CONNECTION.c.id == _SCHEDULE.c.connection_id)
        .where(_SCHEDULE.c.job.is_not(None), _SCHEDULE.c.worker.is_not(None))
        .order_by(_SCHEDULE.c.taken_at)
    )
    running: dict[str, list[str]] = {}
    for worker, tenant, name in connection.execute(query):
        running.setdefault(worker, []).append(f"{tenant}/{name}")
    return running


def waiting_deliveries(connection: DatabaseConnection) -> int:
    """How many notices are still on their way to somebody."""
    query = select(func.count()).select_from(_DELIVERY).where(_DELIVERY.c.state == "waiting")
    return int(connection.execute(query).scalar_one())


def read_schedule(engine: Engine) -> None:
    """Read a row of the table that a worker's tick works on: whoever locks it lets this wait as well, though the rest of the
    database may answer. Raises DBAPIError."""
    with reading(engine) as connection:
        connection.execute(select(_SCHEDULE.c.connection_id).limit(1)).scalar()
