"""What became of every row of every file: one byte per line, for the result files."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sync.index import Growing

#: Ordered: a row that feeds several records shows the strongest.
ACTIONS = ("", "UNCHANGED", "UPDATED", "RESTORED", "CREATED", "DELETED", "HELD")
UNCHANGED, UPDATED, RESTORED, CREATED, DELETED, HELD = range(1, 7)


class Outcomes:
    """Actions by file and line. With ``enabled`` False it keeps nothing."""

    def __init__(self, enabled: bool) -> None:
        self._enabled = enabled
        self._files: dict[str, Growing] = {}

    def mark(self, file: str, lines: Sequence[int] | NDArray[np.int64], actions: NDArray[np.uint8] | int) -> None:
        if not self._enabled or not len(lines):
            return
        places = np.asarray(lines, dtype=np.int64)
        growing = self._files.setdefault(file, Growing(np.uint8))
        growing.reach(int(places.max()))
        np.maximum.at(growing.values, places, actions)

    def correct(self, file: str, line: int, action: int) -> None:
        """Put another action in the place of one that was marked too early."""
        if self._enabled:
            self._files[file].values[line] = action

    def action(self, file: str, line: int) -> str:
        growing = self._files.get(file)
        if growing is None or line >= len(growing.values):
            return ""
        return ACTIONS[growing.values[line]]
