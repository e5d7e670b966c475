"""What people type for a schedule, and what a timetable says in words; pure."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from models.errors import SettingsError
from models.health import Standing
from models.report import RunSummary
from models.settings import Limit
from models.timetable import DateRange, Nightly, Rollover, Timetable, Weekday
from sync.schedule_fields import check_stale_hours, parse_dates, parse_limit, parse_nightly
from sync.schedule_words import in_words, last_words, next_words, range_words

CHICAGO = ZoneInfo("America/Chicago")
NOW = datetime(2026, 11, 22, 18, tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "window"),
    [
        ("20:00-05:00", ("20:00", "05:00")),
        ("20:00-5:00", ("20:00", "05:00")),
        (" 8:15 – 16:45 ", ("08:15", "16:45")),
        ("00:00-00:00", ("00:00", "00:00")),
    ],
)
def test_windows_as_people_type_them(typed: str, window: tuple[str, str]) -> None:
    nightly = parse_nightly(typed)
    assert (nightly.begins, nightly.ends, nightly.days) == (*window, ())


@pytest.mark.parametrize(
    "typed", ["20:00", "24:00-05:00", "20:00-05:60", "8pm-5am", "20:00-05:00-06:00", "-", "", "²0:00-05:00"]
)
def test_what_is_no_window_is_refused_with_an_example(typed: str) -> None:
    with pytest.raises(SettingsError, match="two times of day, such as 20:00-05:00"):
        parse_nightly(typed)


@pytest.mark.parametrize(
    ("typed", "days"),
    [
        (["mon,tue"], ("mon", "tue")),
        (["Friday", "monday"], ("mon", "fri")),
        (["sat-mon"], ("mon", "sat", "sun")),
        ([" wed , thu-fri"], ("wed", "thu", "fri")),
        (["mon-sun"], ()),
        ([], ()),
    ],
)
def test_weekdays_as_people_type_them(typed: list[str], days: tuple[Weekday, ...]) -> None:
    assert parse_nightly("20:00-05:00", typed).days == days


@pytest.mark.parametrize("typed", ["someday", "", "mon,", "m", "t", "mon-", "mon-fri-sun", "1-5", "mondays"])
def test_what_is_no_weekday_is_refused_with_an_example(typed: str) -> None:
    with pytest.raises(SettingsError, match=r"such as|given as mon,tue,wed,thu,fri,sat,sun or mon-fri"):
        parse_nightly("20:00-05:00", [typed])


@pytest.mark.parametrize(
    ("typed", "dates"),
    [
        ("2027-06-12..2027-08-15", ("2027-06-12", "2027-08-15")),
        ("2027-06-12 .. 2027-08-15", ("2027-06-12", "2027-08-15")),
        ("2028-02-29", ("2028-02-29", "2028-02-29")),
    ],
)
def test_days_as_people_type_them(typed: str, dates: tuple[str, str]) -> None:
    assert parse_dates(typed, " first  week ") == DateRange(*dates, "first week")


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("2027-02-29", "'2027-02-29' is none"),
        ("summer", "such as 2027-06-12"),
        ("12.6.2027", "such as 2027-06-12"),
        ("2027-06-12..", "such as 2027-06-12"),
        ("20270612", "such as 2027-06-12"),
        ("2027-W23-6", "such as 2027-06-12"),
        ("٢٠٢٧-٠٦-١٢", "such as 2027-06-12"),
        ("2027-08-15..2027-06-12", r"give the first one first: 2027-06-12\.\.2027-08-15"),
        ("9999-12-31", "too far away"),
    ],
)
def test_what_are_no_days_is_refused_in_words(typed: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        parse_dates(typed)


def test_notes_limits_and_hours_have_bounds() -> None:
    with pytest.raises(SettingsError, match="at most 200 characters"):
        parse_dates("2027-06-12", "x" * 201)
    assert parse_limit(Limit(60, 50), 45.5, "removals") == Limit(45.5, 50)
    assert parse_limit(Limit(60, 50), None, "removals") == Limit(60, 50)
    for percent in (-1.0, 101.0, float("nan"), float("inf")):
        with pytest.raises(SettingsError, match="limit of removals is a share from 0 to 100"):
            parse_limit(Limit(), percent, "removals")
    for hours in (0, -5, 8_785):
        with pytest.raises(SettingsError, match="from 1 to 8,784"):
            check_stale_hours(hours, Timetable(), CHICAGO, NOW)


@pytest.mark.parametrize(
    ("rhythm", "apart"),
    [
        (Timetable(nightly=Nightly("20:00", "05:00")), 24),
        (Timetable(nightly=Nightly("20:00", "05:00", ("mon", "tue", "wed", "thu", "fri"))), 72),
        (Timetable(nightly=Nightly("20:00", "05:00", ("sun",))), 168),
        (Timetable(cron="0 * * * *"), 1),
        (Timetable(cron="*/10 * * * *"), 1),
        (Timetable(cron="0 8-17 * * 1-5"), 63),
        (Timetable(cron="0 3 1 * *"), 744),
    ],
)
def test_an_alarm_leaves_room_between_two_times(rhythm: Timetable, apart: int) -> None:
    assert check_stale_hours(apart + 1, rhythm, CHICAGO, NOW) == apart + 1
    assert check_stale_hours(None, rhythm, CHICAGO, NOW) is None
    with pytest.raises(SettingsError, match=f"up to {apart} hours apart.* such as {apart + 12}"):
        check_stale_hours(apart, rhythm, CHICAGO, NOW)


@pytest.mark.parametrize(
    ("timetable", "sentences"),
    [
        (Timetable(), ["It has no timetable: it is synced only when somebody asks for it."]),
        (
            Timetable(nightly=Nightly("20:00", "05:00")),
            [
                "Every night between 20:00 and 05:00 of the next day (America/Chicago), for this connection at about 23:36.",
                "An alarm is raised when nothing was applied by 12 hours after its time.",
            ],
        ),
        (
            Timetable(nightly=Nightly("08:00", "16:00", ("mon", "wed", "fri")), stale_hours=1_000),
            [
                "On Monday, Wednesday and Friday between 08:00 and 16:00 (America/Chicago), for this connection at about 11:12.",
                "An alarm is raised when nothing was applied for 1,000 hours.",
            ],
        ),
        (
            Timetable(nightly=Nightly("20:00", "20:00")),
            [
                "Every night between 20:00 and 20:00 of the next day (America/Chicago), for this connection at about 05:36.",
                "An alarm is raised when nothing was applied by 12 hours after its time.",
            ],
        ),
        (
            Timetable(cron="17 3 * * 1-5", stale_hours=72),
            [
                "It is synced at 03:17 on Monday through Friday (America/Chicago; cron 17 3 * * 1-5).",
                "An alarm is raised when nothing was applied for 72 hours.",
            ],
        ),
        (
            Timetable(
                blackouts=(
                    DateRange("2027-06-12", "2027-08-15", "summer"),
                    DateRange("2026-12-20", "2027-01-03"),
                    DateRange("2026-11-01", "2026-11-21", "over"),
                ),
                add_only=(DateRange("2026-11-22", "2026-11-22", "today"),),
                rollover=Rollover("2026-11-22", updates=Limit(percent=80)),
            ),
            [
                "It has no timetable: it is synced only when somebody asks for it.",
                "Nothing is synced from 20 December 2026 to 3 January 2027.",
                "Nothing is synced from 12 June to 15 August 2027 (summer).",
                "Nothing is removed on 22 November 2026 (today).",
                "A rollover goes on until 22 November 2026: more than 60 % removals are held, more than 80 % updates are held.",
            ],
        ),
        (
            Timetable(rollover=Rollover("2026-11-21")),
            ["It has no timetable: it is synced only when somebody asks for it."],
        ),
    ],
)  # fmt: skip
def test_a_timetable_in_words(timetable: Timetable, sentences: list[str]) -> None:
    assert in_words(timetable, CHICAGO, spread=0.5, at=NOW) == sentences


def test_without_a_connection_its_place_is_not_told() -> None:
    assert in_words(Timetable(nightly=Nightly("20:00", "05:00")), CHICAGO)[0] == (
        "Every night between 20:00 and 05:00 of the next day (America/Chicago)."
    )


def test_one_month_is_told_in_full() -> None:
    assert range_words(DateRange("2027-06-01", "2027-06-12")) == "from 1 June to 12 June 2027"


@pytest.mark.parametrize(
    ("standing", "timetable", "sentence"),
    [
        (Standing(next_at="2026-11-23T05:41:00+00:00"), Timetable(), "It is synced next on Sunday, 22 November 2026, 23:41."),
        (Standing(next_at="2026-11-22T18:30:00+00:00", next_why="retry"), Timetable(),
         "It is tried again on Sunday, 22 November 2026, 12:30."),
        (Standing(next_at="2026-11-22T17:59:00+00:00"), Timetable(),
         "It is due since Sunday, 22 November 2026, 11:59; it begins as soon as a worker is free."),
        (Standing(next_at="2026-11-22T18:00:00+00:00", next_why="asked", asked_by="ann"), Timetable(),
         "ann asked for a sync; it begins as soon as a worker is free."),
        (Standing(next_at="2026-11-22T18:00:00+00:00", next_why="asked", asked_by="ann"),
         Timetable(blackouts=(DateRange("2026-11-22", "2026-11-29"),)),
         "ann asked for a sync; it begins when that has ended."),
        (Standing(), Timetable(cron="0 3 * * *"), "No time of its timetable is to come."),
    ],
)  # fmt: skip
def test_what_comes_next_in_words(standing: Standing, timetable: Timetable, sentence: str) -> None:
    assert next_words(standing, timetable, CHICAGO, NOW)[-1] == sentence


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ("applied", "it was applied."),
        ("held", "it was applied, but for what is held and waits for a person."),
        ("discarded", "what it held was discarded."),
        ("failed", "it failed and changed nothing."),
        ("pulling", "it goes on, or was interrupted."),
    ],
)
def test_how_the_last_run_ended_in_words(state: str, says: str) -> None:
    run = RunSummary(
        12, "springfield", "sis", state, False, "ann", "2026-11-22T05:41:00+00:00", 90.0, 0, 0, 0, 0, 0, ""
    )
    same_try = Standing(last_ended_at="2026-11-22T05:42:31+00:00")
    assert last_words(run, same_try, CHICAGO) == [
        f"The last run was on Saturday, 21 November 2026, 23:41 (run 12, by ann): {says}"
    ]
    later = Standing(last_ended_at="2026-11-22T17:00:00+00:00")  # found nothing to run for
    assert last_words(run, later, CHICAGO)[1] == "The last try ended on Sunday, 22 November 2026, 11:00."
