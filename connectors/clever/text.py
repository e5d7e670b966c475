"""Strings of Clever's records, cleaned as a CSV file's cells are: the same fact must end in the same record.

Nearly all records are clean, so a record is tested as a whole, by a few tests that run in C, and only then value by value.
"""

from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import Any, TypeVar

from connectors.clever.answers import HasId, Malformed
from connectors.normalize.cleaning import CURLY, Shape, clean_cell
from connectors.normalize.listing import Listing

R = TypeVar("R", bound=HasId)


class Fields:
    """Which strings of a record are read, in which order, and what each is. The first is its id."""

    def __init__(self, **shapes: Shape) -> None:
        self.pick: Callable[[Any], tuple[Any, ...]] = attrgetter(*shapes)
        self.shapes = tuple(shapes.items())


def read_strings(
    records: Sequence[R | Malformed], first: int, fields: Fields, listing: Listing
) -> Iterator[tuple[int, R, Sequence[str]]]:
    """Position, record and clean strings of each of a page's records; those without an id are refused."""
    for line, record in enumerate(records, first):
        if isinstance(record, Malformed):
            refuse_malformed(listing, line, record.id)
            continue
        strings = clean(fields.pick(record), fields.shapes, listing, line)
        if strings[0]:
            yield line, record, strings
        else:
            refuse_malformed(listing, line, "")


def refuse_malformed(listing: Listing, line: int, source_id: str) -> None:
    """A record of another shape than its list's, or ("") without an id: then nobody can say which one it is."""
    detail = "" if source_id else "(it has no id)"
    listing.tell("record_malformed", line, source_id or None, detail=detail)
    listing.protect(line, (source_id,) if source_id else None)


def clean(values: Sequence[Any], shapes: Sequence[tuple[str, Shape]], listing: Listing, line: int) -> Sequence[str]:
    """The values as clean strings, "" for what is not there: a missing key, null and "" mean the same (2.3).

    ``shapes`` are name and shape of each value. Tells the listing what was removed from a value.
    """
    try:
        joined = "|".join(values)
    except TypeError:
        values = [_as_text(value) for value in values]
        joined = "|".join(values)
    if _is_clean(joined):
        return values
    cleaned = []
    for value, (name, shape) in zip(values, shapes, strict=True):
        text, told = clean_cell(value, shape)
        if told:
            listing.tell_once(told, line, name)
        cleaned.append(text)
    return cleaned


def clean_ids(values: Sequence[Any], name: str, listing: Listing, line: int) -> Sequence[str]:
    """The same for ids that all stand in the field ``name``; what is no id is "" in its place."""
    return clean(values, ((name, "id"),) * len(values), listing, line)


def _as_text(value: Any) -> str:
    """Numbers are what a careless provider makes of digits; nothing else but strings and numbers can be meant."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else ""


def _is_clean(joined: str) -> bool:
    return (
        joined.isprintable()
        and '"' not in joined
        and " |" not in joined
        and "| " not in joined
        and joined[:1] != " "
        and joined[-1:] != " "
        and (joined.isascii() or not CURLY.search(joined))
    )
