"""What follows from one attempt: how the connection stands, when it is tried next, and what people are told. Pure rules.

Retries go by cause. What may pass by itself is tried again within the time's window; what needs somebody is told once and
tried about once a day; what fails for days is quarantined, as in reference/sync-semantics.md, 2.9, and comes back by
itself when it works.

People are told once for each change, and what they were told last is what ``health`` and ``health_code`` say. So a retry
never overwrites these once something was told: "retrying" follows on "new" and "ok" only.
"""

from datetime import datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from models.errors import (
    AtRestError,
    CancelledError,
    CredentialsRefusedError,
    DisconnectedError,
    DistrictActionError,
    DropNotReadyError,
    NothingNewError,
    ParkedError,
    RetryLaterError,
    RosterSyncError,
    SameAgainError,
    SourceUnavailableError,
    StalePlanError,
    TenantBusyError,
)
from models.health import Event, Health, Outcome, OutcomeKind, Standing, Turn
from models.report import Hold, RunReport
from models.timetable import Timetable
from sync.next_try import Attempt, at_next_time, put_off, soon
from sync.schedule import stale_at, text_of

#: "About once a day".
_DAILY: Final = timedelta(hours=20)
#: So often in a row a job may lose its worker; then the job itself is taken for the cause.
_POISON: Final = 5
#: Times in a row that were given up, and since when, until a connection is quarantined.
_SICK_SLOTS, _SICK_FOR = 3, timedelta(days=1)
#: How many reasons of a hold are told in full.
_HOLDS_TOLD: Final = 3

#: What is told when a connection comes to stand so. What has no event was told to nobody.
_EVENTS: Final[dict[Health, Event]] = {
    "held": "held",
    "failing": "failed",
    "broken": "failed",
    "refused": "refused",
    "disconnected": "disconnected",
    "district": "district",
    "quarantined": "quarantined",
}

#: The first that fits counts.
_KINDS: Final[tuple[tuple[type[RosterSyncError], OutcomeKind], ...]] = (
    (NothingNewError, "nothing_new"),
    (TenantBusyError, "busy"),
    (StalePlanError, "busy"),  # somebody approved a plan meanwhile; the same sync goes through now
    (DropNotReadyError, "not_ready"),
    (RetryLaterError, "unavailable"),
    (CredentialsRefusedError, "refused"),
    (DisconnectedError, "disconnected"),
    (DistrictActionError, "district"),
    (ParkedError, "parked"),
    (CancelledError, "cancelled"),
    (AtRestError, "parked"),  # it was paused, or a blackout began, as the attempt did
    (RosterSyncError, "broken"),
)


class Settled(NamedTuple):
    """How the connection stands now, and what people are told: one event, or none."""

    standing: Standing
    events: tuple[Event, ...] = ()


# --- what an attempt came to ------------------------------------------------------------------------------------------


def outcome_of(error: BaseException) -> Outcome:
    """What an attempt came to that ended with an error. The text of an error that is not ours is never kept: it may quote
    a row."""
    if isinstance(error, RosterSyncError):
        kind = next(kind for sort, kind in _KINDS if isinstance(error, sort))
        return Outcome(kind, error.code, error.for_admin, error.run_id, error.retry_after)
    if isinstance(error, OSError):
        return Outcome(
            "unavailable",
            RetryLaterError.code,
            "The disk or the system of this service refused (full, or not reachable).",
        )
    if isinstance(error, Exception):
        return Outcome(
            "broken",
            "unexpected",
            "Something went wrong in rostersync that should not have; its log says more to an engineer.",
        )
    return Outcome("interrupted", "interrupted", "The sync was interrupted (its process ended).")


def outcome_of_report(report: RunReport) -> Outcome:
    """What an attempt came to whose run ended well. The code of a held one names its reasons, not their counts: it is the
    same as long as the reasons are ("enrollment:removals:Oak School", sorted, separated by commas). Where the plan of an
    earlier run still waits, that run and its reasons are what is held."""
    if report.state != "held" and report.waits_on is None:
        return Outcome("applied", run_id=report.run_id)
    keys = {f"{hold.kind}:{hold.measure}:{hold.school or ''}" for hold in report.holds}
    return Outcome("held", ",".join(sorted(keys)), _hold_sentence(report.holds), report.waits_on or report.run_id)


def _hold_sentence(holds: list[Hold]) -> str:
    told = [hold.sentence for hold in holds[:_HOLDS_TOLD]]
    more = len(holds) - len(told)
    return " ".join([*told, f"{more} more limits were exceeded."] if more else told)


def turn(health: Health, code: str) -> Turn:
    """Whose turn it is (reference/sync-semantics.md, 2.12). Where it failed or is quarantined, its code tells the cause."""
    if health in ("new", "ok", "retrying"):
        return "nobody"
    if health in ("held", "refused", "disconnected", "district"):
        return "district"
    if health == "broken":
        return "ours"
    return _TURNS.get(code, "ours")


def _turns(error: type[RosterSyncError], inherited: Turn) -> dict[str, Turn]:
    """Whose turn it is by code, of an error and all that are special cases of it."""
    mine: Turn = inherited
    if issubclass(error, DistrictActionError | DropNotReadyError):
        mine = "district"
    elif issubclass(error, SourceUnavailableError):
        mine = "vendor"
    turns: dict[str, Turn] = {error.code: mine}
    for special in error.__subclasses__():
        turns |= _turns(special, mine)
    return turns


# --- what follows -----------------------------------------------------------------------------------------------------


def settle(
    standing: Standing,
    timetable: Timetable,
    zone: ZoneInfo,
    spread: float,
    outcome: Outcome,
    now: datetime,
    jitter: float,
) -> Settled:
    """What follows from an attempt that came to ``outcome``. ``standing`` is the row's while the attempt was going on, with
    ``attempt`` counting it already; ``now`` has a time zone; ``jitter`` is random, from 0 up to 1."""
    this = Attempt(standing, timetable, zone, spread, outcome, now, jitter)
    match outcome.kind:
        case "busy" | "parked":
            return Settled(put_off(this))
        case "cancelled":
            return Settled(at_next_time(this, _ended(this)))
        case "applied":
            return _applied(this)
        case "held":
            return _held(this)
        case "nothing_new":
            return _nothing_new(this)
        case "unavailable" | "not_ready" | "interrupted":
            return _passing(this)
        case "refused" | "disconnected" | "district" | "broken":
            return _trouble(this, outcome.kind)


def stale(standing: Standing, timetable: Timetable, zone: ZoneInfo, now: datetime, since: str) -> Settled | None:
    """The dead-man alarm, raised once: None while nothing is wrong, and when it was raised before. A good run ends it.

    ``since`` is when the connection was made, or resumed. Time counts from then on, from the last good run or from the
    timetable's last change, whichever came last: what was not to be synced, or otherwise, is not late.
    """
    since = max(since, standing.last_good_at or "", timetable.set_at or "")
    if standing.stale_since is not None:
        return None
    at = stale_at(timetable, zone, datetime.fromisoformat(since))
    if at is None or now < at:
        return None
    return Settled(replace(standing, stale_since=text_of(now)), ("stale",))


def _applied(this: Attempt) -> Settled:
    """Whoever was told of trouble, or that something waits, is told that it is over."""
    told = this.before.health in _EVENTS or this.before.stale_since is not None
    return Settled(at_next_time(this, _good(this, "ok")), ("recovered",) if told else ())


def _held(this: Attempt) -> Settled:
    """The safe part was applied. What is held again every night for the same reasons is told once."""
    news = _is_news(this, "held") or this.before.stale_since is not None
    return Settled(at_next_time(this, _good(this, "held")), ("held",) if news else ())


def _nothing_new(this: Attempt) -> Settled:
    """The source answers, that is all: what waits still waits, and exports that stop coming must become stale. Those that come
    with the same content again have not stopped."""
    before, after = this.before, _answered(this)
    if this.outcome.code == SameAgainError.code:
        after = replace(after, last_good_at=text_of(this.now), stale_since=None)
    alarm_ends = before.stale_since is not None and after.stale_since is None
    if before.health == "held":
        return Settled(at_next_time(this, after), ("held",) if alarm_ends else ())
    # While the alarm is on, nothing is over; people are told when a good run ends it.
    told = alarm_ends or (before.health in _EVENTS and before.stale_since is None)
    return Settled(at_next_time(this, _stand(this, after, "ok")), ("recovered",) if told else ())


def _good(this: Attempt, health: Health) -> Standing:
    return replace(_stand(this, _answered(this), health), last_good_at=text_of(this.now), stale_since=None)


def _answered(this: Attempt) -> Standing:
    return replace(_ended(this), failed_slots=0, first_failed_at=None)


def _passing(this: Attempt) -> Settled:
    """Tried again soon, and told to nobody, as long as the window lasts. A quarantined connection is not asked again the
    same day; but where it was our worker that ended, it has not really been asked."""
    before, kind = this.before, this.outcome.kind
    if kind == "interrupted" and before.failures + 1 >= _POISON:
        return _trouble(this, "broken")
    again = soon(this, _ended(this)) if kind == "interrupted" or before.health != "quarantined" else None
    if again is None:
        return _trouble(this, "district" if kind == "not_ready" else "failing")
    return Settled(again if before.health in _EVENTS else _stand(this, again, "retrying"))


def _trouble(this: Attempt, health: Health) -> Settled:
    """This time is given up. It is told where it is news."""
    before = this.before
    # A person may ask as often as they like, and a worker that ends is not the connection's fault.
    counts = not this.asked and (this.outcome.kind != "interrupted" or health == "broken")
    slots, first = before.failed_slots + counts, before.first_failed_at or (text_of(this.now) if counts else None)
    sick = first is not None and slots >= _SICK_SLOTS and this.now - datetime.fromisoformat(first) >= _SICK_FOR
    daily = _is_daily(this, health)
    if sick or before.health == "quarantined":
        health, daily = "quarantined", True
    after = replace(_stand(this, _ended(this), health), failed_slots=slots, first_failed_at=first)
    # What was mended after a person's request failed is not left to wait for another day.
    rest = _DAILY if daily and not this.asked else timedelta()
    return Settled(at_next_time(this, after, rest), (_EVENTS[health],) if _is_news(this, health) else ())


def _is_daily(this: Attempt, health: Health) -> bool:
    """Whether the next try keeps a day's distance. Somebody has to act first; but a drop may come at any time, and a first
    fault of ours may be mended soon."""
    if health == "broken":
        return this.before.health == "broken"
    return this.outcome.kind in ("refused", "disconnected", "district")


def _is_news(this: Attempt, health: Health) -> bool:
    before = this.before
    return (_EVENTS.get(before.health), before.health_code) != (_EVENTS[health], this.outcome.code)


def _ended(this: Attempt) -> Standing:
    """What every attempt leaves behind that was really made."""
    before, outcome = this.before, this.outcome
    return replace(
        before,
        failures=before.failures + 1 if outcome.kind == "interrupted" else 0,
        last_run_id=before.last_run_id if outcome.run_id is None else outcome.run_id,
        last_ended_at=text_of(this.now),
    )


def _stand(this: Attempt, standing: Standing, health: Health) -> Standing:
    fine = health == "ok"
    return replace(
        standing,
        health=health,
        health_code="" if fine else this.outcome.code,
        health_reason="" if fine else this.outcome.sentence,
        health_since=this.before.health_since if this.before.health == health else text_of(this.now),
    )


_TURNS: Final = _turns(RosterSyncError, "ours")
