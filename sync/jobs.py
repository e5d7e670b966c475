"""The queue of syncs, by dbos; the only module that knows it.

dbos hands each queued job to one worker, wherever that runs, and finds again what a worker did not end. What is due, and
whether an attempt may still apply, is our own ``schedule`` table's to say (docs/adr/job-engine.md). Arguments and results
are ids and counts only.
"""

import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

from dbos import DBOS, DBOSClient, DBOSConfig, EnqueueOptions
from dbos import WorkflowSerializationFormat as Format
from sqlalchemy import Engine

from store.database import connect_arguments, is_sqlite, session_name

#: Runs one attempt of a connection's sync as a job; what it returns is kept (counts and ids).
Attempt = Callable[[int, str], dict[str, int | str | None]]

_NAME: Final = "rostersync"
#: Workers of all versions share one queue, so that a rolling upgrade leaves nothing behind: the arguments never change.
_VERSION: Final = "1"
_WORKFLOW: Final = "sync"
_ORDINARY, _LARGE = "syncs", "large-syncs"
#: Seconds between two looks for jobs. A large one takes minutes, so that its beginning may wait a little longer.
_POLL, _POLL_LARGE = 0.25, 1.0
#: dbos hands out by priority, and within it by age; what a person waits for comes first.
_ASKED, _SCHEDULED = 1, 10
_STATES: Final[dict[str, Literal["waiting", "running"]]] = {
    "ENQUEUED": "waiting", "DELAYED": "waiting", "PENDING": "running",
}  # fmt: skip
#: dbos' sessions of one worker: its loops need one each, its jobs one for a moment.
_SESSIONS: Final = 5
#: How many ended jobs are forgotten at a time.
_SWEEP: Final = 500


class JobState(NamedTuple):
    """Where a job is; ``worker`` is the id of who runs it, ``since`` (Unix, seconds) when it was handed to that one.
    Unknown is
    one that was never queued, or was forgotten."""

    state: Literal["waiting", "running", "ended", "unknown"]
    worker: str | None = None
    since: float = 0.0


_UNKNOWN: Final = JobState("unknown")


class Jobs:
    """One worker's hold on the queue. There is at most one in a process, as dbos knows one only.

    All but ``start`` and ``stop`` raise SQLAlchemy's errors at once when the database does not answer.
    """

    def __init__(self, engine: Engine, worker_id: str, slots: int, attempt: Attempt) -> None:
        """``slots`` is how many ordinary syncs a worker runs at a time; a quarter as many large ones (one at least) run beside
        them, so that big districts never take the places of small ones. The worker that started last decides for all."""
        self._slots = slots
        # The console handler that dbos would add writes what it likes; its lines go where ours go.
        logging.getLogger("dbos").handlers = [logging.NullHandler()]
        logging.getLogger("dbos").propagate = True
        logging.getLogger("dbos").addFilter(_OnceAMinute())
        config = DBOSConfig(
            name=_NAME, system_database_url=_address(engine), application_version=_VERSION, executor_id=worker_id,
            sys_db_pool_size=_SESSIONS, db_engine_kwargs=_engine_settings(engine, worker_id), use_listen_notify=False,
            log_level="WARNING", scheduler_polling_interval_sec=3_600.0,
        )  # fmt: skip
        DBOS(config=config)
        # What runs a job waits for a database that is away, for as long as that takes. The scheduler must not: it has other
        # things to do, and tells that it is alive. So it asks as a client, which raises.
        self._client = DBOSClient(
            system_database_url=_address(engine), application_name=_NAME, system_database_pool_size=1, lazy=True,
            retry_connection_errors=False,
        )  # fmt: skip

        @DBOS.workflow(name=_WORKFLOW, serialization_type=Format.PORTABLE)
        def run(connection_id: int, job: str) -> dict[str, int | str | None]:
            return attempt(connection_id, job)

    def start(self) -> None:
        """Begin to take jobs. Makes dbos' own tables where they are missing. Raises SQLAlchemy's errors."""
        DBOS.launch()
        for name, slots, poll in ((_ORDINARY, self._slots, _POLL), (_LARGE, max(1, self._slots // 4), _POLL_LARGE)):
            DBOS.register_queue(name, worker_concurrency=slots, polling_interval_sec=poll, on_conflict="always_update")

    def queue(self, job: str, connection_id: int, *, asked: bool, large: bool) -> None:
        """Queue a job, once: a job of this name that is there already stays as it is."""
        options: EnqueueOptions = {
            "workflow_name": _WORKFLOW, "queue_name": _LARGE if large else _ORDINARY, "workflow_id": job,
            "priority": _ASKED if asked else _SCHEDULED, "app_version": _VERSION,
            "serialization_type": Format.PORTABLE,
        }  # fmt: skip
        self._client.enqueue(options, connection_id, job)

    def states(self, jobs: Sequence[str]) -> dict[str, JobState]:
        """Where each job is, by name."""
        if not jobs:
            return {}
        found = self._client.list_workflows(workflow_ids=list(jobs), load_input=False, load_output=False)
        return dict.fromkeys(jobs, _UNKNOWN) | {
            each.workflow_id: JobState(
                _STATES.get(each.status, "ended"), each.executor_id, (each.dequeued_at or 0) / 1_000
            )
            for each in found
        }

    def resume(self, worker_id: str) -> list[str]:
        """Queue again what a worker that is gone had begun; returns the jobs' names.

        One caller at a time: a job that another worker has begun meanwhile would be begun twice.
        """
        begun = self._client.list_workflows(
            executor_id=worker_id, status="PENDING", name=_WORKFLOW, load_input=False, load_output=False
        )
        for each in begun:
            self._client.resume_workflow(each.workflow_id, queue_name=each.queue_name or _ORDINARY)
        return [each.workflow_id for each in begun]

    def forget(self, days: int) -> int:
        """Delete jobs that ended so long ago, some at a time; returns how many."""
        before = (datetime.now(UTC) - timedelta(days=days)).isoformat()
        ended = self._client.list_workflows(
            completed_before=before, name=_WORKFLOW, limit=_SWEEP, load_input=False, load_output=False
        )
        if ended:
            self._client.delete_workflows([each.workflow_id for each in ended])
        return len(ended)

    def stop(self, seconds: int) -> None:
        """Take no more jobs, and wait so long for those that run."""
        DBOS.destroy(workflow_completion_timeout_sec=seconds, destroy_registry=True)
        self._client.destroy()


class _OnceAMinute(logging.Filter):
    """dbos' loops warn at every turn, several times a second, as long as the database is away."""

    def __init__(self) -> None:
        super().__init__()
        self._told: dict[tuple[str, int], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        place, at = (record.pathname, record.lineno), time.monotonic()
        if record.levelno > logging.WARNING:
            return True
        if at < self._told.get(place, 0.0):
            return False
        self._told[place] = at + 60.0
        return True


def _engine_settings(engine: Engine, worker_id: str) -> dict[str, Any]:
    """The sessions in which dbos takes jobs end with the worker, like ours (``store.workers.end_sessions``)."""
    if is_sqlite(engine):
        return {}
    return {"connect_args": connect_arguments(engine.url) | {"application_name": session_name(worker_id)}}


def _address(engine: Engine) -> str:
    """dbos' tables lie in a schema of their own on PostgreSQL, and in a file beside ours on SQLite (which has one writer)."""
    url: Any = engine.url
    if is_sqlite(engine):
        return f"sqlite:///{url.database}-jobs"
    # The client takes no arguments of psycopg; in the address it does, or a server that says no more would hang the scheduler.
    silence = {name: str(value) for name, value in connect_arguments(url).items()}
    return str(url.update_query_dict(silence).render_as_string(hide_password=False))
