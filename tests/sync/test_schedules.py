"""The verbs of schedules and requests: what a person sets is what the row is due for, and each refusal says what to do."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from models.errors import NotFoundError, RetryLaterError, SettingsError
from models.health import ScheduleView
from models.report import RunReport
from models.settings import Limit
from models.tables import Schedule, Worker
from store import runs, workers
from store import schedules as store
from store import tenants as tenant_store
from store.database import reading, writing
from store.lock import tenant_lock
from sync import connections, replan, requests, schedules, tenants
from sync.schedule import read_timetable
from sync.service import Service
from tests.sync import fake_source

NOON = "2026-11-22T18:00:00+00:00"  # in Chicago, a Sunday
Clock = Callable[[str], None]


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Sets the time that all of this goes by."""

    def set_to(text: str) -> None:
        for module in (schedules, requests, replan):
            monkeypatch.setattr(module, "now", lambda: text)

    set_to(NOON)
    return set_to


@pytest.fixture
def chicago(here: Service) -> Service:
    tenants.set_setting(here, "springfield", "time_zone", "America/Chicago")
    return here


def row_of(service: Service, name: str = "sis") -> Schedule:
    found = next(row for row in store.all_scheduled(service.engine) if row.connection == name)
    return found.row


def claim(service: Service, job: str = "job-1") -> Schedule:
    """What the scheduler does with a row that is due."""
    row = row_of(service)
    assert store.claim(service.engine, row, job, NOON)
    return row


def begin_run(service: Service) -> int:
    row = row_of(service)
    return runs.begin_run(
        service.engine, row.tenant_id, row.connection_id, dry_run=False, started_by="ann", slot=None, now=NOON
    )[0]


def alive(service: Service) -> None:
    workers.register(service.engine, Worker(id="w", host="h", pid=1, version="1", slots=4, started_at=NOON, seen=0.0))


def add_files(service: Service) -> None:
    """A connection for uploaded files beside the one to a source."""
    tenant_id, _ = tenants.tenant_and_settings(service, "springfield")
    tenant_store.ensure_connection(service.engine, tenant_id, "csv", "csv", NOON)


# --- the timetable ----------------------------------------------------------------------------------------------------


def test_a_schedule_is_stored_and_the_row_is_due_for_it(place: Service) -> None:
    tenants.set_setting(place, "springfield", "time_zone", "America/Chicago")
    view = schedules.set_schedule(place, "springfield", nightly="20:00-5:00", days=["mon-fri"], stale_hours=96)
    row = row_of(place)
    assert (view.recurs, view.next_at, view.time_zone) == (True, row.next_at, "America/Chicago")
    assert (row.slot, row.window_ends_at) == ("night 2026-11-23", "2026-11-24T11:00:00+00:00")
    assert "2026-11-24T02:00:00+00:00" <= str(row.next_at) < "2026-11-24T11:00:00+00:00"
    assert len(view.upcoming) == 5
    assert view.upcoming[0].endswith("-06:00")
    assert datetime.fromisoformat(view.upcoming[0]) == datetime.fromisoformat(str(row.next_at))
    view = schedules.set_schedule(place, "springfield", "sis", cron="17 3 * * *")
    assert (view.next_at, row_of(place).slot) == ("2026-11-23T09:17:00+00:00", "2026-11-23T09:17:00+00:00")
    assert view.timetable["nightly"] is None
    assert view.timetable["stale_hours"] is None
    view = schedules.clear_schedule(place, "springfield")
    assert (view.recurs, view.next_at, view.upcoming, row_of(place).next_at) == (False, None, [], None)
    assert "only when somebody asks" in view.sentences[0]


def test_what_cannot_be_a_schedule_is_refused_and_changes_nothing(here: Service) -> None:
    refused: list[tuple[dict[str, Any], str]] = [
        ({}, "either nightly"),
        ({"cron": "0 3 * * *", "nightly": "20:00-05:00"}, "either nightly"),
        ({"cron": "0 3 * * *", "days": ["mon"]}, "fifth field"),
        ({"cron": "0 0 30 2 *"}, "never comes"),
        ({"nightly": "8pm-5am"}, "two times of day"),
        ({"nightly": "20:00-05:00", "days": ["someday"]}, "'someday' is none"),
        ({"nightly": "20:00-05:00", "stale_hours": 0}, "from 1 to 8,784"),
    ]
    for settings, says in refused:
        with pytest.raises(SettingsError, match=says):
            schedules.set_schedule(here, "springfield", **settings)
    assert store.all_scheduled(here.engine) == []


def test_another_time_zone_moves_what_is_scheduled(chicago: Service) -> None:
    schedules.set_schedule(chicago, "springfield", cron="0 3 * * *")
    assert row_of(chicago).next_at == "2026-11-23T09:00:00+00:00"
    tenants.set_setting(chicago, "springfield", "time_zone", "Asia/Kathmandu")
    assert row_of(chicago).next_at == "2026-11-22T21:15:00+00:00"
    with pytest.raises(SettingsError, match="Did you mean America/New_York"):
        tenants.set_setting(chicago, "springfield", "time_zone", "New York")
    assert tenants.show_tenant(chicago, "springfield").settings["time_zone"] == "Asia/Kathmandu"
    tenants.set_setting(chicago, "springfield", "create_schools", "true")
    assert row_of(chicago).next_at == "2026-11-22T21:15:00+00:00"


def test_a_change_leaves_alone_what_is_queued_running_or_asked_for(chicago: Service, clock: Clock) -> None:
    schedules.set_schedule(chicago, "springfield", cron="0 13 * * *")
    clock("2026-11-22T19:00:05+00:00")
    due = claim(chicago)
    schedules.set_schedule(chicago, "springfield", cron="0 3 * * *")
    schedules.add_blackout(chicago, "springfield", None, "2026-11-22")
    after = row_of(chicago)
    assert (after.next_at, after.slot, after.job) == (due.next_at, due.slot, "job-1")
    assert read_timetable(after.timetable).cron == "0 3 * * *"
    with writing(chicago.engine) as connection:
        store.end_job(connection, after, after.slot, store.standing_of(after))
    schedules.remove_blackout(chicago, "springfield", None, "2026-11-22")
    requests.ask_for_sync(chicago, "springfield", by="ann")
    schedules.set_schedule(chicago, "springfield", nightly="20:00-05:00")
    schedules.clear_schedule(chicago, "springfield")
    assert (row_of(chicago).next_why, row_of(chicago).next_at) == ("asked", "2026-11-22T19:00:05+00:00")


# --- special days -----------------------------------------------------------------------------------------------------


def test_a_blackout_moves_the_next_time_and_back(chicago: Service) -> None:
    schedules.set_schedule(chicago, "springfield", cron="0 3 * * *")
    view = schedules.add_blackout(chicago, "springfield", None, "2026-11-22..2026-11-29", note="Thanksgiving  week")
    assert view.next_at == "2026-11-30T09:00:00+00:00"
    assert "Nothing is synced from 22 November to 29 November 2026 (Thanksgiving week)." in view.sentences
    assert any(sentence.startswith("Today is a day of a blackout") for sentence in view.sentences)
    again = schedules.add_blackout(chicago, "springfield", None, "2026-11-22..2026-11-29", note="holidays")
    assert again.timetable["blackouts"] == ({"first": "2026-11-22", "last": "2026-11-29", "note": "holidays"},)
    with pytest.raises(SettingsError, match=r"no blackout on 23 November 2026; set are: 2026-11-22\.\.2026-11-29"):
        schedules.remove_blackout(chicago, "springfield", None, "2026-11-23")
    view = schedules.remove_blackout(chicago, "springfield", None, "2026-11-22..2026-11-29")
    assert (view.next_at, view.timetable["blackouts"]) == ("2026-11-23T09:00:00+00:00", ())
    with pytest.raises(SettingsError, match="none is set"):
        schedules.remove_blackout(chicago, "springfield", None, "2026-11-23")


def test_days_that_have_gone_by_are_refused(chicago: Service) -> None:
    for add in (schedules.add_blackout, schedules.add_add_only):
        with pytest.raises(SettingsError, match="gone by"):
            add(chicago, "springfield", None, "2026-01-01..2026-11-21")
    with pytest.raises(SettingsError, match="gone by"):
        schedules.set_rollover(chicago, "springfield", None, "2026-11-21")
    assert store.all_scheduled(chicago.engine) == []


def test_days_go_by_the_tenants_own_calendar(chicago: Service, clock: Clock) -> None:
    clock("2026-11-23T03:00:00+00:00")  # still the 22nd there
    assert schedules.add_add_only(chicago, "springfield", None, "2026-11-22").timetable["add_only"]
    tenants.set_setting(chicago, "springfield", "time_zone", "Asia/Kathmandu")
    with pytest.raises(SettingsError, match="gone by"):
        schedules.add_blackout(chicago, "springfield", None, "2026-11-22")


def test_rollover_and_add_only_days_are_told_until_they_are_over(chicago: Service, clock: Clock) -> None:
    schedules.add_add_only(chicago, "springfield", None, "2027-08-01..2027-08-10")
    view = schedules.set_rollover(chicago, "springfield", None, "2027-09-15", removals=45)
    said = [
        "Nothing is removed from 1 August to 10 August 2027.",
        "A rollover goes on until 15 September 2027: more than 45 % removals are held, no updates are held.",
    ]
    assert [sentence for sentence in view.sentences if sentence in said] == said
    rollover = read_timetable(row_of(chicago).timetable).rollover
    assert rollover is not None
    assert (rollover.removals, rollover.updates) == (Limit(45, 50, 0), Limit(100, 50, 0))
    clock("2027-09-20T12:00:00+00:00")
    assert not set(said) & set(schedules.show_schedule(chicago, "springfield").sentences)
    assert schedules.end_rollover(chicago, "springfield").timetable["rollover"] is None
    with pytest.raises(SettingsError, match="no rollover of springfield/sis to end"):
        schedules.end_rollover(chicago, "springfield")
    schedules.remove_add_only(chicago, "springfield", None, "2027-08-01..2027-08-10")


# --- which connection -------------------------------------------------------------------------------------------------


def test_uploaded_files_have_no_schedule_but_days_without_removals(chicago: Service) -> None:
    add_files(chicago)
    for refused in (
        lambda: schedules.set_schedule(chicago, "springfield", "csv", nightly="20:00-05:00"),
        lambda: schedules.add_blackout(chicago, "springfield", "csv", "2027-06-12"),
        lambda: requests.ask_for_sync(chicago, "springfield", "csv", by="ann"),
    ):
        with pytest.raises(SettingsError, match="rostersync upload springfield PATH"):
            refused()
    schedules.set_rollover(chicago, "springfield", "csv", "2027-09-15")
    view = schedules.add_add_only(chicago, "springfield", "csv", "2027-08-01..2027-08-10")
    assert (view.recurs, view.next_at) == (False, None)
    assert view.sentences[0] == "Its files are uploaded; nothing is fetched by itself."
    # For what only a source can have, the other one is meant; else both are possible.
    assert schedules.set_schedule(chicago, "springfield", nightly="20:00-05:00").connection == "sis"
    with pytest.raises(SettingsError, match=r"name one of them: sis, csv\."):
        schedules.add_add_only(chicago, "springfield", None, "2027-08-01")


def test_a_connection_that_is_not_there_is_told(here: Service) -> None:
    fake_source.add(here, "other")
    with pytest.raises(SettingsError, match=r"name one of them: sis, other\."):
        schedules.show_schedule(here, "springfield")
    with pytest.raises(NotFoundError, match="no connection 'clever'"):
        schedules.show_schedule(here, "springfield", "clever")
    with pytest.raises(NotFoundError, match="no tenant 'shelbyville'"):
        schedules.list_schedules(here, "shelbyville")
    connections.remove_connection(here, "springfield", "other", by="ann")
    with pytest.raises(SettingsError, match="was removed"):
        schedules.set_schedule(here, "springfield", "other", cron="0 3 * * *")
    assert schedules.show_schedule(here, "springfield").connection == "sis"
    tenants.add_tenant(here, "shelbyville")
    with pytest.raises(SettingsError, match="no connection to a source"):
        schedules.set_schedule(here, "shelbyville", cron="0 3 * * *")


def test_connections_that_were_never_scheduled_are_listed(here: Service) -> None:
    schedules.set_schedule(here, "springfield", "sis", cron="0 3 * * *")
    fake_source.add(here, "other")
    fake_source.add(here, "gone")
    connections.remove_connection(here, "springfield", "gone", by="ann")
    tenants.add_tenant(here, "oak")
    add_files(here)
    found = schedules.list_schedules(here)
    assert [(view.connection, view.recurs, view.standing.health) for view in found] == [
        ("sis", True, "new"), ("other", False, "new"), ("csv", False, "new"),
    ]  # fmt: skip
    assert schedules.list_schedules(here, "oak") == []


def test_the_next_times_are_those_at_which_it_is_synced(chicago: Service) -> None:
    """One that has failed for long is tried daily only."""
    schedules.set_schedule(chicago, "springfield", cron="0 * * * *")
    row = row_of(chicago)
    next_at = "2026-11-23T15:00:00+00:00"
    store.save(chicago.engine, row.connection_id, row.tenant_id, {"health": "quarantined", "next_at": next_at})
    assert schedules.show_schedule(chicago, "springfield").upcoming[0] == "2026-11-23T09:00:00-06:00"


def test_a_change_says_when_it_was_made_and_the_same_again_does_not(chicago: Service, clock: Clock) -> None:
    def set_at() -> str | None:
        return read_timetable(row_of(chicago).timetable).set_at

    for times in range(2):
        schedules.set_schedule(chicago, "springfield", nightly="20:00-05:00")
        assert set_at() == NOON, times
        clock("2026-11-24T18:00:00+00:00")
    schedules.add_blackout(chicago, "springfield", None, "2026-12-24")
    assert set_at() == "2026-11-24T18:00:00+00:00"


def test_without_a_timetable_no_alarm_goes_on(chicago: Service) -> None:
    schedules.set_schedule(chicago, "springfield", cron="0 3 * * *")
    row = row_of(chicago)
    store.save(chicago.engine, row.connection_id, row.tenant_id, {"stale_since": NOON})
    schedules.add_blackout(chicago, "springfield", None, "2026-12-24")
    assert row_of(chicago).stale_since == NOON
    schedules.clear_schedule(chicago, "springfield")
    assert row_of(chicago).stale_since is None


def test_all_schedules_are_listed_even_one_that_cannot_be_read(here: Service) -> None:
    fake_source.add(here, "other")
    schedules.set_schedule(here, "springfield", "sis", cron="0 3 * * *")
    schedules.set_schedule(here, "springfield", "other", cron="0 4 * * *")
    row = row_of(here)
    store.save(here.engine, row.connection_id, row.tenant_id, {"timetable": '{"of": "next year"}'})
    broken, fine = schedules.list_schedules(here)
    assert (broken.connection, fine.connection) == ("sis", "other")
    assert "another version of rostersync" in broken.sentences[0]
    assert "at 04:00 every day" in fine.sentences[0]
    with pytest.raises(SettingsError, match="another version"):
        schedules.set_schedule(here, "springfield", "sis", cron="0 3 * * *")
    schedules.clear_schedule(here, "springfield", "sis")
    assert schedules.set_schedule(here, "springfield", "sis", cron="0 3 * * *").recurs


# --- how it stands ----------------------------------------------------------------------------------------------------


def said(view: ScheduleView, begin: str) -> str:
    """The one sentence that begins so."""
    (sentence,) = [sentence for sentence in view.sentences if sentence.startswith(begin)]
    return sentence


def test_show_says_when_it_ran_and_how_that_ended(chicago: Service) -> None:
    schedules.set_schedule(chicago, "springfield", cron="0 3 * * *")
    assert said(schedules.show_schedule(chicago, "springfield"), "It was never synced")
    run_id = begin_run(chicago)
    view = schedules.show_schedule(chicago, "springfield")
    assert said(view, "The last run") == (
        f"The last run was on Sunday, 22 November 2026, 12:00 (run {run_id}, by ann): it goes on, or was interrupted."
    )
    row = row_of(chicago)
    store.save(
        chicago.engine, row.connection_id, row.tenant_id,
        {
            "health": "refused", "health_since": NOON, "health_reason": "The client secret is wrong.", "stale_since": NOON,
            "last_ended_at": "2026-11-22T19:00:00+00:00", "last_good_at": "2026-11-21T09:00:00+00:00",
        },
    )  # fmt: skip
    view = schedules.show_schedule(chicago, "springfield")
    assert said(view, "The last try ended") == "The last try ended on Sunday, 22 November 2026, 13:00."
    assert said(view, "The last good") == "The last good sync ended on Saturday, 21 November 2026, 03:00."
    assert said(view, "The credentials") == (
        "The credentials are refused (since Sunday, 22 November 2026, 12:00): The client secret is wrong."
    )
    assert said(view, "It is stale")
    assert said(view, "It is synced next") == "It is synced next on Monday, 23 November 2026, 03:00."


def test_show_says_why_it_is_not_synced(chicago: Service, clock: Clock) -> None:
    schedules.set_schedule(chicago, "springfield", cron="0 3 * * *")
    assert said(schedules.show_schedule(chicago, "springfield"), "No worker is running")
    alive(chicago)
    assert not any("No worker" in sentence for sentence in schedules.show_schedule(chicago, "springfield").sentences)
    connections.pause_connection(chicago, "springfield", "sis", "vacation", by="ann")
    view = schedules.show_schedule(chicago, "springfield")
    assert said(view, "Nothing is synced: it was paused by ann: vacation.").endswith(
        "connection resume springfield sis"
    )
    assert (view.next_at, view.upcoming) == (None, [])
    connections.resume_connection(chicago, "springfield", "sis")
    clock("2026-11-23T09:00:10+00:00")
    assert said(schedules.show_schedule(chicago, "springfield"), "It is due since").endswith("as a worker is free.")
    claim(chicago)
    assert said(schedules.show_schedule(chicago, "springfield"), "It is queued")
    store.take(chicago.engine, row_of(chicago).connection_id, "job-1", "w", "2026-11-23T09:00:11+00:00")
    assert said(schedules.show_schedule(chicago, "springfield"), "It is being synced since Monday")


def test_resume_waits_for_the_next_time_unless_this_ones_window_is_open(place: Service, clock: Clock) -> None:
    schedules.set_schedule(place, "springfield", cron="0 3 * * *")
    missed = row_of(place).next_at
    for back, expected in (
        ("2026-11-23T05:00:00+00:00", missed),
        ("2026-11-25T12:00:00+00:00", "2026-11-26T03:00:00+00:00"),
    ):
        connections.pause_connection(place, "springfield", "sis", "", by="ann")
        clock(back)
        connections.resume_connection(place, "springfield", "sis")
        assert row_of(place).next_at == expected


def test_resume_of_what_was_never_scheduled_makes_no_schedule(here: Service) -> None:
    connections.pause_connection(here, "springfield", "sis", "", by="ann")
    connections.resume_connection(here, "springfield", "sis")
    assert store.all_scheduled(here.engine) == []


# --- requests ---------------------------------------------------------------------------------------------------------


def test_a_sync_that_is_asked_for_is_due_at_once(place: Service) -> None:
    request = requests.ask_for_sync(place, "springfield", by="ann")
    assert request.workers == 0
    assert "No worker is running" in request.sentence
    row = row_of(place)
    assert (row.next_at, row.next_why, row.asked_by) == (NOON, "asked", "ann")
    assert row.slot.startswith(f"asked {NOON} ")
    assert "ann" not in row.slot  # it is part of the job's name, which is logged
    assert [found.row.connection_id for found in store.due(place.engine, NOON, 10)] == [row.connection_id]
    assert said(schedules.show_schedule(place, "springfield"), "ann asked for a sync")
    alive(place)
    assert requests.ask_for_sync(place, "springfield", by="ann").sentence == "It begins as soon as a worker is free."


def test_a_request_says_what_it_waits_for(here: Service) -> None:
    alive(here)
    fake_source.add(here, "other")
    requests.ask_for_sync(here, "springfield", "sis", by="ann")
    claim(here)
    assert requests.ask_for_sync(here, "springfield", "sis", by="bob").sentence.startswith("It was queued already")
    store.take(here.engine, row_of(here).connection_id, "job-1", "w", NOON)
    for name in ("sis", "other"):
        assert requests.ask_for_sync(here, "springfield", name, by="bob").sentence == (
            "springfield/sis is being synced; it begins when that has ended."
        )


def test_nobody_can_ask_in_a_pause_or_a_blackout(chicago: Service, clock: Clock) -> None:
    schedules.add_blackout(chicago, "springfield", None, "2026-11-22..2026-11-29", note="holidays")
    with pytest.raises(SettingsError, match=r"blackout remove springfield sis --dates 2026-11-22\.\.2026-11-29"):
        requests.ask_for_sync(chicago, "springfield", by="ann")
    clock("2026-11-30T12:00:00+00:00")
    connections.pause_connection(chicago, "springfield", "sis", "vacation", by="bob")
    with pytest.raises(SettingsError, match=r"paused by bob: vacation.*connection resume springfield sis"):
        requests.ask_for_sync(chicago, "springfield", by="ann")
    assert row_of(chicago).next_at is None


def test_a_run_that_goes_on_is_asked_to_stop(place: Service) -> None:
    requests.ask_for_sync(place, "springfield", by="ann")
    run_id = begin_run(place)
    with tenant_lock(place.engine, row_of(place).tenant_id, "springfield"):
        done = requests.cancel_sync(place, "springfield", by="bob")
    assert (done.what, done.run_id, done.connection) == ("run", run_id, "sis")
    assert runs.asked_to_stop(place.engine, run_id) == "bob"
    assert row_of(place).next_why == "asked"
    runs.set_state(place.engine, run_id, "applied")
    assert not runs.ask_to_stop(place.engine, run_id, "carl")
    assert runs.asked_to_stop(place.engine, run_id) == "bob"


@pytest.mark.parametrize("queued", [False, True])
def test_what_has_not_begun_is_taken_back(place: Service, clock: Clock, queued: bool) -> None:
    schedules.set_schedule(place, "springfield", cron="0 3 * * *")
    requests.ask_for_sync(place, "springfield", by="ann")
    if queued:
        claim(place)
    done = requests.cancel_sync(place, "springfield", "sis", by="ann")
    row = row_of(place)
    assert (done.what, done.run_id, done.next_at) == ("waiting", None, "2026-11-23T03:00:00+00:00")
    assert (row.next_at, row.next_why, row.job, row.asked_by, row.attempt) == (done.next_at, "scheduled", None, "", 0)
    assert store.take(place.engine, row.connection_id, "job-1", "w", NOON) is None
    with pytest.raises(SettingsError, match="Nothing of springfield is being synced"):
        requests.cancel_sync(place, "springfield", by="ann")
    clock("2026-11-23T03:00:01+00:00")  # now that one is due
    assert requests.cancel_sync(place, "springfield", by="ann").next_at == "2026-11-24T03:00:00+00:00"


def test_a_retry_is_taken_back_and_what_only_was_asked_for_is_gone(here: Service) -> None:
    requests.ask_for_sync(here, "springfield", by="ann")
    row = row_of(here)
    later = (datetime.fromisoformat(NOON) + timedelta(minutes=30)).isoformat()
    store.save(here.engine, row.connection_id, row.tenant_id, {"next_why": "retry", "next_at": later, "attempt": 2})
    done = requests.cancel_sync(here, "springfield", by="ann")
    assert (done.next_at, row_of(here).next_at) == (None, None)
    assert done.sentence.endswith("It is synced when somebody asks for it.")


def test_what_a_worker_had_begun_that_was_killed_is_taken_back(place: Service) -> None:
    """Its run's row says that it goes on; its lock is gone. Should another worker come to the job, it finds nothing to do."""
    requests.ask_for_sync(place, "springfield", by="ann")
    claim(place)
    connection_id = row_of(place).connection_id
    store.take(place.engine, connection_id, "job-1", "w", NOON)
    run_id = begin_run(place)
    done = requests.cancel_sync(place, "springfield", by="bob")
    assert (done.what, done.next_at) == ("waiting", None)
    row = row_of(place)
    assert (row.job, row.worker, row.next_at, row.health) == (None, None, None, "new")
    assert runs.asked_to_stop(place.engine, run_id) is None
    assert store.take(place.engine, connection_id, "job-1", "w2", NOON) is None
    with reading(place.engine) as connection:
        assert not store.is_taken(connection, connection_id, "job-1", "w")


def test_a_sync_that_has_just_ended_cannot_be_taken_back(place: Service) -> None:
    requests.ask_for_sync(place, "springfield", by="ann")
    row = row_of(place)
    claim(place)
    store.take(place.engine, row.connection_id, "job-1", "w", NOON)
    report = RunReport(1, "springfield", "sis", "applied", False, "ann", NOON)
    run_id, _ = runs.begin_run(
        place.engine, row.tenant_id, row.connection_id, dry_run=False, started_by="ann", slot=row.slot, now=NOON
    )
    with writing(place.engine) as connection:
        runs.save_report(connection, run_id, report, base_revision=0)
    with pytest.raises(RetryLaterError, match="try again in a few seconds"):
        requests.cancel_sync(place, "springfield", by="ann")
    assert (row_of(place).health, row_of(place).job) == ("ok", None)


def test_what_is_taken_back_in_a_pause_says_how_to_go_on(here: Service) -> None:
    requests.ask_for_sync(here, "springfield", by="ann")
    connections.pause_connection(here, "springfield", "sis", "", by="ann")
    assert requests.cancel_sync(here, "springfield", by="ann").sentence.endswith("connection resume springfield sis")


@pytest.mark.parametrize(
    ("state", "kept"),
    [
        ({"next_why": "retry", "next_at": "2026-11-23T08:00:00+00:00"}, True),
        ({"next_at": NOON}, True),
        ({"job": "job-1", "worker": "w", "next_at": "2026-11-22T17:00:00+00:00"}, True),
        ({"next_at": "2026-11-23T02:00:00+00:00"}, False),
    ],
    ids=["is tried again", "is due", "runs", "is to come"],
)
def test_a_request_keeps_the_window_of_a_night_that_it_takes_the_place_of(
    place: Service, state: dict[str, Any], kept: bool
) -> None:
    schedules.set_schedule(place, "springfield", nightly="20:00-05:00")
    row, ends = row_of(place), "2026-11-23T11:00:00+00:00"
    store.save(place.engine, row.connection_id, row.tenant_id, {"window_ends_at": ends, **state})
    for by in ("ann", "bob"):
        requests.ask_for_sync(place, "springfield", by=by)
        after = row_of(place)
        assert (after.next_why, after.asked_by, after.window_ends_at) == ("asked", by, ends if kept else None)


def test_of_several_that_wait_one_must_be_named(here: Service) -> None:
    fake_source.add(here, "other")
    for name in ("sis", "other"):
        requests.ask_for_sync(here, "springfield", name, by="ann")
    with pytest.raises(SettingsError, match=r"name one of them: sis, other\."):
        requests.cancel_sync(here, "springfield", by="ann")
    assert requests.cancel_sync(here, "springfield", "other", by="ann").connection == "other"
    assert requests.cancel_sync(here, "springfield", by="ann").connection == "sis"


def test_nothing_but_names_and_times_is_in_what_is_told(here: Service) -> None:
    view = schedules.set_schedule(here, "springfield", cron="0 3 * * *")
    request = requests.ask_for_sync(here, "springfield", by="ann")
    told = msgspec.json.encode([view, request, requests.cancel_sync(here, "springfield", by="ann")]).decode()
    assert fake_source.SECRET not in told
    assert fake_source.BASE_URL not in told
