"""When changes are enough, and from which time on (reference/oneroster-classlink.md, 2.7). Pure.

A delta proves no absence: many providers keep no tombstones. So a full pull comes round again and again.
"""

from datetime import UTC, datetime, timedelta

from connectors.oneroster.endpoint import PullSettings
from models.connections import Memory


def iso_utc(text: str) -> str:
    """A time as ISO text in UTC with milliseconds and ``Z``, as providers want it. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def changes_since(settings: PullSettings, memory: Memory, now: str) -> str | None:
    """The time from which on changes are to be asked for; None where everything is."""
    if not settings.delta or "filter" in memory.refused or not (memory.full_at and memory.read_at):
        return None
    try:
        full_at, read_at, today = (
            datetime.fromisoformat(iso_utc(text)) for text in (memory.full_at, memory.read_at, now)
        )
    except ValueError:
        return None
    # The other way round, too: a clock that was far ahead must not put off the next full pull for years.
    if abs(today - full_at) >= timedelta(days=settings.full_every_days):
        return None
    return iso_utc((read_at - timedelta(hours=settings.overlap_hours)).isoformat())
