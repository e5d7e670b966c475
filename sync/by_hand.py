"""What people do by hand counts for a schedule, too: a sync in a terminal that went well ends an alarm, and a plan that was
decided on is not held any more."""

import random
from collections.abc import Callable
from datetime import datetime

import msgspec
import structlog
from msgspec.structs import replace
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from models.errors import SettingsError
from models.health import Outcome, Standing
from models.settings import TenantSettings
from models.tables import Run, Schedule
from store import notices, schedules
from store.database import writing
from sync.clock import now
from sync.schedule import read_timetable, spread_of, zone_of
from sync.service import Service
from sync.settling import Settled, settle

log = structlog.get_logger("rostersync.by_hand")

#: When it is tried next is the schedule's own affair, but for a retry, which is not needed any more.
_WHEN = ("next_at", "next_why", "slot", "window_ends_at", "attempt", "asked_by")


def synced(service: Service, connection_id: int, outcome: Outcome) -> None:
    """Write down that a run which no schedule started came to ``outcome``, a good one. People are told as they are of a
    scheduled one."""
    _write_down(service, connection_id, lambda connection, row: _after_sync(connection, row, outcome))


def approved(service: Service, run: Run) -> None:
    """Write down that a person approved the plan of ``run``, which is as it was while it waited. A dry run that was made since
    the last attempt is a sync that went well. All others say nothing of the source: who was told of trouble is told when a
    sync goes well, and whoever decides needs no message."""

    def settled(connection: Connection, row: Schedule) -> Settled:
        if run.state == "planned" and (row.last_ended_at or "") < run.created_at:
            return _after_sync(connection, row, Outcome("applied", run_id=run.id))
        return Settled(replace(_not_held(row), last_good_at=now(), stale_since=None))

    _write_down(service, run.connection_id, settled)


def discarded(service: Service, run: Run) -> None:
    """Write down that a person discarded what was held of ``run``: all else of it had been applied."""
    _write_down(service, run.connection_id, lambda _connection, row: Settled(_not_held(row)))


def _not_held(row: Schedule) -> Standing:
    standing = schedules.standing_of(row)
    if standing.health != "held":
        return standing
    return replace(standing, health="ok", health_code="", health_reason="", health_since=now())


def _write_down(service: Service, connection_id: int, settle_row: Callable[[Connection, Schedule], Settled]) -> None:
    """Change a connection's schedule row, if it has one. It is never worth an error: should it fail, the next scheduled sync
    says the same."""
    try:
        with writing(service.engine) as connection:
            row = schedules.locked(connection, connection_id)
            if row is None:
                return
            settled = settle_row(connection, row)
            schedules.stand(connection, row, settled.standing)
            for event in settled.events:
                standing = settled.standing
                notices.add(
                    connection, row.tenant_id, connection_id, standing.last_run_id, event, standing.health_code,
                    standing.health_reason, now(),
                )  # fmt: skip
    except (DBAPIError, SettingsError) as error:
        log.warning("the schedule was not told", connection=connection_id, error=type(error).__name__)


def _after_sync(connection: Connection, row: Schedule, outcome: Outcome) -> Settled:
    before = schedules.standing_of(row)
    if row.job is not None:  # how that ends says all the rest
        return Settled(replace(before, last_good_at=now()))
    settings = msgspec.json.decode(schedules.tenant_settings(connection, row.tenant_id), type=TenantSettings)
    settled = settle(
        before, read_timetable(row.timetable), zone_of(settings), spread_of(row.connection_id), outcome,
        datetime.fromisoformat(now()), random.random(),  # noqa: S311
    )  # fmt: skip
    return settled if before.next_why == "retry" else settled._replace(standing=_when(settled.standing, before))


def _when(standing: Standing, before: Standing) -> Standing:
    return replace(standing, **{name: getattr(before, name) for name in _WHEN})
