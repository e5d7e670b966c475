"""What a file is: by its header first, by its name second. Works on the file's beginning only.

Besides the roster files this tells apart what turns up in their place: database dumps, spreadsheets, web pages, PDFs.
"""

import csv
import re
from collections.abc import Sequence
from typing import NamedTuple

from connectors.csvfiles.headers import Columns, fold, match_columns
from connectors.csvfiles.layouts import IGNORED_HEADERS, IGNORED_NAMES, LAYOUTS, Layout

DELIMITERS = ",;\t|"
DELIMITER_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}

_DUMP = re.compile(
    r"\s*(?:--|/\*|(?:CREATE|INSERT|DROP|ALTER|SELECT|UPDATE|DELETE)\s|SET\s+\w+\s*=|PRAGMA\s|BEGIN(?:\s+TRANSACTION)?;|USE\s+\w+;|COPY\s.*FROM)",
    re.IGNORECASE,
)
_MARKUP = re.compile(r"\s*(?:<[!?a-z]|[{\[]\s*[\"{\[\]}])", re.IGNORECASE)
_SEPARATOR_LINE = re.compile(r"\"?sep=([,;|\t:^~])\"?", re.IGNORECASE)


class Dialect(NamedTuple):
    """How the cells of a text are separated."""

    delimiter: str = ","
    skip_space: bool = False


class Head(NamedTuple):
    """A text's header line: its 1-based number, its cells, and how they are separated."""

    line: int
    cells: list[str]
    dialect: Dialect


class Recognized(NamedTuple):
    """``role`` is a layout's role, "ignored" for known files without use, or "" for what nobody knows.

    ``note`` says why a text is no table at all. ``by_name`` marks a file that has a roster file's name only.
    """

    role: str
    head: Head | None = None
    columns: Columns | None = None
    note: str = ""
    by_name: bool = False


def recognize(text: str, name: str) -> Recognized:
    """Recognize a file from the beginning of its text and from its name (without folders)."""
    stem = fold(name.rsplit("/", 1)[-1].rsplit(".", 1)[0])
    for pattern, note in ((_DUMP, "a database dump"), (_MARKUP, "a web page or other markup")):
        if pattern.match(text):
            return Recognized("", note=f"(it looks like {note})", by_name=_layout_named(stem) is not None)
    head = find_head(text)
    if head is None:
        return Recognized("", by_name=_layout_named(stem) is not None)
    folded = {fold(cell) for cell in head.cells}
    if stem in IGNORED_NAMES or (folded & IGNORED_HEADERS and _layout_named(stem) is None):
        return Recognized("ignored", head)
    fitting = _fitting(head.cells, stem)
    if fitting is not None:
        return Recognized(fitting[0].role, head, fitting[1])
    named = _layout_named(stem)
    if named is not None:
        return Recognized(named.role, head, match_columns(head.cells, named), by_name=True)
    return Recognized("", head)


def _fitting(cells: Sequence[str], stem: str) -> tuple[Layout, Columns] | None:
    """The layout whose marks are all there: rather by exact headers than by guesses, then by what sets it apart."""
    best: tuple[tuple[int, ...], Layout, Columns] | None = None
    for layout in LAYOUTS:
        columns = match_columns(cells, layout)
        found = columns.place.keys()
        # "sourcedId, title" alone could be one of several files: then only the name can say.
        if not layout.marks <= found or not (layout.telling & found or _layout_named(stem) is layout):
            continue
        guesses = sum(field in layout.marks for field in columns.guessed.values())
        rank = (-guesses, len(layout.telling & found), len(found), _layout_named(stem) is layout)
        if best is None or rank > best[0]:
            best = (rank, layout, columns)
    return None if best is None else best[1:]


def _layout_named(stem: str) -> Layout | None:
    """The layout that a file name stands for: ``users``, ``Users_2026-08-31``, ``roster-users`` …"""
    exact = [layout for layout in LAYOUTS if stem == layout.role.lower()]
    if exact:
        return exact[0]
    within = [layout for layout in LAYOUTS if layout.role.lower() in stem]
    return within[0] if len(within) == 1 else None


def name_says(name: str) -> str | None:
    """The role that a file's name stands for, None if it stands for none."""
    layout = _layout_named(fold(name.rsplit("/", 1)[-1].rsplit(".", 1)[0]))
    return None if layout is None else layout.role


def find_head(text: str) -> Head | None:
    """The first line that is not blank (nor a spreadsheet's ``sep=;``), split by the delimiter that fits best."""
    forced = ""
    lines = re.split(r"\r\n|\r|\n", text)
    for number, line in enumerate(lines, 1):
        if match := _SEPARATOR_LINE.fullmatch(line.strip(" \ufeff")):
            forced = match[1]
        elif line.strip(' \t,;|"\0\ufeff'):
            return _split_head(text, line, number, forced)
    return None


def _split_head(text: str, line: str, number: int, forced: str) -> Head:
    known = {fold(name) for layout in LAYOUTS for field in layout.fields for name in (field.name, *field.aliases)}
    best: tuple[tuple[int, int], Head] | None = None
    for delimiter in forced or DELIMITERS:
        skip_space = re.search(re.escape(delimiter) + ' +"', text) is not None
        cells = split_line(line, Dialect(delimiter, skip_space))
        rank = (sum(fold(cell) in known for cell in cells), len(cells))
        if best is None or rank > best[0]:
            best = (rank, Head(number, cells, Dialect(delimiter, skip_space)))
    assert best is not None
    return best[1]


def split_line(line: str, dialect: Dialect) -> list[str]:
    """The cells of one line on its own; an open quote ends with it."""
    text = line.rstrip("\r\n")
    reader = csv.reader([text], delimiter=dialect.delimiter, skipinitialspace=dialect.skip_space)
    try:
        return next(reader, [])
    except csv.Error:
        return text.split(dialect.delimiter)
