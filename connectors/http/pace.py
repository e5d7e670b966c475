"""How fast one host may be asked: as its own headers say, and never faster than the connection's settings allow."""

import math
import random
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from connectors.http.times import requests_left, window_left
from models.budget import Grant

#: A minute, and a little for what rounding takes away.
_MINUTE: Final = 60.1
#: Seconds in which granted requests have to be made, between two askings, and for which a budget that cannot be asked is
#: left alone.
_LIFE: Final = 1.5
_ASK_EVERY: Final = 1.0
_LEFT_ALONE: Final = 10.0

#: Asks for requests of a budget that several processes share; None when it cannot be asked now.
Ask = Callable[[], Grant | None]


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


class Permits:
    """Our part of a budget of requests, asked for a second's worth at a time. What is granted and not used soon is lost, as
    others may count on it. A budget that cannot be asked holds nobody up: then the pace alone counts.

    ``ask`` None stands for no budget. ``clock`` gives seconds.
    """

    def __init__(self, ask: Ask | None, clock: Callable[[], float]) -> None:
        self._ask = ask
        self._clock = clock
        self._left = 0.0
        self._asked = self._ends = self._ask_again = 0.0

    def wait(self) -> float:
        """Seconds to wait before the next request, or before asking for it again."""
        if self._ask is None:
            return 0.0
        now = self._clock()
        if now < self._asked:  # the clock was set back
            self._ends = self._ask_again = now
        if self._left > 0 and now < self._ends:
            return 0.0
        if now < self._ask_again:
            return self._ask_again - now
        grant = self._ask()
        self._asked = now
        if grant is None:  # which a busy database may have taken long to say
            self._left, self._ends = math.inf, self._clock() + _LEFT_ALONE
            return 0.0
        self._left, self._ends = grant.requests, now + _LIFE
        self._ask_again = now + (max(_ASK_EVERY, grant.wait) if grant.requests else grant.wait)
        return 0.0 if grant.requests else grant.wait

    def use(self) -> None:
        """A request is made."""
        self._left -= 1
