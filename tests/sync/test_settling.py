"""What follows from an attempt: one table for each rule, and what holds whatever happens in whatever order."""

from datetime import UTC, datetime, timedelta
from itertools import cycle, islice, pairwise
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

import models.errors as errors
from models.health import EVENTS, Event, Health, Outcome, OutcomeKind, Standing, Turn
from models.report import Hold, RunReport
from models.timetable import DateRange, Nightly, Timetable
from sync.schedule import ASKED, next_slot, text_of
from sync.settling import Settled, outcome_of, outcome_of_report, settle, stale, turn

ZONE = ZoneInfo("America/Chicago")
NIGHTLY = Timetable(nightly=Nightly("20:00", "05:00"))
HOURLY = Timetable(cron="0 * * * *")
BY_HAND = Timetable()
#: Twenty to twelve at night in Chicago, just after this connection's time (23:36) in the night of 2 November.
NOW = datetime(2026, 11, 3, 5, 40, tzinfo=UTC)
TONIGHT = "night 2026-11-02"
SENTENCES = {
    "unavailable": ("source_unavailable", "The source did not answer."),
    "interrupted": ("interrupted", "The sync was interrupted."),
    "not_ready": ("drop_not_ready", "classes.csv is missing."),
    "refused": ("credentials_refused", "The source refused our credentials."),
    "disconnected": ("disconnected", "The district switched us off."),
    "district": ("district_action", "The source lists no records."),
    "broken": ("source_protocol", "The answer cannot be read."),
    "held": ("enrollment:removals:", "310 of 400 enrollments would go; held."),
}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def due(health: Health = "ok", code: str = "", **more: Any) -> Standing:
    """Tonight's slot, being tried for the first time, of a connection that stood so before."""
    known: dict[str, Any] = {
        "next_at": text_of(NOW), "slot": TONIGHT, "window_ends_at": "2026-11-03T11:00:00+00:00", "attempt": 1,
        "health": health, "health_code": code, "health_since": "2026-11-01T00:00:00+00:00",
        "last_good_at": "2026-11-02T05:20:00+00:00",
    }  # fmt: skip
    return Standing(**known | more)


def asked(health: Health = "ok", **more: Any) -> Standing:
    slot = f"{ASKED}2026-11-03T05:20:00+00:00 ann"
    return due(health, **{"slot": slot, "next_why": "asked", "asked_by": "ann", "window_ends_at": None} | more)


def outcome(kind: OutcomeKind, **more: Any) -> Outcome:
    code, sentence = SENTENCES.get(kind, ("", ""))
    return Outcome(kind, **{"code": code, "sentence": sentence, "run_id": 7} | more)


def settled(standing: Standing, kind: OutcomeKind, timetable: Timetable = NIGHTLY, now: datetime = NOW,
            jitter: float = 0.99, **more: Any) -> Settled:  # fmt: skip
    return settle(standing, timetable, ZONE, 0.5, outcome(kind, **more), now, jitter)


def wait(result: Settled, now: datetime = NOW) -> float:
    """Minutes until the next try."""
    assert result.standing.next_at
    return (at(result.standing.next_at) - now).total_seconds() / 60


def night_of(result: Settled) -> str:
    """The night that is due next; checks that it is due as if for the first time."""
    standing = result.standing
    assert (standing.next_why, standing.attempt, standing.asked_by) == ("scheduled", 0, "")
    assert standing.window_ends_at
    return standing.slot


# --- what went well ---------------------------------------------------------------------------------------------------

TROUBLE: list[Health] = ["failing", "refused", "disconnected", "district", "broken", "quarantined"]


@pytest.mark.parametrize("health", [*TROUBLE, "held"])
def test_a_good_run_ends_what_people_were_told_of_and_tells_them(health: Health) -> None:
    before = due(health, "some_code", failures=3, failed_slots=4, first_failed_at="2026-10-30T05:00:00+00:00")
    after, events = settled(before, "applied")
    assert events == ("recovered",)
    assert (after.health, after.health_code, after.health_reason) == ("ok", "", "")
    assert (after.failures, after.failed_slots, after.first_failed_at) == (0, 0, None)
    assert after.last_good_at == after.last_ended_at == after.health_since == text_of(NOW)
    assert after.last_run_id == 7


@pytest.mark.parametrize("health", ["new", "ok", "retrying"])
def test_a_good_run_is_not_told_where_nobody_heard_of_trouble(health: Health) -> None:
    result = settled(due(health), "applied")
    assert (result.standing.health, result.events) == ("ok", ())
    assert night_of(result) == "night 2026-11-03"


def test_a_good_run_ends_the_alarm_and_both_are_told_of_once() -> None:
    after, events = settled(due("refused", "credentials_refused", stale_since="2026-11-02T00:00:00+00:00"), "applied")
    assert (after.stale_since, events) == (None, ("recovered",))
    assert settled(after, "applied").events == ()


@pytest.mark.parametrize(
    ("before", "code", "told"),
    [
        (due("ok"), "a", True),
        (due("held", "a"), "a", False),
        (due("held", "a"), "a,b", True),
        (due("failing", "a"), "a", True),
        (due("held", "a", stale_since="2026-11-02T00:00:00+00:00"), "a", True),
    ],
    ids=["new", "the same again", "another reason", "after trouble", "after the alarm"],
)
def test_what_is_held_is_told_once_for_each_reason(before: Standing, code: str, told: bool) -> None:
    after, events = settled(before, "held", code=code)
    assert events == (("held",) if told else ())
    assert (after.health, after.health_code, after.last_good_at) == ("held", code, text_of(NOW))
    assert after.stale_since is None


def test_nothing_new_is_an_answer_and_no_sync() -> None:
    before = due("failing", "source_unavailable", failed_slots=2, first_failed_at="2026-11-01T00:00:00+00:00")
    after, events = settled(before, "nothing_new")
    assert (after.health, events, after.failed_slots) == ("ok", ("recovered",), 0)
    assert after.last_good_at == before.last_good_at


def test_nothing_new_leaves_what_is_held_waiting() -> None:
    after, events = settled(due("held", "a"), "nothing_new")
    assert (after.health, after.health_code, events) == ("held", "a", ())


def test_nothing_new_does_not_end_the_alarm_and_the_good_run_is_told_once() -> None:
    stands = due("failing", "source_unavailable", stale_since="2026-11-02T00:00:00+00:00")
    first = settled(stands, "nothing_new")
    assert (first.events, first.standing.stale_since) == ((), stands.stale_since)
    assert settled(first.standing, "applied").events == ("recovered",)


def test_the_same_content_again_proves_that_exports_go_on() -> None:
    again: dict[str, Any] = {"code": errors.SameAgainError.code}
    after, events = settled(due(), "nothing_new", **again)
    assert (after.health, after.last_good_at, events) == ("ok", text_of(NOW), ())
    after, events = settled(due(stale_since="2026-11-02T00:00:00+00:00"), "nothing_new", **again)
    assert (after.health, after.stale_since, events) == ("ok", None, ("recovered",))
    after, events = settled(due("held", "a", stale_since="2026-11-02T00:00:00+00:00"), "nothing_new", **again)
    assert (after.health, after.health_code, after.stale_since, events) == ("held", "a", None, ("held",))


# --- what may pass ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("attempt", "minutes"), [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 30), (7, 30), (400, 30)])
def test_retries_come_after_ever_longer_times(attempt: int, minutes: float) -> None:
    longest = settled(due(attempt=attempt), "unavailable", jitter=1.0)
    assert wait(longest) == pytest.approx(minutes, abs=0.02)
    assert wait(settled(due(attempt=attempt), "unavailable", jitter=0.0)) == pytest.approx(minutes / 2, abs=0.02)
    assert (longest.events, longest.standing.health, longest.standing.next_why) == ((), "retrying", "retry")
    assert (longest.standing.slot, longest.standing.attempt) == (TONIGHT, attempt)
    assert longest.standing.health_reason == "The source did not answer."


@pytest.mark.parametrize("attempt", [1, 2, 40])
def test_what_failed_for_all_of_the_last_time_is_asked_less_often(attempt: int) -> None:
    sick = due("failing", "source_unavailable", attempt=attempt, failed_slots=1)
    assert wait(settled(sick, "unavailable", jitter=1.0)) == 30


@pytest.mark.parametrize(("seconds", "minutes"), [(1.0, 1), (600.0, 10), (7_200.0, 120)])
def test_the_source_is_left_alone_for_as_long_as_it_asks(seconds: float, minutes: float) -> None:
    result = settled(due(), "unavailable", retry_after=seconds, jitter=1.0)
    assert (wait(result), result.standing.next_why) == (minutes, "retry")


def test_a_source_that_asks_for_more_than_the_window_is_left_alone_beyond_it() -> None:
    result = settled(due(), "unavailable", timetable=HOURLY, retry_after=9 * 3_600.0)
    assert result.events == ("failed",)
    assert result.standing.next_at == "2026-11-03T15:00:00+00:00"


@pytest.mark.parametrize("seconds", [1e300, float("inf")])
def test_no_source_can_put_itself_off_for_good(seconds: float) -> None:
    assert night_of(settled(due(), "unavailable", retry_after=seconds)) == "night 2026-11-04"


def test_at_the_end_of_the_window_it_is_given_up_and_told() -> None:
    late = at("2026-11-03T10:45:00+00:00")
    result = settled(due("retrying", attempt=9), "unavailable", now=late)
    after = result.standing
    assert (after.health, after.health_code, result.events) == ("failing", "source_unavailable", ("failed",))
    assert (after.failed_slots, after.first_failed_at) == (1, text_of(late))
    assert night_of(result) == "night 2026-11-03"
    again = settled(replace(after, attempt=9, window_ends_at=text_of(NOW)), "unavailable")
    assert (again.standing.failed_slots, again.events) == (2, ())
    other = settled(replace(after, attempt=9, window_ends_at=text_of(NOW)), "unavailable", code="retry_later")
    assert other.events == ("failed",)


@pytest.mark.parametrize("health", [*TROUBLE[:-1], "held"])
def test_a_retry_does_not_forget_what_people_were_told(health: Health) -> None:
    after, events = settled(due(health, "some_code", health_reason="why"), "unavailable")
    assert (after.next_why, events) == ("retry", ())
    assert (after.health, after.health_code, after.health_reason) == (health, "some_code", "why")


def test_no_retry_comes_within_a_blackout() -> None:
    summer = replace(NIGHTLY, blackouts=(DateRange("2026-11-03", "2026-11-09"),))
    before = due(window_ends_at="2026-11-03T12:00:00+00:00", attempt=9)
    late = at("2026-11-03T05:50:00+00:00")
    for kind in ("unavailable", "busy", "not_ready"):
        assert (
            night_of(settled(before, kind, timetable=summer, now=late + timedelta(minutes=9.5))) == "night 2026-11-10"
        )  # type: ignore[arg-type]


def test_files_that_are_not_ready_are_looked_for_again_until_the_window_ends() -> None:
    result = settled(due(attempt=6), "not_ready")
    assert (wait(result), result.events, result.standing.health) == (10, (), "retrying")
    result = settled(result.standing, "not_ready", now=at("2026-11-03T10:52:00+00:00"))
    assert (result.standing.health, result.events) == ("district", ("district",))
    assert (result.standing.health_code, result.standing.health_reason) == ("drop_not_ready", "classes.csv is missing.")
    assert night_of(result) == "night 2026-11-03"


def test_a_job_that_kills_its_workers_is_stopped() -> None:
    stands, told = due(), []
    for count in range(1, 5):
        after, events = settled(stands, "interrupted")
        assert (after.failures, after.next_why, after.failed_slots, events) == (count, "retry", 0, ())
        stands = replace(after, attempt=after.attempt + 1)
    for _ in range(3):
        after, events = settled(stands, "interrupted")
        told += events
        assert (after.health, after.health_code, after.next_why) == ("broken", "interrupted", "scheduled")
        stands = replace(after, attempt=1)
    assert told == ["failed"]
    assert settled(stands, "applied").standing.failures == 0


def test_interruptions_count_in_a_row_only() -> None:
    stands = due(failures=4)
    assert settled(settled(stands, "unavailable").standing, "interrupted").standing.health == "retrying"


def test_an_interruption_at_the_end_of_the_window_is_told_and_does_not_make_the_source_sick() -> None:
    old = due("failing", "interrupted", failed_slots=9, window_ends_at=text_of(NOW))
    after, events = settled(old, "interrupted")
    assert (after.health, events, after.failed_slots, after.first_failed_at) == ("failing", (), 9, None)


# --- what is not an end -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "minutes"), [("busy", 1), ("parked", 0)])
@pytest.mark.parametrize("health", get_args(Health))
def test_an_attempt_that_was_put_off_changes_nothing_else(kind: OutcomeKind, minutes: int, health: Health) -> None:
    for before in (due(health, "x", attempt=3), asked(health)):
        result = settled(before, kind)
        assert result == (replace(before, next_at=result.standing.next_at, attempt=before.attempt - 1), ())
        assert wait(result) == minutes


@pytest.mark.parametrize("health", get_args(Health))
def test_what_a_person_stops_comes_again_at_its_next_time(health: Health) -> None:
    result = settled(due(health, "x"), "cancelled")
    assert (result.standing.health, result.standing.health_code, result.events) == (health, "x", ())
    assert night_of(result) == "night 2026-11-03"


# --- what needs somebody ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["refused", "disconnected", "district"])
def test_what_the_district_has_to_mend_is_told_once_and_tried_daily(kind: Any) -> None:
    first = settled(due(), kind, timetable=HOURLY)
    assert (first.standing.health, first.events) == (kind, (kind,))
    assert first.standing.health_reason == SENTENCES[kind][1]
    assert first.standing.next_at == "2026-11-04T02:00:00+00:00"
    again = settled(first.standing, kind, timetable=HOURLY)
    assert (again.events, again.standing.health_since) == ((), text_of(NOW))
    assert settled(first.standing, kind, code="another").events == (kind,)
    assert night_of(settled(due(), kind)) == "night 2026-11-03"


@pytest.mark.parametrize(("health", "kind"), [("ok", "refused"), ("broken", "broken"), ("quarantined", "unavailable")])
def test_a_try_late_in_its_night_does_not_cost_the_next_one(health: Health, kind: Any) -> None:
    late = at("2026-11-03T04:50:00-06:00")
    result = settled(due(health, "x", window_ends_at=text_of(late)), kind, now=late)
    assert night_of(result) == "night 2026-11-03"


def test_a_fault_of_ours_is_told_once_and_slowed_when_it_comes_again() -> None:
    first = settled(due(), "broken", timetable=HOURLY)
    assert (first.standing.health, first.events) == ("broken", ("failed",))
    assert first.standing.next_at == "2026-11-03T06:00:00+00:00"
    again = settled(first.standing, "broken", timetable=HOURLY)
    assert again.events == ()
    assert again.standing.next_at == "2026-11-04T02:00:00+00:00"


@pytest.mark.parametrize("kind", ["refused", "disconnected", "district", "broken", "unavailable", "not_ready"])
def test_what_fails_for_days_is_quarantined_whatever_the_cause(kind: Any) -> None:
    sick = due("failing", "x", failed_slots=2, first_failed_at="2026-11-01T05:20:00+00:00", window_ends_at=text_of(NOW))
    entered = settled(sick, kind, timetable=HOURLY)
    assert (entered.standing.health, entered.events) == ("quarantined", ("quarantined",))
    assert entered.standing.health_code == SENTENCES[kind][0]
    assert entered.standing.next_at == "2026-11-04T02:00:00+00:00"
    again = settled(entered.standing, kind, timetable=HOURLY)
    assert (again.standing.health, again.events) == ("quarantined", ())
    assert settled(entered.standing, kind, code="another").events == ("quarantined",)
    assert settled(again.standing, "applied") == (settled(again.standing, "applied").standing, ("recovered",))


@pytest.mark.parametrize(
    ("slots", "since"), [(1, "2026-11-01T05:20:00+00:00"), (2, "2026-11-02T05:41:00+00:00")], ids=["slots", "hours"]
)
def test_quarantine_needs_both_a_number_of_failures_and_time(slots: int, since: str) -> None:
    before = due("refused", "credentials_refused", failed_slots=slots, first_failed_at=since)
    assert settled(before, "refused").standing.health == "refused"


def test_a_quarantined_connection_is_tried_once_a_day_without_retries() -> None:
    before = due("quarantined", "source_unavailable", failed_slots=5, first_failed_at="2026-10-20T00:00:00+00:00")
    for kind in ("unavailable", "not_ready"):
        assert settled(before, kind, timetable=HOURLY).standing.next_at == "2026-11-04T02:00:00+00:00"  # type: ignore[arg-type]
    assert settled(before, "interrupted").standing.next_why == "retry"


# --- what a person asked for ------------------------------------------------------------------------------------------


def test_a_request_is_tried_again_for_an_hour() -> None:
    first = settled(asked(), "unavailable", timetable=BY_HAND)
    assert first.standing.window_ends_at == text_of(NOW + timedelta(hours=1))
    assert (first.standing.next_why, first.standing.asked_by, first.events) == ("retry", "ann", ())
    last = settled(
        replace(first.standing, attempt=6), "unavailable", timetable=BY_HAND, now=NOW + timedelta(minutes=40)
    )
    assert (last.standing.health, last.events, last.standing.failed_slots) == ("failing", ("failed",), 0)
    assert (last.standing.next_at, last.standing.asked_by) == (None, "")


def test_a_request_in_the_place_of_a_nights_retries_is_tried_as_long_as_they_would_have_been() -> None:
    for left, expected in ((timedelta(hours=5), timedelta(hours=5)), (timedelta(minutes=5), timedelta(hours=1))):
        result = settled(asked(window_ends_at=text_of(NOW + left)), "unavailable")
        assert (result.standing.next_why, result.standing.window_ends_at) == ("retry", text_of(NOW + expected))
    later = settled(replace(result.standing, attempt=5), "unavailable", now=NOW + timedelta(minutes=55))
    assert later.standing.health == "failing"


@pytest.mark.parametrize("kind", get_args(OutcomeKind))
def test_what_does_not_recur_ends(kind: OutcomeKind) -> None:
    before = asked(next_why="retry", window_ends_at=text_of(NOW))
    after = settled(before, kind, timetable=BY_HAND).standing
    assert (after.next_at is None) == (kind not in ("busy", "parked"))


@pytest.mark.parametrize("kind", ["refused", "disconnected", "district", "broken"])
def test_after_a_request_that_failed_the_next_regular_time_is_kept(kind: Any) -> None:
    result = settled(asked("broken"), kind, timetable=HOURLY)
    assert result.standing.next_at == "2026-11-03T06:00:00+00:00"
    assert result.standing.failed_slots == 0


@pytest.mark.parametrize(
    ("ended", "now", "expected"),
    [
        (None, "2026-11-02T20:00:00-06:00", None),
        (None, "2026-11-02T23:35:45-06:00", TONIGHT),
        ("2026-11-02T23:30:00-06:00", "2026-11-02T23:50:00-06:00", TONIGHT),
        ("2026-11-02T23:40:00-06:00", "2026-11-02T23:50:00-06:00", None),
        ("2026-10-20T23:40:00-06:00", "2026-11-03T12:00:00-06:00", None),
        ("2026-10-20T23:40:00-06:00", "2026-11-02T23:50:00-06:00", TONIGHT),
    ],
    ids=["long before", "comes before the retry", "came meanwhile", "was before", "is over", "after a long pause"],
)
def test_the_regular_time_takes_the_place_of_a_request_that_fails(
    ended: str | None, now: str, expected: str | None
) -> None:
    result = settled(asked(last_ended_at=ended, attempt=1), "unavailable", now=at(now))
    assert result.events == ()
    if expected:
        assert night_of(result) == expected
        assert result.standing.window_ends_at == "2026-11-03T11:00:00+00:00"
    else:
        assert result.standing.slot.startswith(ASKED)


# --- clocks -----------------------------------------------------------------------------------------------------------


def test_a_night_that_was_tried_is_not_done_again_because_a_clock_is_behind_or_another_one_now() -> None:
    slot = next_slot(NIGHTLY, ZONE, NOW, 0.5)
    assert slot
    before = due(slot=slot.key)
    assert night_of(settled(before, "applied", now=slot.at - timedelta(seconds=90))) != slot.key
    # The time zone was changed meanwhile: where the clocks are behind, the same night is still to come.
    assert night_of(settled(before, "applied", now=slot.at - timedelta(hours=2))) != slot.key
    # What was put off was not tried.
    assert night_of(settled(before, "parked", now=slot.at - timedelta(hours=2))) == slot.key


# --- the alarm --------------------------------------------------------------------------------------------------------

DAILY = Timetable(cron="0 6 * * *", stale_hours=48)


MADE, FIRST, SECOND = "2026-10-01T06:00:00+00:00", "2026-11-01T06:00:00+00:00", "2026-11-02T06:00:00+00:00"


@pytest.mark.parametrize(
    ("stands", "since", "set_at", "now", "raised"),
    [
        (due(last_good_at=FIRST), MADE, MADE, "2026-11-03T05:59:00+00:00", False),
        (due(last_good_at=FIRST), MADE, MADE, "2026-11-03T06:00:00+00:00", True),
        (due(last_good_at=None), FIRST, None, "2026-11-03T05:59:00+00:00", False),
        (due(last_good_at=None), FIRST, None, "2026-11-03T06:00:00+00:00", True),
        (due(last_good_at=FIRST), SECOND, MADE, "2026-11-03T06:00:00+00:00", False),
        (due(last_good_at=FIRST), SECOND, MADE, "2026-11-04T06:00:00+00:00", True),
        (due(last_good_at=FIRST), MADE, SECOND, "2026-11-03T06:00:00+00:00", False),
        (due(last_good_at=FIRST), MADE, SECOND, "2026-11-04T06:00:00+00:00", True),
        (due(stale_since="2026-11-03T06:00:00+00:00"), MADE, None, "2026-12-03T06:00:00+00:00", False),
    ],
    ids=[
        "in time", "silent", "just made", "never synced", "just resumed", "long resumed", "just set", "long set",
        "told before",
    ],
)  # fmt: skip
def test_alarm(stands: Standing, since: str, set_at: str | None, now: str, raised: bool) -> None:
    result = stale(stands, replace(DAILY, set_at=set_at), ZONE, at(now), since)
    if not raised:
        assert result is None
    else:
        assert result == (replace(stands, stale_since=text_of(at(now))), ("stale",))


def test_what_does_not_recur_is_never_stale() -> None:
    assert stale(due(), BY_HAND, ZONE, NOW + timedelta(days=900), MADE) is None


# --- whose turn -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("health", "code", "expected"),
    [
        ("new", "", "nobody"),
        ("ok", "", "nobody"),
        ("retrying", "source_unavailable", "nobody"),
        ("held", "enrollment:removals:", "district"),
        ("refused", "credentials_refused", "district"),
        ("disconnected", "disconnected", "district"),
        ("district", "drop_not_ready", "district"),
        ("broken", "settings", "ours"),
        ("broken", "interrupted", "ours"),
        ("failing", "source_unavailable", "vendor"),
        ("failing", "retry_later", "ours"),
        ("failing", "interrupted", "ours"),
        ("quarantined", "source_unavailable", "vendor"),
        ("quarantined", "credentials_refused", "district"),
        ("quarantined", "drop_not_ready", "district"),
        ("quarantined", "source_protocol", "ours"),
        ("quarantined", "unexpected", "ours"),
        ("quarantined", "a code of a later version", "ours"),
    ],
)
def test_whose_turn_it_is(health: Health, code: str, expected: Turn) -> None:
    assert turn(health, code) == expected


# --- what an attempt came to ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (errors.NothingNewError("n"), "nothing_new", "nothing_new"),
        (errors.TenantBusyError("b"), "busy", "tenant_busy"),
        (errors.StalePlanError("s"), "busy", "stale_plan"),
        (errors.DropNotReadyError("d"), "not_ready", "drop_not_ready"),
        (errors.SourceUnavailableError("u"), "unavailable", "source_unavailable"),
        (errors.RetryLaterError("r"), "unavailable", "retry_later"),
        (errors.CredentialsRefusedError("c"), "refused", "credentials_refused"),
        (errors.DisconnectedError("d"), "disconnected", "disconnected"),
        (errors.DistrictActionError("d"), "district", "district_action"),
        (errors.ParkedError("p"), "parked", "parked"),
        (errors.CancelledError("c"), "cancelled", "cancelled"),
        (errors.SourceProtocolError("p"), "broken", "source_protocol"),
        (errors.StoppedError("s"), "broken", "stopped"),
        (errors.SameAgainError("n"), "nothing_new", "same_again"),
        (errors.AtRestError("r"), "parked", "settings"),
        (errors.SettingsError("s"), "broken", "settings"),
        (errors.NotFoundError("n"), "broken", "not_found"),
    ],
)
def test_outcome_of_our_errors(error: errors.RosterSyncError, kind: str, code: str) -> None:
    error.retry_after, error.run_id = 90.0, 12
    assert outcome_of(error) == Outcome(kind, code, error.for_admin, 12, 90.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (ValueError("Ann Smith"), "broken", "unexpected"),
        (OSError(28, "No space left", "/data/Ann Smith"), "unavailable", "retry_later"),
        (KeyboardInterrupt("Ann Smith"), "interrupted", "interrupted"),
    ],
)
def test_the_text_of_other_errors_is_not_kept(error: BaseException, kind: str, code: str) -> None:
    found = outcome_of(error)
    assert (found.kind, found.code) == (kind, code)
    assert found.sentence.endswith(".")
    assert "Ann" not in found.sentence


def hold(count: int, school: str | None, measure: str = "removals") -> Hold:
    return Hold("enrollment", measure, count, 400, 40, school, f"{count} at {school} would go.")


def report(state: Any, *holds: Hold) -> RunReport:
    return RunReport(9, "pine", "clever", state, False, "schedule", "2026-11-03T05:00:00+00:00", holds=list(holds))


def test_outcome_of_reports() -> None:
    assert outcome_of_report(report("applied")) == Outcome("applied", run_id=9)
    found = outcome_of_report(report("held", hold(50, "Oak"), hold(99, None)))
    assert found == Outcome(
        "held", "enrollment:removals:,enrollment:removals:Oak", "50 at Oak would go. 99 at None would go.", 9
    )


def test_a_hold_with_other_counts_has_the_same_reason() -> None:
    one, other = (outcome_of_report(report("held", hold(count, "Oak"))) for count in (50, 51))
    assert one.code == other.code
    assert one.sentence != other.sentence


def test_many_reasons_of_a_hold_are_not_all_told() -> None:
    found = outcome_of_report(report("held", *(hold(50, f"School {number}") for number in range(12))))
    assert found.sentence.endswith("50 at School 2 would go. 9 more limits were exceeded.")


# --- whatever happens -------------------------------------------------------------------------------------------------

KINDS: tuple[OutcomeKind, ...] = get_args(OutcomeKind)
TIMETABLES = (NIGHTLY, HOURLY, BY_HAND, replace(NIGHTLY, blackouts=(DateRange("2026-11-10", "2026-11-20"),)))
STEPS = st.tuples(
    st.sampled_from([*KINDS, "applied", "unavailable", "refused"]),
    st.sampled_from(["one", "other"]),
    st.booleans(),
    st.integers(0, 7_200),
    st.sampled_from([None, None, 30.0, 7_200.0]),
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(TIMETABLES), st.lists(STEPS, min_size=1, max_size=25), st.floats(0, 1, exclude_max=True))
def test_whatever_happens_people_are_told_of_changes_only(
    timetable: Timetable, steps: list[tuple[OutcomeKind, str, bool, int, float | None]], jitter: float
) -> None:
    now, stands = NOW, Standing()
    told: tuple[Event, str] = ("recovered", "")
    silent = False
    for kind, code, ask, took, patience in steps:
        if ask or stands.next_at is None:
            stands = replace(stands, next_at=text_of(now), next_why="asked", slot=f"{ASKED}{now} ann", asked_by="ann",
                             window_ends_at=None, attempt=0)  # fmt: skip
        assert stands.next_at
        now = max(now, at(stands.next_at)) + timedelta(seconds=took)
        alarm = stale(stands, timetable, ZONE, now, MADE)
        if alarm:
            assert not silent, "the alarm is raised once"
            stands, silent = alarm.standing, True
        before = replace(stands, attempt=stands.attempt + 1)
        stands, events = settle(before, timetable, ZONE, 0.3, Outcome(kind, code, "…", 1, patience), now, jitter)

        assert len(events) <= 1
        assert stands.next_at is None or stands.next_at >= text_of(now)
        assert (stands.next_why == "retry") <= (events == ())
        if kind in ("busy", "parked", "cancelled"):
            assert (stands.health, stands.health_code, events) == (before.health, before.health_code, ())
        for event in events:
            assert event in EVENTS
            what = (event, "" if event == "recovered" else stands.health_code)
            assert what != told or silent, "nothing is told twice"
            told = what
        if kind in ("applied", "held"):
            silent = False
        assert (stands.stale_since is not None) == silent
        if stands.health not in ("new", "ok", "retrying"):
            assert told[0] not in ("recovered", "stale"), "there is no trouble that nobody was told of"
            assert told[1] == stands.health_code


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(["unavailable", "refused", "district", "broken", "not_ready"]), min_size=1, max_size=9))
def test_whoever_never_works_is_quarantined_and_tried_daily(kinds: list[OutcomeKind]) -> None:
    now, stands = NOW, due()
    tried: list[datetime] = []
    for kind in islice(cycle(kinds), 400):
        assert stands.next_at
        now = max(now, at(stands.next_at))
        if stands.health == "quarantined":
            tried.append(now)
        stands, _ = settle(
            replace(stands, attempt=stands.attempt + 1), HOURLY, ZONE, 0.3, Outcome(kind, kind), now, 0.5
        )
        if len(tried) == 4:
            break
    assert len(tried) == 4
    assert all(later - earlier >= timedelta(hours=20) for earlier, later in pairwise(tried))
    assert settle(stands, HOURLY, ZONE, 0.3, Outcome("applied"), now, 0.5).events == ("recovered",)
