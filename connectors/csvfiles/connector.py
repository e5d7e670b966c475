"""The CSV connector: an upload of roster files, read as pages of normalized records."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from connectors.csvfiles.intake import take_in
from connectors.csvfiles.layouts import LAYOUT_OF
from connectors.csvfiles.pull import Pull
from connectors.csvfiles.records import read_records
from connectors.csvfiles.table import InputFile
from connectors.csvfiles.text import open_text, text_lines
from models.errors import NotFoundError
from models.pages import PullEvent
from models.settings import UploadOptions


class ReadFile(NamedTuple):
    """A file that was recognized: its name as in pages, and the listing it feeds."""

    name: str
    role: str


class CsvUpload:
    """Roster files from folders, single files and ZIP archives: the product's four, or a OneRoster 1.1 or 1.2 CSV set.

    ``scratch`` is an empty private directory: archives are unpacked there, and pages wait there for their turn. The
    caller deletes it when it is done with ``reread``.
    """

    def __init__(self, paths: Sequence[Path], options: UploadOptions, scratch: Path) -> None:
        self._paths = paths
        self._options = options
        self._scratch = scratch
        self._inputs: list[InputFile] = []

    @property
    def files(self) -> list[ReadFile]:
        """The recognized roster files; filled as soon as ``pull`` has yielded its first event."""
        return [ReadFile(file.name, file.role) for file in self._inputs if file.role in LAYOUT_OF]

    def pull(self) -> Iterator[PullEvent]:
        """Arrivals, pages and coverage statements, kind by kind. May be asked for once.

        A file that is read arrives when its end was reached (its rows are counted then), all others at the beginning.
        Raises ``SettingsError`` for a path that does not exist, ``DistrictActionError`` (after the arrivals) if nothing
        that came can be used, and ``RetryLaterError`` if ``scratch`` is full.
        """
        self._inputs = take_in(self._paths, self._scratch, self._options.max_bytes)
        yield from Pull(self._inputs, self._options, self._scratch).events()

    def reread(self, file: str) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
        """The header of a file of ``files``, and its rows (1-based line, cells) as they came, blank lines left out.

        Raises ``NotFoundError`` for any other file.
        """
        for source in self._inputs:
            if source.name == file and source.head and source.facts and source.path:
                return source.head.cells, _raw_rows(source)
        raise NotFoundError(f"{file} is not a roster file of this upload.")


def _raw_rows(source: InputFile) -> Iterator[tuple[int, list[str]]]:
    assert source.head is not None
    assert source.facts is not None
    assert source.path is not None
    with closing(open_text(source.path, source.facts)) as stream:
        lines = text_lines(stream, source.facts)
        skipped = sum(1 for _ in islice(lines, source.head.line))
        for line, cells, _ in read_records(lines, source.head.dialect, len(source.head.cells), skipped + 1):
            yield line, cells
