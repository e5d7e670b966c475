"""The way in for every command and job: settings and an open, migrated database."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from models.errors import RetryLaterError, SettingsError
from store import database, schema
from sync.settings import Settings

#: Whatever begins so in the data directory is swept, so nothing else may.
_SCRATCH = "rostersync-run-"
#: Seconds: a directory so young may belong to a process that is about to lock it.
_JUST_MADE = 60.0


class Service:
    """What the verbs need of the outside: ``settings`` and ``engine``. Made by ``open_service``."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self.settings = settings
        self.engine = engine

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """An empty private directory for one run; gone afterwards, or when the next run begins if the process is killed."""
        data_dir = self.settings.data_dir
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sweep(data_dir)
        folder = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=data_dir))
        handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_SH)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(handle)


def _sweep(data_dir: Path) -> None:
    """Remove what killed processes have left: a directory in use is locked, and its lock dies with its process."""
    for folder in data_dir.glob(f"{_SCRATCH}*"):
        try:
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:  # another process has just removed it
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if time.time() - os.fstat(handle).st_mtime > _JUST_MADE:
                shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            continue
        finally:
            os.close(handle)


def load_settings() -> Settings:
    """Settings from the environment. Raises SettingsError that names the variable."""
    try:
        return Settings()
    except ValidationError as error:
        wrong = "; ".join(
            f"ROSTERSYNC_{str(item['loc'][0]).upper()} cannot be used, {item['msg'].replace('Input should', 'it should')}"
            for item in error.errors()
        )
        raise SettingsError(f"The setting {wrong}.", "settings validation") from None


@contextmanager
def open_service(settings: Settings | None = None) -> Iterator[Service]:
    """Open the database and bring it up to date. Raises SettingsError when it cannot be reached or is newer than this code, and
    RetryLaterError when it cannot be upgraded beside what runs."""
    settings = settings or load_settings()
    engine = _connect(settings)
    try:
        yield Service(settings, engine)
    finally:
        engine.dispose()


def _connect(settings: Settings) -> Engine:
    engine = database.create(settings.database)
    try:
        version = schema.current_version(engine)
        if version != schema.newest_version():
            if version is not None and not schema.is_known(version):
                raise SettingsError(
                    "The database was made by a newer rostersync; update rostersync, or point it at another database.",
                    f"schema version {version} is unknown",
                )
            schema.upgrade(engine)
    except (OperationalError, DBAPIError) as error:
        engine.dispose()
        if schema.is_deadlock(error):
            raise RetryLaterError(
                "The database could not be upgraded, as running syncs were in the way each time; nothing was changed. Try "
                "again, or stop the workers first."
            ) from None
        raise SettingsError(
            "The database cannot be opened; check ROSTERSYNC_DATABASE_URL (or ROSTERSYNC_DATA_DIR), and that the server runs.",
            f"{type(error.orig).__name__} on {engine.url.get_backend_name()}",
        ) from None
    return engine


def upgrade_database(settings: Settings | None = None) -> str:
    """Run missing migrations; returns a sentence that says what was done."""
    settings = settings or load_settings()
    engine = database.create(settings.database)
    before = schema.current_version(engine)
    engine.dispose()
    _connect(settings).dispose()
    newest = schema.newest_version()
    return (
        f"The database is up to date ({newest})."
        if before == newest
        else f"Upgraded from {before or 'empty'} to {newest}."
    )


def database_status(settings: Settings | None = None) -> dict[str, str]:
    """Kind of the database, its schema version and the version that this code needs."""
    settings = settings or load_settings()
    engine = database.create(settings.database)
    try:
        version = schema.current_version(engine)
    except (OperationalError, DBAPIError) as error:
        raise SettingsError(
            "The database cannot be opened; check ROSTERSYNC_DATABASE_URL.", type(error).__name__
        ) from None
    finally:
        engine.dispose()
    return {
        "database": engine.url.get_backend_name(),
        "version": version or "empty",
        "newest": schema.newest_version(),
    }
