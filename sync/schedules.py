"""Schedules as people set and see them.

They are rows of our own database, which the workers (``sync.scheduler``) look at all the time. A connection may be left
out (None) where the tenant has only one.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from msgspec.structs import replace

from models.errors import NotFoundError, SettingsError
from models.health import ScheduleView, Standing
from models.report import RunSummary
from models.settings import TenantSettings
from models.tables import Connection, Schedule
from models.timetable import DateRange, Rollover, Timetable
from store import connections as connection_store
from store import schedules as store
from store import workers
from store.schedules import Scheduled
from store.tenants import MANUAL
from sync.clock import now
from sync.connections import FILES
from sync.cron import parse_cron
from sync.history import list_runs
from sync.local_time import shown
from sync.replan import change_timetable
from sync.schedule import next_slot, read_timetable, spread_of, zone_of
from sync.schedule_fields import check_stale_hours, parse_dates, parse_day, parse_limit, parse_nightly
from sync.schedule_words import in_words, last_words, moment_words, next_words, range_words
from sync.service import Service
from sync.tenants import tenant_and_settings

#: How many of the next times are shown.
_UPCOMING: Final = 5
#: Among so many runs the newest one is looked for that was no dry run.
_RUNS_LOOKED_AT: Final = 20


# --- the timetable ----------------------------------------------------------------------------------------------------


def set_schedule(
    service: Service,
    tenant: str,
    connection: str | None = None,
    *,
    cron: str | None = None,
    nightly: str | None = None,
    days: Sequence[str] = (),
    stale_hours: int | None = None,
) -> ScheduleView:
    """Sync a connection on a cron expression, or once in each night between two times of day ("20:00-05:00"), on all or on
    some weekdays. Raises SettingsError that says what would be right."""
    if (cron is None) == (nightly is None):
        raise SettingsError(
            "A schedule is either nightly, such as 20:00-05:00, or a cron expression, such as 17 3 * * *; give one of the two."
        )
    if days and nightly is None:
        raise SettingsError("Days go with a nightly window; a cron expression has them in its fifth field.")
    found = named(service, tenant, connection)
    at = _instant()
    rhythm = Timetable(
        cron=parse_cron(cron, at) if cron is not None else None,
        nightly=parse_nightly(nightly, days) if nightly is not None else None,
    )
    hours = check_stale_hours(stale_hours, rhythm, _zone(found), at)
    return _change(
        service,
        found,
        lambda timetable: replace(timetable, cron=rhythm.cron, nightly=rhythm.nightly, stale_hours=hours),
    )


def clear_schedule(service: Service, tenant: str, connection: str | None = None) -> ScheduleView:
    """Sync a connection only when somebody asks for it. Days of a blackout and the like stay set."""
    found = named(service, tenant, connection)

    def cleared(stored: str) -> Timetable:
        try:
            timetable = read_timetable(stored)
        except SettingsError:  # what cannot be read can be taken away all the same
            timetable = Timetable()
        return replace(timetable, cron=None, nightly=None, stale_hours=None)

    return _change_stored(service, found, cleared)


def add_blackout(service: Service, tenant: str, connection: str | None, dates: str, *, note: str = "") -> ScheduleView:
    """Sync nothing on some days ("2027-06-12..2027-08-15"). Raises SettingsError."""
    found = named(service, tenant, connection)
    entry = _to_come(parse_dates(dates, note), found)
    return _change(service, found, lambda timetable: replace(timetable, blackouts=_with(timetable.blackouts, entry)))


def remove_blackout(service: Service, tenant: str, connection: str | None, dates: str) -> ScheduleView:
    """Take a blackout away, by its days. Raises SettingsError when there is none of just these."""
    found, entry = named(service, tenant, connection), parse_dates(dates)
    return _change(
        service,
        found,
        lambda timetable: replace(timetable, blackouts=_without(timetable.blackouts, entry, "blackout")),
    )


def add_add_only(service: Service, tenant: str, connection: str | None, dates: str, *, note: str = "") -> ScheduleView:
    """Remove nothing on some days, whoever starts the sync or uploads the files. Raises SettingsError."""
    found = named(service, tenant, connection, files=True)
    entry = _to_come(parse_dates(dates, note), found)
    return _change(service, found, lambda timetable: replace(timetable, add_only=_with(timetable.add_only, entry)))


def remove_add_only(service: Service, tenant: str, connection: str | None, dates: str) -> ScheduleView:
    """Let removals go on. Raises SettingsError when there are no add-only days of just these."""
    found, entry = named(service, tenant, connection, files=True), parse_dates(dates)
    return _change(
        service,
        found,
        lambda timetable: replace(timetable, add_only=_without(timetable.add_only, entry, "add-only days")),
    )


def set_rollover(
    service: Service,
    tenant: str,
    connection: str | None,
    until: str,
    *,
    removals: float | None = None,
    updates: float | None = None,
) -> ScheduleView:
    """Put other limits (percent) in the place of the tenant's own until a day, that day included. Raises SettingsError."""
    found = named(service, tenant, connection, files=True)
    last = parse_day(until).isoformat()
    _to_come(DateRange(last, last), found)
    usual = Rollover(last)
    rollover = Rollover(
        last, parse_limit(usual.removals, removals, "removals"), parse_limit(usual.updates, updates, "updates")
    )
    return _change(service, found, lambda timetable: replace(timetable, rollover=rollover))


def end_rollover(service: Service, tenant: str, connection: str | None = None) -> ScheduleView:
    """Let the tenant's own limits hold again. Raises SettingsError when there is no rollover."""
    found = named(service, tenant, connection, files=True)

    def ended(timetable: Timetable) -> Timetable:
        if timetable.rollover is None:
            raise SettingsError(f"There is no rollover of {found.tenant}/{found.connection} to end.")
        return replace(timetable, rollover=None)

    return _change(service, found, ended)


def _to_come(entry: DateRange, found: Scheduled) -> DateRange:
    today = shown(_instant(), _zone(found)).date().isoformat()
    if entry.last < today:
        raise SettingsError(f"These days have gone by: {entry.last} is before today, {today}.")
    return entry


def _with(ranges: tuple[DateRange, ...], entry: DateRange) -> tuple[DateRange, ...]:
    others = [other for other in ranges if (other.first, other.last) != (entry.first, entry.last)]
    return tuple(sorted([*others, entry], key=lambda each: (each.first, each.last)))


def _without(ranges: tuple[DateRange, ...], entry: DateRange, what: str) -> tuple[DateRange, ...]:
    left = tuple(other for other in ranges if (other.first, other.last) != (entry.first, entry.last))
    if len(left) == len(ranges):
        known = ", ".join(f"{other.first}..{other.last}" for other in ranges)
        raise SettingsError(
            f"There is no {what} {range_words(entry)}; set are: {known}."
            if known
            else f"There is no {what} {range_words(entry)}; none is set."
        )
    return left


def _change(service: Service, found: Scheduled, change: Callable[[Timetable], Timetable]) -> ScheduleView:
    return _change_stored(service, found, lambda stored: change(read_timetable(stored)))


def _change_stored(service: Service, found: Scheduled, change: Callable[[str], Timetable]) -> ScheduleView:
    change_timetable(service.engine, found.row.connection_id, found.row.tenant_id, settings_of(found), change)
    return show_schedule(service, found.tenant, found.connection)


# --- looking ----------------------------------------------------------------------------------------------------------


def show_schedule(service: Service, tenant: str, connection: str | None = None) -> ScheduleView:
    """When a connection was synced, when it is next, and why not sooner. Raises NotFoundError, SettingsError."""
    found = named(service, tenant, connection, files=True)
    history = list_runs(service, tenant, limit=_RUNS_LOOKED_AT, connection_id=found.row.connection_id)
    newest = next((run for run in history if not run.dry_run), None)
    return _view(found, newest, workers_alive(service), _instant())


def list_schedules(service: Service, tenant: str | None = None) -> list[ScheduleView]:
    """All connections (of one tenant) by tenant and age, those that were never scheduled, too. Raises NotFoundError for the
    tenant."""
    tenant_id = tenant_and_settings(service, tenant)[0] if tenant is not None else None
    found = [*store.all_scheduled(service.engine, tenant_id), *store.unscheduled(service.engine, tenant_id)]
    found.sort(key=lambda each: (each.tenant, each.row.connection_id))
    alive, at = workers_alive(service), _instant()
    return [_view(each, None, alive, at) for each in found]


def _view(found: Scheduled, run: RunSummary | None, alive: int, at: datetime) -> ScheduleView:
    trouble: list[str] = []
    try:
        timetable, zone = read_timetable(found.row.timetable), _zone(found)
    except SettingsError as error:
        timetable, zone, trouble = Timetable(), ZoneInfo("UTC"), [error.for_admin]
    spread = spread_of(found.row.connection_id)
    recurs = timetable.recurs and found.connector != FILES
    paused = found.state == "paused"
    return ScheduleView(
        tenant=found.tenant,
        connection=found.connection,
        connector=found.connector,
        time_zone=zone.key,
        timetable=msgspec.to_builtins(timetable),
        recurs=recurs,
        sentences=[
            *(trouble or _timetable_words(found, timetable, zone, spread, at)),
            *last_words(run, found.standing, zone),
            *_now_words(found, timetable, zone, at),
            *_nobody_works(found, alive),
        ],
        upcoming=[] if paused else list(_upcoming(timetable, zone, spread, _regular_from(found.standing, at))),
        next_at=None if paused else found.row.next_at,
        standing=found.standing,
    )


def _timetable_words(found: Scheduled, timetable: Timetable, zone: ZoneInfo, spread: float, at: datetime) -> list[str]:
    words = in_words(timetable, zone, spread=spread, at=at)
    return ["Its files are uploaded; nothing is fetched by itself.", *words[1:]] if found.connector == FILES else words


def _now_words(found: Scheduled, timetable: Timetable, zone: ZoneInfo, at: datetime) -> list[str]:
    row, name = found.row, f"{found.tenant} {found.connection}"
    if row.job is not None:
        if row.worker is not None and row.taken_at is not None:
            return [f"It is being synced since {moment_words(row.taken_at, zone)}."]
        return ["It is queued, and begins as soon as a worker is free."]
    if found.state == "paused":
        return [f"Nothing is synced: it was {found.state_reason}. To go on: rostersync connection resume {name}"]
    return next_words(found.standing, timetable, zone, at)


def _nobody_works(found: Scheduled, alive: int) -> list[str]:
    waits = found.row.next_at is not None and found.state != "paused"
    return ["No worker is running, so nothing is synced by itself. To start one: rostersync serve"] * (
        waits and not alive
    )


def _regular_from(standing: Standing, at: datetime) -> datetime:
    """From when on it is synced at its regular times: what fails for long leaves some of them out."""
    if standing.next_at is None or standing.next_why != "scheduled":
        return at
    return max(at, datetime.fromisoformat(standing.next_at) - timedelta(seconds=1))


def _upcoming(timetable: Timetable, zone: ZoneInfo, spread: float, at: datetime) -> Iterator[str]:
    for _ in range(_UPCOMING):
        slot = next_slot(timetable, zone, at, spread)
        if slot is None:
            return
        at = slot.at
        yield at.astimezone(zone).isoformat(timespec="seconds")


# --- finding ----------------------------------------------------------------------------------------------------------


def named(service: Service, tenant: str, connection: str | None, *, files: bool = False) -> Scheduled:
    """A connection with its schedule, an empty one if it has none; with ``files`` it may be one of uploaded files. Raises
    NotFoundError, SettingsError."""
    tenant_id, settings = tenant_and_settings(service, tenant)
    row = _connection(service, tenant, tenant_id, connection, files=files)
    assert row.id is not None
    found = store.scheduled_connection(service.engine, row.id)
    if found is not None:
        return found
    empty, stored = Schedule(connection_id=row.id, tenant_id=tenant_id), msgspec.json.encode(settings).decode()
    since = row.state_since or row.created_at
    return Scheduled(empty, tenant, stored, row.name, row.connector, row.state, row.state_reason, since)


def _connection(service: Service, tenant: str, tenant_id: int, name: str | None, *, files: bool) -> Connection:
    rows = [row for row in connection_store.connections_of(service.engine, tenant_id) if row.connector != MANUAL]
    if name is None:
        fit = [row for row in rows if row.state != "removed" and (files or row.connector != FILES)]
        if len(fit) != 1:
            raise SettingsError(
                f"{tenant} has several connections; name one of them: {', '.join(row.name for row in fit)}."
                if fit
                else f"{tenant} has no connection to a source; add one with: rostersync connection add CONNECTOR {tenant}"
            )
        return fit[0]
    row = next((row for row in rows if row.name == name), None)
    if row is None:
        raise NotFoundError(f"{tenant} has no connection {name!r}. See: rostersync connection list {tenant}")
    if row.state == "removed":
        raise SettingsError(f"The connection {name} of {tenant} was removed; nothing of it is synced.")
    if row.connector == FILES and not files:
        raise SettingsError(
            f"The connection {name} of {tenant} is for uploaded files, and nobody can be asked for them: they come in with "
            f"rostersync upload {tenant} PATH. Add-only days and a rollover can be set for it, a schedule and blackouts cannot."
        )
    return row


def settings_of(found: Scheduled) -> TenantSettings:
    return msgspec.json.decode(found.tenant_settings, type=TenantSettings)


def count_schedules(service: Service) -> int:
    """How many connections have a next time, whether it has come or not; those that are paused left out."""
    return store.count_awaited(service.engine)


def workers_alive(service: Service) -> int:
    """How many processes take syncs now."""
    lost = service.settings.lost_seconds
    return sum(silent < lost and not row.stopping for row, silent in workers.workers(service.engine))


def _zone(found: Scheduled) -> ZoneInfo:
    return zone_of(settings_of(found))


def _instant() -> datetime:
    return datetime.fromisoformat(now()).astimezone(UTC)
