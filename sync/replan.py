"""What a connection is due for is computed anew when its timetable, its tenant's time zone or its pause has changed.

A row whose job is queued or running is left as it is: when the job ends, what follows is computed from the new timetable.
"""

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Connection, Engine

from models.errors import SettingsError
from models.health import Standing
from models.settings import TenantSettings
from models.tables import Schedule
from models.timetable import Timetable
from store import schedules as store
from store.database import writing
from sync.clock import now
from sync.schedule import read_timetable, replanned, resumed, spread_of, zone_of

_Rule = Callable[[Standing, Timetable, ZoneInfo, float, datetime], Standing]


def change_timetable(
    engine: Engine, connection_id: int, tenant_id: int, settings: TenantSettings, change: Callable[[str], Timetable]
) -> None:
    """Put what ``change`` makes of a connection's stored timetable (JSON) in its place. Raises what ``change`` raises."""
    with writing(engine) as connection:
        row = store.opened(connection, connection_id, tenant_id)
        timetable = change(row.timetable)
        if msgspec.json.encode(timetable) != row.timetable.encode():
            # Only then: whoever sets the same again every day must not put off the alarm for ever.
            timetable = msgspec.structs.replace(timetable, set_at=now())
        store.set_timetable(connection, connection_id, msgspec.json.encode(timetable).decode())
        _restand(connection, row, settings, timetable, replanned)


def replan_tenant(engine: Engine, tenant_id: int, settings: TenantSettings) -> None:
    """After a change of the tenant's time zone, all its connections."""
    for each in store.all_scheduled(engine, tenant_id):
        with writing(engine) as connection:
            row = store.opened(connection, each.row.connection_id, tenant_id)
            try:
                timetable = read_timetable(row.timetable)
            except SettingsError:  # of another version; nothing can be planned with it, and whoever uses it is told
                continue
            _restand(connection, row, settings, timetable, replanned)


def replan_after_pause(engine: Engine, connection_id: int, tenant_id: int) -> None:
    """When a connection's pause ends."""
    if store.find(engine, connection_id) is None:
        return
    with writing(engine) as connection:
        row = store.opened(connection, connection_id, tenant_id)
        settings = msgspec.json.decode(store.tenant_settings(connection, tenant_id), type=TenantSettings)
        _restand(connection, row, settings, read_timetable(row.timetable), resumed)


def _restand(
    connection: Connection,
    row: Schedule,
    settings: TenantSettings,
    timetable: Timetable,
    rule: _Rule,
) -> None:
    standing = store.standing_of(row)
    planned = rule(standing, timetable, zone_of(settings), spread_of(row.connection_id), datetime.fromisoformat(now()))
    if planned != standing:
        store.restand(connection, row, planned)
