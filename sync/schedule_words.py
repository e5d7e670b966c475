"""A timetable, and how a connection stands with it, in sentences for people. Pure."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from models.health import Standing
from models.report import RunSummary
from models.settings import Limit
from models.timetable import WEEKDAYS, DateRange, Nightly, Timetable
from sync.cron import cron_in_words
from sync.local_time import shown
from sync.schedule import begins_after, blackout_at

_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
#: Between a run's end and that of the try that made it.
_SAME_TRY: Final = timedelta(minutes=1)
_RUNS: Final = {
    "applied": "it was applied",
    "held": "it was applied, but for what is held and waits for a person",
    "discarded": "what it held was discarded",
    "failed": "it failed and changed nothing",
}
_HEALTH: Final = {
    "held": "Something waits for a person",
    "retrying": "The last try failed",
    "failing": "It fails",
    "refused": "The credentials are refused",
    "disconnected": "The district has switched us off",
    "district": "The district has to act",
    "broken": "It needs an engineer or the operator",
    "quarantined": "It has failed for so long that it is tried once a day only",
}


# --- the timetable ----------------------------------------------------------------------------------------------------


def in_words(
    timetable: Timetable, zone: ZoneInfo, *, spread: float | None = None, at: datetime | None = None
) -> list[str]:
    """What a timetable says. With ``spread`` the connection's own place in the night is told; days that are over at ``at``
    are left out."""
    return [*_cadence(timetable, zone, spread), *_special_days(timetable, zone, at), *_alarm(timetable)]


def _cadence(timetable: Timetable, zone: ZoneInfo, spread: float | None) -> Iterator[str]:
    if timetable.cron is not None:
        words = cron_in_words(timetable.cron)
        yield f"It is synced {words} ({zone.key}; cron {timetable.cron})."
    elif timetable.nightly is not None:
        place = f", for this connection at about {_place(timetable.nightly, spread)}" if spread is not None else ""
        yield f"{_nights(timetable.nightly)} ({zone.key}){place}."
    else:
        yield "It has no timetable: it is synced only when somebody asks for it."


def _nights(nightly: Nightly) -> str:
    overnight = nightly.ends <= nightly.begins
    between = f"between {nightly.begins} and {nightly.ends}" + (" of the next day" if overnight else "")
    if not nightly.days:
        return f"Every {'night' if overnight else 'day'} {between}"
    names = _list([_WEEKDAYS[WEEKDAYS.index(day)] for day in nightly.days])
    return f"On {names} {between}"


def _place(nightly: Nightly, spread: float) -> str:
    """The time of day at which a connection's slot lies, on a night when no clocks change."""
    begins, ends = (datetime.combine(date.min, time.fromisoformat(text)) for text in (nightly.begins, nightly.ends))
    length = (ends - begins) % timedelta(days=1) or timedelta(days=1)
    return f"{begins + begins_after(length, spread):%H:%M}"


def _special_days(timetable: Timetable, zone: ZoneInfo, at: datetime | None) -> Iterator[str]:
    today = shown(at, zone).date().isoformat() if at else ""
    for entry in sorted((e for e in timetable.blackouts if e.last >= today), key=lambda e: e.first):
        yield f"Nothing is synced {range_words(entry)}."
    for entry in sorted((e for e in timetable.add_only if e.last >= today), key=lambda e: e.first):
        yield f"Nothing is removed {range_words(entry)}."
    rollover = timetable.rollover
    if rollover and rollover.until >= today:
        yield (
            f"A rollover goes on until {day_words(rollover.until)}: {_limit('removals', rollover.removals)}, "
            f"{_limit('updates', rollover.updates)}."
        )


def _limit(what: str, limit: Limit) -> str:
    return f"more than {limit.percent:g} % {what} are held" if limit.percent < 100 else f"no {what} are held"


def _alarm(timetable: Timetable) -> Iterator[str]:
    if timetable.recurs and timetable.stale_hours is not None:
        yield f"An alarm is raised when nothing was applied for {timetable.stale_hours:,} hours."
    elif timetable.recurs:
        yield "An alarm is raised when nothing was applied by 12 hours after its time."


def range_words(entry: DateRange) -> str:
    """The days of a range, with its note: "from 12 June to 15 August 2027 (summer)"."""
    note = f" ({entry.note})" if entry.note else ""
    if entry.first == entry.last:
        return f"on {day_words(entry.first)}{note}"
    same_year = entry.first[:4] == entry.last[:4]
    first = day_words(entry.first).removesuffix(f" {entry.first[:4]}") if same_year else day_words(entry.first)
    return f"from {first} to {day_words(entry.last)}{note}"


def day_words(text: str) -> str:
    """An ISO date as people write it: 12 June 2027."""
    day = date.fromisoformat(text)
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def moment_words(at: datetime | str, zone: ZoneInfo) -> str:
    """An instant (or its ISO text) in local time: Sunday, 22 November 2026, 23:41."""
    local = shown(datetime.fromisoformat(at) if isinstance(at, str) else at, zone)
    return f"{_WEEKDAYS[local.weekday()]}, {day_words(local.date().isoformat())}, {local:%H:%M}"


def _list(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


# --- how it stands ----------------------------------------------------------------------------------------------------


def last_words(run: RunSummary | None, standing: Standing, zone: ZoneInfo) -> list[str]:
    """When it was synced last, by whoever, how that ended, and what is wrong since. ``run`` is its newest run that was no dry
    run, where that is known."""
    return [*_last_run(run, standing, zone), *_health(standing, zone)]


def _last_run(run: RunSummary | None, standing: Standing, zone: ZoneInfo) -> Iterator[str]:
    if run is not None:
        ended = _RUNS.get(run.state, "it goes on, or was interrupted")
        yield f"The last run was on {moment_words(run.started_at, zone)} (run {run.run_id}, by {run.started_by}): {ended}."
    elif standing.last_ended_at is None:
        yield "It was never synced."
    if standing.last_ended_at is not None and (run is None or _is_later(standing.last_ended_at, run)):
        yield f"The last try ended on {moment_words(standing.last_ended_at, zone)}."
    if standing.last_good_at is not None:
        yield f"The last good sync ended on {moment_words(standing.last_good_at, zone)}."


def _is_later(ended_at: str, run: RunSummary) -> bool:
    """Whether a try ended that was not this run; it may have found nothing to run for."""
    run_ended = datetime.fromisoformat(run.started_at) + timedelta(seconds=run.seconds)
    return datetime.fromisoformat(ended_at) > run_ended + _SAME_TRY


def _health(standing: Standing, zone: ZoneInfo) -> Iterator[str]:
    words = _HEALTH.get(standing.health)
    if words is not None:
        since = f" (since {moment_words(standing.health_since, zone)})" if standing.health_since else ""
        yield f"{words}{since}: {standing.health_reason}" if standing.health_reason else f"{words}{since}."
    if standing.stale_since is not None:
        yield f"It is stale since {moment_words(standing.stale_since, zone)}."


def next_words(standing: Standing, timetable: Timetable, zone: ZoneInfo, at: datetime) -> list[str]:
    """When a connection that nobody works on is synced next, and why not sooner."""
    closed = blackout_at(timetable, zone, at)
    why = [f"Today is a day of a blackout, {range_words(closed)}."] if closed else []
    if standing.next_at is None:
        return [*why, *(["No time of its timetable is to come."] if timetable.recurs else [])]
    moment = moment_words(standing.next_at, zone)
    if datetime.fromisoformat(standing.next_at) <= at:
        who = f"{standing.asked_by} asked for a sync" if standing.next_why == "asked" else f"It is due since {moment}"
        begins = "it begins when that has ended" if closed else "it begins as soon as a worker is free"
        return [*why, f"{who}; {begins}."]
    if standing.next_why == "retry":
        return [*why, f"It is tried again on {moment}."]
    return [*why, f"It is synced next on {moment}."]
