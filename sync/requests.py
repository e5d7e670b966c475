"""What people ask of the workers: a sync now, or that one stops. The workers find it in the database."""

from datetime import datetime

from models.errors import RetryLaterError, SettingsError
from models.health import Cancellation, SyncRequest
from models.tables import Schedule
from store import runs
from store import schedules as store
from store.database import writing
from store.schedules import Scheduled
from sync.clock import now
from sync.schedule import ASKED, blackout_at, moved_to, next_slot, read_timetable, spread_of, zone_of
from sync.schedule_words import moment_words, range_words
from sync.schedules import named, settings_of, workers_alive
from sync.service import Service
from sync.tenants import tenant_and_settings


def ask_for_sync(service: Service, tenant: str, connection: str | None = None, *, by: str) -> SyncRequest:
    """Let a worker sync a connection as soon as one is free; ``connection`` may be left out where there is only one.

    Raises SettingsError for one that is paused or in a blackout.
    """
    found, at = named(service, tenant, connection), now()
    _check_wanted(found, at)
    row = found.row
    store.ask(service.engine, row.connection_id, row.tenant_id, f"{ASKED}{at} by {by}", by, at)
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
    tried again or asked for. ``connection`` may be left out where only one of the tenant's has anything to stop.

    Raises SettingsError when there is nothing to stop, RetryLaterError for a sync that just begins or ends.
    """
    tenant_id, _ = tenant_and_settings(service, tenant)
    only = named(service, tenant, connection, files=True).connection if connection is not None else None
    going_on = [each for each in runs.going_on(service.engine, tenant_id) if only in (None, each.connection)]
    stopped = [each for each in going_on if runs.ask_to_stop(service.engine, each.run_id, by)]
    if stopped:
        run_id, name = stopped[-1]
        sentence = "It was asked to stop, at its next page. It changes nothing, unless it is being applied already."
        return Cancellation(tenant, name, "run", run_id, None, f"Run {run_id} of {tenant}/{name}: {sentence}")
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
    return _take_back(service, waiting[0])


def _waits(row: Schedule, at: str) -> bool:
    """Whether something of a connection would begin soon, and not just as scheduled."""
    return row.job is not None or (row.next_at is not None and (row.next_why != "scheduled" or row.next_at <= at))


def _take_back(service: Service, found: Scheduled) -> Cancellation:
    place = f"{found.tenant}/{found.connection}"
    settings = settings_of(found)
    zone, at = zone_of(settings), now()
    with writing(service.engine) as connection:
        row = store.opened(connection, found.row.connection_id, found.row.tenant_id)
        if row.worker is not None or not _waits(row, at):
            raise RetryLaterError(f"A sync of {place} just begins or ends; try again in a few seconds.")
        timetable, spread = read_timetable(row.timetable), spread_of(row.connection_id)
        slot = next_slot(timetable, zone, datetime.fromisoformat(at), spread)
        standing = moved_to(store.standing_of(row), slot)
        if row.job is not None:
            store.end_job(connection, row, row.slot, standing)  # a worker that comes to it finds nothing to do
        else:
            store.restand(connection, row, standing)
    after = (
        f"It is synced next on {moment_words(slot.at, zone)}." if slot else "It is synced when somebody asks for it."
    )
    return Cancellation(
        found.tenant, found.connection, "waiting", None, standing.next_at,
        f"The sync of {place} that was about to begin was taken back. {after}",
    )  # fmt: skip
