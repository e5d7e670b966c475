"""Which records have come before, in eight bytes each: a collection may have millions."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.records import keys_of

Keys = NDArray[np.uint64]


class SeenIds:
    """Keys of all ids so far, as a few sorted arrays; each is at least twice as long as the next, so that few are asked."""

    def __init__(self) -> None:
        self._runs: list[Keys] = []

    def __len__(self) -> int:
        return sum(map(len, self._runs))

    def add(self, source_ids: Sequence[str]) -> NDArray[np.intp]:
        """Note ids; returns the places of those that had not come before, in order."""
        keys, places = np.unique(np.array(keys_of(source_ids), dtype=np.uint64), return_index=True)
        for run in self._runs:
            near = np.searchsorted(run, keys)
            near[near == len(run)] = 0
            new = run[near] != keys
            keys, places = keys[new], places[new]
        if len(keys):
            self._keep(keys)
        return np.sort(places)

    def _keep(self, keys: Keys) -> None:
        runs = self._runs
        runs.append(keys)
        while len(runs) > 1 and len(runs[-2]) < 2 * len(runs[-1]):
            last = runs.pop()
            runs[-1] = np.sort(np.concatenate((runs[-1], last)), kind="stable")
