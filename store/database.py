"""Engines and transactions on SQLite and PostgreSQL.

SQLite runs in WAL mode with foreign keys on. Writers begin with ``BEGIN IMMEDIATE``: the driver's default begins as a
reader and loses, or fails, when it has to become a writer.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from models.errors import SettingsError

_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=NORMAL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA busy_timeout=30000",
    "PRAGMA cache_size=-65536",  # 64 MB; SQLite's default of 2 MB writes eight times the bytes on a first load
    "PRAGMA temp_store=MEMORY",
)
#: A PostgreSQL that is gone without a word (its machine, the network) is noticed after a minute; else it would take hours.
_NOTICE_SILENCE: Final = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
#: As long as PostgreSQL lets the name of a session be.
_LONGEST_NAME: Final = 63
#: Sessions of PostgreSQL are kept, as each that is opened costs the server a process with empty caches. As many are opened
#: as are needed at a time, so that nobody waits for one; one that has died meanwhile is noticed before it is used.
_SESSIONS: Final[dict[str, Any]] = {"pool_size": 8, "max_overflow": -1, "pool_pre_ping": True}
#: No statement is kept as prepared because it comes often (only within an executemany): each tenant's is planned by itself, and
#: a migration beside running workers does not make kept ones fail.
_UNPREPARED: Final = {"prepare_threshold": 1_000_000_000}


def create(url: str) -> Engine:
    """An engine for ``sqlite:///…`` or ``postgresql://…``. Raises SettingsError for any other address."""
    try:
        parsed = make_url(url)
        if parsed.drivername in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.get_backend_name() == "sqlite":
            return _create_sqlite(parsed.database)
        if parsed.drivername == "postgresql+psycopg":
            return create_engine(parsed, connect_args={**connect_arguments(parsed), **_UNPREPARED}, **_SESSIONS)
    except (ArgumentError, NoSuchModuleError) as error:
        raise SettingsError(
            "ROSTERSYNC_DATABASE_URL is not a database address; use sqlite:///path or postgresql://user@host/name.",
            type(error).__name__,
        ) from None
    raise SettingsError(
        f"ROSTERSYNC_DATABASE_URL names {parsed.get_backend_name()}, but only sqlite and postgresql are supported."
    )


def connect_arguments(url: URL) -> dict[str, str | int]:
    """What psycopg is told beside the address; what the address says itself counts."""
    return {name: value for name, value in _NOTICE_SILENCE.items() if name not in url.query}


def name_sessions(engine: Engine, name: str) -> None:
    """From now on PostgreSQL shows this process's sessions under a name (``session_name``)."""
    if is_sqlite(engine):
        return

    @event.listens_for(engine, "do_connect")
    def on_do_connect(_dialect: Any, _record: Any, _arguments: Any, parameters: dict[str, Any]) -> None:
        parameters["application_name"] = session_name(name)

    engine.dispose()  # what was opened before is opened anew, with the name


def session_name(name: str) -> str:
    """As PostgreSQL shows it: what is too long loses its beginning."""
    return name.encode("ascii", "replace").decode()[-_LONGEST_NAME:]


def _create_sqlite(database: str | None) -> Engine:
    if not database or database == ":memory:":
        raise SettingsError("ROSTERSYNC_DATABASE_URL must name a file for SQLite, such as sqlite:///rostersync.db.")
    path = Path(database)
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)

    @event.listens_for(engine, "connect")
    def on_connect(dbapi_connection: sqlite3.Connection, _record: Any) -> None:
        dbapi_connection.isolation_level = None  # this module says BEGIN itself
        for pragma in _PRAGMAS:
            dbapi_connection.execute(pragma)

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("rostersync_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def is_sqlite(connection: Connection | Engine) -> bool:
    return connection.dialect.name == "sqlite"


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One write transaction: commits at the end, rolls back on any exception."""
    with (
        _translated(engine),
        engine.connect().execution_options(rostersync_writes=True) as connection,
        connection.begin(),
    ):
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One read transaction, on one snapshot of the database."""
    with _translated(engine), engine.connect() as connection:
        if not is_sqlite(connection):
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        with connection.begin():
            yield connection


@contextmanager
def _translated(engine: Engine) -> Iterator[None]:
    """What goes straight to the driver (``store.bulk``) raises the driver's own errors, among them a full disk and a lost
    connection; callers should have to know SQLAlchemy's only."""
    driver: Any = engine.dialect.loaded_dbapi
    try:
        yield
    except driver.Error as error:
        raise DBAPIError.instance(None, None, error, driver.Error) from error
