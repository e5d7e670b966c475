"""What people type for a schedule: windows, weekdays, days, limits. Pure; every error says what would be right."""

import math
import re
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from models.errors import SettingsError
from models.settings import Limit
from models.timetable import WEEKDAYS, DateRange, Nightly, StaleHours, Timetable, Weekday
from sync.schedule import next_slot

_TIME = re.compile(r"(\d{1,2}):(\d{2})")
_NAMES: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
#: No school year beyond; days stay within the calendar even where one is added.
_LAST_YEAR: Final = 2199
_NOTE_LENGTH: Final = 200
#: In which times are looked at for how far they are apart, and how many at most.
_WEEK: Final = timedelta(days=8)
_TIMES_LOOKED_AT: Final = 500


def parse_nightly(window: str, days: Iterable[str] = ()) -> Nightly:
    """A window such as "20:00-05:00", and the days on which the nights begin ("mon", "mon-fri", "monday"); no days: all."""
    begins, dash, ends = window.replace("–", "-").partition("-")
    times = [_time(begins), _time(ends)]
    if not dash or None in times:
        raise SettingsError(
            f"A night is given as two times of day, such as 20:00-05:00 (from 20:00 to 5:00 of the next day); {window!r} is "
            "none."
        )
    return Nightly(str(times[0]), str(times[1]), parse_weekdays(days))


def _time(text: str) -> str | None:
    found = _TIME.fullmatch(text.strip())
    if found is None or int(found[1]) > 23 or int(found[2]) > 59:
        return None
    return f"{int(found[1]):02d}:{found[2]}"


def parse_weekdays(texts: Iterable[str]) -> tuple[Weekday, ...]:
    """Weekdays in the order of the week; each text holds one, several separated by commas, or a range."""
    chosen: set[int] = set()
    for text in (part.strip() for whole in texts for part in whole.split(",")):
        first, dash, last = text.partition("-")
        begin, end = _weekday(first, text), _weekday(last if dash else first, text)
        chosen.update((begin + offset) % 7 for offset in range((end - begin) % 7 + 1))
    return tuple(WEEKDAYS[day] for day in sorted(chosen)) if len(chosen) < 7 else ()


def _weekday(text: str, whole: str) -> int:
    typed = text.strip().lower()
    if len(typed) >= 3:
        for number, name in enumerate(_NAMES):
            if name.startswith(typed):
                return number
    raise SettingsError(f"Days are given as mon,tue,wed,thu,fri,sat,sun or mon-fri; {whole!r} is none.")


def parse_dates(text: str, note: str = "") -> DateRange:
    """Days from the first to the last ("2027-06-12..2027-08-15"), or one day; ``note`` says why."""
    first, dots, last = text.partition("..")
    begin = parse_day(first)
    end = parse_day(last) if dots else begin
    if end < begin:
        raise SettingsError(f"The days {text} end before they begin; give the first one first: {end}..{begin}")
    if len(note) > _NOTE_LENGTH:
        raise SettingsError(f"A note has at most {_NOTE_LENGTH} characters; this one has {len(note)}.")
    return DateRange(begin.isoformat(), end.isoformat(), " ".join(note.split()))


def parse_day(text: str) -> date:
    """A day as year, month and day ("2027-06-12")."""
    typed = text.strip()
    try:
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", typed):
            raise ValueError
        day = date.fromisoformat(typed)
    except ValueError:
        raise SettingsError(
            f"A day is given as year-month-day, such as 2027-06-12, and several as 2027-06-12..2027-08-15; {text!r} is none."
        ) from None
    if day.year > _LAST_YEAR:
        raise SettingsError(
            f"The day {typed} is too far away; to stop syncs for good, take the timetable away instead."
        )
    return day


def parse_limit(default: Limit, percent: float | None, name: str) -> Limit:
    """A limit of a rollover, in percent; None for what a rollover has by default."""
    if percent is None:
        return default
    try:
        return msgspec.convert(msgspec.to_builtins(default) | {"percent": percent}, Limit)
    except msgspec.ValidationError:
        raise SettingsError(f"The limit of {name} is a share from 0 to 100 percent; {percent:g} is none.") from None


def check_stale_hours(hours: int | None, rhythm: Timetable, zone: ZoneInfo, at: datetime) -> int | None:
    """Hours without an applied sync after which an alarm is raised, more than lie between two times of ``rhythm``; None: as the
    cadence suggests."""
    try:
        checked = msgspec.convert(hours, StaleHours | None)
    except msgspec.ValidationError:
        raise SettingsError(f"The hours until the alarm are a whole number from 1 to 8,784; {hours} is none.") from None
    apart = math.ceil(_longest_gap(rhythm, zone, at) / timedelta(hours=1))
    if checked is not None and checked <= apart:
        raise SettingsError(
            f"Its times are up to {apart:,} hours apart, so an alarm after {checked:,} hours would be raised though all is "
            f"well; give more, such as {apart + 12:,}."
        )
    return checked


def _longest_gap(rhythm: Timetable, zone: ZoneInfo, at: datetime) -> timedelta:
    """Between two of the times that come in the next days, were there no blackouts."""
    times, until = [at], at + _WEEK
    while len(times) < _TIMES_LOOKED_AT and (len(times) < 3 or times[-1] < until):
        slot = next_slot(rhythm, zone, times[-1], 0.0)
        if slot is None:
            break
        times.append(slot.at)
    return max((later - earlier for earlier, later in pairwise(times[1:])), default=timedelta())
