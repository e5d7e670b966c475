"""One recognized file, opened: its columns, and its rows as clean cells in the order that a reader asks for."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from operator import itemgetter
from pathlib import Path

from connectors.csvfiles.cleaning import RowCleaner
from connectors.csvfiles.headers import header_problems, match_columns
from connectors.csvfiles.layouts import LAYOUT_OF, ONEROSTER_COLUMNS
from connectors.csvfiles.recognize import DELIMITER_NAMES, Head
from connectors.csvfiles.records import Fault, Record, read_records
from connectors.csvfiles.text import TextFacts, open_text, text_lines
from connectors.normalize.cleaning import Shape
from connectors.normalize.listing import Listing
from models.pages import Arrival
from models.problems import Problem


@dataclass(slots=True)
class InputFile:
    """One file of the upload, as the intake found it.

    ``role`` is a layout's role, "ignored" or "unreadable". ``doubt`` is why the file cannot prove absence even if it is
    read to its end. ``named`` is the role its name stands for, for what could not be read; ``by_name`` says that
    nothing but its name made it what it is.
    """

    name: str
    path: Path | None = None
    role: str = "unreadable"
    named: str | None = None
    by_name: bool = False
    head: Head | None = None
    facts: TextFacts | None = None
    note: str = ""
    doubt: str = ""
    problems: list[Problem] = field(default_factory=list)

    def arrival(self, rows: int = 0) -> Arrival:
        encoding = self.facts.shown if self.facts else ""
        delimiter = self.head.dialect.delimiter if self.head and self.facts else ""
        return Arrival(self.name, self.role, rows, encoding, delimiter, self.note, tuple(self.problems))


class Table:
    """A recognized file whose needed columns are all there."""

    def __init__(self, source: InputFile, needed: Sequence[str]) -> None:
        assert source.path is not None
        assert source.head is not None
        assert source.facts is not None
        self.source = source
        self.file = source.name
        self._path, self._head, self._facts = source.path, source.head, source.facts
        layout = LAYOUT_OF[source.role]
        self._columns = match_columns(self._head.cells, layout)
        self._shapes: dict[str, Shape] = {entry.name: entry.shape for entry in layout.fields}
        self._width = len(self._head.cells)
        index = self._columns.place
        self.missing = [name for name in needed if name not in index]
        self._trusted = self._trusted_columns()
        fields = sorted((position, name, self._shapes[name]) for name, position in index.items())
        least = max((index[name] + 1 for name in needed if name in index), default=1)
        self._cleaner = RowCleaner(self._width, fields, self._columns.repeats, least, self._facts.unended_line)
        self.finished = False
        source.problems += self._problems()

    def _problems(self) -> list[Problem]:
        found = self._facts.problems(self.file)
        delimiter = self._head.dialect.delimiter
        if delimiter != ",":
            found.append(Problem("delimiter_unusual", self.file, detail=DELIMITER_NAMES.get(delimiter, "others")))
        found += header_problems(self.file, self._head.cells, self._columns, self._head.line)
        return found + [Problem("header_missing", self.file, self._head.line, field=name) for name in self.missing]

    def _trusted_columns(self) -> int:
        """How many columns at the left hold ids and codes only: a row with too many cells is still in place there."""
        name_at = {position: name for name, position in self._columns.place.items()}
        for position in range(self._width):
            if position not in name_at or self._shapes[name_at[position]] in ("text", "list"):
                return position
        return self._width

    def has(self, name: str) -> bool:
        return name in self._columns.place

    @property
    def is_oneroster(self) -> bool:
        """Whether the file has columns that OneRoster has and the product's own files have not."""
        return not ONEROSTER_COLUMNS.isdisjoint(self._columns.place)

    @property
    def rows_read(self) -> int:
        return self._cleaner.rows

    @property
    def truncated(self) -> bool:
        return self._cleaner.truncated

    def getter(self, *names: str) -> Callable[[list[str]], tuple[str, ...]]:
        """Picks the cells of some fields, blank for those that the file has no column for."""
        positions = [self._columns.place.get(name, self._width) for name in names]
        pick: Callable[[list[str]], tuple[str, ...]] = itemgetter(*positions)
        return pick

    def rows(self, listing: Listing) -> Iterator[Record]:
        """The rows that are not blank, clean; tells ``listing`` of what was cleaned and what is odd about a row.

        ``finished`` is set once the file was read to its end. A file that breaks off ends the rows with a problem.
        """
        before = self._path.stat()
        try:
            with closing(open_text(self._path, self._facts)) as stream:
                lines = text_lines(stream, self._facts)
                skipped = sum(1 for _ in islice(lines, self._head.line))
                records = read_records(lines, self._head.dialect, self._width, skipped + 1)
                yield from self._cleaner.clean(records, listing)
            after = self._path.stat()
        except (OSError, UnicodeError):
            listing.tell("file_unreadable", 0, detail="(to its end)")
            return
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            listing.tell("file_unreadable", 0, detail="(it changed while it was being read)")
            return
        self.finished = True

    def trusted_id(self, cells: list[str], name: str, fault: Fault) -> str:
        """An id of a faulty row, blank where nobody can say whether the cell in its column is the right one."""
        position = self._columns.place.get(name, self._width)
        # Whatever broke a row broke it in its last readable cell.
        last = max((place for place, cell in enumerate(cells) if cell), default=0)
        in_place = position < self._trusted and (fault.code == "row_ragged" or position < last)
        return cells[position] if in_place else ""
