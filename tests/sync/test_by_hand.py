"""What people do by hand counts for a schedule: syncs in a terminal, and decisions on plans."""

from typing import Any

import pytest

from models.errors import SourceUnavailableError
from models.health import ConnectionStatus, Standing
from store import schedules
from sync import plans, tenants
from sync.connections import open_connection
from sync.history import get_run, list_runs
from sync.notices import recent
from sync.pull import sync
from sync.schedules import set_schedule
from sync.service import Service
from sync.status import status
from sync.tenants import tenant_and_settings
from tests.sync.fake_source import Shared


def stands(service: Service, **values: Any) -> int:
    """The schedule row of the connection, as it was left."""
    tenant_id, _ = tenant_and_settings(service, "springfield")
    connection_id = open_connection(service, "springfield", "sis").id
    timetable = '{"nightly":{"begins":"20:00","ends":"05:00"}}'
    due = {"next_at": "2099-01-01T03:00:00+00:00", "slot": "night 2098-12-31"}
    schedules.save(service.engine, connection_id, tenant_id, {"timetable": timetable, **due, **values})
    return connection_id


def held(service: Service, shared: Shared) -> int:
    """A run of which removals are held."""
    sync(service, "springfield", "sis", started_by="tests")
    tenants.set_setting(service, "springfield", "guard.removals.floor", "0")
    shared.people = {key: shared.people[key] for key in ("t1", "s0")}
    shared.enrollments = [row for row in shared.enrollments if row[1] in shared.people]
    report = sync(service, "springfield", "sis", started_by="tests")
    assert report.state == "held"
    return report.run_id


def line_of(service: Service) -> ConnectionStatus:
    (line,) = status(service).connections
    return line


def standing(service: Service, connection_id: int) -> Standing:
    row = schedules.find(service.engine, connection_id)
    assert row
    return schedules.standing_of(row)


def test_a_sync_in_a_terminal_ends_an_alarm_and_leaves_the_next_time_as_it_is(here: Service, shared: Shared) -> None:
    connection_id = stands(
        here,
        health="failing",
        health_code="source_unavailable",
        stale_since="2026-11-01T00:00:00+00:00",
        failed_slots=2,
    )
    sync(here, "springfield", "sis", started_by="tests")
    after = standing(here, connection_id)
    assert (after.health, after.stale_since, after.failed_slots) == ("ok", None, 0)
    assert (after.next_at, after.slot) == ("2099-01-01T03:00:00+00:00", "night 2098-12-31")
    assert [notice.event for notice in recent(here)] == ["recovered"]


def test_a_retry_is_not_needed_after_a_sync_in_a_terminal(here: Service, shared: Shared) -> None:
    connection_id = stands(here, health="retrying", next_why="retry", attempt=2)
    sync(here, "springfield", "sis", started_by="tests")
    after = standing(here, connection_id)
    assert (after.health, after.next_why, after.attempt) == ("ok", "scheduled", 0)
    assert after.slot != "night 2098-12-31"


def test_a_dry_run_says_nothing_of_how_it_stands(here: Service, shared: Shared) -> None:
    connection_id = stands(here, health="failing", health_code="source_unavailable")
    sync(here, "springfield", "sis", started_by="tests", dry_run=True)
    assert standing(here, connection_id).health == "failing"


def test_a_dry_run_that_was_approved_is_a_sync_that_went_well(here: Service, shared: Shared) -> None:
    connection_id = stands(
        here, health="failing", health_code="source_unavailable", last_ended_at="2026-11-01T00:00:00+00:00",
        stale_since="2026-11-02T00:00:00+00:00",
    )  # fmt: skip
    plan = sync(here, "springfield", "sis", started_by="tests", dry_run=True)
    plans.approve_plan(here, plan.run_id, decided_by="ann")
    after = standing(here, connection_id)
    assert (after.health, after.stale_since, after.last_run_id) == ("ok", None, plan.run_id)
    assert after.last_good_at == line_of(here).last_good_at
    assert [notice.event for notice in recent(here)] == ["recovered"]


@pytest.mark.parametrize("decide", [plans.approve_plan, plans.discard_plan])
def test_a_decision_on_an_older_plan_mends_no_source(here: Service, shared: Shared, decide: Any) -> None:
    run_id = held(here, shared)
    failed = {"health": "failing", "health_code": "source_unavailable", "failed_slots": 2, "last_good_at": None}
    connection_id = stands(here, **failed, last_ended_at="2099-01-01T00:00:00+00:00")
    decide(here, run_id, decided_by="ann")
    after = standing(here, connection_id)
    assert (after.health, after.failed_slots) == ("failing", 2)
    assert (after.last_good_at is not None) == (decide is plans.approve_plan)
    assert recent(here) == []


def test_what_was_planned_before_it_failed_mends_no_source(here: Service, shared: Shared) -> None:
    plan = sync(here, "springfield", "sis", started_by="tests", dry_run=True)
    connection_id = stands(here, health="failing", last_ended_at="2099-01-01T00:00:00+00:00")
    plans.approve_plan(here, plan.run_id, decided_by="ann")
    assert standing(here, connection_id).health == "failing"


def test_a_job_in_flight_keeps_its_time_and_its_run(here: Service, shared: Shared) -> None:
    """Else whoever takes the job over would not find the run that was applied for it."""
    connection_id = stands(here, job="1/a", next_why="retry", last_run_id=None, health="retrying")
    sync(here, "springfield", "sis", started_by="tests")
    after = standing(here, connection_id)
    assert (after.next_why, after.last_run_id, after.health) == ("retry", None, "retrying")
    assert after.last_good_at is not None


def test_approval_of_a_dry_run_takes_the_place_of_what_was_held_before(here: Service, shared: Shared) -> None:
    run_id = held(here, shared)
    plan = sync(here, "springfield", "sis", started_by="tests", dry_run=True)
    plans.approve_plan(here, plan.run_id, decided_by="ann")
    assert get_run(here, run_id).state == "discarded"
    assert line_of(here).health == "ok"


def test_a_new_schedule_knows_of_syncs_by_hand(place: Service, shared: Shared) -> None:
    report = sync(place, "springfield", "sis", started_by="tests")
    shared.error = SourceUnavailableError("It is down.")
    with pytest.raises(SourceUnavailableError):
        sync(place, "springfield", "sis", started_by="tests")
    set_schedule(place, "springfield", "sis", nightly="20:00-05:00")
    row = schedules.find(place.engine, open_connection(place, "springfield", "sis").id)
    assert row
    assert row.last_good_at == report.finished_at


def test_what_was_decided_on_is_not_held_any_more(here: Service, shared: Shared) -> None:
    connection_id = stands(here)
    tenants.set_setting(here, "springfield", "guard.removals.floor", "0")
    sync(here, "springfield", "sis", started_by="tests")
    people = dict(shared.people)
    for decide in (plans.discard_plan, plans.approve_plan):
        shared.people = {"t1": people["t1"], "s0": people["s0"]}
        shared.enrollments = [row for row in shared.enrollments if row[1] in shared.people]
        sync(here, "springfield", "sis", started_by="tests")
        assert standing(here, connection_id).health == "held", list_runs(here, "springfield")[0]
        decide(here, list_runs(here, "springfield", limit=1)[0].run_id, decided_by="ann")
        assert standing(here, connection_id).health == "ok"
    assert [notice.event for notice in recent(here)] == ["held", "held"]
