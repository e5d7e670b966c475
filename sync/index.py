"""Sorted arrays of 64-bit keys: tens of bytes a record where a dict would take hundreds.

All keys are unsigned 64-bit (``models.records.key_of``, or packed internal ids).
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.records import keys_of

Keys = NDArray[np.uint64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


def keys_from(source_ids: Iterable[str]) -> Keys:
    """Keys of source ids."""
    return np.array(keys_of(source_ids), dtype=np.uint64)


def unsigned(values: Iterable[int]) -> Keys:
    """Keys that are numbers already."""
    return np.fromiter(values, dtype=np.uint64)


def locate(haystack: Keys, needles: Keys) -> tuple[Ints, Mask]:
    """Positions of ``needles`` in the sorted ``haystack``, and which were found (the others' positions mean nothing)."""
    if not len(haystack):
        return np.zeros(len(needles), dtype=np.int64), np.zeros(len(needles), dtype=np.bool_)
    positions = np.searchsorted(haystack, needles)
    positions[positions == len(haystack)] = 0
    return positions, haystack[positions] == needles


class KeyTable:
    """A growing map from key to integer, kept as a few sorted runs that are merged as they grow (like an LSM tree).

    ``add`` expects keys that are not in it yet and differ from each other.
    """

    def __init__(self) -> None:
        self._runs: list[tuple[Keys, Ints]] = []

    def __len__(self) -> int:
        return sum(len(keys) for keys, _ in self._runs)

    def add(self, keys: Keys, values: Ints) -> None:
        if not len(keys):
            return
        order = np.argsort(keys, kind="stable")
        self._runs.append((keys[order], values[order]))
        while len(self._runs) > 1 and len(self._runs[-2][0]) < 2 * len(self._runs[-1][0]):
            self._runs.append(_merged(self._runs.pop(), self._runs.pop()))

    def find(self, needles: Keys) -> tuple[Ints, Mask]:
        """Values of ``needles`` (0 where not found), and which were found."""
        values = np.zeros(len(needles), dtype=np.int64)
        found = np.zeros(len(needles), dtype=np.bool_)
        for run_keys, run_values in self._runs:
            positions, hit = locate(run_keys, needles)
            values[hit] = run_values[positions[hit]]
            found |= hit
        return values, found

    def remove(self, keys: Keys) -> None:
        """Forget ``keys``, where they are there."""
        runs = [(run_keys, values, ~np.isin(run_keys, keys)) for run_keys, values in self._runs]
        self._runs = [(run_keys[keep], values[keep]) for run_keys, values, keep in runs if keep.any()]

    def items(self) -> tuple[Keys, Ints]:
        """All keys, sorted, with their values."""
        while len(self._runs) > 1:
            self._runs.append(_merged(self._runs.pop(), self._runs.pop()))
        if not self._runs:
            return np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.int64)
        return self._runs[0]


def _merged(left: tuple[Keys, Ints], right: tuple[Keys, Ints]) -> tuple[Keys, Ints]:
    keys = np.concatenate([left[0], right[0]])
    order = np.argsort(keys, kind="stable")  # timsort: nearly linear on two sorted runs
    return keys[order], np.concatenate([left[1], right[1]])[order]


class Growing:
    """An array indexed by small integers (internal ids, lines) that grows as it is written; unwritten places are 0."""

    def __init__(self, dtype: Any, size: int = 1024) -> None:
        self._values = np.zeros(size, dtype=dtype)

    def reach(self, top: int) -> None:
        """Make ``top`` a valid index."""
        if top >= len(self._values):
            grown = np.zeros(max(top + 1, 2 * len(self._values)), dtype=self._values.dtype)
            grown[: len(self._values)] = self._values
            self._values = grown

    @property
    def values(self) -> NDArray[Any]:
        return self._values

    def put(self, indexes: Ints, values: Any) -> None:
        if len(indexes):
            self.reach(int(indexes.max()))
            self._values[indexes] = values

    def get(self, indexes: Ints) -> NDArray[Any]:
        if len(indexes):
            self.reach(int(indexes.max()))
        return self._values[indexes]


def repeated(keys: Keys) -> Mask:
    """Which of ``keys`` stood before in the same array."""
    mask = np.zeros(len(keys), dtype=np.bool_)
    _, first = np.unique(keys, return_index=True)
    if len(first) == len(keys):
        return mask
    mask[:] = True
    mask[first] = False
    return mask
