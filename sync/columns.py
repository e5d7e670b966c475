"""Normalized records as the stored columns (``models.plan.COLUMNS``), and differences between such rows."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import msgspec
from xxhash import xxh3_64_intdigest

from models.plan import COLUMNS
from models.records import Class, Person, School, Term
from models.vocabulary import Kind

Columns = tuple[Any, ...]

_json = msgspec.json.Encoder().encode
_read = msgspec.json.Decoder(dict[str, Any]).decode
_BOOLEANS = frozenset({"enabled", "is_primary"})


@lru_cache(maxsize=8192)
def json_list(values: tuple[Any, ...]) -> str:
    return _json(values).decode()


def school_columns(record: School, parent_id: int | None) -> Columns:
    return (record.name, record.number, record.type, parent_id)


def term_columns(record: Term) -> Columns:
    return (record.title, record.type, record.begins_on, record.ends_on, record.school_year)


def class_columns(record: Class, school_id: int, term_ids: tuple[int, ...]) -> Columns:
    return (
        record.title,
        school_id,
        record.code,
        record.course_title,
        record.course_number,
        json_list(record.subjects),
        json_list(record.grades),
        json_list(record.periods),
        record.location,
        json_list(term_ids),
    )


def person_columns(record: Person) -> Columns:
    return (
        record.given_name,
        record.middle_name,
        record.family_name,
        record.preferred_name,
        record.username,
        record.email,
        record.sms,
        record.phone,
        json_list(record.grades),
        record.language,
        record.enabled,
        _json(dict(record.identifiers)).decode() if record.identifiers else "{}",
    )


def difference(kind: Kind, before: Sequence[Any], after: Sequence[Any]) -> tuple[str, str] | None:
    """The fields that differ, as two JSON objects (before, after); None when none does."""
    names = COLUMNS[kind]
    old: dict[str, Any] = {}
    new: dict[str, Any] = {}
    for name, left, right in zip(names, before, after, strict=True):
        if left != right:
            old[name] = bool(left) if name in _BOOLEANS and left is not None else left
            new[name] = right
    return (_json(old).decode(), _json(new).decode()) if new else None


def blanked(kind: Kind, before: str, after: str) -> Iterator[tuple[Kind, str]]:
    """The fields that lose their value by a change; ``before`` and ``after`` are its JSON objects.

    An identifier counts by its type: "identifiers.state_id".
    """
    old, new = _read(before), _read(after)
    for name, value in old.items():
        if name == "identifiers":
            yield from ((kind, f"{name}.{key}") for key in _read(value).keys() - _read(new[name]).keys())
        elif not _is_blank(value) and _is_blank(new[name]):
            yield kind, name


def _is_blank(value: Any) -> bool:
    return value is None or value in ("", "[]", "{}")


def natural_key(kind: Kind, columns: Sequence[Any]) -> int:
    """A 64-bit key of what names a record to a person, to notice that a source has re-issued its ids.

    Names of a person; title and school of a class; name of a school; title of a term (sync-semantics, 2.6).
    """
    return xxh3_64_intdigest("\x1f".join(_NATURAL[kind](columns)).casefold().encode())


_NATURAL: dict[Kind, Callable[[Sequence[Any]], Sequence[str]]] = {
    "person": lambda columns: (columns[0] or "", columns[1] or "", columns[2] or ""),
    "class": lambda columns: (columns[0], str(columns[1]), columns[2] or ""),
    "school": lambda columns: (columns[0],),
    "term": lambda columns: (columns[0],),
}
