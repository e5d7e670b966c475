"""What people ask of the workers: a sync now, or that one stops. The workers find it in the database."""

from datetime import datetime
from uuid import uuid4

from models.errors import RetryLaterError, SettingsError
from models.health import Cancellation, Outcome, SyncRequest
from models.tables import Schedule
from store import runs
from store import schedules as store
from store.database import writing
from store.lock import is_locked
from store.schedules import Scheduled
from sync.attempt import settle_job, slot_of_job
from sync.clock import now
from sync.schedule import ASKED, blackout_at, moved_to, next_slot, read_timetable, spread_of, zone_of
from sync.schedule_words import moment_words, range_words
from sync.schedules import named, settings_of, workers_alive
from sync.service import Service
from sync.stopping import stopped_by
from sync.tenants import tenant_and_settings


def ask_for_sync(service: Service, tenant: str, connection: str | None = None, *, by: str) -> SyncRequest:
    """Let a worker sync a connection as soon as one is free; ``connection`` may be left out where there is only one.

    Raises SettingsError for one that is paused or in a blackout.
    """
    found, at = named(service, tenant, connection), now()
    _check_wanted(found, at)
    row = found.row
    store.ask(service.engine, row.connection_id, row.tenant_id, f"{ASKED}{at} {uuid4().hex[:8]}", by, at)
    alive = workers_alive(service)
    return SyncRequest(tenant, found.connection, by, at, alive, _begins(service, found, alive))


def _check_wanted(found: Scheduled, at: str) -> None:
    place = f"{found.tenant} {found.connection}"
    if found.state == "paused":
        raise SettingsError(
            f"The connection {found.connection} of {found.tenant} was {found.state_reason}; it is not synced. To go on: "
            f"rostersync connection resume {place}"
        )
    timetable, zone = read_timetable(found.row.timetable), zone_of(settings_of(found))
    closed = blackout_at(timetable, zone, datetime.fromisoformat(at))
    if closed is not None:
        raise SettingsError(
            f"Today is a day of a blackout of {found.tenant}/{found.connection}, {range_words(closed)}: nothing is synced. "
            f"To end it: rostersync schedule blackout remove {place} --dates {closed.first}..{closed.last}"
        )


def _begins(service: Service, found: Scheduled, alive: int) -> str:
    if not alive:
        return "No worker is running: it begins when one is started (rostersync serve, or rostersync worker)."
    working = [each for each in store.in_flight(service.engine) if each.row.tenant_id == found.row.tenant_id]
    if not working:
        return "It begins as soon as a worker is free."
    other = working[0]
    if other.connection == found.connection and other.row.worker is None:
        return "It was queued already, and begins as soon as a worker is free."
    return f"{other.tenant}/{other.connection} is being synced; it begins when that has ended."


def cancel_sync(service: Service, tenant: str, connection: str | None = None, *, by: str) -> Cancellation:
    """Stop a run that goes on (whoever started it), at its next page; where none does, take back what is due, queued, to be
    tried again or asked for, or was begun by a worker that is gone. ``connection`` may be left out where only one of the
    tenant's has anything to stop.

    Raises SettingsError when there is nothing to stop, RetryLaterError for a sync that just begins or ends.
    """
    tenant_id, _ = tenant_and_settings(service, tenant)
    only = named(service, tenant, connection, files=True).connection if connection is not None else None
    if is_locked(service.engine, tenant_id):  # else the rows of runs that go on are those of processes that were killed
        going_on = [each for each in runs.going_on(service.engine, tenant_id) if only in (None, each.connection)]
        stopped = [each for each in going_on if runs.ask_to_stop(service.engine, each.run_id, by)]
        if stopped:
            run_id, name = stopped[-1]
            sentence = "was asked to stop at its next page. It changes nothing, unless it is being applied already."
            return Cancellation(tenant, name, "run", run_id, None, f"Run {run_id} of {tenant}/{name} {sentence}")
    waiting = [
        each for each in store.all_scheduled(service.engine, tenant_id)
        if only in (None, each.connection) and _waits(each.row, now())
    ]  # fmt: skip
    if len(waiting) != 1:
        place = f"{tenant}/{only}" if only else tenant
        raise SettingsError(
            f"Syncs of several connections of {tenant} wait; name one of them: "
            f"{', '.join(each.connection for each in waiting)}."
            if waiting
            else f"Nothing of {place} is being synced or waits to be. What comes next is told by: rostersync schedule list"
        )
    return _take_back(service, waiting[0], by)


def _waits(row: Schedule, at: str) -> bool:
    """Whether something of a connection would begin soon, and not just as scheduled."""
    return row.job is not None or (row.next_at is not None and (row.next_why != "scheduled" or row.next_at <= at))


def _take_back(service: Service, found: Scheduled, by: str) -> Cancellation:
    place = f"{found.tenant}/{found.connection}"
    if found.row.worker is not None:
        _end_begun(service, found.row, place, by)
    else:
        _end_waiting(service, found, place)
    row, zone = store.find(service.engine, found.row.connection_id), zone_of(settings_of(found))
    next_at = row.next_at if row else None
    after = (
        f"It is synced next on {moment_words(next_at, zone)}." if next_at else "It is synced when somebody asks for it."
    )
    if found.state == "paused":
        after = f"It is paused; to go on: rostersync connection resume {found.tenant} {found.connection}"
    return Cancellation(
        found.tenant, found.connection, "waiting", None, next_at,
        f"The sync of {place} that was about to begin was taken back. {after}",
    )  # fmt: skip


def _end_waiting(service: Service, found: Scheduled, place: str) -> None:
    zone, at = zone_of(settings_of(found)), now()
    with writing(service.engine) as connection:
        row = store.opened(connection, found.row.connection_id, found.row.tenant_id)
        if row.worker is not None or not _waits(row, at):
            raise _just_now(place)
        slot = next_slot(read_timetable(row.timetable), zone, datetime.fromisoformat(at), spread_of(row.connection_id))
        standing = moved_to(store.standing_of(row), slot)
        if row.job is not None:
            store.end_job(connection, row, row.slot, standing)  # a worker that comes to it finds nothing to do
        else:
            store.restand(connection, row, standing)


def _end_begun(service: Service, row: Schedule, place: str, by: str) -> None:
    """A worker has begun with it, and no run goes on: it still fetches files, has applied just now, or is gone. Should it live,
    it cannot apply what is not its job any more (``sync.attempt``)."""
    assert row.job is not None
    stopped = Outcome("cancelled", "cancelled", stopped_by(by).for_admin)
    settled = settle_job(service, row.connection_id, row.job, slot_of_job(row), stopped, row.worker)
    if settled is None or settled.kind != "cancelled":
        raise _just_now(place)


def _just_now(place: str) -> RetryLaterError:
    return RetryLaterError(f"A sync of {place} just begins or ends; try again in a few seconds.")
