"""The database's schema: which version it has, and bringing it up to date with alembic."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from store.database import reading, writing


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


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
    """Run all migrations that are missing, in one transaction. Nothing happens to a database that is up to date."""
    config = _config()
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def revise(engine: Engine, message: str) -> None:
    """Write a new migration file from the difference between ``models.tables`` and the database (for engineers)."""
    config = _config()
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        command.revision(config, message, autogenerate=True)
