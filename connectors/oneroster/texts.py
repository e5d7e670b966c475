"""From JSON values to clean texts: the same rules as for the cells of a file, so that both end in the same record.

Nearly all records are clean, so the texts of a record are tested as a whole, by a few tests that run in C, and only then
one by one (as ``connectors.csvfiles.cleaning`` does).
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from connectors.normalize import people
from connectors.normalize.cleaning import CURLY, Shape, clean_cell
from connectors.normalize.listing import Listing
from connectors.normalize.values import read_list
from connectors.oneroster.wire import Ref


class Field(NamedTuple):
    """A field's name at the provider, and how its text is cleaned."""

    name: str
    shape: Shape


def fields(shape_of: str) -> tuple[Field, ...]:
    """A table of fields written as ``name:shape`` words."""
    pairs = (word.split(":") for word in shape_of.split())
    return tuple(Field(name, shape) for name, shape in pairs)  # type: ignore[arg-type]


def text_of(value: Any) -> str:
    """A value as text, blank for what is none. Numbers become texts: ids, school years and periods come as such too."""
    if type(value) is str:
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else ""


def entries(*values: Any) -> list[str]:
    """The entries of the first value that has any, as they came: a list, a single reference, or one text that separates
    them as a file's cell does. References stand for the ids that they name."""
    for value in values:
        if type(value) is not list:
            if value is None or value == "":
                continue
            value = [value] if type(value) is Ref else read_list(text_of(value)).entries
        texts = []
        for entry in value:
            text = entry.sourced_id if type(entry) is Ref else entry
            texts.append(text if type(text) is str else text_of(text))
        if any(texts):
            return texts
    return []


def distinct(texts: list[str]) -> tuple[str, ...]:
    """The entries that are not blank, each once."""
    if "" in texts or len(texts) > 1:
        kept = dict.fromkeys(texts)
        kept.pop("", None)
        return tuple(kept)
    return tuple(texts)


def one_id(reference: Any, flat: Any) -> str:
    """The id that a reference names, as it came: ``{sourcedId}``, a plain text, a list of one, or a flat field."""
    if type(reference) is Ref:
        reference = reference.sourced_id
        if type(reference) is str and reference:
            return reference
    elif isinstance(reference, list):
        reference = next(filter(None, entries(reference)), "")
    return text_of(reference) or text_of(flat)


def clean_texts(
    listing: Listing,
    line: int,
    values: Iterable[Any],
    table: Sequence[Field],
    lists: Sequence[list[str]] = (),
    list_table: Sequence[Field] = (),
) -> list[str]:
    """The values of one record as they are meant, in the table's order; its ``lists`` are cleaned in place. Tells the
    listing what was removed."""
    texts = list(values)
    try:
        joined = _joined(texts, lists)
    except TypeError:  # not all of them are texts
        texts = [text_of(value) for value in texts]
        joined = _joined(texts, lists)
    if not _is_clean(joined):
        texts = [_clean(listing, line, field, text) for field, text in zip(table, texts, strict=True)]
        for field, parts in zip(list_table, lists, strict=True):
            parts[:] = [_clean(listing, line, field, part) for part in parts]
    return texts


def _joined(texts: list[str], lists: Sequence[list[str]]) -> str:
    """All texts of a record, between bars."""
    every = ["", *texts]
    for parts in lists:
        every += parts
    every.append("")
    return "|".join(every)


def _is_clean(joined: str) -> bool:
    """Whether none of some texts, between bars, can need cleaning."""
    return not (
        '"' in joined
        or " |" in joined
        or "| " in joined
        or not joined.isprintable()
        or (not joined.isascii() and CURLY.search(joined))
    )


def _clean(listing: Listing, line: int, field: Field, text: str) -> str:
    text, told = clean_cell(text, field.shape)
    if told:
        listing.tell_once(told, line, field.name)
    return text


def grades(listing: Listing, line: int, source_id: str, levels: list[str]) -> tuple[str, ...]:
    """Grades as CEDS codes, from clean entries (of which one may hold several)."""
    return people.grades(listing, line, source_id, ",".join(filter(None, levels))) if levels else ()
