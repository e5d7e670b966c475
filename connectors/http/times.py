"""What an answer's headers say of time: how long the source wants to be left alone, and until when its window lasts.

The source's own Date header is believed to be its clock, so that a wrong clock on either side does no harm.
"""

import math
from collections.abc import Mapping
from email.utils import mktime_tz, parsedate_tz
from typing import Final

_DAY: Final = 86_400.0


def source_time(headers: Mapping[str, str]) -> float | None:
    """The source's clock when it answered, in Unix seconds (whole ones, rounded down); None if it did not say."""
    return _http_date(headers.get("Date", ""))


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """For how many seconds the source asks to be left alone (Retry-After, as seconds or as an HTTP date)."""
    value = headers.get("Retry-After", "")
    seconds = _number(value)
    if seconds is None:
        until = _http_date(value)
        if until is None:
            return None
        seconds = until - _clock(headers, now)
    return seconds if seconds > 0 else None


def window_left(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds until the source's window of requests surely is over (X-RateLimit-Reset, in Unix seconds); None if the
    headers do not say, or say what cannot be.

    Both Date and Reset may have been rounded down (reference/clever.md, 3.1), so a second is added.
    """
    reset = _number(headers.get("X-RateLimit-Reset", ""))
    if reset is None:
        return None
    left = reset - _clock(headers, now) + 1
    return left if 0 < left <= _DAY else None


def requests_left(headers: Mapping[str, str]) -> int | None:
    """How many more requests the source takes in its window (X-RateLimit-Remaining)."""
    left = _number(headers.get("X-RateLimit-Remaining", ""))
    return None if left is None else int(left)


def _clock(headers: Mapping[str, str], now: float) -> float:
    said = source_time(headers)
    return now if said is None else said


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _http_date(text: str) -> float | None:
    parsed = parsedate_tz(text)
    if parsed is None:
        return None
    try:
        return float(mktime_tz(parsed))
    except (ValueError, OverflowError):
        return None
