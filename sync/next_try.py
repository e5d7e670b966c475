"""When a connection is tried next, after an attempt: soon, at its next regular time, or never again. Pure rules."""

from datetime import datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from models.health import Outcome, Standing
from models.timetable import Timetable
from sync.schedule import ASKED, Slot, blackout_at, moved_to, next_slot, text_of

#: The first retry comes after about so long; each further one after twice as long, up to the longest.
_FIRST_WAIT, _LONGEST_WAIT = timedelta(minutes=1), timedelta(minutes=30)
_BUSY_WAIT: Final = timedelta(minutes=1)
_NOT_READY_WAIT: Final = timedelta(minutes=10)
#: What a source asks us to wait is believed up to here.
_LONGEST_ASKED: Final = timedelta(days=1)
_DAY: Final = timedelta(days=1)
#: For how long a person's request is tried again.
_REQUEST_WINDOW: Final = timedelta(hours=1)


class Attempt(NamedTuple):
    """An attempt that has ended, and all that what follows depends on; see ``sync.settling.settle``."""

    before: Standing
    timetable: Timetable
    zone: ZoneInfo
    spread: float
    outcome: Outcome
    now: datetime
    jitter: float

    @property
    def asked(self) -> bool:
        """Whether a person asked for it, or it is a retry of that."""
        return self.before.slot.startswith(ASKED)

    @property
    def patience(self) -> timedelta:
        """How long the source asked to be left alone."""
        return timedelta(seconds=min(self.outcome.retry_after or 0.0, _LONGEST_ASKED.total_seconds()))

    def slot_after(self, at: datetime) -> Slot | None:
        return next_slot(self.timetable, self.zone, at, self.spread)

    def is_open(self, at: datetime) -> bool:
        """Whether no blackout forbids to sync at that time."""
        return blackout_at(self.timetable, self.zone, at) is None


def put_off(this: Attempt) -> Standing:
    """As if it had not been tried: again as soon as the tenant's other run may have ended, or at once if it was parked."""
    at = this.now + (_BUSY_WAIT if this.outcome.kind == "busy" else timedelta())
    if not this.is_open(at):
        return at_next_time(this, this.before)
    return replace(this.before, next_at=text_of(at), attempt=max(this.before.attempt - 1, 0))


def soon(this: Attempt, standing: Standing) -> Standing | None:
    """``standing``, due for another try within the window; None where the window is over by then."""
    at = this.now + _wait(this)
    if not this.is_open(at):
        return None
    if this.asked and (slot := _overtaking(this, at)):
        return replace(moved_to(standing, slot), next_at=text_of(max(at, slot.at)))
    ends = _window_ends(this)
    if at >= datetime.fromisoformat(ends):
        return None
    return replace(standing, next_at=text_of(at), next_why="retry", window_ends_at=ends)


def _window_ends(this: Attempt) -> str:
    """Until when it is tried again. A request that took the place of a time's retries has the rest of its window, or longer."""
    ends = this.before.window_ends_at or ""
    return max(ends, text_of(this.now + _REQUEST_WINDOW)) if this.before.next_why == "asked" or not ends else ends


def _wait(this: Attempt) -> timedelta:
    if this.outcome.kind == "not_ready":
        return _NOT_READY_WAIT
    # What failed for all of the last time is sick, and not asked as often as what has just begun to fail.
    doublings = 10 if this.before.failed_slots else min(max(this.before.attempt - 1, 0), 10)
    # Between a half and all of it: connections that failed together must not come back together.
    wait = min(_FIRST_WAIT * (1 << doublings), _LONGEST_WAIT) * (0.5 + 0.5 * this.jitter)
    return max(wait, this.patience)


def _overtaking(this: Attempt, at: datetime) -> Slot | None:
    """The regular time that came while a person's request was tried, or comes before its next try at ``at``: it takes the
    request's place, or that time would be lost."""
    ended = this.before.last_ended_at
    since = max(datetime.fromisoformat(ended), this.now - timedelta(days=1)) if ended else this.now
    slot = this.slot_after(since)
    while slot and slot.ends_at <= at:
        slot = this.slot_after(slot.at)
    return slot if slot and slot.at <= at else None


def at_next_time(this: Attempt, standing: Standing, rest: timedelta = timedelta()) -> Standing:
    """``standing``, due at the next regular time that comes after ``rest`` and what the source asked for; never again where
    nothing recurs. Rather after half of ``rest`` than after more than a day: a nightly time is not skipped because the last
    try was late in its window."""
    slot = this.slot_after(this.now + max(rest, this.patience))
    if rest and slot and slot.at > this.now + _DAY:
        slot = this.slot_after(this.now + max(rest / 2, this.patience))
    # The time of this very attempt seems still to come where a clock is behind, or the district's clock is another one now.
    if slot and slot.key == this.before.slot and this.outcome.kind not in ("busy", "parked"):
        slot = this.slot_after(slot.at)
    return moved_to(standing, slot)
