"""How fast one host may be asked: as its own headers say, and never faster than the connection's settings allow."""

import random
from collections import deque
from collections.abc import Mapping
from typing import Final, NamedTuple

from connectors.http.times import requests_left, window_left

#: A minute, and a little for what rounding takes away.
_MINUTE: Final = 60.1


class _Window(NamedTuple):
    """What the host last said of its window. ``reset`` is its end in the host's words, by which windows are told apart,
    ``ends`` the same on our clock; ``ours`` counts our requests in it."""

    reset: str
    ends: float
    left: int
    ours: int


class Pace:
    """``per_minute`` 0 means no limit of our own; the host's is kept all the same. Times are seconds of one clock."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        # When our last requests were answered, not sent: the host has counted them by then, at a time of its own.
        self._answered: deque[float] = deque(maxlen=per_minute)
        self._window: _Window | None = None

    def wait(self, now: float) -> float:
        """Seconds to wait before the next request."""
        if window := self._window:
            spent = window.left <= 0 or 0 < self._per_minute <= window.ours
            return max(0.0, window.ends - now) if spent else 0.0
        if not self._per_minute or len(self._answered) < self._per_minute:
            return 0.0
        # A clock that was set back must not make this more than a minute.
        return min(_MINUTE, max(0.0, self._answered[0] + _MINUTE - now))

    def answered(self, now: float, headers: Mapping[str, str]) -> None:
        """A request was answered, or failed (no headers then): it counts either way."""
        self._answered.append(now)
        window = self._window
        seconds, left = window_left(headers, now), requests_left(headers)
        if seconds is not None and left is not None:
            reset = headers["X-RateLimit-Reset"]
            ours = window.ours + 1 if window and window.reset == reset else 1
            # Several processes may share the window; they should not all come back at once.
            self._window = _Window(reset, now + seconds + random.uniform(0, 1), left, ours)  # noqa: S311
        elif window:
            # A gateway's error page, most likely. What was said still holds.
            stands = now < window.ends
            self._window = window._replace(left=window.left - 1, ours=window.ours + 1) if stands else None
