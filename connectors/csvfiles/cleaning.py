"""From cells to clean cells: the right number of them, each cleaned.

Nearly all rows are clean, so a row is tested as a whole, by a few tests that run in C, and only then cell by cell.
"""

from collections.abc import Iterator, Sequence

from connectors.csvfiles.records import Fault, Record
from connectors.normalize.cleaning import CURLY, Shape, clean_cell
from connectors.normalize.listing import Listing


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
                or (not joined.isascii() and CURLY.search(joined))
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
