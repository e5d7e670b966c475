"""The tick: each night is queued once whatever the clocks do, and what was abandoned at any step is found."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import OperationalError

from models.errors import TenantBusyError
from models.health import Outcome
from models.tables import Worker
from store import schedules, workers
from store.database import create, name_sessions, writing
from store.lock import tenant_lock
from store.runs import begin_run
from sync import attempt, replan, scheduler, tenants
from sync import schedules as verbs
from sync.clock import now
from sync.jobs import JobState
from sync.service import Service
from tests.jobs.conftest import ON_BOTH
from tests.jobs.fleet import add_connection, add_tenants, make_due, wait_until
from tests.servers.oneroster import OneRosterServer

Clock = Callable[[datetime], None]
MINUTE = timedelta(minutes=1)


class Queue:
    """What the scheduler asks of dbos; nobody works on it."""

    def __init__(self) -> None:
        self.queued: dict[str, tuple[int, bool, bool]] = {}
        self.found: dict[str, JobState] = {}
        self.resumed: list[str] = []
        self.broken = False

    def queue(self, job: str, connection_id: int, *, asked: bool, large: bool) -> None:
        if self.broken:
            raise RuntimeError("the process ends here")
        self.queued.setdefault(job, (connection_id, asked, large))

    def states(self, jobs: list[str]) -> dict[str, JobState]:
        return {job: self.found.get(job, JobState("unknown")) for job in jobs}

    def resume(self, worker_id: str) -> list[str]:
        self.resumed.append(worker_id)
        return []


@pytest.fixture
def jobs() -> Queue:
    return Queue()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Sets the time that scheduling and settling go by."""

    def set_to(at: datetime) -> None:
        for module in (scheduler, attempt, replan, verbs):
            monkeypatch.setattr(module, "now", lambda: at.astimezone(UTC).isoformat(timespec="seconds"))

    return set_to


def job_of(place: Service, connection_id: int) -> str | None:
    row = schedules.find(place.engine, connection_id)
    assert row
    return row.job


# --- clocks that change -----------------------------------------------------------------------------------------------


def nights_queued(place: Service, jobs: Queue, clock: Clock, first: str, days: int, **schedule: str) -> list[str]:
    """A tick every half hour for some days; each job is applied five minutes later. Returns the slots in order."""
    clock(at := datetime.fromisoformat(first))
    verbs.set_schedule(place, "t000", **schedule)
    slots = []
    for _ in range(days * 24 * 2):
        clock(at := at + 30 * MINUTE)
        jobs.queued.clear()
        scheduler.queue_due(place, jobs)  # type: ignore[arg-type]
        clock(at + 5 * MINUTE)
        for job, (connection_id, _, _) in jobs.queued.items():
            slot = job.split("/")[1]
            assert attempt.settle_job(place, connection_id, job, slot, Outcome("applied", run_id=7), None)
            slots.append(slot)
    return slots


@pytest.mark.parametrize(
    ("first", "nightly"),
    [
        ("2026-10-30T18:00:00-05:00", "20:00-05:00"),  # an hour twice, in the night from 31 October to 1 November
        ("2026-10-30T18:00:00-05:00", "01:00-02:00"),
        ("2027-03-12T18:00:00-06:00", "20:00-05:00"),  # an hour skipped on 14 March
        ("2027-03-12T18:00:00-06:00", "02:00-03:00"),
    ],
)
def test_each_night_is_queued_once_when_the_clocks_change(
    place: Service, server: OneRosterServer, jobs: Queue, clock: Clock, first: str, nightly: str
) -> None:
    add_tenants(place, server, 1)
    tenants.set_setting(place, "t000", "time_zone", "America/Chicago")
    begin = datetime.fromisoformat(first).date() + timedelta(days=nightly < "12")
    expected = [f"night {begin + timedelta(days=day)}" for day in range(4)]
    assert nights_queued(place, jobs, clock, first, 4, nightly=nightly) == expected


@pytest.mark.parametrize(
    ("first", "cron", "expected"),
    [
        ("2026-10-31T12:00:00-05:00", "30 1 * * *", ["2026-11-01T06:30", "2026-11-02T07:30"]),
        ("2027-03-13T12:00:00-06:00", "30 2 * * *", ["2027-03-14T08:00", "2027-03-15T07:30"]),
    ],
)
def test_a_cron_time_that_comes_twice_is_queued_once_and_one_that_is_skipped_at_the_jump(
    place: Service, server: OneRosterServer, jobs: Queue, clock: Clock, first: str, cron: str, expected: list[str]
) -> None:
    add_tenants(place, server, 1)
    tenants.set_setting(place, "t000", "time_zone", "America/Chicago")
    assert nights_queued(place, jobs, clock, first, 2, cron=cron) == [f"{at}:00+00:00" for at in expected]


def test_a_clock_that_is_set_back_an_hour_queues_nothing_twice(
    place: Service, server: OneRosterServer, jobs: Queue, clock: Clock
) -> None:
    (made,) = add_tenants(place, server, 1)
    clock(at := datetime(2026, 11, 22, 2, tzinfo=UTC))
    verbs.set_schedule(place, "t000", nightly="03:00-05:00")
    row = schedules.find(place.engine, made)
    assert row
    assert row.next_at
    clock(at := datetime.fromisoformat(row.next_at))
    assert scheduler.queue_due(place, jobs) == 1  # type: ignore[arg-type]
    ((job, _),) = jobs.queued.items()
    assert attempt.settle_job(place, made, job, row.slot, Outcome("applied", run_id=7), None)
    for minutes in range(-60, 120, 10):
        clock(at + minutes * MINUTE)
        assert scheduler.queue_due(place, jobs) == 0  # type: ignore[arg-type]
    row = schedules.find(place.engine, made)
    assert row
    assert row.slot == "night 2026-11-23"


# --- one that cannot be dealt with ------------------------------------------------------------------------------------


def test_connections_that_cannot_be_scheduled_do_not_stop_the_others(
    place: Service, server: OneRosterServer, jobs: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More of them than are looked at in one tick, and all due before the others."""
    monkeypatch.setattr(scheduler, "_BATCH", 2)
    made = add_tenants(place, server, 4)
    make_due(place, made, "night 1")
    for each in made[:2]:
        schedules.save(place.engine, each, each // 2, {"timetable": '{"of":"next year"}'})
    passed_over: set[int] = set()
    assert scheduler.queue_due(place, jobs, passed_over) == 0  # type: ignore[arg-type]
    assert passed_over == set(made[:2])
    assert scheduler.queue_due(place, jobs, passed_over) == 2  # type: ignore[arg-type]
    assert [connection_id for connection_id, _, _ in jobs.queued.values()] == made[2:]
    schedules.save(place.engine, made[0], 1, {"timetable": "{}"})
    assert scheduler.queue_due(place, jobs, set()) == 1  # type: ignore[arg-type]


def test_a_run_that_did_not_live_to_write_its_report_is_no_obstacle(
    place: Service, server: OneRosterServer, jobs: Queue
) -> None:
    (made,) = add_tenants(place, server, 1)
    make_due(place, [made], "night 1")
    run_id, _ = begin_run(place.engine, 1, made, dry_run=False, started_by="tests", slot="night 0", now=now())
    schedules.save(place.engine, made, 1, {"last_run_id": run_id})
    assert scheduler.queue_due(place, jobs) == 1  # type: ignore[arg-type]
    ((_, queued),) = jobs.queued.items()
    assert queued == (made, True, False)


# --- claimed, queued, taken, settled: a process may end between any two -----------------------------------------------


@ON_BOTH
def test_only_one_of_two_claims_succeeds_and_a_tenant_has_one_job(place: Service, server: OneRosterServer) -> None:
    first, other = *add_tenants(place, server, 1), add_connection(place, "t000", server, "second")
    make_due(place, [first, other], "night 1")
    rows = {each.row.connection_id: each.row for each in schedules.due(place.engine, now(), 10)}
    assert schedules.claim(place.engine, rows[first], "job-1", now())
    assert not schedules.claim(place.engine, rows[first], "job-2", now())
    assert not schedules.claim(place.engine, rows[other], "job-3", now())
    assert schedules.due(place.engine, now(), 10) == []
    assert job_of(place, first) == "job-1"


def old_job(place: Service, server: OneRosterServer, *, worker: str | None = None) -> int:
    """A connection with the job "job-1" that has been in flight for a while."""
    (made,) = add_tenants(place, server, 1)
    make_due(place, [made], "night 1", "scheduled")
    before = (datetime.now(UTC) - MINUTE).isoformat(timespec="seconds")
    schedules.save(
        place.engine, made, 1, {"job": "job-1", "queued_at": before, "worker": worker, "taken_at": before if worker else None}
    )  # fmt: skip
    return made


def test_a_job_that_was_claimed_and_never_queued_is_queued(
    place: Service, server: OneRosterServer, jobs: Queue
) -> None:
    (made,) = add_tenants(place, server, 1)
    make_due(place, [made], "night 1")
    jobs.broken = True
    scheduler.queue_due(place, jobs)  # type: ignore[arg-type]
    jobs.broken = False
    job = job_of(place, made)
    assert job
    assert jobs.queued == {}
    scheduler.mend(place, jobs)  # type: ignore[arg-type]
    assert jobs.queued == {}, "its scheduler may be about to"
    schedules.save(place.engine, made, 1, {"queued_at": (datetime.now(UTC) - MINUTE).isoformat(timespec="seconds")})
    scheduler.mend(place, jobs)  # type: ignore[arg-type]
    scheduler.mend(place, jobs)  # type: ignore[arg-type]
    assert jobs.queued == {job: (made, True, False)}


@pytest.mark.parametrize("worker", [None, "gone"])
def test_a_job_that_ended_without_having_been_settled_is_settled(
    place: Service, server: OneRosterServer, jobs: Queue, worker: str | None
) -> None:
    made = old_job(place, server, worker=worker)
    jobs.found["job-1"] = JobState("ended", worker)
    scheduler.mend(place, jobs)  # type: ignore[arg-type]
    row = schedules.find(place.engine, made)
    assert row
    assert (row.job, row.health, row.failures, row.next_why, row.slot) == (None, "retrying", 1, "retry", "night 1")


def test_a_job_that_runs_or_waits_is_left_alone(place: Service, server: OneRosterServer, jobs: Queue) -> None:
    made = old_job(place, server, worker="a")
    workers.register(place.engine, worker_named("a"))
    for state in (JobState("running", "a"), JobState("waiting", "gone")):
        jobs.found["job-1"] = state
        scheduler.mend(place, jobs)  # type: ignore[arg-type]
    assert job_of(place, made) == "job-1"
    assert jobs.queued == {}
    assert [worker.id for worker, _ in workers.workers(place.engine)] == ["a"]


@ON_BOTH
def test_a_job_that_was_handed_out_and_never_begun_is_due_again(
    place: Service, server: OneRosterServer, jobs: Queue
) -> None:
    """The database went away after it was handed out, and before the worker had heard of it."""
    made = old_job(place, server)
    workers.register(place.engine, worker_named("a"))
    for seconds, left in ((60, "job-1"), (180, None)):
        jobs.found["job-1"] = JobState("running", "a", datetime.now(UTC).timestamp() - seconds)
        scheduler.mend(place, jobs)  # type: ignore[arg-type]
        assert job_of(place, made) == left
    assert scheduler.queue_due(place, jobs) == 1  # type: ignore[arg-type]
    assert schedules.take(place.engine, made, "job-1", "a", now()) is None


@ON_BOTH
def test_a_job_of_a_worker_that_is_not_known_is_taken_over(
    place: Service, server: OneRosterServer, jobs: Queue
) -> None:
    """It was given up just when it took the job, and ended before it came back."""
    old_job(place, server)
    jobs.found["job-1"] = JobState("running", "ghost")
    scheduler.mend(place, jobs)  # type: ignore[arg-type]
    scheduler.mend(place, jobs)  # type: ignore[arg-type]
    assert scheduler.take_over(place, jobs, "me", 45.0) == ["ghost"]  # type: ignore[arg-type]
    assert jobs.resumed == ["ghost"]
    assert workers.workers(place.engine) == []


# --- silence ----------------------------------------------------------------------------------------------------------


def worker_named(name: str) -> Worker:
    return Worker(id=name, host="h", pid=1, version="1", slots=4, started_at=now(), seen=0.0)


def silent_for(place: Service, name: str, seconds: float) -> None:
    workers.register(place.engine, worker_named(name))
    with place.engine.connect().execution_options(rostersync_writes=True) as connection, connection.begin():
        connection.exec_driver_sql(f"UPDATE worker SET seen = seen - {seconds} WHERE id = '{name}'")


@ON_BOTH
def test_workers_are_given_up_after_a_silence_and_never_by_themselves(place: Service, jobs: Queue) -> None:
    for name, seconds in (("me", 90.0), ("dead", 46.0), ("busy", 40.0)):
        silent_for(place, name, seconds)
    workers.register(place.engine, worker_named("left"))
    workers.leave(place.engine, "left")
    assert set(scheduler.take_over(place, jobs, "me", 45.0)) == {"dead", "left"}  # type: ignore[arg-type]
    assert {worker.id for worker, _ in workers.workers(place.engine)} == {"me", "busy"}
    assert not workers.beat(place.engine, "dead")
    assert workers.beat(place.engine, "busy")


def test_a_worker_that_is_looked_for_and_comes_back_is_a_worker_again(place: Service, jobs: Queue) -> None:
    workers.miss(place.engine, "ghost", now())
    workers.register(place.engine, worker_named("ghost"))
    workers.miss(place.engine, "ghost", now())
    assert scheduler.take_over(place, jobs, "me", 45.0) == []  # type: ignore[arg-type]


@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
def test_the_sessions_of_a_worker_that_is_given_up_end_with_what_they_hold(place: Service, jobs: Queue) -> None:
    """It holds the lock of a tenant and of rows; others get them at once, and it finds out when it wakes."""
    name = f"{'a-very-long-name-of-a-machine.' * 4}-4711-abcdef"
    asleep = create(place.engine.url.render_as_string(hide_password=False))
    name_sessions(asleep, name)
    tenants.add_tenant(place, "oak", district_id="oak")
    silent_for(place, name, 90.0)
    locking = "SELECT id FROM tenant FOR UPDATE NOWAIT"

    def others_get_them() -> bool:
        try:
            with tenant_lock(place.engine, 1, "oak"), writing(place.engine) as ours:
                return ours.exec_driver_sql(locking).all() == [(1,)]
        except (TenantBusyError, OperationalError):
            return False

    def sleep_and_wake() -> None:
        with tenant_lock(asleep, 1, "oak"), writing(asleep) as connection:
            connection.exec_driver_sql(locking)
            assert not others_get_them()
            assert scheduler.take_over(place, jobs, "me", 45.0) == [name]  # type: ignore[arg-type]
            wait_until(others_get_them, 5, "the end of what it held")
            connection.exec_driver_sql("DELETE FROM tenant")

    with pytest.raises(OperationalError):
        sleep_and_wake()
    assert others_get_them()
