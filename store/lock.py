"""One run per tenant at a time, however many processes there are.

The lock belongs to the operating system (a locked file beside a SQLite database) or to a database session (a PostgreSQL
advisory lock), so a process that is killed loses it at once, and nothing has to be cleaned up.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from models.errors import TenantBusyError
from store.database import is_sqlite, reading

#: First half of the advisory lock's key ("roster"), so that other users of the database do not collide with it.
_ADVISORY_CLASS = 0x726F7374


@contextmanager
def tenant_lock(engine: Engine, tenant_id: int, tenant_name: str) -> Iterator[None]:
    """Hold the tenant's lock. Raises TenantBusyError at once when another run has it."""
    holder = _file_lock(engine, tenant_id) if is_sqlite(engine) else _advisory_lock(engine, tenant_id)
    with holder as taken:
        if not taken:
            raise TenantBusyError(
                f"Another run of {tenant_name} is going on; one at a time. Try again when it has ended.",
                f"tenant lock {tenant_id} is taken",
            )
        yield


@contextmanager
def process_lock(engine: Engine, name: str) -> Iterator[bool]:
    """Whether this process is the only one beside a SQLite database that calls itself ``name``; held while it lasts."""
    with _locked_file(engine, name) as taken:
        yield taken


def _file_lock(engine: Engine, tenant_id: int) -> AbstractContextManager[bool]:
    return _locked_file(engine, f"tenant-{tenant_id}")


@contextmanager
def _locked_file(engine: Engine, name: str) -> Iterator[bool]:
    folder = Path(f"{engine.url.database}.locks")
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / name, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(handle)


@contextmanager
def _advisory_lock(engine: Engine, tenant_id: int) -> Iterator[bool]:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.detach()  # not one that is kept: the lock ends with the session
        key = {"class": _ADVISORY_CLASS, "tenant": tenant_id}
        taken = bool(connection.scalar(text("SELECT pg_try_advisory_lock(:class, :tenant)"), key))
        try:
            yield taken
        finally:
            if taken:
                # The end of the session would do, but a moment later: the tenant's next run may be there before it.
                with suppress(DBAPIError):  # a session that was cut off has lost the lock already
                    connection.execute(text("SELECT pg_advisory_unlock(:class, :tenant)"), key)


def is_locked(engine: Engine, tenant_id: int) -> bool:
    """Whether a run of the tenant is going on: one that was killed has lost the lock, whatever its row says."""
    if is_sqlite(engine):
        with _file_lock(engine, tenant_id) as taken:
            return not taken
    query = text(
        "SELECT EXISTS (SELECT 1 FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database "
        "WHERE locktype = 'advisory' AND granted AND datname = current_database() "
        "AND classid::bigint = :class AND objid::bigint = :tenant AND objsubid = 2)"
    )
    with reading(engine) as connection:
        return bool(connection.scalar(query, {"class": _ADVISORY_CLASS, "tenant": tenant_id}))
