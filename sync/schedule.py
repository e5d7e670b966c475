"""From a timetable to instants: when a connection syncs next, until when it is tried again, and which days are special.

Pure. Instants are aware datetimes in UTC; days and times of day are local, in the zone that is given.

Where clocks change, a time of day that is skipped is the instant of the jump. One that exists twice is the first of the two
for a begin, the second for the end of a night. A night that the jump swallows whole is as long as it otherwise is. So there
is exactly one slot on every night of the year.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from models.errors import SettingsError
from models.health import Standing
from models.settings import TenantSettings
from models.timetable import WEEKDAYS, DateRange, Nightly, Rollover, Timetable
from sync.cron import cron_next
from sync.local_time import day_begins, day_ends, day_exists, first_instant, last_instant, shown, zone_named

#: What the slot of a sync begins with that a person asked for.
ASKED: Final = "asked "

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)
#: The part of a night in which slots begin; the rest of it is for the work and its retries.
_BEGIN_WITHIN: Final = 0.8
#: How long a cron's slot may be tried again, unless its next one comes earlier.
_CRON_WINDOW: Final = timedelta(hours=6)
#: An alarm is raised when the next slot is so long past, but never sooner after a good sync than ``STALE_LEAST``.
_STALE_MARGIN: Final = timedelta(hours=12)
STALE_LEAST: Final = timedelta(hours=36)


class Slot(NamedTuple):
    """A time at which a connection syncs. ``key`` is its identity, the same however often it is computed: the local date on
    which the night begins ("night 2026-11-22"), or a cron's instant. Retries begin before ``ends_at``."""

    key: str
    at: datetime
    ends_at: datetime


class _Night(NamedTuple):
    day: date
    opens: datetime
    closes: datetime


def zone_of(settings: TenantSettings) -> ZoneInfo:
    """The zone that a tenant's days and times are meant in. Raises SettingsError when this system does not know it."""
    return zone_named(settings.time_zone)


def read_timetable(stored: str) -> Timetable:
    """A timetable as it is stored (JSON). Raises SettingsError for one that this version cannot read."""
    try:
        return msgspec.json.decode(stored, type=Timetable)
    except msgspec.DecodeError as error:
        raise SettingsError(
            "The schedule of a connection cannot be read: it was set by another version of rostersync. Update rostersync, or "
            "set the schedule anew with: rostersync schedule set TENANT CONNECTION",
            f"stored timetable: {type(error).__name__}",
        ) from None


def spread_of(connection_id: int) -> float:
    """Where in a night's window a connection has its place, from 0 to below 1: far apart for connections made in a row."""
    return connection_id * 0.6180339887498949 % 1.0  # multiples of the golden ratio leave no large gap, however few


# --- slots ------------------------------------------------------------------------------------------------------------


def next_slot(timetable: Timetable, zone: ZoneInfo, after: datetime, spread: float) -> Slot | None:
    """The first slot that begins after an instant and not within a blackout; None if there is none.

    A night is left out if it begins on a day of a blackout (for all connections alike, wherever their place is in it), and
    if the slot itself would lie on one. Retries end where a blackout begins.
    """
    if timetable.cron is not None:
        return _next_of_cron(timetable, timetable.cron, zone, after)
    if timetable.nightly is not None:
        slots = _slots_of_nights(timetable, timetable.nightly, zone, after, spread)
        return next(slot for slot in slots if slot.at > after)
    return None


def _slots_of_nights(
    timetable: Timetable, nightly: Nightly, zone: ZoneInfo, around: datetime, spread: float
) -> Iterator[Slot]:
    """Slots in order, from about two days before ``around`` on."""
    for night in _nights(timetable, nightly, zone, shown(around, zone).date() - 2 * _DAY):
        slot = _slot_of_night(timetable, zone, night, spread)
        if slot is not None:
            yield slot


def _slot_of_night(timetable: Timetable, zone: ZoneInfo, night: _Night, spread: float) -> Slot | None:
    at = night.opens + begins_after(night.closes - night.opens, spread)
    if blackout_at(timetable, zone, at) is not None:
        return None
    return Slot(f"night {night.day}", at, _before_blackout(timetable, zone, at, night.closes))


def begins_after(length: timedelta, spread: float) -> timedelta:
    """How far into a night of some length a connection has its place, in whole seconds."""
    return timedelta(seconds=int(length.total_seconds() * _BEGIN_WITHIN * spread))


def _nights(timetable: Timetable, nightly: Nightly, zone: ZoneInfo, day: date) -> Iterator[_Night]:
    """The nights that begin on a day or later, but for those that begin in a blackout."""
    begins, ends = time.fromisoformat(nightly.begins), time.fromisoformat(nightly.ends)
    days = nightly.days or WEEKDAYS
    while True:
        if WEEKDAYS[day.weekday()] in days and not _range_on(timetable.blackouts, day) and day_exists(day, zone):
            first = datetime.combine(day, begins)
            last = datetime.combine(day if ends > begins else day + _DAY, ends)
            opens, closes = first_instant(first, zone), last_instant(last, zone)
            yield _Night(day, opens, closes if closes > opens else opens + (last - first))
        day += _DAY


def _next_of_cron(timetable: Timetable, cron: str, zone: ZoneInfo, after: datetime) -> Slot | None:
    while True:
        at = cron_next(cron, zone, after)
        if at is None:
            return None
        if blackout_at(timetable, zone, at) is None:
            return Slot(at.isoformat(timespec="seconds"), at, _cron_ends(timetable, cron, zone, at))
        after = _reopens(timetable, zone, at) - _SECOND


def _cron_ends(timetable: Timetable, cron: str, zone: ZoneInfo, at: datetime) -> datetime:
    following = cron_next(cron, zone, at)
    ends = min(at + _CRON_WINDOW, following) if following else at + _CRON_WINDOW
    return _before_blackout(timetable, zone, at, ends)


# --- time that went by ------------------------------------------------------------------------------------------------


def catch_up(standing: Standing, timetable: Timetable, zone: ZoneInfo, spread: float, now: datetime) -> Slot | None:
    """For a row that is found due, perhaps long after its time: None if it may run now, else the slot to move on to.

    What a person asked for runs. A night's slot runs until its window ends; after that the next night is waited for (or the
    one that is going on). A cron's slot that was missed runs at once, in the place of all that were missed with it, with a
    window of its own. In a blackout nothing runs: what comes next is the first slot after it, or, where nothing recurs,
    its end.
    """
    if blackout_at(timetable, zone, now) is None:
        if standing.next_why == "asked" or not timetable.recurs or _window_is_open(standing, now):
            return None
        if timetable.cron is not None:
            return Slot(standing.slot, now, _cron_ends(timetable, timetable.cron, zone, now))
        current = _current_night(timetable, zone, spread, now)
        if current is not None:
            return current
    slot = next_slot(timetable, zone, now, spread)
    if slot is not None:
        return slot
    at = _reopens(timetable, zone, now)
    return Slot(standing.slot, at, at + _CRON_WINDOW)


def _window_is_open(standing: Standing, now: datetime) -> bool:
    return standing.window_ends_at is None or now < datetime.fromisoformat(standing.window_ends_at)


def _current_night(timetable: Timetable, zone: ZoneInfo, spread: float, now: datetime) -> Slot | None:
    """The slot of the night whose window is open now."""
    if timetable.nightly is None:
        return None
    for night in _nights(timetable, timetable.nightly, zone, shown(now, zone).date() - 2 * _DAY):
        if night.opens > now:
            return None
        if now < night.closes:
            return _slot_of_night(timetable, zone, night, spread)
    return None


def replanned(standing: Standing, timetable: Timetable, zone: ZoneInfo, spread: float, now: datetime) -> Standing:
    """What a row without a job is due for after its timetable or zone was changed.

    What a person asked for, a retry, and what is due already stay as they are; without a timetable only the first does,
    and no alarm goes on.
    """
    if not timetable.recurs:
        standing = msgspec.structs.replace(standing, stale_since=None)
    if standing.next_at is not None:
        pending = standing.next_why == "retry" or datetime.fromisoformat(standing.next_at) <= now
        if standing.next_why == "asked" or standing.slot.startswith(ASKED) or (pending and timetable.recurs):
            return standing
    return moved_to(standing, next_slot(timetable, zone, now, spread))


def resumed(standing: Standing, timetable: Timetable, zone: ZoneInfo, spread: float, now: datetime) -> Standing:
    """What a row is due for when its connection's pause ends: at once where its time's window is still open or a person asked
    for it, else at its next slot. What went by meanwhile is not made up for: one sync brings it all."""
    overdue = standing.next_at is not None and datetime.fromisoformat(standing.next_at) <= now
    if not overdue or catch_up(standing, timetable, zone, spread, now) is None:
        return standing
    slot = _current_night(timetable, zone, spread, now) or next_slot(timetable, zone, now, spread)
    return moved_to(standing, slot) if slot else standing


def moved_to(standing: Standing, slot: Slot | None) -> Standing:
    """The standing that waits for a slot, for the first time; or for nothing."""
    return msgspec.structs.replace(
        standing,
        next_at=text_of(slot.at) if slot else None,
        next_why="scheduled",
        slot=slot.key if slot else standing.slot,
        window_ends_at=text_of(slot.ends_at) if slot else None,
        attempt=0,
        asked_by="",
    )


def looked_at_again(standing: Standing, now: datetime) -> Standing:
    """The standing of a row whose timetable cannot be read here, as another version set it: what it is due for is decided in
    an hour, by whoever can read it."""
    if standing.next_at is not None:
        return standing
    again, over = text_of(now + timedelta(hours=1)), text_of(now)
    return msgspec.structs.replace(standing, next_at=again, next_why="scheduled", slot="", window_ends_at=over)


def text_of(at: datetime) -> str:
    """An instant as it is stored."""
    return at.astimezone(UTC).isoformat(timespec="seconds")


def stale_at(timetable: Timetable, zone: ZoneInfo, last_good: datetime) -> datetime | None:
    """When a connection that was last synced well at ``last_good`` is stale; None if it does not recur.

    That is ``stale_hours`` later, or else 12 hours after the time of its next slot, and no sooner than 36 hours after the
    good sync. The time begins anew when a blackout ends.
    """
    good, expected = last_good, _expected(timetable, zone, last_good)
    while expected is not None:
        if timetable.stale_hours is not None:
            limit = good + timedelta(hours=timetable.stale_hours)
        else:
            limit = max(good + STALE_LEAST, expected + _STALE_MARGIN)
        closed = [
            _begins(entry, zone) for entry in timetable.blackouts
            if _begins(entry, zone) < limit and good < _ends(entry, zone)
        ]  # fmt: skip
        if not closed:
            return limit
        good = _reopens(timetable, zone, max(good, min(closed)))
        first = next_slot(timetable, zone, good - _SECOND, 1.0)  # wherever in the night its place is
        expected = first.at if first else None
    return None


def _expected(timetable: Timetable, zone: ZoneInfo, good: datetime) -> datetime | None:
    """When the sync that follows on a good one is due, were there no blackouts."""
    if timetable.cron is not None:
        return cron_next(timetable.cron, zone, good)
    return good + _gap_of_nights(timetable.nightly, zone, good) if timetable.nightly is not None else None


def _gap_of_nights(nightly: Nightly, zone: ZoneInfo, at: datetime) -> timedelta:
    """How long after the night that began last the next one begins."""
    nights = _nights(Timetable(), nightly, zone, shown(at, zone).date() - 9 * _DAY)
    return next(later.opens - night.opens for night, later in pairwise(nights) if later.opens > at)


# --- special days -----------------------------------------------------------------------------------------------------


def blackout_at(timetable: Timetable, zone: ZoneInfo, at: datetime) -> DateRange | None:
    """The blackout that forbids any sync at an instant."""
    return _range_on(timetable.blackouts, shown(at, zone).date()) if timetable.blackouts else None


def add_only_at(timetable: Timetable, zone: ZoneInfo, at: datetime) -> DateRange | None:
    """The days in which nothing is removed that an instant lies in. Where a blackout holds as well, that one wins, and there
    is no sync at all (reference/sync-semantics.md, 2.11)."""
    return _range_on(timetable.add_only, shown(at, zone).date()) if timetable.add_only else None


def rollover_at(timetable: Timetable, zone: ZoneInfo, at: datetime) -> Rollover | None:
    """The rollover that an instant lies in."""
    rollover = timetable.rollover
    return rollover if rollover and shown(at, zone).date() <= date.fromisoformat(rollover.until) else None


def limits_at(settings: TenantSettings, timetable: Timetable, at: datetime) -> TenantSettings:
    """The tenant's settings with the limits of a rollover in the place of its own, those of single kinds included, while
    there is one (reference/sync-semantics.md, 2.11: it is announced, with limits of its own)."""
    rollover = rollover_at(timetable, zone_of(settings), at) if timetable.rollover else None
    if rollover is None:
        return settings
    guard = msgspec.structs.replace(
        settings.guard, removals=rollover.removals, updates=rollover.updates, removals_by_kind={}, updates_by_kind={}
    )
    return msgspec.structs.replace(settings, guard=guard)


def _range_on(ranges: tuple[DateRange, ...], day: date) -> DateRange | None:
    text = day.isoformat()
    return next((entry for entry in ranges if entry.first <= text <= entry.last), None)


def _begins(entry: DateRange, zone: ZoneInfo) -> datetime:
    return day_begins(date.fromisoformat(entry.first), zone)


def _ends(entry: DateRange, zone: ZoneInfo) -> datetime:
    return day_ends(date.fromisoformat(entry.last), zone)


def _before_blackout(timetable: Timetable, zone: ZoneInfo, at: datetime, ends: datetime) -> datetime:
    """``ends``, or when the first blackout between the two begins."""
    begin = (_begins(entry, zone) for entry in timetable.blackouts)
    return min((found for found in begin if at < found < ends), default=ends)


def _reopens(timetable: Timetable, zone: ZoneInfo, at: datetime) -> datetime:
    """When the blackouts that follow each other without a gap from ``at`` on have ended; ``at`` itself if there is none."""
    while (closed := blackout_at(timetable, zone, at)) is not None:
        at = _ends(closed, zone)
    return at
