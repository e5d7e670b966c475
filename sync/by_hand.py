"""What people do by hand counts for a schedule, too: a sync in a terminal that went well ends an alarm, and a plan that was
decided on is not held any more."""

import random
from datetime import UTC, datetime

import msgspec
import structlog
from sqlalchemy.exc import DBAPIError

from models.errors import SettingsError
from models.health import Outcome, Standing
from models.settings import TenantSettings
from store import notices, schedules
from store.database import writing
from store.schedules import Scheduled
from sync.clock import now
from sync.schedule import read_timetable, spread_of, zone_of
from sync.service import Service
from sync.settling import Settled, settle

log = structlog.get_logger("rostersync.by_hand")

#: When it is tried next is the schedule's own affair, but for a retry, which is not needed any more.
_WHEN = ("next_at", "next_why", "slot", "window_ends_at", "attempt", "asked_by")


def went_well(service: Service, connection_id: int, outcome: Outcome, *, tell: bool = True) -> None:
    """Write down that a run which no schedule started came to ``outcome``, a good one. People are told as they are of a
    scheduled one, unless not ``tell``. It is never worth an error: should it fail, the next scheduled sync says the same."""
    try:
        found = schedules.scheduled_connection(service.engine, connection_id)
        if found is None or found.row.job is not None:
            return
        settled = _settled(found, outcome)
        with writing(service.engine) as connection:
            if schedules.restand(connection, found.row, settled.standing) and tell:
                for event in settled.events:
                    notices.add(
                        connection, found.row.tenant_id, connection_id, outcome.run_id, event,
                        settled.standing.health_code, settled.standing.health_reason, now(),
                    )  # fmt: skip
    except (DBAPIError, SettingsError) as error:
        log.warning("the schedule was not told", connection=connection_id, error=type(error).__name__)


def _settled(found: Scheduled, outcome: Outcome) -> Settled:
    before, zone = found.standing, zone_of(msgspec.json.decode(found.tenant_settings, type=TenantSettings))
    settled = settle(
        before, read_timetable(found.row.timetable), zone, spread_of(found.row.connection_id), outcome,
        datetime.now(UTC), random.random(),  # noqa: S311
    )  # fmt: skip
    return settled if before.next_why == "retry" else settled._replace(standing=_when(settled.standing, before))


def _when(standing: Standing, before: Standing) -> Standing:
    return msgspec.structs.replace(standing, **{name: getattr(before, name) for name in _WHEN})
