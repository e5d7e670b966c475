"""A place's local time and the instants (in UTC) that it stands for, on the days when its clocks change as well."""

import difflib
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from models.errors import SettingsError

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


def zone_named(name: str) -> ZoneInfo:
    """A time zone by its IANA name. Raises SettingsError with an example, or with what was probably meant."""
    # Short names are refused: EST has no daylight saving time, and localtime is another one on each machine.
    if "/" in name or name == "UTC":
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass
    raise SettingsError(
        f"The setting time_zone cannot be {name!r}; it takes the name of a time zone, such as America/Chicago or UTC."
        + _meant(name)
    )


def _meant(name: str) -> str:
    names = {known.casefold(): known for known in available_timezones() if "/" in known}
    typed = name.strip().replace(" ", "_").casefold()
    found = difflib.get_close_matches(typed, names, n=1, cutoff=0.8)
    cities = sorted(known for folded, known in names.items() if folded.rsplit("/", 1)[1] == typed)
    meant = cities[0] if cities else names[found[0]] if found else ""
    return f" Did you mean {meant}?" if meant else ""


def shown(at: datetime, zone: ZoneInfo) -> datetime:
    """What clocks there show at an instant, without a zone."""
    return at.astimezone(zone).replace(tzinfo=None, fold=0)


def first_instant(local: datetime, zone: ZoneInfo) -> datetime:
    """When clocks there show ``local`` (which has no zone) for the first time; where they skip it, when they jump."""
    return next(iter(instants(local, zone)), None) or _jump(local, zone)


def last_instant(local: datetime, zone: ZoneInfo) -> datetime:
    """When clocks there show ``local`` for the last time; where they skip it, when they jump."""
    return next(reversed(instants(local, zone)), None) or _jump(local, zone)


def instants(local: datetime, zone: ZoneInfo) -> list[datetime]:
    """When clocks there show ``local``, in order: once; twice where they are put back; never where they are put forward."""
    both = {local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    return [at for at in sorted(both) if shown(at, zone) == local]


def day_begins(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of a local day."""
    return first_instant(datetime.combine(day, time()), zone)


def day_ends(day: date, zone: ZoneInfo) -> datetime:
    """The instant from which on clocks there do not show a local day any more."""
    return last_instant(datetime.combine(day + _DAY, time()), zone)


def day_exists(day: date, zone: ZoneInfo) -> bool:
    """Whether there is such a day: a place that moves across the date line has one less."""
    return day_begins(day, zone) < day_begins(day + _DAY, zone)


def _jump(local: datetime, zone: ZoneInfo) -> datetime:
    """The instant at which clocks jump over ``local``."""
    # PEP 495: of a time that is skipped, fold 1 lies before the jump and fold 0 after it.
    before = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    after = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    offset = before.astimezone(zone).utcoffset()
    while after - before > _SECOND:
        middle = before + (after - before) // (2 * _SECOND) * _SECOND
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after
