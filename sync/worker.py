"""A process that runs syncs: `rostersync serve` and `rostersync worker`.

Four loops: dbos runs the queued syncs, the heart beats, the tick queues what is due, the postman delivers notices. Each
survives a database that does not answer; what they do is written so that any of them may die at any moment.
"""

import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Final

import structlog
from sqlalchemy.exc import DBAPIError, OperationalError

from models.errors import RosterSyncError, SettingsError
from models.tables import Worker as WorkerRow
from store import schema, workers
from store.database import is_sqlite, name_sessions
from store.lock import process_lock
from store.status import read_schedule
from sync import notices, scheduler
from sync.attempt import attempt
from sync.clock import now
from sync.jobs import Jobs
from sync.metrics import Metrics
from sync.patient import NO_ANSWER
from sync.run import storage_error
from sync.service import Service

log = structlog.get_logger("rostersync.worker")

_TICK: Final = 1.0
_POST: Final = 5.0
#: How often, in seconds, the tick looks for what was abandoned, for silence, and for what may be forgotten.
_MEND, _ALARM, _SWEEP = 15.0, 300.0, 3_600.0
#: Days for which ended jobs are kept in dbos' tables; the runs themselves are kept for good.
_KEEP_DAYS: Final = 7
#: Seconds without a step of the tick after which this process calls itself unwell: a step may find that its session is dead
#: only after a minute (``store.database``).
_UNWELL: Final = 120.0
#: From which part of the time after which a worker is lost on it no longer judges others by their silence.
_UNHEARD: Final = 0.75
#: A silence so long that only a worker that has left is that silent.
_YEARS: Final = 1e9
_TELL_EVERY: Final = 60.0
#: Seconds that syncs get to reach a page boundary once they are told to park.
_PARKING: Final = 30


class Worker:
    """One worker process. ``run`` returns when ``stop`` was called and all syncs have ended or are parked."""

    def __init__(self, service: Service, metrics: Metrics) -> None:
        self._service = service
        self._metrics = metrics
        self._slots = service.settings.slots
        self._lost = service.settings.lost_seconds
        #: Several beats may fail before silence is taken for an end.
        self._every = self._lost / 4
        self.id = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self._working = threading.Event()
        self._stopping = threading.Event()
        self._parking = threading.Event()
        self._ended = threading.Event()
        self._ticked = self._heard = self._judges_from = time.monotonic()
        self._passed_over: set[int] = set()
        #: When a turn that fails is told of again, by its name.
        self._tells_again: dict[str, float] = {}
        name_sessions(service.engine, self.id)
        self._jobs = Jobs(service.engine, self.id, self._slots, self._attempt)

    def stop(self) -> None:
        """Take no more syncs; safe to call from a signal handler."""
        self._stopping.set()

    def alive(self) -> bool:
        """Whether the tick has moved lately, even if only to find that the database does not answer; or is meant to stand
        still, while the last syncs end."""
        return self._stopping.is_set() or time.monotonic() - self._ticked < _UNWELL

    def ready(self) -> str | None:
        """Why this worker takes no syncs at the moment; None if it does."""
        if self._stopping.is_set():
            return "The worker is stopping."
        if not self._working.is_set():
            return "The worker is starting."
        try:
            found = schema.current_version(self._service.engine)
            if found is None or (schema.is_known(found) and found != schema.newest_version()):
                return "The database is older than this version of rostersync; run: rostersync db upgrade"
            read_schedule(self._service.engine)
        except DBAPIError:
            return NO_ANSWER
        return None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """SQLite is for one process, workers share PostgreSQL: raises SettingsError where this one may not ``run`` beside
        another."""
        if not is_sqlite(self._service.engine):
            yield
            return
        with process_lock(self._service.engine, "serve") as taken:
            if not taken:
                raise SettingsError(
                    "Another `rostersync serve` runs on this database. With SQLite there is one; several workers share a "
                    "PostgreSQL (ROSTERSYNC_DATABASE_URL)."
                )
            yield

    def run(self) -> None:
        """Work until told to stop. Raises RosterSyncError where it cannot begin."""
        loops = [
            threading.Thread(target=self._loop, args=(step, every), name=name, daemon=True)
            for name, step, every in (("heart", self._beat, self._every), ("postman", self._post, _POST))
        ]
        try:
            self._begin(loops)
            log.info("worker begins", worker=self.id, slots=self._slots)
            self._tick_until_stopped()
        finally:
            self._stop_jobs()
            self._ended.set()
            for loop in loops:
                if loop.is_alive():
                    loop.join(timeout=_POST)
            self._survive(lambda: workers.leave(self._service.engine, self.id))
            log.info("worker ends", worker=self.id)

    def _begin(self, loops: Sequence[threading.Thread]) -> None:
        try:
            # Known, and heard of, before it takes the first job: should it end right then, somebody looks for what it had begun.
            self._register()
            for loop in loops:
                loop.start()
            self._jobs.start()
            if is_sqlite(self._service.engine):
                # Whoever was here before is gone, even if the clock has gone back since.
                scheduler.take_over(self._service, self._jobs, self.id, silence=-_YEARS)
        except OperationalError as error:
            raise storage_error(error) from error
        except DBAPIError as error:
            raise SettingsError(
                "The tables of the queue could not be made in the database: the account of ROSTERSYNC_DATABASE_URL needs the "
                "right to create a schema there (dbos), or to use the one that is there.",
                type(error.orig).__name__,
            ) from error
        self._judges_from = time.monotonic() + self._lost / 2
        self._working.set()

    def _register(self) -> None:
        row = WorkerRow(
            id=self.id, host=socket.gethostname(), pid=os.getpid(), version=version("rostersync"), slots=self._slots,
            started_at=now(), seen=0.0,
        )  # fmt: skip
        workers.register(self._service.engine, row)

    # --- what dbos calls ------------------------------------------------------------------------------------------------

    def _attempt(self, connection_id: int, job: str) -> dict[str, int | str | None]:
        began = time.time()
        done = attempt(self._service, connection_id, job, self.id, self._parking.is_set)
        if done is None:
            return {"outcome": "settled before"}
        self._metrics.observe(done.scheduled, done.outcome, done.report, began)
        return {"outcome": done.outcome.kind, "code": done.outcome.code, "run": done.outcome.run_id}

    # --- the loops ------------------------------------------------------------------------------------------------------

    def _loop(self, step: Callable[[], object], every: float) -> None:
        while not self._ended.wait(every):
            self._survive(step)

    def _survive(self, step: Callable[[], object]) -> None:
        """A loop goes on whatever one of its turns comes to: the next one finds the same work again. While it fails again and
        again, that is told once a minute."""
        turn = getattr(step, "__name__", "")
        try:
            step()
        except Exception as error:
            if time.monotonic() < self._tells_again.get(turn, 0.0):
                return
            self._tells_again[turn] = time.monotonic() + _TELL_EVERY
            if isinstance(error, DBAPIError | OSError | RosterSyncError):
                log.warning("turn failed", turn=turn, error=type(error).__name__)
            else:
                log.error("turn failed unexpectedly", turn=turn, exc_info=error)
        else:
            if self._tells_again.pop(turn, None):
                log.info("turn works again", turn=turn)

    def _beat(self) -> None:
        if not workers.beat(self._service.engine, self.id, stopping=self._stopping.is_set()):
            # Given up while it was away (asleep, cut off). What it runs may be another's now: each apply asks again.
            log.warning("worker was given up and begins anew", worker=self.id)
            self._register()
        at = time.monotonic()
        if at - self._heard > _UNHEARD * self._lost:
            self._judges_from = at + self._lost / 2
        self._heard = at

    def _post(self) -> None:
        notices.deliver(self._service)

    def _tick_until_stopped(self) -> None:
        chores = [
            _Chore(self._queue_due, 0.0),
            _Chore(self._take_over, self._every),
            _Chore(self._mend, _MEND),
            _Chore(self._raise_alarms, _ALARM),
            _Chore(self._forget, _SWEEP),
        ]
        while not self._stopping.is_set():
            for chore in chores:
                if chore.is_due():
                    self._survive(chore.step)
                self._ticked = time.monotonic()
            self._stopping.wait(_TICK)

    def _queue_due(self) -> None:
        scheduler.queue_due(self._service, self._jobs, self._passed_over)

    def _take_over(self) -> None:
        """Who was not heard of itself cannot tell who else was not: when the database comes back, all others first get the
        time to be heard of. Those that said that they ended did end."""
        at = time.monotonic()
        judges = at >= self._judges_from and at - self._heard <= _UNHEARD * self._lost
        scheduler.take_over(self._service, self._jobs, self.id, self._lost if judges else _YEARS)

    def _mend(self) -> None:
        self._passed_over.clear()
        scheduler.mend(self._service, self._jobs)

    def _raise_alarms(self) -> None:
        scheduler.raise_alarms(self._service)

    def _forget(self) -> None:
        while self._jobs.forget(_KEEP_DAYS):
            if self._stopping.is_set():
                return

    def _stop_jobs(self) -> None:
        """Let syncs end by themselves for a while, then park them at their next page; another worker starts them anew. Those
        that do not get there end with the process."""
        grace = self._service.settings.stop_seconds
        log.info("worker stops", worker=self.id, grace=grace)
        park = threading.Timer(grace, self._parking.set)
        park.daemon = True
        park.start()
        self._jobs.stop(int(grace) + _PARKING)
        park.cancel()


class _Chore:
    """Something to do every so many seconds."""

    def __init__(self, step: Callable[[], None], every: float) -> None:
        self.step = step
        self._every = every
        self._next = 0.0

    def is_due(self) -> bool:
        at = time.monotonic()
        if at < self._next:
            return False
        self._next = at + self._every
        return True
