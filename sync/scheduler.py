"""The tick of every worker: what is due is queued, what was abandoned is taken up again, and alarms are raised.

All workers tick; the database decides who was first, so that there is no leader to lose.
"""

import uuid
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
import structlog

from models.errors import SettingsError
from models.health import Outcome, Standing
from models.settings import TenantSettings
from store import notices, schedules, workers
from store.database import writing
from store.schedules import Scheduled
from sync.attempt import settle_job
from sync.clock import now
from sync.jobs import Jobs
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


def queue_due(service: Service, jobs: Jobs) -> int:
    """Queue a job for each connection whose time has come; returns how many."""
    queued = 0
    found = schedules.due(service.engine, now(), _BATCH)
    room = _WAITING - schedules.waiting(service.engine) if found else 0
    for scheduled in found[: max(room, 0)]:
        try:
            if _moved_on(service, scheduled):
                continue
        except SettingsError as error:
            _cannot_be_read(scheduled, error)
            continue
        row = scheduled.row
        job = f"{row.connection_id}/{row.slot}/{uuid.uuid4().hex[:8]}"
        # Claimed first: a job that is claimed and was not queued is found by `mend`, one that is queued runs only if claimed.
        if schedules.claim(service.engine, row, job, now()):
            _queue(service, jobs, scheduled, job)
            queued += 1
    return queued


def _cannot_be_read(scheduled: Scheduled, error: SettingsError) -> None:
    """One timetable or time zone that cannot be read must not stop all others."""
    log.error("timetable cannot be read", connection=scheduled.row.connection_id, error=error.for_engineer)


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
    records = schedules.records_received(service.engine, row.last_run_id) if row.last_run_id else 0
    jobs.queue(job, row.connection_id, asked=row.next_why == "asked", large=records >= LARGE)


def mend(service: Service, jobs: Jobs) -> None:
    """See to jobs in flight that nobody works on.

    Claimed and never queued: its scheduler ended in between; it is queued. Ended without having been settled: it is
    settled. Begun by a worker that is not known (one that was given up while it took the job, and then really ended): that
    worker is looked for, so that `take_over` finds it.
    """
    before = _instant().timestamp() - _ABANDONED
    old = [each for each in schedules.in_flight(service.engine) if _since(each) < before]
    states = jobs.states([each.row.job for each in old if each.row.job])
    owners = {state.worker for state in states.values() if state.worker}
    known = workers.known(service.engine, owners)
    for each in old:
        job = each.row.job
        assert job is not None
        state = states[job]
        if state.state == "unknown":
            log.warning("job was not queued", job=job)
            _queue(service, jobs, each, job)
        elif state.state == "ended":
            _settle_abandoned(service, each, job)
        elif state.state == "running" and state.worker and state.worker not in known:
            workers.miss(service.engine, state.worker, now())


def _settle_abandoned(service: Service, scheduled: Scheduled, job: str) -> None:
    row = scheduled.row
    lost = Outcome("interrupted", "interrupted", "The sync was interrupted (its process ended).")
    if settled := settle_job(service, row.connection_id, job, row.slot, lost, row.worker):
        log.warning("job was abandoned", job=job, outcome=settled.kind)


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
        log.warning("worker is gone", worker=other, jobs=resumed, sessions=ended)
        gone.append(other)


def raise_alarms(service: Service) -> int:
    """Tell of connections whose last good sync is too long ago; returns how many were told of just now."""
    found = schedules.maybe_stale(service.engine, text_of(_instant() - STALE_LEAST))
    return sum(_alarm(service, each) for each in found)


def _alarm(service: Service, scheduled: Scheduled) -> bool:
    row = scheduled.row
    try:
        settled = stale(scheduled.standing, read_timetable(row.timetable), _zone(scheduled), _instant())
    except SettingsError as error:
        _cannot_be_read(scheduled, error)
        return False
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
