"""The tick of every worker: what is due is queued, what was abandoned is taken up again, and alarms are raised.

All workers tick; the database decides who was first, so that there is no leader to lose.
"""

from collections.abc import Callable, Collection
from datetime import datetime
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
import structlog
from sqlalchemy.exc import OperationalError

from models.errors import RosterSyncError
from models.health import Outcome, Standing
from models.settings import TenantSettings
from store import notices, schedules, workers
from store.database import writing
from store.schedules import Scheduled
from sync.attempt import name_of_job, settle_job, slot_of_job
from sync.clock import now
from sync.jobs import Jobs, JobState
from sync.schedule import STALE_LEAST, catch_up, moved_to, read_timetable, spread_of, text_of, zone_of
from sync.service import Service
from sync.settling import stale

log = structlog.get_logger("rostersync.scheduler")

#: Due rows taken up in one tick; it must not take long, as people's requests are seen by the next one.
_BATCH: Final = 50
#: Jobs that wait for a worker at a time. The rest waits in our own table, where it costs nothing.
_WAITING: Final = 1_000
#: From so many records on a sync is a large one, which has places of its own.
LARGE: Final = 200_000
#: Seconds after which a job that is queued nowhere, or ended without having been settled, is found abandoned.
_ABANDONED: Final = 30
#: Seconds after which a worker that was handed a job should have begun with it. Should it do so later, it finds nothing.
_NOT_BEGUN: Final = 120


def queue_due(service: Service, jobs: Jobs, passed_over: set[int] | None = None) -> int:
    """Queue a job for each connection whose time has come; returns how many. ``passed_over`` are those (by id) that cannot be
    dealt with; more are added as they are found, and the caller has them tried again later."""
    passed_over = set() if passed_over is None else passed_over
    found = schedules.due(service.engine, now(), _BATCH, but=passed_over)
    room = _WAITING - schedules.waiting(service.engine) if found else 0
    queued = [_apart(each, partial(_queue_one, service, jobs, each)) for each in found[: max(room, 0)]]
    passed_over |= {each.row.connection_id for each, done in zip(found, queued, strict=False) if done is None}
    return queued.count(True)


def _apart(scheduled: Scheduled, step: Callable[[], bool]) -> bool | None:
    """One connection that cannot be dealt with (its timetable cannot be read, say) must not stop all others; None for it."""
    try:
        return step()
    except OperationalError:  # that is no connection's fault
        raise
    except RosterSyncError as error:
        log.error("connection cannot be scheduled", connection=scheduled.row.connection_id, error=error.for_engineer)
    except Exception as error:
        log.error("connection cannot be scheduled", connection=scheduled.row.connection_id, exc_info=error)
    return None


def _queue_one(service: Service, jobs: Jobs, scheduled: Scheduled) -> bool:
    if _moved_on(service, scheduled):
        return False
    row = scheduled.row
    job = name_of_job(row)
    # Claimed first: a job that is claimed and was not queued is found by `mend`, one that is queued runs only if claimed.
    if not schedules.claim(service.engine, row, job, now()):
        return False
    _queue(service, jobs, scheduled, job)
    return True


def _moved_on(service: Service, scheduled: Scheduled) -> bool:
    """Whether the row's time went by while no worker ran, and it has to wait for its next one."""
    row, timetable = scheduled.row, read_timetable(scheduled.row.timetable)
    slot = catch_up(scheduled.standing, timetable, _zone(scheduled), spread_of(row.connection_id), _instant())
    if slot is None:
        return False
    moved = moved_to(scheduled.standing, slot)
    with writing(service.engine) as connection:
        schedules.restand(connection, row, moved)
    log.warning("time was missed", tenant=scheduled.tenant, connection=scheduled.connection, next=moved.next_at)
    return True


def _queue(service: Service, jobs: Jobs, scheduled: Scheduled, job: str) -> None:
    row = scheduled.row
    large = schedules.records_received(service.engine, row) >= LARGE
    jobs.queue(job, row.connection_id, asked=row.next_why == "asked", large=large)


def mend(service: Service, jobs: Jobs) -> None:
    """See to jobs in flight that nobody works on.

    Claimed and never queued: its scheduler ended in between; it is queued. Ended without having been settled: it is
    settled. Handed to a worker that never began with it (the database went away before the worker had heard of it): the
    connection is due again. Begun by a worker that is not known (one that was given up while it took the job, and then
    really ended): that worker is looked for, so that `take_over` finds it.
    """
    before = _instant().timestamp() - _ABANDONED
    old = [each for each in schedules.in_flight(service.engine) if _since(each) < before]
    states = jobs.states([each.row.job for each in old if each.row.job])
    known = workers.known(service.engine, [state.worker for state in states.values() if state.worker])
    for each in old:
        _apart(each, partial(_mend_one, service, jobs, each, states[each.row.job or ""], known))


def _mend_one(service: Service, jobs: Jobs, scheduled: Scheduled, state: JobState, known: Collection[str]) -> bool:
    row = scheduled.row
    assert row.job is not None
    not_begun = row.worker is None and _instant().timestamp() - state.since > _NOT_BEGUN
    if state.state == "unknown":
        log.warning("job was not queued", job=row.job)
        _queue(service, jobs, scheduled, row.job)
    elif state.state == "ended":
        lost = Outcome("interrupted", "interrupted", "The sync was interrupted (its process ended).")
        if settled := settle_job(service, row.connection_id, row.job, slot_of_job(row), lost, row.worker):
            log.warning("job was abandoned", job=row.job, outcome=settled.kind)
    elif state.state == "running" and state.worker and state.worker not in known:
        workers.miss(service.engine, state.worker, now())
    elif state.state == "running" and not_begun and schedules.release(service.engine, row):
        log.warning("job was handed out and not begun", job=row.job)
    return True


def _since(scheduled: Scheduled) -> float:
    at = scheduled.row.taken_at or scheduled.row.queued_at
    return datetime.fromisoformat(at).timestamp() if at else 0.0


def take_over(service: Service, jobs: Jobs, worker: str, silence: float) -> list[str]:
    """As ``worker``, queue again what other workers that were silent for so long (seconds) had begun; returns the ids of
    those. One of them that is only asleep, or cut off, may wake at any time: then nothing is left that it could apply."""
    gone: list[str] = []
    while True:
        with writing(service.engine) as connection:
            other = workers.lost(connection, silence, but=worker)
            if other is None:
                return gone
            # Its sessions first: whoever takes its jobs needs the locks that they hold.
            ended = workers.end_sessions(connection, other)
            resumed = jobs.resume(other)
            workers.forget(connection, other)
        # One that ended as it should leaves nothing behind, and is no news.
        tell = log.warning if resumed or ended else log.info
        tell("worker is gone", worker=other, jobs=resumed, sessions=ended)
        gone.append(other)


def raise_alarms(service: Service) -> int:
    """Tell of connections whose last good sync is too long ago; returns how many were told of just now."""
    found = schedules.maybe_stale(service.engine, text_of(_instant() - STALE_LEAST))
    return [_apart(each, partial(_alarm, service, each)) for each in found].count(True)


def _alarm(service: Service, scheduled: Scheduled) -> bool:
    row = scheduled.row
    timetable, zone = read_timetable(row.timetable), _zone(scheduled)
    settled = stale(scheduled.standing, timetable, zone, _instant(), scheduled.state_since)
    if settled is None:
        return False
    at = now()
    with writing(service.engine) as connection:
        if not schedules.raise_alarm(connection, row, at):
            return False
        for event in settled.events:
            reason = _last_good_words(settled.standing)
            notices.add(connection, row.tenant_id, row.connection_id, row.last_run_id, event, event, reason, at)
    return True


def _last_good_words(standing: Standing) -> str:
    at = standing.last_good_at
    since = f"since {at[:16].replace('T', ' ')} UTC" if at else "yet"
    return f"Nothing was applied {since}." + (f" {standing.health_reason}" if standing.health_reason else "")


def _instant() -> datetime:
    return datetime.fromisoformat(now())


def _zone(scheduled: Scheduled) -> ZoneInfo:
    return zone_of(msgspec.json.decode(scheduled.tenant_settings, type=TenantSettings))
