"""Days on which a connection's runs go by other rules (reference/sync-semantics.md, 2.11).

A run goes by the day on which it begins, in the tenant's time zone, whoever started it. A blackout lets none begin
(``sync.rest``).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from models.report import KindCounts
from models.settings import TenantSettings
from models.timetable import DateRange, Rollover
from models.vocabulary import PLURALS
from store import schedules
from sync.schedule import add_only_at, blackout_at, limits_at, read_timetable, rollover_at, zone_of
from sync.schedule_words import day_words
from sync.service import Service


class Windows(NamedTuple):
    """What holds on a day. ``settings`` are the tenant's, with the limits of a rollover where there is one."""

    settings: TenantSettings
    blackout: DateRange | None = None
    add_only: DateRange | None = None
    rollover: Rollover | None = None


def windows_at(service: Service, connection_id: int, settings: TenantSettings, at: datetime) -> Windows:
    """What a connection's timetable says of an instant. Raises SettingsError for one that cannot be read."""
    row = schedules.find(service.engine, connection_id)
    if row is None:
        return Windows(settings)
    timetable, zone = read_timetable(row.timetable), zone_of(settings)
    return Windows(
        limits_at(settings, timetable, at),
        blackout_at(timetable, zone, at),
        add_only_at(timetable, zone, at),
        rollover_at(timetable, zone, at),
    )


def notes_on(windows: Windows, kinds: Sequence[KindCounts], *, first_sync: bool) -> list[str]:
    """What a run's report says of them; ``kinds`` count what is kept though it would have gone."""
    notes = []
    if windows.add_only:
        notes.append(f"Add-only {until(windows.add_only)}: {_kept(kinds)}.")
    if windows.rollover and not first_sync:
        removals, updates = windows.rollover.removals, windows.rollover.updates
        notes.append(
            f"Rollover until {day_words(windows.rollover.until)}: its limits (removals {removals.percent:g} %, updates "
            f"{updates.percent:g} %) stand in the place of the tenant's own."
        )
    return notes


def until(days: DateRange) -> str:
    """``until 15 August 2027 (summer)``."""
    return f"until {day_words(days.last)}" + (f" ({days.note})" if days.note else "")


def _kept(kinds: Sequence[KindCounts]) -> str:
    kept = {entry.kind: entry.kept for entry in kinds if entry.kept}
    if not kept:
        return "nothing would have gone"
    parts = [f"{count:,} {kind if count == 1 else PLURALS[kind]}" for kind, count in kept.items()]
    what = " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
    return f"{what} {'stays' if sum(kept.values()) == 1 else 'stay'} that the source no longer lists"
