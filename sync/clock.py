"""The time, as it is stored: ISO 8601, UTC, whole seconds."""

from datetime import UTC, datetime


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
