"""What people do by hand counts for a schedule: syncs in a terminal, and decisions on plans."""

from typing import Any

from models.health import Standing
from store import schedules
from sync import plans, tenants
from sync.connections import open_connection
from sync.history import list_runs
from sync.notices import recent
from sync.pull import sync
from sync.service import Service
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
