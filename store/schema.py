"""The database's schema: which version it has, and bringing it up to date with alembic."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError
from tenacity import retry, retry_if_exception, stop_after_attempt, wait_random

from store.database import is_sqlite, reading, writing

#: An advisory lock of PostgreSQL of our own ("rostersy").
_MIGRATION_LOCK = 0x726F737465727379
_TRIES = 10


def is_deadlock(error: BaseException) -> bool:
    """Whether PostgreSQL ended this transaction because it and another one waited for each other (class 40, 40P01)."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) == "40P01"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


@cache
def newest_version() -> str:
    """The version that this code needs."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def is_known(version: str) -> bool:
    """Whether this code knows the version (a newer rostersync may have made another)."""
    return any(script.revision == version for script in ScriptDirectory.from_config(_config()).walk_revisions())


def current_version(engine: Engine) -> str | None:
    """The version that the database has; None for an empty one."""
    with reading(engine) as connection:
        return MigrationContext.configure(connection).get_current_revision()


def upgrade(engine: Engine) -> None:
    """Run all migrations that are missing, in one transaction. Nothing happens to a database that is up to date.

    Processes that begin at the same time wait for each other; who comes second finds nothing to do.
    """
    config = _config()

    def run_migrations(connection: Connection) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    change(engine, run_migrations)


@retry(retry=retry_if_exception(is_deadlock), stop=stop_after_attempt(_TRIES), wait=wait_random(0.2, 2.0), reraise=True)
def change(engine: Engine, statements: Callable[[Connection], None]) -> None:
    """Change tables in one transaction, alone among those that change tables, while workers go on reading and writing them.

    A transaction of a worker and this one can each wait for a table that the other has. PostgreSQL then ends one of them: a
    worker tries again by itself, and so does this. Raises DBAPIError when even the tenth try is ended.
    """
    with writing(engine) as connection:
        if not is_sqlite(connection):  # there a writer waits for the other anyway
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        statements(connection)


def revise(engine: Engine, message: str) -> None:
    """Write a new migration file from the difference between ``models.tables`` and the database (for engineers)."""
    config = _config()
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        command.revision(config, message, autogenerate=True)
