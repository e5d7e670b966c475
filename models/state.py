"""The stored roster as a sync sees it: slim sorted arrays, tens of bytes per record.

A packed relation key is ``first id << 36 | second id << 8 | role code``, with internal ids below 2**28: (class, person),
(person, school) or (student, guardian).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.errors import DistrictActionError
from models.vocabulary import ROLES, Kind

ACTIVE, MANAGED = 1, 2
#: Role codes from here on are extension roles, numbered as they are met.
FIRST_EXTENSION_ROLE = 101
MAX_ID = 2**28 - 1

#: The two ends of each kind of relation, in the order of the packed key.
ENDS: dict[Kind, tuple[str, str]] = {
    "affiliation": ("person_id", "school_id"),
    "enrollment": ("class_id", "person_id"),
    "guardianship": ("student_id", "guardian_id"),
}


@dataclass
class StoredState:
    """Stored records of one kind, sorted by ``keys``.

    ``ids`` are internal ids (entities only, else empty); ``flags`` hold ACTIVE and MANAGED (by the connection that syncs);
    ``listings`` are positions in LISTINGS.
    """

    keys: NDArray[np.uint64]
    ids: NDArray[np.int64]
    fingerprints: NDArray[np.uint64]
    flags: NDArray[np.uint8]
    listings: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.keys)


class RoleCodes:
    """Role <-> small code, for packed keys. Known roles have fixed codes; extension roles get theirs as they are met."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {role: code for code, role in enumerate(ROLES, 1)}
        self._roles: dict[int, str] = {code: role for role, code in self._codes.items()}

    def code(self, role: str) -> int:
        known = self._codes.get(role)
        if known is None:
            known = max(FIRST_EXTENSION_ROLE, max(self._roles) + 1)
            if known > 255:
                raise DistrictActionError(
                    "The files use more than 155 roles of their own (ext:…); ask the district to use the usual ones.",
                    "role codes are exhausted",
                )
            self._codes[role] = known
            self._roles[known] = role
        return known

    def name(self, code: int) -> str:
        """The role of a code; "" for code 0 (relations that have no role)."""
        return self._roles[code] if code else ""

    def all_codes(self) -> list[int]:
        return list(self._roles)


def pack(first: NDArray[np.int64], second: NDArray[np.int64], role: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Packed keys of relations from internal ids and role codes."""
    packed = (first.astype(np.uint64) << np.uint64(36)) | (second.astype(np.uint64) << np.uint64(8))
    return np.asarray(packed | role.astype(np.uint64))


def unpack(keys: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """First ids, second ids and role codes of packed keys."""
    first = (keys >> np.uint64(36)).astype(np.int64)
    second = ((keys >> np.uint64(8)) & np.uint64(MAX_ID)).astype(np.int64)
    return first, second, (keys & np.uint64(255)).astype(np.int64)
