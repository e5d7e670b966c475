"""One attempt of a scheduled sync: take the job, sync, and settle what follows in one transaction.

Whatever happens to the process, the job is settled once: by this attempt, by the worker that takes it over, or by the
scheduler that finds it abandoned. Who takes, applies or settles holds the lock of the schedule's row meanwhile, and looks
who has the job; that is all that keeps two workers from doing the same.
"""

import random
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import InterfaceError, OperationalError
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_exponential_jitter

from models.errors import ParkedError, RosterSyncError, SettingsError
from models.health import Outcome
from models.report import RunReport
from models.settings import TenantSettings
from models.tables import Schedule
from models.timetable import Timetable
from store import notices, schedules
from store.database import reading, writing
from store.schedules import Scheduled
from sync.clock import now
from sync.log_context import run_context
from sync.pull import sync
from sync.run import storage_error
from sync.schedule import ASKED, blackout_at, looked_at_again, read_timetable, spread_of, text_of, zone_of
from sync.service import Service
from sync.settling import outcome_of, outcome_of_report, settle

log = structlog.get_logger("rostersync.attempt")

#: So often in a row a job may lose its worker; then the job itself is taken for the cause.
_INTERRUPTIONS: Final = 5
#: Seconds after which a database that is away is asked again, at the latest.
_LONGEST_WAIT: Final = 15.0


class Attempted(NamedTuple):
    """What one attempt came to; ``report`` is there if there was a run that ended well."""

    scheduled: Scheduled
    outcome: Outcome
    report: RunReport | None


def attempt(
    service: Service, connection_id: int, job: str, worker: str, parking: Callable[[], bool] = lambda: False
) -> Attempted | None:
    """Make one attempt as ``worker``; None when the job was settled before, or another worker has it by now. ``parking`` is
    asked between pages: True lets the run go, for another worker to start anew.

    Waits for a database that is away or full as long as that takes: a job that was begun is settled, or its worker ends.
    Raises SQLAlchemy's errors where it is still away when ``parking``.
    """
    patiently = _patience(parking)
    taken = patiently(schedules.take, service.engine, connection_id, job, worker, now())
    if taken is None:
        return None
    with run_context(tenant=taken.tenant, connection=taken.connection, job=job):
        outcome, report = _outcome(service, taken, job, worker, parking)
        settled = patiently(settle_job, service, connection_id, job, taken.row.slot, outcome, worker)
        if settled is None:
            log.info("another worker has the job", outcome=outcome.kind, run=outcome.run_id)
            return None
        log.info("attempt ends", outcome=settled.kind, code=settled.code, run=settled.run_id)
        return Attempted(taken, settled, report)


def _patience(parking: Callable[[], bool]) -> Retrying:
    """Calls again what the database does not answer, but not when the worker is to stop."""

    def tell(state: RetryCallState) -> None:
        log.warning("waiting for the database", step=getattr(state.fn, "__name__", ""), tries=state.attempt_number)

    return Retrying(
        retry=retry_if_exception_type(OperationalError),
        wait=wait_exponential_jitter(multiplier=0.5, max=_LONGEST_WAIT),
        stop=lambda _state: parking(),
        before_sleep=tell,
        reraise=True,
    )


def _outcome(
    service: Service, taken: Scheduled, job: str, worker: str, parking: Callable[[], bool]
) -> tuple[Outcome, RunReport | None]:
    """Sync, unless the slot's run was applied by a worker that did not live to say so. Whatever it comes to, the job is
    settled by it; the texts of unexpected errors are never kept."""
    started: int | None = None

    def began(run_id: int) -> None:
        nonlocal started
        started = run_id

    try:
        if taken.row.worker is not None and (done := _done_before(service, taken.row)):
            return outcome_of_report(done), done
        if not_begun := _not_begun(taken):
            return not_begun, None
        report = _sync(service, taken, job, worker, parking, began)
        return outcome_of_report(report), report
    except (OperationalError, InterfaceError) as error:
        outcome = outcome_of(storage_error(error))
    except Exception as error:
        outcome = outcome_of(error)
        if not isinstance(error, RosterSyncError):
            log.error("unexpected error", run=started, exc_info=error)
    return msgspec.structs.replace(outcome, run_id=outcome.run_id or started), None


def _done_before(service: Service, row: Schedule) -> RunReport | None:
    with reading(service.engine) as connection:
        return schedules.run_of_slot(connection, row, row.slot)


def _not_begun(taken: Scheduled) -> Outcome | None:
    """Why the sync does not begin, if it does not. What was paused, removed or blacked out since it was queued is nobody's
    failure."""
    row = taken.row
    if row.worker is not None and row.failures + 1 >= _INTERRUPTIONS:
        return Outcome(
            "interrupted", "interrupted", "The sync was interrupted too often (its process ended each time)."
        )
    zone = zone_of(msgspec.json.decode(taken.tenant_settings, type=TenantSettings))
    closed = blackout_at(_timetable(row) or Timetable(), zone, datetime.fromisoformat(now())) is not None
    if closed or taken.state in ("paused", "removed"):
        why = "The connection was paused or removed, or a blackout began, before the sync did."
        return Outcome("parked", "not_wanted", why)
    return None


def _sync(
    service: Service,
    taken: Scheduled,
    job: str,
    worker: str,
    parking: Callable[[], bool],
    began: Callable[[int], None],
) -> RunReport:
    row = taken.row

    def stopped() -> bool:
        if parking():
            raise ParkedError("The worker was told to stop; the sync is started anew.", "parked")
        return False

    def still_ours(connection: Connection) -> None:
        # From here to the end of the transaction the row is locked: nobody takes or settles the job while this is being
        # applied, and who does so afterwards finds the run (`run_of_slot`). So a slot is applied once, whoever dies when.
        if not schedules.is_taken(connection, row.connection_id, job, worker):
            raise ParkedError("Another worker took the sync over; nothing was changed here.", "taken over")

    return sync(
        service, taken.tenant, taken.connection, again=row.slot.startswith(ASKED), started_by=row.asked_by or "schedule",
        slot=row.slot, began=began, cancelled=stopped, check=still_ours,
    )  # fmt: skip


def name_of_job(row: Schedule) -> str:
    """A new name for a job for what the row is due for."""
    return f"{row.connection_id}/{row.slot}/{uuid.uuid4().hex[:8]}"


def slot_of_job(row: Schedule) -> str:
    """What the job in hand is for. Where somebody asked for a sync after it had begun, the row's slot is that request."""
    _, _, rest = (row.job or "").partition("/")
    begun_for = rest.rpartition("/")[0]
    return begun_for if begun_for and not begun_for.startswith(ASKED) else row.slot


def settle_job(
    service: Service, connection_id: int, job: str, slot: str, outcome: Outcome, worker: str | None
) -> Outcome | None:
    """End a job: where the connection stands from now on, and whom it is told to, in one transaction.

    ``worker`` is who took it; None for a job that nobody took. Returns what it was settled by: where the history has a run
    for the slot that ended well, that counts, whatever ``outcome`` says (its process ended, or its session was cut off while
    it was committed). None when it was settled already, or another worker has it.
    """
    with writing(service.engine) as connection:
        row = schedules.locked_job(connection, connection_id, job)
        if row is None or row.worker != worker:
            return None
        if outcome.kind not in ("applied", "held") and (done := schedules.run_of_slot(connection, row, slot)):
            outcome = outcome_of_report(done)
        # If a person asked meanwhile the row is about that already; what ends here is the attempt for `slot`.
        before = msgspec.structs.replace(schedules.standing_of(row), slot=slot)
        timetable, at = _timetable(row), datetime.fromisoformat(now())
        settled = settle(
            before, timetable or Timetable(), _zone(connection, row), spread_of(connection_id), outcome, at,
            random.random(),  # noqa: S311
        )  # fmt: skip
        standing = settled.standing if timetable else looked_at_again(settled.standing, at)
        schedules.end_job(connection, row, slot, standing)
        for event in settled.events:
            notices.add(
                connection, row.tenant_id, connection_id, outcome.run_id, event, standing.health_code,
                standing.health_reason, text_of(at),
            )  # fmt: skip
    return outcome


def _timetable(row: Schedule) -> Timetable | None:
    """None for one that cannot be read here: that does not keep a job from being settled."""
    try:
        return read_timetable(row.timetable)
    except SettingsError as error:
        log.error("timetable cannot be read", connection=row.connection_id, error=error.for_engineer)
        return None


def _zone(connection: Connection, row: Schedule) -> ZoneInfo:
    settings = msgspec.json.decode(schedules.tenant_settings(connection, row.tenant_id), type=TenantSettings)
    try:
        return zone_of(settings)
    except SettingsError as error:
        log.error("time zone is not known here", connection=row.connection_id, error=error.for_engineer)
        return ZoneInfo("UTC")
