"""At which of the six verbs a run is, and for how long it was at each."""

import time
from collections.abc import Callable
from typing import Literal

Step = Literal["pull", "check", "compare", "guard", "apply"]


class Steps:
    """``current`` is where the run is. ``clock`` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._began = self._since = clock()
        self._seconds: dict[str, float] = {}
        self.current: Step = "pull"

    def enter(self, step: Step) -> None:
        """The time until now was spent on the step before; a step may be entered again and again."""
        now = self._clock()
        self._seconds[self.current] = self._seconds.get(self.current, 0.0) + now - self._since
        self.current, self._since = step, now

    def seconds(self) -> dict[str, float]:
        """Seconds by step, to a thousandth, until now."""
        self.enter(self.current)
        return {step: round(spent, 3) for step, spent in self._seconds.items()}

    def total(self) -> float:
        """Seconds since the run began, to a thousandth."""
        return round(self._clock() - self._began, 3)
