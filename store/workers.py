"""Processes that run syncs, and when the database last heard of each."""

from collections.abc import Iterable

from sqlalchemy import Connection as DatabaseConnection
from sqlalchemy import Engine, delete, insert, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from models.tables import Worker
from store.database import is_sqlite, reading, session_name, writing

_WORKER = Worker.__table__  # type: ignore[attr-defined]


def clock(connection: DatabaseConnection) -> float:
    """The database's own clock, Unix seconds: the one clock that all workers share."""
    sqlite = "SELECT (julianday('now') - 2440587.5) * 86400.0"  # its function for this is too new for some systems
    query = sqlite if is_sqlite(connection) else "SELECT extract(epoch FROM clock_timestamp())"
    return float(connection.execute(text(query)).scalar_one())


def register(engine: Engine, worker: Worker) -> None:
    """A worker begins (or begins anew under the same id); its ``seen`` is now."""
    with writing(engine) as connection:
        connection.execute(delete(_WORKER).where(_WORKER.c.id == worker.id))
        connection.execute(insert(_WORKER).values(worker.model_dump() | {"seen": clock(connection)}))


def beat(engine: Engine, worker_id: str, *, stopping: bool = False) -> bool:
    """The worker is alive. False when it was given up meanwhile: what it runs belongs to others now."""
    with writing(engine) as connection:
        values = {"seen": clock(connection), "stopping": stopping}
        return bool(connection.execute(update(_WORKER).where(_WORKER.c.id == worker_id).values(**values)).rowcount)


def leave(engine: Engine, worker_id: str) -> None:
    """A worker ends: whatever it may have left behind can be taken over at once."""
    with writing(engine) as connection:
        connection.execute(update(_WORKER).where(_WORKER.c.id == worker_id).values(seen=0.0, stopping=True))


def workers(engine: Engine) -> list[tuple[Worker, float]]:
    """All workers with the seconds since each was heard of."""
    with reading(engine) as connection:
        now = clock(connection)
        rows = connection.execute(select(_WORKER).order_by(_WORKER.c.started_at, _WORKER.c.id)).mappings()
        return [(Worker(**row), max(0.0, now - row["seen"])) for row in rows]


def lost(connection: DatabaseConnection, seconds: float, but: str) -> str | None:
    """The id of one worker, ``but`` not that one, that was not heard of for so long; it stays locked, on PostgreSQL, until
    the transaction ends, so that one other worker only deals with it. None if there is none."""
    silent = (_WORKER.c.seen < clock(connection) - seconds, _WORKER.c.id != but)
    query = select(_WORKER.c.id).where(*silent).limit(1)
    found = connection.execute(query if is_sqlite(connection) else query.with_for_update(skip_locked=True)).scalar()
    return str(found) if found is not None else None


def end_sessions(connection: DatabaseConnection, worker_id: str) -> int:
    """End what a lost worker's sessions (``store.database.name_sessions``) may still hold, tenant locks above all: its
    machine may be cut off, or the process asleep for hours. Returns how many there were."""
    if is_sqlite(connection):
        return 0
    query = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = :name AND datname = current_database() AND usename = current_user"
    )
    return len(connection.execute(query, {"name": session_name(worker_id)}).all())


def forget(connection: DatabaseConnection, worker_id: str) -> None:
    """Give a worker up, in the transaction that found it lost."""
    connection.execute(delete(_WORKER).where(_WORKER.c.id == worker_id))


def known(engine: Engine, worker_ids: Iterable[str]) -> set[str]:
    """Which of these workers there are."""
    query = select(_WORKER.c.id).where(_WORKER.c.id.in_(set(worker_ids)))
    with reading(engine) as connection:
        return set(connection.execute(query).scalars())


def miss(engine: Engine, worker_id: str, now: str) -> None:
    """Have a worker that is not known looked for: it is lost, unless it registers."""
    row = Worker(id=worker_id, host="", pid=0, version="", slots=0, started_at=now, seen=0.0, stopping=True)
    insert_new = sqlite.insert(_WORKER) if is_sqlite(engine) else postgresql.insert(_WORKER)
    with writing(engine) as connection:
        connection.execute(insert_new.values(row.model_dump()).on_conflict_do_nothing())
