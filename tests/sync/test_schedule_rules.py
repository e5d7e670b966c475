"""From timetables to instants: daylight saving, leap days and time zones as a table; pure."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import SettingsError
from models.health import Standing
from models.settings import GuardSettings, Limit, TenantSettings
from models.timetable import WEEKDAYS, DateRange, Nightly, Rollover, Timetable
from sync.cron import cron_in_words, cron_next, parse_cron
from sync.local_time import shown, zone_named
from sync.schedule import (
    Slot,
    add_only_at,
    blackout_at,
    catch_up,
    limits_at,
    next_slot,
    read_timetable,
    replanned,
    resumed,
    rollover_at,
    spread_of,
    stale_at,
    zone_of,
)
from sync.schedule_fields import parse_nightly

CHICAGO, BERLIN, LORD_HOWE = (ZoneInfo(name) for name in ("America/Chicago", "Europe/Berlin", "Australia/Lord_Howe"))
NOW = datetime(2026, 11, 22, 18, tzinfo=UTC)  # noon in Chicago, a Sunday
NIGHTLY = Timetable(nightly=Nightly("20:00", "05:00"))
SUMMER = DateRange("2027-06-12", "2027-08-15", "summer")


def at(text: str, zone: str = "UTC") -> datetime:
    """An instant by the local time of a place."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def first_on(timetable: Timetable, zone: ZoneInfo, day: str, spread: float) -> Slot:
    """The slot of the night that begins on a day."""
    after = datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(days=2)
    while True:
        slot = next_slot(timetable, zone, after, spread)
        assert slot is not None
        if slot.key == f"night {day}":
            return slot
        assert slot.key < f"night {day}", slot
        after = slot.at


# --- nights -----------------------------------------------------------------------------------------------------------

NIGHTS = [
    # zone, window, night, begin, end (both UTC)
    ("America/Chicago", "20:00-05:00", "2026-11-22", "2026-11-23 02:00", "2026-11-23 11:00"),
    # Spring: 02:00 to 03:00 on 2026-03-08 does not exist.
    ("America/Chicago", "20:00-05:00", "2026-03-07", "2026-03-08 02:00", "2026-03-08 10:00"),
    ("America/Chicago", "20:00-02:30", "2026-03-07", "2026-03-08 02:00", "2026-03-08 08:00"),  # ends in the gap
    ("America/Chicago", "02:30-05:00", "2026-03-08", "2026-03-08 08:00", "2026-03-08 10:00"),  # begins in the gap
    ("America/Chicago", "02:10-02:50", "2026-03-08", "2026-03-08 08:00", "2026-03-08 08:40"),  # swallowed whole
    ("America/Chicago", "02:30-03:00", "2026-03-08", "2026-03-08 08:00", "2026-03-08 08:30"),  # ends as clocks jump
    # Autumn: 01:00 to 02:00 on 2026-11-01 exists twice.
    ("America/Chicago", "20:00-05:00", "2026-10-31", "2026-11-01 01:00", "2026-11-01 11:00"),
    ("America/Chicago", "01:30-05:00", "2026-11-01", "2026-11-01 06:30", "2026-11-01 11:00"),  # begins the first time
    ("America/Chicago", "20:00-01:30", "2026-10-31", "2026-11-01 01:00", "2026-11-01 07:30"),  # ends the second time
    ("America/Chicago", "01:10-01:50", "2026-11-01", "2026-11-01 06:10", "2026-11-01 07:50"),  # both, in the fold
    ("Europe/Berlin", "22:00-04:00", "2026-03-28", "2026-03-28 21:00", "2026-03-29 02:00"),
    ("Europe/Berlin", "22:00-04:00", "2026-10-24", "2026-10-24 20:00", "2026-10-25 03:00"),
    # Half an hour: 02:00 to 02:30 is skipped on 2026-10-04, 01:30 to 02:00 exists twice on 2026-04-05.
    ("Australia/Lord_Howe", "02:10-05:00", "2026-10-04", "2026-10-03 15:30", "2026-10-03 18:00"),
    ("Australia/Lord_Howe", "01:40-05:00", "2026-04-05", "2026-04-04 14:40", "2026-04-04 18:30"),
    ("Australia/Lord_Howe", "20:00-01:45", "2026-04-04", "2026-04-04 09:00", "2026-04-04 15:15"),
    # South of the equator spring is in September.
    ("Pacific/Auckland", "20:00-05:00", "2026-09-26", "2026-09-26 08:00", "2026-09-26 16:00"),
    ("America/Santiago", "23:30-05:00", "2026-09-05", "2026-09-06 03:30", "2026-09-06 08:00"),  # midnight is skipped
    ("America/Sao_Paulo", "00:00-05:00", "2018-11-04", "2018-11-04 03:00", "2018-11-04 07:00"),  # as it was until 2019
    ("America/Sao_Paulo", "23:30-05:00", "2019-02-16", "2019-02-17 01:30", "2019-02-17 08:00"),  # 23:00 exists twice
    ("America/Sao_Paulo", "00:00-05:00", "2026-11-01", "2026-11-01 03:00", "2026-11-01 08:00"),
    ("Asia/Kathmandu", "20:00-05:00", "2026-11-22", "2026-11-22 14:15", "2026-11-22 23:15"),
    ("Asia/Kolkata", "20:00-05:00", "2026-12-31", "2026-12-31 14:30", "2026-12-31 23:30"),  # into the new year
    ("Arctic/Longyearbyen", "01:00-04:00", "2026-03-29", "2026-03-29 00:00", "2026-03-29 02:00"),
    ("Antarctica/Troll", "00:30-04:00", "2026-03-29", "2026-03-29 00:30", "2026-03-29 02:00"),  # moves by two hours
    ("Antarctica/Troll", "02:00-04:00", "2026-10-25", "2026-10-25 00:00", "2026-10-25 04:00"),
    # Samoa went from 29 to 31 December 2011: that night ends with its day, and the 30th has none.
    ("Pacific/Apia", "20:00-05:00", "2011-12-29", "2011-12-30 06:00", "2011-12-30 10:00"),
    ("Pacific/Apia", "20:00-05:00", "2011-12-31", "2011-12-31 06:00", "2011-12-31 15:00"),
    # Leap day, windows of one day and of 24 hours.
    ("America/Chicago", "20:00-05:00", "2028-02-29", "2028-03-01 02:00", "2028-03-01 11:00"),
    ("America/Chicago", "08:00-16:00", "2026-11-22", "2026-11-22 14:00", "2026-11-22 22:00"),
    ("America/Chicago", "20:00-20:00", "2026-11-22", "2026-11-23 02:00", "2026-11-24 02:00"),
    ("America/Chicago", "20:00-20:00", "2026-03-07", "2026-03-08 02:00", "2026-03-09 01:00"),  # of 23 hours
    ("America/Chicago", "00:00-00:00", "2026-11-01", "2026-11-01 05:00", "2026-11-02 06:00"),  # of 25 hours
]


@pytest.mark.parametrize(("zone", "window", "night", "begin", "end"), NIGHTS)
def test_window_of_a_night(zone: str, window: str, night: str, begin: str, end: str) -> None:
    timetable, place = Timetable(nightly=parse_nightly(window)), ZoneInfo(zone)
    opens, closes = utc(begin), utc(end)
    first, middle = (first_on(timetable, place, night, spread) for spread in (0.0, 0.5))
    assert (first.at, first.ends_at) == (opens, closes)
    assert (middle.at, middle.ends_at) == (opens + (closes - opens) * 0.4, closes)


def test_a_day_that_a_place_skips_has_no_night_and_no_cron() -> None:
    apia = ZoneInfo("Pacific/Apia")
    after = first_on(NIGHTLY, apia, "2011-12-29", 0.3)
    following = next_slot(NIGHTLY, apia, after.at, 0.3)
    assert following is not None
    assert following.key == "night 2011-12-31"
    assert cron_next("30 2 * * *", apia, at("2011-12-29T12:00", "Pacific/Apia")) == at(
        "2011-12-31T02:30", "Pacific/Apia"
    )


@settings(max_examples=8, deadline=None)
@given(
    zone=st.sampled_from(sorted(available_timezones() - {"localtime", "Factory"})),
    year=st.integers(1975, 2060),
    begins=st.integers(0, 1439),
    ends=st.integers(0, 1439),
    connection=st.integers(1, 10**9),
)
def test_one_slot_a_night_in_every_zone(zone: str, year: int, begins: int, ends: int, connection: int) -> None:
    """Over two years: every day that the place's clocks show has one night, in order, each within its window."""
    place, spread = ZoneInfo(zone), spread_of(connection)
    opens, closes = (f"{minute // 60:02d}:{minute % 60:02d}" for minute in (begins, ends))
    timetable = Timetable(nightly=Nightly(opens, closes))
    start = datetime(year, 1, 1, tzinfo=UTC)
    seen: list[Slot] = []
    after = start
    while after < start.replace(year=year + 2):
        slot = next_slot(timetable, place, after, spread)
        assert slot is not None
        assert slot.at > after
        assert slot.at < slot.ends_at <= slot.at + timedelta(hours=26)
        seen.append(slot)
        after = slot.at
    days = [date.fromisoformat(slot.key.removeprefix("night ")) for slot in seen]
    assert days == sorted(set(days))
    shown_days = {shown(start + timedelta(hours=hour), place).date() for hour in range(-48, 24 * 365 * 2 + 72, 6)}
    expected = {day for day in shown_days if days[0] <= day <= days[-1]}
    assert set(days) == expected


@pytest.mark.parametrize("stride", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("count", [5, 50, 1_000])
def test_connections_made_in_a_row_are_spread_evenly(stride: int, count: int) -> None:
    places = sorted(spread_of(7 + stride * number) for number in range(count))
    gaps = [after - before for before, after in zip(places, [*places[1:], places[0] + 1], strict=True)]
    assert all(0 <= place < 1 for place in places)
    assert max(gaps) < 4 / count


def test_a_slot_leaves_the_last_fifth_of_the_night_for_the_work() -> None:
    night = first_on(NIGHTLY, CHICAGO, "2026-11-22", 0.999999)
    assert night.ends_at - night.at >= timedelta(hours=9) / 5


def test_nights_on_some_weekdays_are_those_on_which_they_begin() -> None:
    timetable = Timetable(nightly=Nightly("22:00", "06:00", ("mon", "fri")))
    slots: list[str] = []
    after = NOW
    for _ in range(4):
        slot = next_slot(timetable, CHICAGO, after, 0.9)  # after midnight
        assert slot is not None
        slots.append(slot.key)
        after = slot.at
    assert slots == ["night 2026-11-23", "night 2026-11-27", "night 2026-11-30", "night 2026-12-04"]


# --- cron -------------------------------------------------------------------------------------------------------------

CRONS = [
    # cron, zone, after (local), the next times (UTC)
    (
        "30 2 * * *",
        "America/Chicago",
        "2026-03-07T12:00",
        ["2026-03-08 08:00", "2026-03-09 07:30"],
    ),  # skipped: the jump
    ("30 2 * * *", "America/Chicago", "2026-10-31T12:00", ["2026-11-01 08:30", "2026-11-02 08:30"]),
    ("30 1 * * *", "America/Chicago", "2026-10-31T12:00", ["2026-11-01 06:30", "2026-11-02 07:30"]),  # twice: once
    ("0 * * * *", "America/Chicago", "2026-03-08T00:30", ["2026-03-08 07:00", "2026-03-08 08:00", "2026-03-08 09:00"]),
    ("0 * * * *", "America/Chicago", "2026-11-01T00:30", ["2026-11-01 06:00", "2026-11-01 07:00", "2026-11-01 08:00"]),
    (
        "*/30 1 * * *",
        "America/Chicago",
        "2026-11-01T00:45",
        ["2026-11-01 06:00", "2026-11-01 06:30", "2026-11-01 07:00"],
    ),
    ("15,45 2 * * *", "America/Chicago", "2026-03-08T01:00", ["2026-03-08 08:00", "2026-03-09 07:15"]),  # both: one
    ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", ["2026-03-29 01:00", "2026-03-30 00:30"]),
    ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", ["2026-10-25 00:30", "2026-10-26 01:30"]),
    ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00", ["2026-10-03 15:30", "2026-10-04 15:15"]),
    ("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00", ["2026-04-04 14:45", "2026-04-05 15:15"]),
    ("0 */3 * * *", "Australia/Lord_Howe", "2026-04-05T00:30", ["2026-04-04 16:30", "2026-04-04 19:30"]),
    ("0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00", ["2018-11-04 03:00", "2018-11-05 02:00"]),
    ("0 0 29 2 *", "America/Chicago", "2026-01-01T00:00", ["2028-02-29 06:00", "2032-02-29 06:00"]),
    ("0 0 29 2 *", "UTC", "2096-03-01T00:00", ["2104-02-29 00:00"]),  # 2100 has none
    ("0 3 31 * *", "UTC", "2026-01-31T03:00", ["2026-03-31 03:00", "2026-05-31 03:00", "2026-07-31 03:00"]),
    ("0 3 L 2 *", "UTC", "2026-01-01T00:00", ["2026-02-28 03:00", "2027-02-28 03:00", "2028-02-29 03:00"]),
    ("59 23 31 12 *", "Asia/Kathmandu", "2026-12-31T12:00", ["2026-12-31 18:14", "2027-12-31 18:14"]),
    ("0 0 1 1 *", "Pacific/Kiritimati", "2026-06-01T00:00", ["2026-12-31 10:00"]),
    ("0 6 * * 1-5", "America/Chicago", "2026-11-20T06:00", ["2026-11-23 12:00", "2026-11-24 12:00"]),
]


@pytest.mark.parametrize(("cron", "zone", "after", "times"), CRONS)
def test_times_of_a_cron(cron: str, zone: str, after: str, times: list[str]) -> None:
    moment = at(after, zone)
    for expected in times:
        slot = next_slot(Timetable(cron=cron), ZoneInfo(zone), moment, 0.7)
        assert slot is not None
        assert slot.at == utc(expected)
        assert slot.key == slot.at.isoformat()
        moment = slot.at


def test_a_cron_never_goes_back_in_the_hour_that_exists_twice() -> None:
    second_pass = utc("2026-11-01 07:10")  # 01:10 for the second time
    assert cron_next("30 1 * * *", CHICAGO, second_pass) == utc("2026-11-02 07:30")
    assert cron_next("*/30 1 * * *", CHICAGO, second_pass) == utc("2026-11-01 07:30")


@pytest.mark.parametrize("zone", ["America/Chicago", "Australia/Lord_Howe", "Antarctica/Troll", "America/Santiago"])
@pytest.mark.parametrize("cron", ["*/20 * * * *", "5 */2 * * *"])
def test_a_cron_with_a_star_goes_by_what_clocks_show(zone: str, cron: str) -> None:
    """Minute by minute around both changes of 2026: exactly the minutes at which clocks show a time of the cron."""
    place = ZoneInfo(zone)
    minutes, hours = ({0, 20, 40}, range(24)) if cron.startswith("*/20") else ({5}, range(0, 24, 2))
    year = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in range(0, 365 * 24, 4)]
    changes = [b for a, b in pairwise(year)
               if a.astimezone(place).utcoffset() != b.astimezone(place).utcoffset()]  # fmt: skip
    assert len(changes) == 2
    for change in changes:
        span = [change + timedelta(minutes=minute) for minute in range(-360, 180)]
        expected = [m for m in span if shown(m, place).minute in minutes and shown(m, place).hour in hours]
        found, moment = [], span[0] - timedelta(minutes=1)
        while (slot := cron_next(cron, place, moment)) is not None and slot <= span[-1]:
            found.append(slot)
            moment = slot
        assert found == expected


@pytest.mark.parametrize(
    ("cron", "says"),
    [
        ("0 0 30 2 *", "day of the month, 30, never comes"),
        ("0 0 31 4,6,9,11 *", "day of the month, 31, never comes"),
        ("0 0 */29 2 MON#5", "never comes"),
        ("61 * * * *", "its minute, '61', does not exist"),
        ("0 24 * * *", "its hour, '24', does not exist"),
        ("0 0 * 13 *", "its month, '13', does not exist"),
        ("0 0 * * someday", "its day of the week, 'someday', does not exist"),
        ("@daily", "five fields"),
        ("0 0 17 3 * *", "five fields"),
        ("", "five fields"),
        ("0 " * 200, "five fields"),
    ],
)
def test_a_cron_that_cannot_be_is_refused_in_words(cron: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        parse_cron(cron, NOW)


@settings(max_examples=100, deadline=None)
@given(st.from_regex(r"(?:(?:\*|[0-9L#W]{1,3}|MON|JAN|[0-9]-[0-9])(?:[,/][0-9]{1,2})? ){5}", fullmatch=True))
def test_whatever_cron_is_accepted_has_a_next_time_and_words(cron: str) -> None:
    try:
        accepted = parse_cron(cron, NOW)
    except SettingsError:
        return
    found = cron_next(accepted, BERLIN, NOW)
    assert found is not None
    assert found > NOW
    assert cron_in_words(accepted)


@pytest.mark.parametrize(
    ("cron", "ends"),
    [("17 3 * * *", "2026-11-23 15:17"), ("0 */2 * * *", "2026-11-22 22:00"), ("0 0 29 2 *", "2028-02-29 12:00")],
)
def test_a_crons_retries_last_six_hours_or_until_its_next_time(cron: str, ends: str) -> None:
    slot = next_slot(Timetable(cron=cron), CHICAGO, NOW, 0.0)
    assert slot is not None
    assert slot.ends_at == utc(ends)


# --- blackouts --------------------------------------------------------------------------------------------------------


def _walk(timetable: Timetable, zone: ZoneInfo, after: datetime, count: int, spread: float = 0.0) -> list[Slot]:
    slots: list[Slot] = []
    for _ in range(count):
        slot = next_slot(timetable, zone, after, spread)
        assert slot is not None
        slots.append(slot)
        after = slot.at
    return slots


def test_no_night_begins_and_none_runs_in_a_blackout() -> None:
    timetable = Timetable(nightly=Nightly("20:00", "05:00"), blackouts=(SUMMER,))
    start = at("2027-06-09T12:00", "America/Chicago")
    early = [slot.key for slot in _walk(timetable, CHICAGO, start, 4)]
    assert early == ["night 2027-06-09", "night 2027-06-10", "night 2027-06-11", "night 2027-08-16"]
    # Whoever has a place after midnight loses the last night, as that would be on the first day of the blackout.
    late = [slot.key for slot in _walk(timetable, CHICAGO, start, 3, spread=0.9)]
    assert late == ["night 2027-06-09", "night 2027-06-10", "night 2027-08-16"]


def test_retries_end_where_a_blackout_begins() -> None:
    timetable = Timetable(nightly=Nightly("20:00", "05:00"), blackouts=(SUMMER,))
    last = _walk(timetable, CHICAGO, at("2027-06-11T12:00", "America/Chicago"), 1)[0]
    assert last.ends_at == at("2027-06-12T00:00", "America/Chicago")
    hourly = Timetable(cron="30 23 * * *", blackouts=(SUMMER,))
    assert _walk(hourly, CHICAGO, at("2027-06-11T12:00", "America/Chicago"), 1)[0].ends_at == last.ends_at


def test_a_cron_goes_on_with_the_first_minute_after_blackouts_in_a_row() -> None:
    blackouts = (SUMMER, DateRange("2027-08-16", "2027-08-17"), DateRange("2027-07-01", "2027-08-01"))
    timetable = Timetable(cron="*/10 * * * *", blackouts=blackouts)
    last, first = _walk(timetable, CHICAGO, at("2027-06-11T23:45", "America/Chicago"), 2)
    assert last.at == at("2027-06-11T23:50", "America/Chicago")
    assert first.at == at("2027-08-18T00:00", "America/Chicago")


@pytest.mark.parametrize(
    ("local", "closed"),
    [
        ("2027-06-11T23:59:59", False),
        ("2027-06-12T00:00", True),
        ("2027-08-15T23:59:59", True),
        ("2027-08-16T00:00", False),
    ],
)
def test_days_are_local_and_both_ends_included(local: str, closed: bool) -> None:
    timetable = Timetable(blackouts=(SUMMER,), add_only=(SUMMER,))
    moment = at(local, "America/Chicago")
    assert blackout_at(timetable, CHICAGO, moment) == (SUMMER if closed else None)
    assert add_only_at(timetable, CHICAGO, moment) == (SUMMER if closed else None)


# --- time that went by ------------------------------------------------------------------------------------------------


def _due(slot: Slot, **changes: Any) -> Standing:
    values: dict[str, Any] = {
        "next_at": slot.at.isoformat(),
        "slot": slot.key,
        "window_ends_at": slot.ends_at.isoformat(),
    }
    return Standing(**(values | changes))


def test_a_missed_night_runs_while_its_window_is_open() -> None:
    slot = first_on(NIGHTLY, CHICAGO, "2026-11-22", 0.4)
    just_before = slot.ends_at - timedelta(seconds=1)
    assert catch_up(_due(slot), NIGHTLY, CHICAGO, 0.4, just_before) is None
    following = catch_up(_due(slot), NIGHTLY, CHICAGO, 0.4, slot.ends_at)
    assert following == first_on(NIGHTLY, CHICAGO, "2026-11-23", 0.4)


@pytest.mark.parametrize("hour", ["20:30", "23:30", "04:30"])
def test_a_service_that_was_down_for_days_comes_back_in_another_night(hour: str) -> None:
    slot = first_on(NIGHTLY, CHICAGO, "2026-11-22", 0.4)
    day = "2026-11-26" if hour == "04:30" else "2026-11-25"
    current = catch_up(_due(slot), NIGHTLY, CHICAGO, 0.4, at(f"{day}T{hour}", "America/Chicago"))
    assert current == first_on(NIGHTLY, CHICAGO, "2026-11-25", 0.4)  # in the past by then: it is due at once


def test_missed_times_of_a_cron_become_one_that_runs_at_once() -> None:
    timetable = Timetable(cron="17 3 * * *")
    slot = _walk(timetable, CHICAGO, NOW, 1)[0]
    assert catch_up(_due(slot), timetable, CHICAGO, 0.0, slot.at + timedelta(hours=5)) is None
    late = slot.at + timedelta(days=9, hours=8)
    again = catch_up(_due(slot), timetable, CHICAGO, 0.0, late)
    assert again == Slot(slot.key, late, late + timedelta(hours=6))
    assert catch_up(_due(again), timetable, CHICAGO, 0.0, late + timedelta(minutes=1)) is None


def test_what_a_person_asked_for_runs_whenever() -> None:
    asked = Standing(next_at=NOW.isoformat(), next_why="asked", slot="asked …", asked_by="ann")
    for timetable in (Timetable(), NIGHTLY, Timetable(cron="0 3 * * *")):
        assert catch_up(asked, timetable, CHICAGO, 0.0, NOW + timedelta(days=3)) is None


def test_in_a_blackout_nothing_runs() -> None:
    inside = at("2027-07-01T12:00", "America/Chicago")
    ends = at("2027-08-16T00:00", "America/Chicago")
    asked = Standing(next_at=inside.isoformat(), next_why="asked", slot="asked …")
    assert catch_up(asked, Timetable(blackouts=(SUMMER,)), CHICAGO, 0.0, inside) == Slot(
        "asked …", ends, ends + timedelta(hours=6)
    )
    timetable = Timetable(nightly=NIGHTLY.nightly, blackouts=(SUMMER,))
    before = first_on(timetable, CHICAGO, "2027-06-11", 0.1)
    moved = catch_up(_due(before), timetable, CHICAGO, 0.1, inside)
    assert moved == first_on(timetable, CHICAGO, "2027-08-16", 0.1)


def test_another_timetable_moves_what_is_scheduled_and_nothing_else() -> None:
    tonight = first_on(NIGHTLY, CHICAGO, "2026-11-22", 0.4)
    cron = Timetable(cron="0 3 * * *")
    moved = replanned(_due(tonight), cron, CHICAGO, 0.4, NOW)
    assert (moved.next_at, moved.slot) == ("2026-11-23T09:00:00+00:00", "2026-11-23T09:00:00+00:00")
    retry = _due(tonight, next_why="retry", attempt=3)
    assert replanned(retry, cron, CHICAGO, 0.4, NOW) == retry
    asked = Standing(next_at=NOW.isoformat(), next_why="asked", slot="asked …", asked_by="ann")
    due = _due(tonight)
    for timetable in (cron, Timetable()):
        assert replanned(asked, timetable, CHICAGO, 0.4, NOW) == asked
    assert replanned(due, cron, CHICAGO, 0.4, tonight.at + timedelta(minutes=5)) == due  # about to be taken
    for standing in (due, retry):
        assert replanned(standing, Timetable(), CHICAGO, 0.4, NOW).next_at is None


def test_a_pause_that_ends_does_not_make_up_for_what_went_by() -> None:
    cron = Timetable(cron="0 3 * * *")
    missed = _walk(cron, CHICAGO, NOW, 1)[0]
    after = resumed(_due(missed), cron, CHICAGO, 0.0, missed.at + timedelta(days=3, hours=8))
    assert after.next_at == "2026-11-27T09:00:00+00:00"
    assert resumed(_due(missed), cron, CHICAGO, 0.0, missed.at + timedelta(hours=1)) == _due(missed)
    night = first_on(NIGHTLY, CHICAGO, "2026-11-22", 0.4)
    current = resumed(_due(night), NIGHTLY, CHICAGO, 0.4, at("2026-11-25T23:55", "America/Chicago"))
    assert current.slot == "night 2026-11-25"


# --- the dead-man alarm -----------------------------------------------------------------------------------------------

HOURS = [
    # timetable, last good sync (Chicago), stale (Chicago)
    (NIGHTLY, "2026-11-22T23:41", "2026-11-24T11:41"),
    (NIGHTLY, "2026-10-31T23:41", "2026-11-02T11:41"),  # that night has an hour more
    (NIGHTLY, "2026-03-07T23:41", "2026-03-09T12:41"),  # and that one less: 36 hours at least
    (Timetable(cron="17 3 * * *"), "2026-11-22T03:20", "2026-11-23T15:20"),
    (Timetable(cron="0 6-18 * * 1-5"), "2026-11-20T18:05", "2026-11-23T18:00"),  # a weekend in between
    (Timetable(cron="0 * * * *"), "2026-11-20T18:05", "2026-11-22T06:05"),
    (Timetable(nightly=Nightly("20:00", "05:00", ("mon",))), "2026-11-23T23:41", "2026-12-01T11:41"),
    (Timetable(nightly=Nightly("20:00", "05:00", ("mon", "tue"))), "2026-11-23T23:41", "2026-11-25T11:41"),
    (Timetable(cron="0 0 29 2 *"), "2024-02-29T00:10", "2028-02-29T12:00"),
    (Timetable(cron="0 3 * * *", stale_hours=100), "2026-11-22T00:00", "2026-11-26T04:00"),
    # A blackout does not count; then the time begins anew.
    (Timetable(cron="0 3 * * *", blackouts=(SUMMER,)), "2027-06-11T03:10", "2027-08-17T12:00"),
    (Timetable(cron="0 3 * * *", blackouts=(SUMMER,), stale_hours=30), "2027-06-11T03:10", "2027-08-17T06:00"),
    (Timetable(cron="0 3 * * *", blackouts=(SUMMER,)), "2027-06-01T03:10", "2027-06-02T15:10"),  # before it begins
    (Timetable(cron="0 3 * * *", blackouts=(SUMMER,)), "2027-07-01T12:00", "2027-08-17T12:00"),  # synced by hand
    (Timetable(nightly=Nightly("16:00", "15:00"), blackouts=(SUMMER,)), "2027-06-10T20:00", "2027-08-17T22:24"),
    (
        Timetable(cron="0 3 * * *", blackouts=(SUMMER, DateRange("2027-08-16", "2027-08-20"))),
        "2027-06-11T03:10",
        "2027-08-22T12:00",
    ),
]


@pytest.mark.parametrize(("timetable", "good", "stale"), HOURS)
def test_when_a_connection_is_stale(timetable: Timetable, good: str, stale: str) -> None:
    assert stale_at(timetable, CHICAGO, at(good, "America/Chicago")) == at(stale, "America/Chicago")


def test_what_does_not_recur_is_never_stale() -> None:
    assert stale_at(Timetable(), CHICAGO, NOW) is None


@settings(max_examples=25, deadline=None)
@given(
    days=st.sets(st.sampled_from(WEEKDAYS)),
    hours=st.tuples(st.integers(0, 23), st.integers(0, 23)),
    blackout=st.tuples(st.integers(0, 40), st.integers(0, 40)),
    connection=st.integers(1, 10_000),
    start=st.integers(0, 365),
)
def test_a_connection_that_syncs_on_time_is_never_stale(
    days: set[Any], hours: tuple[int, int], blackout: tuple[int, int], connection: int, start: int
) -> None:
    """Even if each sync is an hour late and takes an hour; and the alarm never rings in a blackout."""
    first = date(2026, 1, 1) + timedelta(days=start + blackout[0])
    closed = DateRange(first.isoformat(), (first + timedelta(days=blackout[1])).isoformat())
    night = Nightly(f"{hours[0]:02d}:00", f"{hours[1]:02d}:00", tuple(day for day in WEEKDAYS if day in days))
    timetable = Timetable(nightly=night, blackouts=(closed,))
    slots = _walk(
        timetable, BERLIN, datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=start), 20, spread_of(connection)
    )
    for before, after in pairwise(slots):
        rings = stale_at(timetable, BERLIN, before.at)
        assert rings is not None
        assert rings > after.at + timedelta(hours=2)
        assert blackout_at(timetable, BERLIN, rings) is None


# --- limits and zones -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("local", "goes_on"), [("2027-09-15T23:59", True), ("2027-09-16T00:00", False)])
def test_a_rollover_lasts_through_its_last_local_day(local: str, goes_on: bool) -> None:
    rollover = Rollover("2027-09-15", removals=Limit(percent=70), updates=Limit(percent=90))
    own = TenantSettings(
        guard=GuardSettings(
            removals=Limit(percent=5), removals_by_kind={"person": Limit(percent=1)}, updates_by_kind={"class": Limit()},
            churn_percent=12,
        ),
        time_zone="America/Chicago",
    )  # fmt: skip
    moment = at(local, "America/Chicago")
    limits = limits_at(own, Timetable(rollover=rollover), moment)
    assert rollover_at(Timetable(rollover=rollover), CHICAGO, moment) == (rollover if goes_on else None)
    if not goes_on:
        assert limits == own
        return
    assert limits.guard.removal_limit("person") == limits.guard.removal_limit("class") == Limit(percent=70)
    assert limits.guard.update_limit("class") == Limit(percent=90)
    assert limits.guard.churn_percent == 12
    assert limits_at(own, Timetable(), moment) == own


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("america/chicago", "Did you mean America/Chicago"),
        ("America/Chigago", "Did you mean America/Chicago"),
        ("chicago", "Did you mean America/Chicago"),
        ("new york", "Did you mean America/New_York"),
        ("EST", "such as America/Chicago"),
        ("localtime", "such as America/Chicago"),
        ("America", "such as America/Chicago"),
        ("America/", "such as America/Chicago"),
        ("../../etc/passwd", "such as America/Chicago"),
        ("/etc/localtime", "such as America/Chicago"),
        ("", "such as America/Chicago"),
    ],
)
def test_a_zone_that_does_not_exist_is_refused_in_words(name: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        zone_named(name)


def test_zones_that_exist() -> None:
    for name in ("UTC", "America/Chicago", "America/Argentina/Buenos_Aires", "US/Central"):
        assert zone_of(TenantSettings(time_zone=name)).key == name


def test_a_timetable_of_a_later_version_is_told_in_words() -> None:
    assert read_timetable("{}") == Timetable()
    for stored in ('{"moon_phases": []}', '{"nightly": {"begins": "25:00", "ends": "05:00"}}', "nonsense"):
        with pytest.raises(SettingsError, match="another version") as refused:
            read_timetable(stored)
        assert "moon" not in refused.value.for_engineer
