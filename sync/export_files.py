"""Writing an exported set: CSV files that appear all at once, in a folder or a ZIP.

The files are for machines. Values are written exactly as they are stored: nothing is put before a value that a
spreadsheet would run as a formula, since that would change what reads back.
"""

import contextlib
import csv
import os
import shutil
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from models.errors import SettingsError
from models.report import FileReport

Cells = Sequence[str]


class SetWriter:
    """Gathers the files of one set in a private folder. A file that gets no row is not made.

    ``lost`` counts, per file, what the format has no place for: "12 middle names", in words for a person.
    """

    def __init__(self, folder: Path, headers: dict[str, Cells]) -> None:
        self.folder = folder
        self._headers = headers
        self._files: dict[str, IO[str]] = {}
        self._writers: dict[str, Any] = {}
        self.rows: Counter[str] = Counter()
        self.lost: dict[str, Counter[str]] = {name: Counter() for name in headers}

    def write(self, name: str, rows: Iterable[Cells]) -> None:
        """Add rows to ``name`` (with .csv), in the order of its header."""
        for row in rows:
            writer = self._writers.get(name) or self._open(name)
            writer.writerow(row)
            self.rows[name] += 1

    def close(self) -> None:
        for file in self._files.values():
            file.close()

    def reports(self) -> list[FileReport]:
        """One report per file of the format, those without rows included."""
        return [
            FileReport(name, name.removesuffix(".csv"), self.rows[name], note=self._note(name))
            for name in self._headers
        ]

    def _open(self, name: str) -> Any:
        file = (self.folder / name).open("w", encoding="utf-8", newline="")
        self._files[name] = file
        self._writers[name] = csv.writer(file)
        self._writers[name].writerow(self._headers[name])
        return self._writers[name]

    def _note(self, name: str) -> str:
        if not self.rows[name]:
            return "Not written: there is nothing to put into it."
        lost = [f"{count:,} {what}" for what, count in self.lost[name].items() if count]
        return f"Left out, for want of a place in this format: {', '.join(lost)}." if lost else ""


def list_cell(entries: Iterable[str]) -> str:
    """Several values in one cell."""
    return ",".join(entries)


def flag_cell(value: bool | None) -> str:
    return "" if value is None else "true" if value else "false"


@contextlib.contextmanager
def new_set(target: Path, headers: dict[str, Cells]) -> Iterator[SetWriter]:
    """A writer whose files replace those in ``target`` when the block ends well; otherwise nothing there changes.

    ``target`` is a folder (made if needed), or a ZIP if its name ends in .zip. Raises SettingsError where it cannot be
    written, or is a folder that holds files of another sort.
    """
    zipped = target.suffix.lower() == ".zip"
    try:
        _check(target, zipped, set(headers))
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as name:
            writer = SetWriter(Path(name), headers)
            try:
                yield writer
            finally:
                writer.close()
            if zipped:
                _move_into_zip(writer, target)
            else:
                _move_into_folder(writer, target, headers)
    except OSError as error:
        raise SettingsError(f"{target} cannot be written to; name another place.", type(error).__name__) from None


def _check(target: Path, zipped: bool, names: set[str]) -> None:
    if zipped:
        if target.is_dir():
            raise SettingsError(f"{target} is a folder; name a file that ends in .zip, or a folder that does not.")
        return
    if not target.exists():
        return
    if not target.is_dir():
        raise SettingsError(f"{target} is a file; name a folder, or a file that ends in .zip.")
    others = sorted({path.name for path in target.iterdir()} - names)
    if others:
        raise SettingsError(f"{target} holds other files, such as {others[0]}; name an empty folder.")


def _move_into_folder(writer: SetWriter, target: Path, headers: dict[str, Cells]) -> None:
    target.mkdir(exist_ok=True)
    for name in headers:
        if writer.rows[name]:
            os.replace(writer.folder / name, target / name)
        else:
            (target / name).unlink(missing_ok=True)  # what an earlier export left


def _move_into_zip(writer: SetWriter, target: Path) -> None:
    packed = writer.folder / "set.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(writer.rows):
            archive.write(writer.folder / name, name)
    shutil.move(packed, target)
