"""When a connection syncs, and when not: what a district's or operator's person sets, as it is stored.

Days and times of day are local, by the tenant's setting ``time_zone``. ``sync.schedule`` turns them into instants.
"""

from typing import Annotated, Final, Literal

import msgspec

from models.settings import Limit

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: Final[tuple[Weekday, ...]] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

TimeOfDay = Annotated[str, msgspec.Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
Day = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]
StaleHours = Annotated[int, msgspec.Meta(ge=1, le=8_784)]


class Nightly(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Once a night between two times of day. ``ends`` not after ``begins`` means the next day. ``days`` are those on which
    the night begins; none means all."""

    begins: TimeOfDay
    ends: TimeOfDay
    days: tuple[Weekday, ...] = ()


class DateRange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Days from ``first`` to ``last``, both included. ``note`` says why, for people."""

    first: Day
    last: Day
    note: str = ""


class Rollover(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """While schools change to a new year or term, until ``until`` (included): limits that stand in the place of the tenant's
    own, for all kinds. That no run may empty a kind or a school unapproved holds all the same."""

    until: Day
    removals: Limit = Limit(percent=60.0, floor=50)
    updates: Limit = Limit(percent=100.0, floor=50)


class Timetable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``cron`` (five fields) or ``nightly``, or neither: then it syncs only when somebody asks for it.

    In ``blackouts`` nothing is synced; in ``add_only`` nothing is removed, all else goes on; where both hold, nothing is
    synced. ``stale_hours``: an alarm is raised when nothing was applied for so long; None: as the cadence suggests.
    ``set_at`` (ISO, UTC) is when any of this was changed last: no alarm counts the time before.
    """

    cron: str | None = None
    nightly: Nightly | None = None
    blackouts: tuple[DateRange, ...] = ()
    add_only: tuple[DateRange, ...] = ()
    rollover: Rollover | None = None
    stale_hours: StaleHours | None = None
    set_at: str | None = None

    @property
    def recurs(self) -> bool:
        return self.cron is not None or self.nightly is not None
