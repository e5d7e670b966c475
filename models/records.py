"""The normalized records: what every connector yields and all that the sync engine knows of a source.

All are frozen and flat. Ids are the source's own, opaque strings: never cast, never stripped of zeros. Dates are ISO
strings (``YYYY-MM-DD``), already checked. An absent value is None (or an empty tuple), never an empty string.
"""

from collections.abc import Iterable

import msgspec
from xxhash import xxh3_64_intdigest


class School(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An organization: a school, or the district itself (``type`` "district")."""

    source_id: str
    name: str
    number: str | None = None
    type: str = "school"
    parent_source_id: str | None = None


class Term(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An academic session. ``ends_on`` is exclusive, as in OneRoster. Its id is not stable at every source."""

    source_id: str
    title: str
    type: str = "term"
    begins_on: str | None = None
    ends_on: str | None = None
    school_year: str | None = None


class Class(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A class (a section), with its course denormalized by value."""

    source_id: str
    title: str
    school_source_id: str
    code: str | None = None
    course_title: str | None = None
    course_number: str | None = None
    subjects: tuple[str, ...] = ()
    grades: tuple[str, ...] = ()
    periods: tuple[str, ...] = ()
    location: str | None = None
    term_source_ids: tuple[str, ...] = ()


class Person(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A person in any role. ``identifiers`` are (type, value) pairs sorted by type: ``sis_id``, ``state_id``, …"""

    source_id: str
    given_name: str | None = None
    middle_name: str | None = None
    family_name: str | None = None
    preferred_name: str | None = None
    username: str | None = None
    email: str | None = None
    sms: str | None = None
    phone: str | None = None
    grades: tuple[str, ...] = ()
    language: str | None = None
    enabled: bool | None = None
    identifiers: tuple[tuple[str, str], ...] = ()


class Affiliation(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A person's role at a school; ``school_source_id`` None means the whole district."""

    person_source_id: str
    school_source_id: str | None
    role: str
    primary: bool | None = None


class Enrollment(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A person's part in a class. ``ends_on`` is exclusive."""

    class_source_id: str
    person_source_id: str
    role: str
    primary: bool | None = None
    begins_on: str | None = None
    ends_on: str | None = None


class Guardianship(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A guardian of a student."""

    student_source_id: str
    guardian_source_id: str
    relationship: str | None = None
    contact_type: str | None = None


Entity = School | Term | Class | Person
Relation = Affiliation | Enrollment | Guardianship
Record = Entity | Relation

_encode = msgspec.msgpack.Encoder().encode


def key_of(source_id: str) -> int:
    """64-bit key of a source id (unsigned)."""
    return xxh3_64_intdigest(source_id.encode())


def keys_of(source_ids: Iterable[str]) -> list[int]:
    """Keys of many source ids; the loop that every record of every sync goes through."""
    return [xxh3_64_intdigest(source_id.encode()) for source_id in source_ids]


def fingerprint(record: Record) -> int:
    """64-bit hash of all that a normalized record says (unsigned); equal means "nothing changed"."""
    return xxh3_64_intdigest(_encode(record))
