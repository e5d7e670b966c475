"""Rules that need more than one record: known schools, groups of roles, the six guardians. Pure functions on arrays."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from models.state import RoleCodes
from models.vocabulary import GROUP_BITS, role_group
from sync.index import Ints, Mask, keys_from

Resolve = Callable[["np.ndarray[tuple[int], np.dtype[np.uint64]]"], Ints]

NONE, SOME, ALL = range(3)


class SchoolLists:
    """How many of the schools that a row names are known; rows repeat the same few lists, so answers are remembered."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._known: dict[tuple[str, ...], tuple[int, int]] = {}

    def _look_up(self, schools: tuple[str, ...]) -> tuple[int, int]:
        if not schools:
            return ALL, 0
        ids = self._resolve(keys_from(schools))
        found = int(np.count_nonzero(ids))
        verdict = NONE if not found else ALL if found == len(ids) else SOME
        return verdict, int(ids[0])

    def judge(self, rows: Sequence[tuple[str, ...]]) -> NDArray[np.uint8]:
        """NONE, SOME or ALL of each row's schools are known (ALL where a row names none)."""
        return np.array([self._of(schools)[0] for schools in rows], dtype=np.uint8)

    def first_id(self, schools: tuple[str, ...]) -> int:
        """The internal id of the first of some schools, 0 where it is not known or none is named."""
        return self._of(schools)[1]

    def _of(self, schools: tuple[str, ...]) -> tuple[int, int]:
        known = self._known.get(schools)
        if known is None:
            known = self._known[schools] = self._look_up(schools)
        return known


def group_bits(roles: RoleCodes) -> NDArray[np.uint8]:
    """For every role code the bit of its group (``GROUP_BITS``); 0 for codes without a role."""
    bits = np.zeros(256, dtype=np.uint8)
    for code in roles.all_codes():
        group = role_group(roles.name(code))
        bits[code] = GROUP_BITS[group] if group else 0
    return bits


def lacks_group(person_bits: NDArray[np.uint8], wanted: NDArray[np.uint8] | int) -> Mask:
    """Whose known groups do not include the wanted one. Nobody lacks a group whose groups are not known at all."""
    return np.asarray((person_bits != 0) & ((person_bits & wanted) == 0))


def over_limit(students: Ints, counts: NDArray[np.uint8], limit: int) -> Mask:
    """Which of a page's guardianships go beyond ``limit`` per student, counting on from ``counts`` (by student id).

    The first ones are kept, in the source's order. ``counts`` must reach all ids; it is not changed.
    """
    order = np.argsort(students, kind="stable")
    ordered = students[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(ordered) else np.empty(0, dtype=np.int64)
    run_start = np.repeat(starts, np.diff(np.r_[starts, len(ordered)]))
    rank = np.arange(len(ordered)) - run_start + counts[ordered]
    mask = np.zeros(len(students), dtype=np.bool_)
    mask[order] = rank >= limit
    return mask


#: No spreadsheet has dropped more: an id of hundreds of zeros would have hundreds of variants.
_MOST_ZEROS = 30


def zero_variants(source_id: str, most: int = 10) -> list[str]:
    """Ids that differ from this one only by leading zeros, as spreadsheets make them: fewer, or up to ``most`` more."""
    zeros = min(len(source_id) - len(source_id.lstrip("0")), _MOST_ZEROS)
    fewer = [source_id[count:] for count in range(1, zeros + 1) if source_id[count:]]
    return fewer + ["0" * count + source_id for count in range(1, most + 1)]
