"""All tenants at a glance: state, age, what comes next, whose turn it is; from schedules and from the run history alike."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import event, update

from models.errors import CredentialsRefusedError, NotFoundError, SourceUnavailableError
from models.health import ConnectionStatus, Turn
from models.tables import Run, Worker
from models.timetable import DateRange, Nightly, Timetable
from store import schedules, workers
from store.connections import connections_of
from store.database import writing
from store.tenants import add_tenant
from sync import connections, plans
from sync.pull import sync
from sync.schedule import text_of
from sync.service import Service
from sync.status import span, status
from sync.tenants import set_setting, tenant_and_settings
from tests.sync import fake_source
from tests.sync.district import District, district

NIGHTLY = Timetable(nightly=Nightly("20:00", "05:00"))
Shared = fake_source.Shared


def ago(**time: float) -> str:
    return text_of(datetime.now(UTC) - timedelta(**time))


def ahead(**time: float) -> str:
    return text_of(datetime.now(UTC) + timedelta(**time))


def stand(service: Service, timetable: Timetable = NIGHTLY, *, name: str = "sis", **values: Any) -> None:
    """Schedule a connection of springfield, and let it stand so."""
    tenant_id, _ = tenant_and_settings(service, "springfield")
    row = next(row for row in connections_of(service.engine, tenant_id) if row.name == name)
    assert row.id is not None
    values = {"timetable": msgspec.json.encode(timetable).decode(), "next_at": ahead(hours=5), **values}
    schedules.save(service.engine, row.id, tenant_id, values)


def line(service: Service, name: str = "sis") -> ConnectionStatus:
    return next(line for line in status(service).connections if line.connection == name)


def finished(service: Service, run_id: int, at: str) -> None:
    """Let a run have ended at another time."""
    with writing(service.engine) as connection:
        table = Run.__table__  # type: ignore[attr-defined]
        connection.execute(update(table).where(table.c.id == run_id).values(finished_at=at))


def register(service: Service, worker: str) -> None:
    """A worker begins."""
    workers.register(
        service.engine, Worker(id=worker, host="h", pid=7, version="1", slots=4, started_at=ago(hours=1), seen=0.0)
    )


def test_connection_that_was_never_synced(here: Service) -> None:
    assert line(here) == ConnectionStatus(
        tenant="springfield", connection="sis", connector="oneroster", state="unscheduled", health="new", turn="nobody",
        reason="", last_good_at=None, age_hours=None, next_at=None, next_words="when asked", last_run_id=None, stale=False,
    )  # fmt: skip


def test_healthy_connection_tells_its_last_sync_and_its_next(here: Service) -> None:
    run = sync(here, "springfield", started_by="schedule").run_id
    finished(here, run, ago(hours=7))
    stand(here, health="ok", last_run_id=run, last_ended_at=ago(hours=7), last_good_at=ago(hours=7))
    found = line(here)
    assert (found.state, found.turn, found.last_run_id, found.next_words) == ("ok", "nobody", run, "in 5 h")
    assert found.age_hours == pytest.approx(7.0, abs=0.02)


def test_last_good_sync_may_have_been_started_by_hand(place: Service) -> None:
    stand(
        place,
        health="failing",
        health_code="source_unavailable",
        health_reason="It is down.",
        last_ended_at=ago(hours=9),
    )
    assert (line(place).state, line(place).turn, line(place).age_hours) == ("failing", "vendor", None)
    sync(place, "springfield", started_by="ann")
    found = line(place)
    assert (found.state, found.turn, found.reason) == ("ok", "nobody", "")
    assert found.age_hours == pytest.approx(0.0, abs=0.05)


def test_files_that_came_again_are_as_good_as_a_sync(here: Service) -> None:
    """There is no run of them; the schedule knows. Of both, the later counts."""
    run = sync(here, "springfield", started_by="schedule").run_id
    finished(here, run, ago(days=60))
    stand(here, health="ok", last_ended_at=ago(hours=3), last_good_at=ago(hours=3))
    assert line(here).age_hours == pytest.approx(3.0, abs=0.02)
    sync(here, "springfield", started_by="ann")
    stand(here, health="ok", last_ended_at=ago(hours=3), last_good_at=ago(hours=3))
    assert line(here).age_hours == pytest.approx(0.0, abs=0.02)


@pytest.mark.parametrize(
    ("error", "health", "turn"),
    [
        (CredentialsRefusedError("They refuse us."), "refused", "district"),
        (SourceUnavailableError("It is down."), "failing", "vendor"),
        (ZeroDivisionError("Ada"), "broken", "ours"),
    ],
)
def test_failure_by_hand_of_what_was_never_scheduled(
    here: Service, shared: Shared, error: Any, health: str, turn: Turn
) -> None:
    shared.error = error
    with pytest.raises(type(error)):
        sync(here, "springfield", started_by="ann")
    found = line(here)
    assert (found.state, found.health, found.turn, found.last_run_id) == (health, health, turn, 1)
    assert found.reason == (error.for_admin if turn != "ours" else found.reason)
    assert found.reason
    assert "Ada" not in found.reason


def test_a_run_that_was_stopped_says_nothing_of_the_source(here: Service) -> None:
    sync(here, "springfield", started_by="ann")
    with pytest.raises(Exception, match="stopped"):
        sync(here, "springfield", started_by="ann", cancelled=lambda: True)
    assert (line(here).health, line(here).last_run_id) == ("ok", 1)


def test_dry_runs_are_no_syncs(here: Service) -> None:
    plan = sync(here, "springfield", dry_run=True, started_by="ann")
    assert line(here).last_good_at is None
    plans.approve_plan(here, plan.run_id, decided_by="ann")
    assert line(here).last_good_at is not None


def test_held_plan_of_an_upload_waits_for_the_district(oak: District) -> None:
    oak.upload(district(students=60))
    oak.upload(district(students=10))
    (found,) = status(oak.service).connections
    assert (found.connection, found.state, found.turn) == ("csv", "held", "district")
    assert found.reason.startswith("100 of 124 people would go; held")
    assert found.next_words == "when files are uploaded"
    assert found.last_good_at is not None


def test_held_plan_waits_until_somebody_decides(oak: District) -> None:
    oak.upload(district(students=60))
    held = oak.upload(district(students=10))
    tenant_id, _ = tenant_and_settings(oak.service, "test")
    row = next(row for row in connections_of(oak.service.engine, tenant_id) if row.name == "csv")
    assert row.id is not None
    standing = {
        "health": "held",
        "health_reason": "50 go.",
        "last_run_id": held.run_id,
        "last_ended_at": ahead(seconds=5),
    }
    schedules.save(oak.service.engine, row.id, tenant_id, standing)
    (found,) = status(oak.service).connections
    assert (found.health, found.turn, found.last_run_id) == ("held", "district", held.run_id)
    assert found.reason.startswith("100 of 124 people would go; held")
    plans.discard_plan(oak.service, held.run_id, decided_by="ann")
    (found,) = status(oak.service).connections
    assert (found.health, found.turn) == ("ok", "nobody")


def test_running_queued_and_due_are_counted(place: Service) -> None:
    fake_source.add(place, "two")
    stand(place, next_at=ago(minutes=5))
    assert (line(place).next_words, status(place).due, status(place).running) == ("due", 1, 0)
    stand(place, next_at=ago(minutes=5), job="1/a", queued_at=ago(minutes=1))
    assert (line(place).state, line(place).next_words) == ("queued", "waits for a worker")
    assert (status(place).due, status(place).running) == (1, 0)
    stand(place, next_at=ago(minutes=5), job="1/a", worker="w1", taken_at=ago(seconds=5))
    assert line(place).state == "queued"  # the worker is gone
    register(place, "w1")
    found = status(place)
    assert (line(place).state, found.due, found.running) == ("running", 0, 1)
    assert found.states == {"running": 1, "unscheduled": 1}


def test_retries_and_requests_are_told(here: Service) -> None:
    stand(here, next_at=ahead(minutes=4, seconds=20), next_why="retry", health="retrying")
    assert (line(here).state, line(here).next_words, line(here).turn) == ("retrying", "in 4 min (again)", "nobody")
    stand(here, next_at=ago(seconds=1), next_why="asked", asked_by="ann", health="retrying")
    assert line(here).next_words == "due (asked by ann)"


def test_paused_connection_waits_for_nobody(here: Service) -> None:
    stand(here, health="failing", health_code="source_unavailable", health_reason="It is down.", next_at=ago(hours=9))
    connections.pause_connection(here, "springfield", "sis", "summer", by="ann")
    found = line(here)
    assert (found.state, found.turn, found.next_at, found.next_words) == ("paused", "nobody", None, "when resumed")
    assert found.reason == "It was paused by ann: summer."
    assert status(here).due == 0


def test_blackout_by_the_clock_of_the_tenant(here: Service) -> None:
    today = (datetime.now(UTC) + timedelta(hours=14)).date().isoformat()
    closed = Timetable(nightly=NIGHTLY.nightly, blackouts=(DateRange(today, today, "summer"),))
    set_setting(here, "springfield", "time_zone", "Pacific/Kiritimati")  # 14 hours ahead: often another day than in UTC
    stand(here, closed, health="ok", next_at=ahead(hours=30))
    found = line(here)
    assert (found.state, found.reason) == ("blackout", f"Nothing is synced until {today}: summer.")
    assert found.next_words == "in 30 h"
    set_setting(here, "springfield", "time_zone", "Pacific/Pago_Pago")  # 11 behind: never the same day as there
    assert line(here).state == "ok"


def test_trouble_is_told_before_staleness(here: Service) -> None:
    stand(here, health="refused", health_reason="They refuse us.", stale_since=ago(hours=1))
    assert (line(here).state, line(here).stale, line(here).turn) == ("refused", True, "district")


def test_stale_is_the_district_s_turn_if_its_source_has_nothing_new(here: Service) -> None:
    run = sync(here, "springfield", started_by="schedule").run_id
    finished(here, run, ago(hours=50))
    stand(here, health="ok", stale_since=ago(hours=1), last_ended_at=ago(hours=2))
    found = line(here)
    assert (found.state, found.turn) == ("stale", "district")
    assert "although the source answers" in found.reason
    stand(here, health="ok", stale_since=ago(hours=1), last_ended_at=ago(hours=50))
    assert (line(here).state, line(here).turn) == ("stale", "ours")


def test_stale_counts_from_files_that_came_again(here: Service) -> None:
    run = sync(here, "springfield", started_by="schedule").run_id
    finished(here, run, ago(days=60))
    again = ago(hours=50)
    stand(here, health="ok", stale_since=ago(hours=1), last_ended_at=again, last_good_at=again)
    found = line(here)
    assert (found.state, found.turn, found.last_good_at) == ("stale", "ours", again)
    assert f"since {again[:16].replace('T', ' ')} UTC" in found.reason


def test_due_for_long_and_taken_by_no_worker_is_our_turn(here: Service) -> None:
    stand(here, health="ok", next_at=ago(hours=3))
    assert line(here).turn == "ours"
    assert "no worker has taken it" in line(here).reason


def test_schedule_of_a_newer_version_spoils_no_other_line(here: Service) -> None:
    fake_source.add(here, "two")
    stand(here)
    stand(here, name="two", timetable='{"whenever": true}')
    assert [(found.connection, found.state, found.turn) for found in status(here).connections] == [
        ("two", "broken", "ours"), ("sis", "new", "nobody"),
    ]  # fmt: skip


def test_troubled_ones_stand_first_and_can_be_had_alone(here: Service) -> None:
    for name in ("b", "c", "d"):
        fake_source.add(here, name)
    stand(here, health="ok")
    stand(here, name="b", health="refused")
    stand(here, name="c", health="broken", health_code="unexpected")
    stand(here, name="d", health="failing", health_code="source_unavailable")
    assert [found.turn for found in status(here).connections] == ["ours", "vendor", "district", "nobody"]
    found = status(here, troubled=True)
    assert [each.connection for each in found.connections] == ["c", "d", "b"]
    assert sum(found.states.values()) == 4


def test_one_tenant_alone(here: Service) -> None:
    add_tenant(here.engine, "oak", "oak", "{}", ago())
    assert status(here, "oak").connections == []
    assert len(status(here, "springfield").connections) == 1
    with pytest.raises(NotFoundError):
        status(here, "nowhere")


def test_removed_connections_are_left_out(here: Service) -> None:
    connections.remove_connection(here, "springfield", "sis", by="ann")
    assert status(here).connections == []


def test_workers_with_what_they_run(place: Service) -> None:
    for name in ("w1", "w2", "w3"):
        register(place, name)
    workers.leave(place.engine, "w2")
    with writing(place.engine) as connection:
        table = Worker.__table__  # type: ignore[attr-defined]
        connection.execute(update(table).where(table.c.id == "w3").values(seen=workers.clock(connection) - 300))
    stand(place, job="1/a", worker="w1", taken_at=ago(seconds=5))
    first, second = status(place).workers
    assert (first.id, first.alive, first.slots, first.running) == ("w1", True, 4, ["springfield/sis"])
    assert (second.id, second.alive) == ("w3", False)
    assert second.seconds_ago == pytest.approx(300, abs=5)


def test_as_many_queries_however_many_connections_there_are(place: Service) -> None:
    def queries() -> int:
        asked: list[str] = []

        def note(_conn: object, _cursor: object, statement: str, *_: object) -> None:
            asked.append(statement)

        event.listen(place.engine, "before_cursor_execute", note)
        status(place)
        event.remove(place.engine, "before_cursor_execute", note)
        return len(asked)

    few = queries()
    for number in range(7):
        fake_source.add(place, f"more-{number}")
        stand(place, name=f"more-{number}", job="1/a" if number == 0 else None)
    assert queries() == few
    assert few < 10


@pytest.mark.parametrize(
    ("time", "words"),
    [
        (timedelta(seconds=40), "40 s"), (timedelta(minutes=12), "12 min"), (timedelta(minutes=89), "89 min"),
        (timedelta(hours=31), "31 h"), (timedelta(days=5), "5 d"), (timedelta(days=1_200), "1,200 d"),
    ],
)  # fmt: skip
def test_spans(time: timedelta, words: str) -> None:
    assert span(time) == words
