"""The CSV connector: an upload of roster files, read as pages of normalized records."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from connectors.csvfiles.intake import take_in
from connectors.csvfiles.layouts import LAYOUT_OF
from connectors.csvfiles.manifest import read_manifest
from connectors.csvfiles.pull import Pull
from connectors.csvfiles.records import read_records
from connectors.csvfiles.table import InputFile, Table
from connectors.csvfiles.text import open_text, text_lines
from connectors.normalize.listing import Listing
from models.errors import NotFoundError
from models.pages import PullEvent
from models.settings import UploadOptions


class ReadFile(NamedTuple):
    """A file that was recognized: its name as in pages, and the listing it feeds."""

    name: str
    role: str


class CameFile(NamedTuple):
    """Any file that came, also one within an archive. ``role`` is what it holds ("users"), or what its name says of one that
    cannot be read, "" for what is no roster file. ``whole``: nothing of it (or of its archive) is cut off."""

    name: str
    role: str
    whole: bool


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
        self._taken_in = False

    @property
    def files(self) -> list[ReadFile]:
        """The recognized roster files; filled as soon as ``pull`` has yielded its first event."""
        return [ReadFile(file.name, file.role) for file in self._inputs if file.role in LAYOUT_OF]

    def look(self) -> list[CameFile]:
        """What came, before any of it is read; ``pull`` goes on from there. Raises as ``pull``, but nothing for what cannot be
        used."""
        self._take_in()
        return [
            CameFile(
                file.name,
                file.role if file.role in LAYOUT_OF else file.named or "",
                all(problem.code != "file_truncated" for problem in file.problems),
            )
            for file in self._inputs
        ]

    def left_out(self) -> frozenset[str]:
        """The roles that a manifest says are not in the set; to be asked after ``look``."""
        for file in self._inputs:
            if file.role == "manifest":
                # A copy, as what is wrong with it is told when it is read in its turn.
                table = Table(replace(file, problems=[]), LAYOUT_OF["manifest"].needed)
                if not table.missing:
                    manifest, _ = read_manifest(table, Listing("school", "manifest", file.name, 1), ())
                    return frozenset(role for role, mode in manifest.modes.items() if mode == "absent")
        return frozenset()

    def pull(self) -> Iterator[PullEvent]:
        """Arrivals, pages and coverage statements, kind by kind. May be asked for once.

        A file that is read arrives when its end was reached (its rows are counted then), all others at the beginning.
        Raises ``SettingsError`` for a path that does not exist, ``DistrictActionError`` (after the arrivals) if nothing
        that came can be used, and ``RetryLaterError`` if ``scratch`` is full.
        """
        self._take_in()
        yield from Pull(self._inputs, self._options, self._scratch).events()

    def _take_in(self) -> None:
        if not self._taken_in:
            self._inputs = take_in(self._paths, self._scratch, self._options.max_bytes)
            self._taken_in = True

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
