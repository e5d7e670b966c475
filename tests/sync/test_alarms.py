"""The dead-man alarm: told once of a connection that was not synced well for too long, whatever keeps it from that."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from store import schedules
from store.database import writing
from sync import connections
from sync.connections import open_connection
from sync.notices import recent
from sync.schedule import text_of
from sync.scheduler import raise_alarms
from sync.service import Service
from sync.tenants import tenant_and_settings

NIGHTLY = '{"nightly":{"begins":"20:00","ends":"05:00"},"stale_hours":null}'
HOURLY = '{"cron":"0 * * * *","stale_hours":3}'


def ago(**time: float) -> str:
    return text_of(datetime.now(UTC) - timedelta(**time))


def stands(service: Service, timetable: str = NIGHTLY, **values: Any) -> int:
    """The connection was made long ago, and stands so."""
    tenant_id, _ = tenant_and_settings(service, "springfield")
    connection_id = open_connection(service, "springfield", "sis").id
    with writing(service.engine) as connection:
        connection.execute(text("UPDATE connection SET state_since = :at"), {"at": ago(days=100)})
    schedules.save(service.engine, connection_id, tenant_id, {"timetable": timetable, **values})
    since(service, ago(days=999))
    return connection_id


def since(service: Service, at: str) -> None:
    """It is a connection that was made, or resumed, at that time."""
    with writing(service.engine) as connection:
        connection.execute(text("UPDATE connection SET state_since = :at"), {"at": at})


def stale_since(service: Service, connection_id: int) -> str | None:
    row = schedules.find(service.engine, connection_id)
    assert row
    return row.stale_since


def test_it_is_raised_once(place: Service) -> None:
    connection_id = stands(place, last_good_at=ago(hours=80), health="failing", health_reason="It is down.")
    assert raise_alarms(place) == 1
    assert raise_alarms(place) == 0
    (notice,) = recent(place)
    assert (notice.event, notice.reason.endswith(" UTC. It is down.")) == ("stale", True)
    assert stale_since(place, connection_id) is not None


@pytest.mark.parametrize(
    ("timetable", "hours", "raised"),
    [(NIGHTLY, 30, 0), (NIGHTLY, 80, 1), (HOURLY, 2, 0), (HOURLY, 4, 1), ("{}", 999, 0)],
)
def test_it_is_raised_by_the_timetable(place: Service, timetable: str, hours: int, raised: int) -> None:
    stands(place, timetable, last_good_at=ago(hours=hours))
    assert raise_alarms(place) == raised


def test_a_sync_that_never_ends_does_not_keep_it_back(place: Service) -> None:
    stands(place, last_good_at=ago(hours=80), job="1/a", worker="w", taken_at=ago(hours=79))
    assert raise_alarms(place) == 1


def test_what_was_paused_raises_none(here: Service) -> None:
    stands(here, last_good_at=ago(hours=80))
    connections.pause_connection(here, "springfield", "sis", "", by="ann")
    assert raise_alarms(here) == 0


@pytest.mark.parametrize(
    ("hours", "set_at", "raised"),
    [(30, None, 0), (80, None, 1), (80, 30, 0), (80, 70, 1)],
    ids=["made just now", "made long ago", "set just now", "set long ago"],
)
def test_what_was_never_synced_raises_it_when_that_takes_too_long(
    place: Service, hours: int, set_at: int | None, raised: int
) -> None:
    """Because the first syncs fail, or never begin."""
    stands(place, NIGHTLY if set_at is None else NIGHTLY[:-1] + f',"set_at":"{ago(hours=set_at)}"}}')
    since(place, ago(hours=hours))
    assert raise_alarms(place) == raised
    assert [notice.reason for notice in recent(place)] == ["Nothing was applied yet."] * raised


def test_after_a_pause_the_time_counts_anew(here: Service) -> None:
    stands(here, last_good_at=ago(days=30))
    connections.pause_connection(here, "springfield", "sis", "", by="ann")
    connections.resume_connection(here, "springfield", "sis")
    assert raise_alarms(here) == 0
    since(here, ago(hours=80))
    assert raise_alarms(here) == 1


@pytest.mark.parametrize("service", ["postgresql"], indirect=True)
def test_who_raises_alarms_does_not_wait_for_a_sync_that_is_just_being_applied(place: Service) -> None:
    connection_id = stands(place, last_good_at=ago(hours=80))
    with writing(place.engine) as applying:
        assert schedules.locked(applying, connection_id)
        assert raise_alarms(place) == 0
    assert raise_alarms(place) == 1


def test_a_sync_that_just_ended_well_is_not_overwritten(place: Service) -> None:
    """As a worker looked, a person synced in a terminal."""
    connection_id = stands(place, last_good_at=ago(hours=80), health="failing")
    (seen,) = schedules.maybe_stale(place.engine, ago(hours=36))
    stands(place, last_good_at=ago(seconds=1), health="ok")
    with writing(place.engine) as connection:
        assert not schedules.raise_alarm(connection, seen.row, ago())
        assert not schedules.restand(connection, seen.row, seen.standing)
    assert stale_since(place, connection_id) is None
