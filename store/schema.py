"""The database's schema: which version it has, and bringing it up to date with alembic."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

from store.database import is_sqlite, reading, writing

#: An advisory lock of PostgreSQL of our own ("rostersy").
_MIGRATION_LOCK = 0x726F737465727379


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
    with writing(engine) as connection:
        if not is_sqlite(connection):  # there a writer waits for the other anyway
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def revise(engine: Engine, message: str) -> None:
    """Write a new migration file from the difference between ``models.tables`` and the database (for engineers)."""
    config = _config()
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        command.revision(config, message, autogenerate=True)
