"""One worker process from the inside: how it begins and ends, and whom it takes for lost."""

from typing import Any, ClassVar

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError, ProgrammingError

from models.errors import RetryLaterError, SettingsError
from store import schema, workers
from store.database import writing
from sync import scheduler, worker
from sync.metrics import Metrics
from sync.patient import NO_ANSWER, Patient
from sync.service import Service
from sync.worker import Worker
from tests.jobs.conftest import ON_BOTH


class Queue:
    """In the place of dbos; ``begins`` is called when it would begin to hand out jobs."""

    stopped: ClassVar[list[int]] = []

    def __init__(self, *_: Any) -> None:
        self.begins: Any = lambda: None

    def start(self) -> None:
        self.begins()

    def stop(self, seconds: int) -> None:
        self.stopped.append(seconds)


class Clock:
    def __init__(self) -> None:
        self.at = 1_000.0

    def monotonic(self) -> float:
        return self.at


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(worker, "time", clock)
    return clock


@pytest.fixture
def working(place: Service, monkeypatch: pytest.MonkeyPatch) -> Worker:
    monkeypatch.setattr(worker, "Jobs", Queue)
    monkeypatch.setattr(Queue, "stopped", [])
    return Worker(place, Metrics(place))


def refused(error: type[OperationalError] | type[ProgrammingError]) -> Any:
    def begin() -> None:
        raise error("CREATE SCHEMA dbos", {}, Exception("permission denied"))

    return begin


def test_a_worker_is_known_before_it_takes_a_job_and_ready_after(
    place: Service, working: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def begin() -> None:
        seen.append([row.id for row, _ in workers.workers(place.engine)])
        seen.append(working.ready())
        working.stop()

    monkeypatch.setattr(working._jobs, "begins", begin, raising=False)
    assert working.ready() == "The worker is starting."
    working.run()
    assert seen == [[working.id], "The worker is starting."]
    assert working.ready() == "The worker is stopping."
    assert [(row.stopping, silent > 1e9) for row, silent in workers.workers(place.engine)] == [(True, True)]
    assert Queue.stopped == [50]


@pytest.mark.parametrize(
    ("error", "told", "says"),
    [
        (OperationalError, RetryLaterError, "could not be written"),
        (ProgrammingError, SettingsError, "right to create a schema"),
    ],
)
def test_a_worker_that_cannot_begin_says_why_and_leaves(
    place: Service, working: Worker, error: Any, told: Any, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working._jobs, "begins", refused(error), raising=False)
    with pytest.raises(told, match=says):
        working.run()
    assert Queue.stopped
    assert [row.stopping for row, _ in workers.workers(place.engine)] == [True]


@ON_BOTH
def test_a_worker_whose_database_answers_is_ready(working: Worker) -> None:
    working._working.set()
    assert working.ready() is None


def test_a_database_that_refuses_at_once_does_not_answer(working: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    working._working.set()
    monkeypatch.setattr(schema, "current_version", lambda _engine: refused(OperationalError)())
    assert working.ready() == NO_ANSWER


def test_a_schedule_that_is_gone_does_not_answer(place: Service, working: Worker) -> None:
    working._working.set()
    with writing(place.engine) as connection:
        connection.execute(text("ALTER TABLE schedule RENAME TO elsewhere"))
    assert working.ready() == NO_ANSWER


@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
def test_a_schedule_that_somebody_locks_keeps_silent(place: Service, working: Worker) -> None:
    """As a long migration does, for which the tick waits; the version of the schema can be read meanwhile."""
    working._working.set()
    asked = Patient(lambda: working.ready() or "", patience=0.3)
    with writing(place.engine) as connection:
        connection.execute(text("LOCK TABLE schedule IN ACCESS EXCLUSIVE MODE"))
        assert asked.answer() is None
        assert schema.current_version(place.engine) == schema.newest_version()
    asked._patience = 5.0
    assert asked.answer() == ""


def test_a_worker_judges_others_only_while_it_is_heard_of_itself(
    working: Worker, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """45 s of silence are an end; a worker that was not heard of for 34 s waits another 22 s before it says so of others."""
    silences: list[float] = []
    monkeypatch.setattr(scheduler, "take_over", lambda *arguments: silences.append(arguments[-1]))
    working._register()
    working._heard = working._judges_from = clock.at

    def judges() -> bool:
        working._take_over()
        return silences[-1] == 45.0

    assert judges()
    clock.at += 33
    assert judges()
    clock.at += 1
    assert not judges(), "it was not heard of itself"
    working._beat()
    assert not judges(), "the others get the time to be heard of"
    for _ in range(2):
        clock.at += 11.25
        working._beat()
    assert judges()
    assert min(silences) == 45.0
    assert max(silences) > 1e8, "who has left is taken over at once"


def test_a_worker_that_was_given_up_registers_again(place: Service, working: Worker) -> None:
    working._register()
    with place.engine.connect().execution_options(rostersync_writes=True) as connection, connection.begin():
        workers.forget(connection, working.id)
    working._beat()
    assert [row.id for row, _ in workers.workers(place.engine)] == [working.id]


def test_a_turn_that_fails_again_and_again_is_told_once_a_minute(
    working: Worker, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    class Log:
        def warning(self, event: str, **_: Any) -> None:
            told.append(event)

        error = info = warning

    monkeypatch.setattr(worker, "log", Log())

    def turn() -> None:
        if broken:
            raise broken

    broken: Exception | None = OSError("full")
    for _ in range(100):
        working._survive(turn)
        clock.at += 1
    broken = None
    working._survive(turn)
    working._survive(turn)
    broken = ZeroDivisionError()
    working._survive(turn)
    assert told == ["turn failed"] * 2 + ["turn works again", "turn failed unexpectedly"]
