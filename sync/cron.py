"""Times of a cron expression (five fields), where clocks change as well. Pure.

CronSim is given local times only; what becomes of them where clocks change is decided here, as Debian's cron does, and for
clocks as well that move by half an hour or skip a day.
"""

from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from models.errors import SettingsError
from sync.local_time import day_exists, first_instant, instants, shown

#: Clocks are never put back further, as far as schedules go.
_PUT_BACK: Final = timedelta(hours=3)
_LONGEST: Final = 100
_EXAMPLE: Final = '"17 3 * * *" (every night at 3:17) or "0 */6 * * 1-5" (every six hours on weekdays)'


def cron_next(cron: str, zone: ZoneInfo, after: datetime) -> datetime | None:
    """The first time of a cron expression after an instant; None if there is none in 50 years.

    With a fixed minute and hour a time that is skipped becomes the instant of the jump, and one that exists twice is meant
    once. With a star in one of them (every hour, every ten minutes) it goes by what the clocks show.
    """
    local = shown(after, zone)
    minute, hour = cron.split()[:2]
    if minute.startswith("*") or hour.startswith("*"):
        return _next_shown(cron, zone, after, local)
    fixed = (first_instant(found, zone) for found in CronSim(cron, local) if day_exists(found.date(), zone))
    return next((at for at in fixed if at > after), None)


def _next_shown(cron: str, zone: ZoneInfo, after: datetime, local: datetime) -> datetime | None:
    """The first instant at which clocks show a time of the cron. It begins to look a little earlier, as clocks that are put
    back show that again."""
    first: datetime | None = None
    for found in CronSim(cron, local - _PUT_BACK):
        later = [at for at in instants(found, zone) if at > after]
        first = min([first, *later] if first else later, default=None)
        if found > local and later:
            break
    return first


def parse_cron(text: str, now: datetime) -> str:
    """A cron expression as a person types it, with single blanks. Raises SettingsError that says what is wrong."""
    fields = text.split()
    if len(fields) != 5 or len(text) > _LONGEST:
        raise SettingsError(
            "A cron expression has five fields (minute, hour, day of the month, month, day of the week) separated by blanks, "
            f"such as {_EXAMPLE}."
        )
    cron = " ".join(fields)
    try:
        times = CronSim(cron, now.replace(tzinfo=None))
    except CronSimError as error:
        raise SettingsError(
            f"The cron expression {cron!r} cannot be used: {_wrong(error, fields)}. One that can be: {_EXAMPLE}."
        ) from None
    if next(times, None) is None:
        raise SettingsError(f"The cron expression {cron!r} names a day that never comes, so it would never sync.")
    return cron


def _wrong(error: CronSimError, fields: list[str]) -> str:
    """What CronSim says is "Bad day-of-month" and the like."""
    name = str(error).removeprefix("Bad ")
    names = ("minute", "hour", "day-of-month", "month", "day-of-week")
    if name not in names:
        return "it is none"
    field = fields[names.index(name)]
    if name == "day-of-month" and field.replace(",", "").replace("-", "").isdigit():
        return f"its day of the month, {field}, never comes"
    return f"its {name.replace('-', ' ').replace('day of', 'day of the')}, {field!r}, does not exist"


def cron_in_words(cron: str) -> str:
    """A cron expression as a part of a sentence: "at 03:17 every day"."""
    words = CronSim(cron, datetime(2000, 1, 1)).explain()
    return words[0].lower() + words[1:]
