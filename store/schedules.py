"""Schedules: what is due, who works on it, and how each connection stands. At most one job per tenant, by a unique index."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection as DatabaseConnection
from sqlalchemy import Engine, func, or_, select, true, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from models.health import Reason, Standing
from models.report import RunReport
from models.tables import Connection, Run, Schedule, Tenant
from store.database import is_sqlite, reading, writing
from store.runs import ENDED_WELL, newest_run
from store.tenants import MANUAL

_SCHEDULE = Schedule.__table__  # type: ignore[attr-defined]
_CONNECTION = Connection.__table__  # type: ignore[attr-defined]
_TENANT = Tenant.__table__  # type: ignore[attr-defined]
_RUN = Run.__table__  # type: ignore[attr-defined]

#: States of a connection in which its time comes. A disconnected one is asked, as only its source can let us in again.
_ABLE = ("active", "disconnected")
_NO_JOB: dict[str, Any] = {"job": None, "queued_at": None, "worker": None, "taken_at": None}
#: By how much the clocks of two workers may differ.
_SKEW = timedelta(minutes=5)


class Scheduled(msgspec.Struct, frozen=True):
    """A schedule row with the names of what it belongs to, and the tenant's settings (JSON)."""

    row: Schedule
    tenant: str
    tenant_settings: str
    connection: str
    connector: str
    state: str
    state_reason: str
    state_since: str

    @property
    def standing(self) -> Standing:
        return standing_of(self.row)


def standing_of(row: Schedule) -> Standing:
    return Standing(**{name: getattr(row, name) for name in Standing.__struct_fields__})


def find(engine: Engine, connection_id: int) -> Schedule | None:
    """The schedule row of a connection."""
    with reading(engine) as connection:
        found = (
            connection.execute(select(_SCHEDULE).where(_SCHEDULE.c.connection_id == connection_id)).mappings().first()
        )
    return Schedule(**found) if found else None


def save(engine: Engine, connection_id: int, tenant_id: int, values: Mapping[str, Any]) -> None:
    """Make a connection's schedule row, or change it: ``values`` are columns of it."""
    with writing(engine) as connection:
        opened(connection, connection_id, tenant_id)
        _change(connection, connection_id, values)


def opened(connection: DatabaseConnection, connection_id: int, tenant_id: int) -> Schedule:
    """The schedule row of a connection, made if there is none; nobody else changes it before the transaction ends. A new one
    knows when a sync by hand last ended well."""
    made = Schedule(connection_id=connection_id, tenant_id=tenant_id).model_dump()
    made["last_good_at"] = newest_run(_RUN.c.finished_at, _RUN.c.connection_id == connection_id, ENDED_WELL)
    new = sqlite.insert(_SCHEDULE) if is_sqlite(connection) else postgresql.insert(_SCHEDULE)
    connection.execute(new.values(made).on_conflict_do_nothing())
    row = locked(connection, connection_id)
    assert row is not None
    return row


def locked(connection: DatabaseConnection, connection_id: int) -> Schedule | None:
    """The schedule row of a connection, if there is one; nobody else changes it before the transaction ends."""
    query = select(_SCHEDULE).where(_SCHEDULE.c.connection_id == connection_id)
    row = connection.execute(query if is_sqlite(connection) else query.with_for_update()).mappings().first()
    return Schedule(**row) if row else None


def set_timetable(connection: DatabaseConnection, connection_id: int, timetable: str) -> None:
    """Store another timetable (JSON); what the row is due for stays."""
    _change(connection, connection_id, {"timetable": timetable})


def ask(engine: Engine, connection_id: int, tenant_id: int, slot: str, by: str, now: str) -> None:
    """Make a connection due at once because a person asked. What runs already goes on as it is; what waits in the queue is
    queued anew, before all that nobody asked for. The window of a time that is being tried stays: the request takes the
    place of its retries, and should not end before they would have."""
    why: Reason = "asked"
    with writing(engine) as connection:
        row = opened(connection, connection_id, tenant_id)
        is_tried = (
            row.job is not None or row.next_why != "scheduled" or (row.next_at is not None and row.next_at <= now)
        )
        values: dict[str, Any] = {
            "next_at": now, "next_why": why, "slot": slot, "attempt": 0, "asked_by": by,
            "window_ends_at": row.window_ends_at if is_tried else None,
        }  # fmt: skip
        waits_behind = row.job is not None and row.worker is None and row.next_why != why
        _change(connection, connection_id, values | (_NO_JOB if waits_behind else {}))


def _change(connection: DatabaseConnection, connection_id: int, values: Mapping[str, Any]) -> None:
    connection.execute(update(_SCHEDULE).where(_SCHEDULE.c.connection_id == connection_id).values(**values))


# --- what is due ------------------------------------------------------------------------------------------------------


def due(engine: Engine, now: str, limit: int, but: Collection[int] = ()) -> list[Scheduled]:
    """Connections whose time has come, first those that people asked for, then the longest waiting; none of a tenant that
    has a job already, and none of ``but``."""
    busy = select(_SCHEDULE.c.tenant_id).where(_SCHEDULE.c.job.is_not(None))
    wanted = (
        _SCHEDULE.c.next_at <= now,
        _SCHEDULE.c.tenant_id.not_in(busy),
        _CONNECTION.c.state.in_(_ABLE),
        _SCHEDULE.c.connection_id.not_in(but),
    )
    order = ((_SCHEDULE.c.next_why != "asked"), _SCHEDULE.c.next_at, _SCHEDULE.c.connection_id)
    with reading(engine) as connection:
        return _scheduled(connection, *wanted, order=order, limit=limit)


def all_scheduled(engine: Engine, tenant_id: int | None = None) -> list[Scheduled]:
    """All schedule rows (of one tenant) by tenant and connection, those of removed connections left out."""
    wanted = [_CONNECTION.c.state != "removed"]
    if tenant_id is not None:
        wanted.append(_SCHEDULE.c.tenant_id == tenant_id)
    with reading(engine) as connection:
        return _scheduled(connection, *wanted, order=(_TENANT.c.name, _CONNECTION.c.id))


def unscheduled(engine: Engine, tenant_id: int | None = None) -> list[Scheduled]:
    """Connections (of one tenant) that were never scheduled or asked for, each with an empty row; removed ones are left out."""
    query = (
        select(
            _CONNECTION.c.id, _CONNECTION.c.tenant_id, _TENANT.c.name, _TENANT.c.settings, _CONNECTION.c.name,
            _CONNECTION.c.connector, _CONNECTION.c.state, _CONNECTION.c.state_reason,
            func.coalesce(_CONNECTION.c.state_since, _CONNECTION.c.created_at),
        )
        .join(_TENANT, _TENANT.c.id == _CONNECTION.c.tenant_id)
        .outerjoin(_SCHEDULE, _SCHEDULE.c.connection_id == _CONNECTION.c.id)
        .where(_SCHEDULE.c.connection_id.is_(None), _CONNECTION.c.state != "removed", _CONNECTION.c.connector != MANUAL)
    )  # fmt: skip
    if tenant_id is not None:
        query = query.where(_CONNECTION.c.tenant_id == tenant_id)
    with reading(engine) as connection:
        return [
            Scheduled(Schedule(connection_id=connection_id, tenant_id=owner), *names)
            for connection_id, owner, *names in connection.execute(query)
        ]


def maybe_stale(engine: Engine, before: str) -> list[Scheduled]:
    """Rows without an alarm, of connections that are not paused: their last good sync was before an instant, or there was
    none, or the timetable says itself from when on they are stale."""
    own_hours = _SCHEDULE.c.timetable.like('%"stale_hours":%') & _SCHEDULE.c.timetable.not_like('%"stale_hours":null%')
    wanted = (
        _CONNECTION.c.state.in_(_ABLE),
        _SCHEDULE.c.stale_since.is_(None),
        or_(_SCHEDULE.c.last_good_at.is_(None), _SCHEDULE.c.last_good_at < before, own_hours),
    )
    with reading(engine) as connection:
        return _scheduled(connection, *wanted, order=(_SCHEDULE.c.connection_id,))


def waiting(engine: Engine) -> int:
    """How many jobs wait for a worker."""
    query = select(func.count()).where(_SCHEDULE.c.job.is_not(None), _SCHEDULE.c.worker.is_(None))
    with reading(engine) as connection:
        return int(connection.execute(query).scalar_one())


def count_awaited(engine: Engine) -> int:
    """How many connections that are not paused have a next time, or a job."""
    awaited = or_(_SCHEDULE.c.next_at.is_not(None), _SCHEDULE.c.job.is_not(None))
    query = (
        select(func.count())
        .select_from(_SCHEDULE.join(_CONNECTION, _CONNECTION.c.id == _SCHEDULE.c.connection_id))
        .where(awaited, _CONNECTION.c.state.in_(_ABLE))
    )
    with reading(engine) as connection:
        return int(connection.execute(query).scalar_one())


def in_flight(engine: Engine) -> list[Scheduled]:
    """Rows whose job is queued or running."""
    with reading(engine) as connection:
        return _scheduled(connection, _SCHEDULE.c.job.is_not(None), order=(_SCHEDULE.c.queued_at,))


def scheduled_connection(engine: Engine, connection_id: int) -> Scheduled | None:
    """One row with its names; None if the connection was never scheduled."""
    with reading(engine) as connection:
        return next(iter(_scheduled(connection, _SCHEDULE.c.connection_id == connection_id)), None)


def _scheduled(
    connection: DatabaseConnection, *wanted: Any, order: Sequence[Any] = (), limit: int | None = None
) -> list[Scheduled]:
    query = (
        select(
            _SCHEDULE,
            _TENANT.c.name.label("tenant_name"),
            _TENANT.c.settings.label("tenant_settings"),
            _CONNECTION.c.name.label("connection_name"),
            _CONNECTION.c.connector,
            _CONNECTION.c.state,
            _CONNECTION.c.state_reason,
            func.coalesce(_CONNECTION.c.state_since, _CONNECTION.c.created_at).label("state_since"),
        )
        .join(_CONNECTION, _CONNECTION.c.id == _SCHEDULE.c.connection_id)
        .join(_TENANT, _TENANT.c.id == _SCHEDULE.c.tenant_id)
        .where(*wanted)
        .order_by(*order)
        .limit(limit)
    )
    rows = [dict(row) for row in connection.execute(query).mappings()]
    names = [
        tuple(row.pop(key) for key in
              ("tenant_name", "tenant_settings", "connection_name", "connector", "state", "state_reason", "state_since"))
        for row in rows
    ]  # fmt: skip
    return [Scheduled(Schedule(**row), *more) for row, more in zip(rows, names, strict=True)]


# --- one job, from queue to end ---------------------------------------------------------------------------------------


def claim(engine: Engine, row: Schedule, job: str, now: str) -> bool:
    """Queue a due row's attempt as ``job``. False when somebody else did, it is not due any more, or its tenant has a job."""
    unchanged = (
        _SCHEDULE.c.connection_id == row.connection_id,
        _SCHEDULE.c.job.is_(None),
        _SCHEDULE.c.next_at == row.next_at,
        _SCHEDULE.c.attempt == row.attempt,
    )
    try:
        with writing(engine) as connection:
            values = {"job": job, "queued_at": now, "worker": None, "taken_at": None, "attempt": row.attempt + 1}
            return bool(connection.execute(update(_SCHEDULE).where(*unchanged).values(**values)).rowcount)
    except IntegrityError:  # another connection of the tenant was claimed just now
        return False


def release(engine: Engine, row: Schedule) -> bool:
    """Undo the claim of a job that nobody took; its row is due again. False when somebody has taken it meanwhile."""
    unchanged = (
        _SCHEDULE.c.connection_id == row.connection_id, _SCHEDULE.c.job == row.job, _SCHEDULE.c.worker.is_(None)
    )  # fmt: skip
    values = _NO_JOB | {"attempt": max(row.attempt - 1, 0)}
    with writing(engine) as connection:
        return bool(connection.execute(update(_SCHEDULE).where(*unchanged).values(**values)).rowcount)


def take(engine: Engine, connection_id: int, job: str, worker: str, now: str) -> Scheduled | None:
    """A worker begins (or begins anew) with a job; from now on the apply of an earlier worker's attempt is refused
    (``is_taken``). The row is as it was before: its ``worker`` is the one who began with the job and is gone, which counts
    as a failure. None when the job is settled already."""
    with writing(engine) as connection:
        # Waits for an earlier worker that is just applying; then its run is there to be found (`run_of_slot`).
        row = locked_job(connection, connection_id, job)
        if row is None:
            return None
        failures = row.failures + (row.worker not in (None, worker))
        (before,) = _scheduled(connection, _SCHEDULE.c.connection_id == connection_id)
        _change(connection, connection_id, {"worker": worker, "taken_at": now, "failures": failures})
        return before


def is_taken(connection: DatabaseConnection, connection_id: int, job: str, worker: str) -> bool:
    """Whether the job is still this worker's. In the transaction that applies: on PostgreSQL the row stays locked, so that
    nobody else can take it before that transaction ends."""
    row = locked_job(connection, connection_id, job)
    return row is not None and row.worker == worker


def locked_job(connection: DatabaseConnection, connection_id: int, job: str) -> Schedule | None:
    """The row of a job that is not settled yet; nobody else changes it before the transaction ends."""
    query = select(_SCHEDULE).where(_SCHEDULE.c.connection_id == connection_id, _SCHEDULE.c.job == job)
    row = connection.execute(query if is_sqlite(connection) else query.with_for_update()).mappings().first()
    return Schedule(**row) if row else None


def end_job(connection: DatabaseConnection, row: Schedule, slot: str, standing: Standing) -> None:
    """End the job of a locked row, which was for ``slot``: it stands as ``standing`` says, but for what a person asked for
    meanwhile, which is still to come."""
    values = msgspec.structs.asdict(standing)
    if row.next_why == "asked" and row.slot != slot:
        for name in ("next_at", "next_why", "slot", "window_ends_at", "attempt", "asked_by"):
            values[name] = getattr(row, name)
    _change(connection, row.connection_id, values | _NO_JOB)


def restand(connection: DatabaseConnection, row: Schedule, standing: Standing) -> bool:
    """Let a row without a job stand otherwise, if it still stands as it did (a sync may have ended, or somebody may have asked
    for one or set another timetable, meanwhile)."""
    before = (_SCHEDULE.c[name].is_not_distinct_from(getattr(row, name)) for name in Standing.__struct_fields__)
    place = (_SCHEDULE.c.connection_id == row.connection_id, _SCHEDULE.c.job.is_(None), *before)
    changed = connection.execute(update(_SCHEDULE).where(*place).values(**msgspec.structs.asdict(standing)))
    return bool(changed.rowcount)


def stand(connection: DatabaseConnection, row: Schedule, standing: Standing) -> None:
    """Let a locked row stand otherwise, whether it has a job or not."""
    _change(connection, row.connection_id, msgspec.structs.asdict(standing))


def raise_alarm(connection: DatabaseConnection, row: Schedule, at: str) -> bool:
    """Mark a row as stale, even while a job of it is queued or running. False when somebody else did, or a good sync ended, or
    is just being applied or settled: that may take minutes, and whoever raises alarms has more to do."""
    place = (
        _SCHEDULE.c.connection_id == row.connection_id,
        _SCHEDULE.c.stale_since.is_(None),
        _SCHEDULE.c.last_good_at.is_not_distinct_from(row.last_good_at),
    )
    query = select(_SCHEDULE.c.connection_id).where(*place)
    free = query if is_sqlite(connection) else query.with_for_update(skip_locked=True)
    if connection.execute(free).first() is None:
        return False
    return bool(connection.execute(update(_SCHEDULE).where(*place).values(stale_since=at)).rowcount)


# --- what the run history says ----------------------------------------------------------------------------------------


def run_of_slot(connection: DatabaseConnection, row: Schedule, slot: str) -> RunReport | None:
    """What a run for a slot came to that ended well and that the row does not know of: who made it did not live to say so,
    or never heard that its transaction was committed. Runs that are older than the job are known, even if the row names an
    older one, whose plan waits."""
    began = _RUN.c.created_at >= _before(row.queued_at) if row.queued_at else true()
    query = (
        select(_RUN.c.report)
        .where(
            _RUN.c.tenant_id == row.tenant_id,
            _RUN.c.connection_id == row.connection_id,
            _RUN.c.id > (row.last_run_id or 0),
            _RUN.c.slot == slot,
            began,
            _RUN.c.state.in_(("applied", "held")),
            _RUN.c.dry_run.is_(False),
        )
        .order_by(_RUN.c.id.desc())
        .limit(1)
    )
    found = connection.execute(query).scalar_one_or_none()
    return msgspec.json.decode(found, type=RunReport) if found is not None else None


def _before(queued_at: str) -> str:
    """Some minutes earlier: the clock of the worker that began the run may be behind that of the one which queued its job."""
    return (datetime.fromisoformat(queued_at) - _SKEW).isoformat(timespec="seconds")


def records_received(engine: Engine, row: Schedule) -> int:
    """How many records the last run of a connection received that ended well; 0 if there was none."""
    query = (
        select(_RUN.c.report)
        .where(_RUN.c.connection_id == row.connection_id, _RUN.c.state.in_(("applied", "held")))
        .order_by(_RUN.c.id.desc())
        .limit(1)
    )
    with reading(engine) as connection:
        report = connection.execute(query).scalar_one_or_none()
    return sum(kind.received for kind in msgspec.json.decode(report, type=RunReport).kinds) if report else 0


def tenant_settings(connection: DatabaseConnection, tenant_id: int) -> str:
    """The settings of a tenant, as they are stored (JSON)."""
    return str(connection.execute(select(_TENANT.c.settings).where(_TENANT.c.id == tenant_id)).scalar_one())
