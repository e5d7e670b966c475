"""From cells to clean cells: the right number of them, without the space, quotes and invisible characters around them.

Nearly all rows are clean, so a row is tested as a whole, by a few tests that run in C, and only then cell by cell.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence

from connectors.csvfiles.layouts import Shape
from connectors.csvfiles.listing import Listing
from connectors.csvfiles.records import Fault, Record

_PLAIN_SPACE = " \t\r\n"
_QUOTES = '"\u201c\u201d\u201e\u00ab\u00bb'
_INVISIBLE = ("Cc", "Cf", "Zs", "Zl", "Zp")
_CURLY = re.compile("[\u201c\u201d\u201e\u00ab\u00bb]")
#: Joiners that Persian, Hindi and many other scripts write names with.
_JOINERS = "\u200c\u200d"


def clean_cell(text: str, shape: Shape) -> tuple[str, str]:
    """The cell as it is meant, and the code of what was removed from it ("" for nothing but plain space).

    Ids keep every character inside of them: they are compared character by character.
    """
    told = ""
    text = text.strip(_PLAIN_SPACE)
    bare = _strip_invisible(text)
    if shape != "id" and not bare.isprintable():
        bare = _without_invisible(bare)
    if bare != text:
        told = "invisible_characters"
    # Until nothing changes: a value must read the same when it is exported and read again.
    while (unquoted := _strip_invisible(_unquote(bare, shape))) != bare:
        told, bare = "quotes_left", unquoted
    return bare, told


def _is_invisible(char: str) -> bool:
    """Space of any kind, control and format characters; not what this Python's Unicode merely does not know yet."""
    return not char.isprintable() and unicodedata.category(char) in _INVISIBLE


def _strip_invisible(text: str) -> str:
    start, end = 0, len(text)
    while start < end and (text[start] == " " or _is_invisible(text[start])):
        start += 1
    while end > start and (text[end - 1] == " " or _is_invisible(text[end - 1])):
        end -= 1
    return text[start:end]


def _without_invisible(text: str) -> str:
    """Line ends and odd spaces as one space, control and format characters gone."""
    kept = (
        " " if char.isspace() else char
        for char in text
        if char.isspace() or char in _JOINERS or not _is_invisible(char)
    )
    return " ".join("".join(kept).split())


def _unquote(text: str, shape: Shape) -> str:
    """Without quotes around the value, and without a spreadsheet's ``="…"`` that keeps zeros.

    In an id or code a quote at either end is a remnant. A text may end in one (``Robert "Bob"``) unless it has no mate.
    """
    if text.startswith('="') and text.endswith('"') and len(text) > 2:
        text = text[1:]
    if not text or (text[0] not in _QUOTES and text[-1] not in _QUOTES):
        return text
    paired = len(text) > 1 and text[0] in _QUOTES and text[-1] in _QUOTES
    odd = sum(char in _QUOTES for char in text) % 2 == 1
    return text.strip(_QUOTES).strip(_PLAIN_SPACE) if shape in ("id", "code") or paired or odd else text


class RowCleaner:
    """Makes rows of one file fit its header and cleans them; tells the listing what it removed."""

    def __init__(
        self,
        width: int,
        fields: Sequence[tuple[int, str, Shape]],
        repeats: Sequence[tuple[int, int]],
        least: int,
        unended_line: int,
    ) -> None:
        """``fields`` are (index, name, shape) of the known columns, ``least`` the cells that a row must have."""
        self._width = width
        self._fields = fields
        self._repeats = repeats
        self._least = least
        self._unended_line = unended_line
        self._surplus = 0
        self.rows = 0
        self.truncated = False

    def clean(self, records: Iterator[Record], listing: Listing) -> Iterator[Record]:
        """Yield the rows that are not blank: ``width`` clean cells each, and a blank one more for columns not there."""
        width = self._width
        for line, cells, fault in records:
            joined = "|".join(cells)
            if joined[:1] in "| \t\xa0" and not joined.strip("| \t\xa0\ufeff"):
                continue
            self.rows += 1
            if self.rows == 1:
                self._surplus = len(cells) - width
            if fault is None and len(cells) != width:
                fault = self._fit(cells, line, listing)
            if (
                '"' in joined
                or " |" in joined
                or "| " in joined
                or joined[0] == " "
                or joined[-1] == " "
                or not joined.isprintable()
                or (not joined.isascii() and _CURLY.search(joined))
            ):
                self._clean(cells, line, listing)
            if self._repeats:
                self._compare_repeats(cells, line, listing)
            if fault is not None:
                self.truncated = self.truncated or fault.code == "file_truncated"
                cells.extend([""] * (width - len(cells)))
                del cells[width:]
            cells.append("")
            yield line, cells, fault

    def _fit(self, cells: list[str], line: int, listing: Listing) -> Fault | None:
        count, width = len(cells), self._width
        if count > width:
            # A row may end in blank cells too many if all do; in one row alone they show that its cells have moved.
            if any(cell.strip() for cell in cells[width:]) or count - width != self._surplus:
                return Fault("row_ragged", f"({count} instead of {width})")
            del cells[width:]
        else:
            if line == self._unended_line:
                return Fault("file_truncated", "(its last row ends early)")
            # A quote left in a cell shows that a delimiter was lost to it, not that the row ends early.
            if count < self._least or any('"' in cell for cell in cells):
                return Fault("row_ragged", f"({count} instead of {width})")
            cells.extend([""] * (width - count))
            listing.tell("row_short", line, detail=f"({count} of {width} cells)")
        return None

    def _clean(self, cells: list[str], line: int, listing: Listing) -> None:
        for index, name, shape in self._fields:
            if index < len(cells):
                cells[index], told = clean_cell(cells[index], shape)
                if told:
                    listing.tell_once(told, line, name)

    def _compare_repeats(self, cells: list[str], line: int, listing: Listing) -> None:
        for first, later in self._repeats:
            if later < len(cells) and cells[later].strip() not in ("", cells[first]):
                names = [name for index, name, _ in self._fields if index == first]
                listing.tell_once("header_repeated", line, names[0])
