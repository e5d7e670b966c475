"""Schedules: what is due, who works on it, and how each connection stands. At most one job per tenant, by a unique index."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection as DatabaseConnection
from sqlalchemy import Engine, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from models.health import Reason, Standing
from models.tables import Connection, Run, Schedule, Tenant
from store.database import is_sqlite, reading, writing

_SCHEDULE = Schedule.__table__  # type: ignore[attr-defined]
_CONNECTION = Connection.__table__  # type: ignore[attr-defined]
_TENANT = Tenant.__table__  # type: ignore[attr-defined]
_RUN = Run.__table__  # type: ignore[attr-defined]

#: States of a connection in which its time comes. A disconnected one is asked, as only its source can let us in again.
_ABLE = ("active", "disconnected")


class Scheduled(msgspec.Struct, frozen=True):
    """A schedule row with the names of what it belongs to, and the tenant's settings (JSON)."""

    row: Schedule
    tenant: str
    tenant_settings: str
    connection: str
    connector: str
    state: str
    state_reason: str

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
        changed = connection.execute(
            update(_SCHEDULE).where(_SCHEDULE.c.connection_id == connection_id).values(**values)
        )
        if not changed.rowcount:
            row = Schedule(connection_id=connection_id, tenant_id=tenant_id).model_dump() | dict(values)
            connection.execute(insert(_SCHEDULE).values(row))


def ask(engine: Engine, connection_id: int, tenant_id: int, slot: str, by: str, now: str) -> None:
    """Make a connection due at once because a person asked. What is queued or running already goes on as it is."""
    why: Reason = "asked"
    values = {"next_at": now, "next_why": why, "slot": slot, "window_ends_at": None, "attempt": 0, "asked_by": by}
    save(engine, connection_id, tenant_id, values)


# --- what is due ------------------------------------------------------------------------------------------------------


def due(engine: Engine, now: str, limit: int) -> list[Scheduled]:
    """Connections whose time has come, first those that people asked for, then the longest waiting; none of a tenant that
    has a job already."""
    busy = select(_SCHEDULE.c.tenant_id).where(_SCHEDULE.c.job.is_not(None))
    wanted = (
        _SCHEDULE.c.next_at <= now,
        _SCHEDULE.c.tenant_id.not_in(busy),
        _CONNECTION.c.state.in_(_ABLE),
    )
    order = ((_SCHEDULE.c.next_why != "asked"), _SCHEDULE.c.next_at, _SCHEDULE.c.connection_id)
    return _scheduled(engine, *wanted, order=order, limit=limit)


def all_scheduled(engine: Engine, tenant_id: int | None = None) -> list[Scheduled]:
    """All schedule rows (of one tenant) by tenant and connection, those of removed connections left out."""
    wanted = [_CONNECTION.c.state != "removed"]
    if tenant_id is not None:
        wanted.append(_SCHEDULE.c.tenant_id == tenant_id)
    return _scheduled(engine, *wanted, order=(_TENANT.c.name, _CONNECTION.c.id))


def in_flight(engine: Engine) -> list[Scheduled]:
    """Rows whose job is queued or running."""
    return _scheduled(engine, _SCHEDULE.c.job.is_not(None), order=(_SCHEDULE.c.queued_at,))


def scheduled_connection(engine: Engine, connection_id: int) -> Scheduled | None:
    """One row with its names; None if the connection was never scheduled."""
    return next(iter(_scheduled(engine, _SCHEDULE.c.connection_id == connection_id, order=())), None)


def _scheduled(engine: Engine, *wanted: Any, order: Sequence[Any], limit: int | None = None) -> list[Scheduled]:
    query = (
        select(
            _SCHEDULE,
            _TENANT.c.name.label("tenant_name"),
            _TENANT.c.settings.label("tenant_settings"),
            _CONNECTION.c.name.label("connection_name"),
            _CONNECTION.c.connector,
            _CONNECTION.c.state,
            _CONNECTION.c.state_reason,
        )
        .join(_CONNECTION, _CONNECTION.c.id == _SCHEDULE.c.connection_id)
        .join(_TENANT, _TENANT.c.id == _SCHEDULE.c.tenant_id)
        .where(*wanted)
        .order_by(*order)
        .limit(limit)
    )
    with reading(engine) as connection:
        rows = [dict(row) for row in connection.execute(query).mappings()]
    names = [
        tuple(row.pop(key) for key in
              ("tenant_name", "tenant_settings", "connection_name", "connector", "state", "state_reason"))
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


def take(engine: Engine, connection_id: int, job: str, worker: str, now: str) -> Scheduled | None:
    """A worker begins (or begins anew) with a job; from now on the apply of an earlier worker's attempt is refused
    (``check_taken``). None when the job is settled already."""
    with writing(engine) as connection:
        place = (_SCHEDULE.c.connection_id == connection_id, _SCHEDULE.c.job == job)
        taken = connection.execute(update(_SCHEDULE).where(*place).values(worker=worker, taken_at=now)).rowcount
    return scheduled_connection(engine, connection_id) if taken else None


def is_taken(connection: DatabaseConnection, connection_id: int, job: str, worker: str) -> bool:
    """Whether the job is still this worker's. In the transaction that applies: on PostgreSQL the row stays locked, so that
    nobody else can take it before that transaction ends."""
    place = (_SCHEDULE.c.connection_id == connection_id, _SCHEDULE.c.job == job, _SCHEDULE.c.worker == worker)
    query = select(_SCHEDULE.c.connection_id).where(*place)
    return connection.execute(query if is_sqlite(connection) else query.with_for_update()).first() is not None


def settle(connection: DatabaseConnection, connection_id: int, job: str, standing: Standing) -> bool:
    """End a job: the row stands as ``standing`` says, but for what a person asked for meanwhile. False when it was ended
    already."""
    place = (_SCHEDULE.c.connection_id == connection_id, _SCHEDULE.c.job == job)
    row = connection.execute(select(_SCHEDULE).where(*place)).mappings().first()
    if row is None:
        return False
    values = msgspec.structs.asdict(standing)
    if row["next_why"] == "asked" and row["taken_at"] and row["next_at"] > row["taken_at"]:
        for name in ("next_at", "next_why", "slot", "window_ends_at", "attempt", "asked_by"):
            values[name] = row[name]
    values |= {"job": None, "queued_at": None, "worker": None, "taken_at": None}
    return bool(connection.execute(update(_SCHEDULE).where(*place).values(**values)).rowcount)


# --- what the run history says ----------------------------------------------------------------------------------------


def run_of_slot(engine: Engine, connection_id: int, slot: str) -> int | None:
    """The run that ended well for a slot, if there is one: an attempt that died after it had applied is not done again."""
    ended_well = _RUN.c.state.in_(("applied", "held"))
    query = (
        select(func.max(_RUN.c.id))
        .where(_RUN.c.connection_id == connection_id, _RUN.c.slot == slot, ended_well, _RUN.c.dry_run.is_(False))
    )  # fmt: skip
    with reading(engine) as connection:
        found = connection.execute(query).scalar_one_or_none()
    return int(found) if found is not None else None


def last_good(connection: DatabaseConnection, connection_ids: Sequence[int] | None = None) -> dict[int, str]:
    """When each connection's last run ended well, whoever started it."""
    wanted = [
        _RUN.c.state.in_(("applied", "held", "discarded")),
        _RUN.c.dry_run.is_(False),
        _RUN.c.error_code.is_(None),
    ]
    if connection_ids is not None:
        wanted.append(_RUN.c.connection_id.in_(connection_ids))
    query = select(_RUN.c.connection_id, func.max(_RUN.c.finished_at)).where(*wanted).group_by(_RUN.c.connection_id)
    return {int(connection_id): str(at) for connection_id, at in connection.execute(query) if at}
