"""Sessions at PostgreSQL are kept and used again; the scheduler queues no more than workers will take soon."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, make_url
from sqlalchemy import create_engine as sqlalchemy_create

from store import schedules
from store.database import create, name_sessions, reading
from store.lock import tenant_lock
from sync import scheduler
from sync.clock import now
from sync.jobs import _address
from sync.service import Service
from tests.jobs.fleet import add_tenants, make_due, wait_until
from tests.servers.oneroster import OneRosterServer


class Queue:
    """In the place of dbos: what was queued, by job."""

    def __init__(self) -> None:
        self.queued: dict[str, int] = {}

    def queue(self, job: str, connection_id: int, **_: bool) -> None:
        self.queued[job] = connection_id


@pytest.fixture
def engine(postgresql_url: str) -> Iterator[Engine]:
    engine = create(postgresql_url)
    yield engine
    engine.dispose()


def asked(engine: Engine, query: str) -> object:
    with reading(engine) as connection:
        return connection.exec_driver_sql(query).scalar()


def test_a_scheduler_is_not_hung_by_a_server_that_says_no_more(engine: Engine) -> None:
    """The client of dbos takes nothing but an address."""
    url = make_url(_address(engine))
    assert url.database == engine.url.database
    for name in ("connect_timeout", "keepalives_idle", "tcp_user_timeout"):
        assert name in url.query, name
    client = sqlalchemy_create(url.set(drivername="postgresql+psycopg"))
    with client.connect() as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1
    client.dispose()


def session(engine: Engine) -> object:
    return asked(engine, "SELECT pg_backend_pid()")


def sessions(engine: Engine) -> object:
    return asked(engine, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")


def test_a_session_is_used_again_and_one_that_has_ended_is_noticed(engine: Engine, postgresql_url: str) -> None:
    first = session(engine)
    assert session(engine) == first
    other = create(postgresql_url)
    assert asked(other, f"SELECT pg_terminate_backend({first}, 5000)") is True
    other.dispose()
    assert session(engine) != first


def test_a_lock_ends_with_a_session_of_its_own(engine: Engine) -> None:
    session(engine)
    with tenant_lock(engine, 1, "oak"):
        assert sessions(engine) == 2
    wait_until(lambda: sessions(engine) == 1, 5, "the end of the lock's session")
    assert asked(engine, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0


def test_sessions_that_were_opened_before_have_the_name_too(engine: Engine) -> None:
    assert asked(engine, "SELECT current_setting('application_name')") == ""
    name_sessions(engine, "worker-1")
    assert asked(engine, "SELECT current_setting('application_name')") == "worker-1"


def test_statements_that_come_often_are_not_prepared(engine: Engine) -> None:
    for _ in range(20):
        session(engine)
    assert asked(engine, "SELECT count(*) FROM pg_prepared_statements") == 0


def test_no_more_is_queued_than_workers_will_take_soon(
    place: Service, server: OneRosterServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "_WAITING", 2)
    made, jobs = add_tenants(place, server, 4), Queue()
    make_due(place, made, "night 1")
    assert scheduler.queue_due(place, jobs) == 2  # type: ignore[arg-type]
    assert scheduler.queue_due(place, jobs) == 0  # type: ignore[arg-type]
    job = next(iter(jobs.queued))
    assert schedules.take(place.engine, made[0], job, "worker", now())
    assert scheduler.queue_due(place, jobs) == 1  # type: ignore[arg-type]
    assert list(jobs.queued.values()) == made[:3]
