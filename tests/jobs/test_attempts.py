"""One attempt, by workers that die or lose their session between any two steps: a slot is applied once, and settled once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from models.errors import RetryLaterError
from models.health import Outcome, OutcomeKind
from models.tables import Schedule
from store import schedules
from store.database import writing
from sync import attempt as attempts
from sync import connections, requests
from sync import run as runs
from sync.attempt import attempt, name_of_job, settle_job, slot_of_job
from sync.clock import now
from sync.service import Service
from tests.jobs.conftest import ON_BOTH
from tests.jobs.fleet import add_tenants, applied_runs, asked, make_due
from tests.servers.faults import Fault, drip
from tests.servers.messages import Reply
from tests.servers.oneroster import OneRosterServer

JOB = "job-1"


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def due(place: Service, server: OneRosterServer) -> int:
    """A connection whose time has come; its job is queued."""
    (made,) = add_tenants(place, server, 1)
    make_due(place, [made], "night 1", "scheduled")
    schedules.save(place.engine, made, 1, {"timetable": '{"cron":"0 3 29 2 *"}'})
    claim(place, made)
    return made


def claim(place: Service, connection_id: int, job: str = JOB) -> None:
    assert schedules.claim(place.engine, row_of(place, connection_id), job, now())


def row_of(place: Service, connection_id: int) -> Schedule:
    row = schedules.find(place.engine, connection_id)
    assert row
    return row


def away(*_: object, **__: object) -> None:
    raise OperationalError("SELECT 1", {}, Exception("the server closed the connection"))


def runs_of(place: Service) -> list[tuple[Any, ...]]:
    return asked(place, "SELECT state, error_code FROM run ORDER BY id")


@pytest.fixture
def dies_before_it_settles(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Until the function is called."""

    def killed(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(attempts, "settle_job", killed)
    return monkeypatch.undo


# --- workers that die -------------------------------------------------------------------------------------------------


@ON_BOTH
def test_what_was_applied_by_a_worker_that_died_then_is_not_applied_again(
    place: Service, due: int, dies_before_it_settles: Callable[[], None]
) -> None:
    with pytest.raises(Killed):
        attempt(place, due, JOB, "a")
    assert applied_runs(place, "night 1") == {due: 1}
    dies_before_it_settles()
    done = attempt(place, due, JOB, "b")
    assert done
    assert (done.outcome.kind, done.report is not None) == ("applied", True)
    row = row_of(place, due)
    assert (row.health, row.job, row.failures, row.slot) == ("ok", None, 0, row.next_at)
    assert row.last_run_id == done.outcome.run_id
    assert runs_of(place) == [("applied", None)]


def test_an_applied_run_that_was_settled_does_not_stand_for_the_next_one_of_the_same_name(
    place: Service, due: int
) -> None:
    """A timetable that is changed in the middle of a night can make the same night due once more."""
    assert attempt(place, due, JOB, "a")
    make_due(place, [due], "night 1")
    claim(place, due, "job-2")
    schedules.take(place.engine, due, "job-2", "dead", now())
    assert attempt(place, due, "job-2", "b")
    assert runs_of(place) == [("applied", None)] * 2


def test_nor_does_it_where_the_row_names_an_older_run_whose_plan_waits(place: Service, due: int) -> None:
    assert attempt(place, due, JOB, "a")
    with writing(place.engine) as connection:
        connection.execute(text("UPDATE run SET created_at = '2026-01-01T00:00:00+00:00'"))
    make_due(place, [due], "night 1")
    schedules.save(place.engine, due, 1, {"last_run_id": None})
    claim(place, due, "job-2")
    schedules.take(place.engine, due, "job-2", "dead", now())
    assert attempt(place, due, "job-2", "b")
    assert runs_of(place) == [("applied", None)] * 2


def test_a_job_that_ends_its_worker_again_and_again_is_taken_for_the_cause(
    place: Service, due: int, server: OneRosterServer
) -> None:
    for number in range(5):
        assert schedules.take(place.engine, due, JOB, f"dead {number}", now())
    done = attempt(place, due, JOB, "last")
    assert done
    assert done.outcome.kind == "interrupted"
    row = row_of(place, due)
    assert (row.health, row.health_code, row.job) == ("broken", "interrupted", None)
    assert row.next_at
    assert row.next_at > now()
    assert server.requests == []
    assert asked(place, "SELECT event, code FROM notice") == [("failed", "interrupted")]


def test_four_workers_may_die_and_the_fifth_does_it(place: Service, due: int) -> None:
    for number in range(4):
        assert schedules.take(place.engine, due, JOB, f"dead {number}", now())
    done = attempt(place, due, JOB, "last")
    assert done
    assert done.outcome.kind == "applied"
    assert (row_of(place, due).health, row_of(place, due).failures) == ("ok", 0)


# --- two workers that think they have it ------------------------------------------------------------------------------


def taking(place: Service, connection_id: int, worker: str) -> Fault:
    """While the source is read, another worker takes the job."""

    def act(call: Any) -> Reply:
        schedules.take(place.engine, connection_id, JOB, worker, now())
        reply: Reply = call.reply
        return reply

    return Fault("enrollments", act)


@ON_BOTH
def test_an_attempt_whose_job_was_taken_over_applies_nothing_and_settles_nothing(
    place: Service, due: int, server: OneRosterServer
) -> None:
    server.faults.append(taking(place, due, "b"))
    assert attempt(place, due, JOB, "a") is None
    assert runs_of(place) == [("failed", "parked")]
    assert asked(place, "SELECT 1 FROM person") == []
    assert (row_of(place, due).job, row_of(place, due).worker) == (JOB, "b")
    assert attempt(place, due, JOB, "b")
    assert runs_of(place) == [("failed", "parked"), ("applied", None)]


@ON_BOTH
def test_a_job_that_was_settled_meanwhile_applies_nothing(place: Service, due: int, server: OneRosterServer) -> None:
    def act(call: Any) -> Reply:
        with writing(place.engine) as connection:
            row = schedules.locked_job(connection, due, JOB)
            assert row
            schedules.end_job(connection, row, row.slot, schedules.standing_of(row))
        reply: Reply = call.reply
        return reply

    server.faults.append(Fault("enrollments", act))
    assert attempt(place, due, JOB, "a") is None
    assert runs_of(place) == [("failed", "parked")]
    assert attempt(place, due, JOB, "b") is None
    assert len(runs_of(place)) == 1


@ON_BOTH
def test_an_attempt_that_finds_the_tenant_busy_knows_of_the_run_that_was_applied_before(
    place: Service, due: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same worker was given the job twice: the first had applied it, and not settled it yet, when the second failed."""

    def busy_after_all(service: Service, *arguments: Any, **settings: Any) -> Any:
        monkeypatch.undo()
        runs_before = attempts._sync(service, *arguments, **settings)
        assert runs_before.state == "applied"
        return away()

    monkeypatch.setattr(attempts, "_sync", busy_after_all)
    done = attempt(place, due, JOB, "a")
    assert done
    assert done.outcome.kind == "applied"
    assert runs_of(place) == [("applied", None)]


# --- a database that goes away ----------------------------------------------------------------------------------------


@ON_BOTH
def test_a_session_that_is_cut_off_after_its_commit_has_applied_the_run(
    place: Service, due: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit was made, the word of it was lost: the run fails here, and its row must not say so."""

    @contextmanager
    def cut_off(engine: Engine) -> Iterator[Connection]:
        with writing(engine) as connection:
            yield connection
        away()

    monkeypatch.setattr(runs, "writing", cut_off)
    done = attempt(place, due, JOB, "a")
    assert done
    assert done.outcome.kind == "applied"
    assert runs_of(place) == [("applied", None)]
    assert (row_of(place, due).health, row_of(place, due).last_run_id) == ("ok", done.outcome.run_id)


def test_a_database_that_goes_away_is_nobodys_fault(place: Service, due: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "sync", away)
    done = attempt(place, due, JOB, "a")
    assert done
    assert (done.outcome.kind, done.outcome.code) == ("unavailable", "retry_later")
    assert row_of(place, due).health == "retrying"


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    taken: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", taken.append)
    return taken


def test_an_attempt_waits_for_the_database_as_long_as_it_takes(
    place: Service, due: int, monkeypatch: pytest.MonkeyPatch, naps: list[float]
) -> None:
    real = {"take": schedules.take, "settle_job": attempts.settle_job}
    missed = dict.fromkeys(real, 0)

    def sometimes(name: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            missed[name] += 1
            return away() if missed[name] <= 30 else real[name](*arguments)

        return call

    monkeypatch.setattr(schedules, "take", sometimes("take"))
    monkeypatch.setattr(attempts, "settle_job", sometimes("settle_job"))
    done = attempt(place, due, JOB, "a")
    assert done
    assert done.outcome.kind == "applied"
    assert len(naps) == 60
    assert 0.5 <= naps[0] <= 2
    assert max(naps) <= 16


def test_an_attempt_does_not_wait_when_its_worker_is_to_stop(
    place: Service, due: int, monkeypatch: pytest.MonkeyPatch, naps: list[float]
) -> None:
    monkeypatch.setattr(attempts, "settle_job", away)
    with pytest.raises(OperationalError):
        attempt(place, due, JOB, "a", lambda: bool(naps))
    assert len(naps) == 1


def test_to_take_a_job_once_more_when_the_answer_was_lost_is_no_interruption(place: Service, due: int) -> None:
    for _ in range(9):
        assert schedules.take(place.engine, due, JOB, "a", now())
    assert row_of(place, due).failures == 0


# --- what is no longer wanted -----------------------------------------------------------------------------------------


def test_a_worker_that_is_told_to_stop_lets_the_job_go_as_if_it_had_not_been_tried(
    place: Service, due: int, server: OneRosterServer
) -> None:
    server.faults.append(Fault("/", drip(2, 0.01), times=None))
    done = attempt(place, due, JOB, "a", lambda: True)
    assert done
    assert (done.outcome.kind, done.outcome.code) == ("parked", "parked")
    row = row_of(place, due)
    assert (row.health, row.attempt, row.job, row.slot, row.failures) == ("new", 0, None, "night 1", 0)
    assert row.next_at
    assert row.next_at <= now()
    assert asked(place, "SELECT 1 FROM notice") == []


def test_a_connection_that_was_paused_while_its_job_was_queued_is_not_asked(
    place: Service, due: int, server: OneRosterServer
) -> None:
    connections.pause_connection(place, "t000", "oneroster", "summer", by="ann")
    done = attempt(place, due, JOB, "a")
    assert done
    assert (done.outcome.kind, done.outcome.code) == ("parked", "not_wanted")
    assert server.requests == []
    assert_still_to_come(place, due)


def assert_still_to_come(place: Service, connection_id: int) -> None:
    """What a pause kept from being synced is due when the pause ends."""
    row = row_of(place, connection_id)
    assert (row.health, row.job, row.slot, row.attempt) == ("new", None, "night 1", 0)
    assert str(row.next_at) <= now()
    assert schedules.due(place.engine, now(), 10) == []
    connections.resume_connection(place, "t000", "oneroster")
    assert [each.row.slot for each in schedules.due(place.engine, now(), 10)] == ["night 1"]


def test_what_was_taken_back_while_it_was_queued_does_not_begin(
    place: Service, due: int, server: OneRosterServer
) -> None:
    assert requests.cancel_sync(place, "t000", by="ann").what == "waiting"
    assert attempt(place, due, JOB, "a") is None
    assert server.requests == []


def test_an_error_that_nobody_expected_settles_the_job_without_its_text(
    place: Service, due: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(*_: object, **__: object) -> None:
        raise ZeroDivisionError("Ann Miller")

    monkeypatch.setattr(attempts, "sync", bug)
    done = attempt(place, due, JOB, "a")
    assert done
    assert (done.outcome.kind, done.outcome.code) == ("broken", "unexpected")
    assert "Miller" not in repr(asked(place, "SELECT * FROM schedule") + asked(place, "SELECT * FROM notice"))


def test_a_timetable_or_zone_that_cannot_be_read_does_not_keep_a_job_from_being_settled(
    place: Service, due: int
) -> None:
    schedules.save(place.engine, due, 1, {"timetable": '{"of":"next year"}'})
    with writing(place.engine) as connection:
        connection.exec_driver_sql("""UPDATE tenant SET settings = '{"time_zone":"Mars/Olympus"}'""")
    done = attempt(place, due, JOB, "a")
    assert done
    assert done.outcome.kind == "broken"
    row = row_of(place, due)
    assert (row.job, row.next_why) == (None, "scheduled")
    # A worker of the version that set it decides then what the connection is due for.
    assert str(row.next_at) > now() >= str(row.window_ends_at)


# --- people who ask meanwhile -----------------------------------------------------------------------------------------


def asked_meanwhile(place: Service, connection_id: int, kind: OutcomeKind) -> Schedule:
    """The row after an attempt for a night during which somebody asked for a sync."""
    sick = {"health": "refused", "health_code": "x", "failed_slots": 2, "first_failed_at": "2026-01-01T00:00:00+00:00"}
    schedules.save(place.engine, connection_id, 1, sick)
    taken = schedules.take(place.engine, connection_id, JOB, "a", now())
    assert taken
    requests.ask_for_sync(place, taken.tenant, by="ann")
    assert settle_job(place, connection_id, JOB, taken.row.slot, Outcome(kind, "y", "Why."), "a")
    return row_of(place, connection_id)


@pytest.mark.parametrize(
    ("kind", "health", "failed"),
    [("refused", "quarantined", 3), ("unavailable", "refused", 2), ("applied", "ok", 0), ("cancelled", "refused", 2)],
)
def test_what_somebody_asks_for_during_an_attempt_comes_next_and_the_attempt_counts_as_what_it_was(
    place: Service, due: int, kind: OutcomeKind, health: str, failed: int
) -> None:
    row = asked_meanwhile(place, due, kind)
    assert (row.job, row.next_why, row.asked_by, row.attempt) == (None, "asked", "ann", 0)
    assert row.slot.startswith("asked ")
    assert str(row.next_at) <= now()
    assert (row.health, row.failed_slots) == (health, failed)


def test_a_connection_that_is_paused_as_its_sync_begins_has_not_failed(
    place: Service, due: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the attempt looked, and before the sync did."""
    original = attempts.sync

    def paused_just_now(service: Service, tenant: str, name: str, **more: Any) -> object:
        connections.pause_connection(service, tenant, name, "", by="ann")
        return original(service, tenant, name, **more)

    monkeypatch.setattr(attempts, "sync", paused_just_now)
    done = attempt(place, due, JOB, "a")
    assert done
    assert done.outcome.kind == "parked"
    assert asked(place, "SELECT 1 FROM notice") == []
    assert_still_to_come(place, due)


def test_settings_that_change_while_a_sync_goes_on_begin_it_anew(
    place: Service, due: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = attempts.sync

    def changed_meanwhile(service: Service, tenant: str, name: str, **more: Any) -> object:
        def began(_run_id: int) -> None:
            connections.set_setting(service, tenant, name, "page_size", "50")

        return original(service, tenant, name, **(more | {"began": began}))

    monkeypatch.setattr(attempts, "sync", changed_meanwhile)
    done = attempt(place, due, JOB, "a")
    assert done
    assert (done.outcome.kind, runs_of(place)) == ("parked", [("failed", "parked")])
    row = row_of(place, due)
    assert (row.job, row.slot, row.attempt) == (None, "night 1", 0)
    assert str(row.next_at) <= now()


@pytest.mark.parametrize(("slot", "again"), [("asked now x", True), ("night 1", False)])
def test_what_somebody_asked_for_reads_dropped_files_again_however_often_it_is_tried(
    place: Service, due: int, monkeypatch: pytest.MonkeyPatch, slot: str, again: bool
) -> None:
    schedules.save(place.engine, due, 1, {"slot": slot, "next_why": "retry"})
    given: list[bool] = []

    def told(*_: object, again: bool, **__: object) -> object:
        given.append(again)
        raise RetryLaterError("Not now.")

    monkeypatch.setattr(attempts, "sync", told)
    assert attempt(place, due, JOB, "a")
    assert given == [again]


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("begun_for", "slot", "is_for"),
    [
        ("night 2026-11-23", "night 2026-11-23", "night 2026-11-23"),
        ("2026-11-23T01:00:00-06:00", "asked later", "2026-11-23T01:00:00-06:00"),
        ("asked first", "asked later", "asked later"),
    ],
)
def test_a_job_says_what_it_is_for(begun_for: str, slot: str, is_for: str) -> None:
    row = Schedule(connection_id=7, tenant_id=1, slot=begun_for)
    row.job, row.slot = name_of_job(row), slot
    assert slot_of_job(row) == is_for
