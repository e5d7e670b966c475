"""ZIP archives of any name, opened with suspicion: nothing an archive says of itself is believed.

Names never become paths, sizes are counted while unpacking, links and encrypted entries stay closed, and of all entries
only the files that a roster needs are unpacked.
"""

import lzma
import re
import stat
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO
from zipfile import BadZipFile, ZipFile, ZipInfo

from connectors.csvfiles.recognize import name_says
from connectors.csvfiles.table import InputFile
from connectors.normalize.spool import no_room
from models.problems import Problem

HEAD_SIZE = 65_536
ZIP_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
MOST_ENTRIES = 10_000

_PIECE = 1 << 20
#: Roster files shrink to a tenth, repetitive ones to a fiftieth; deflate ends at 1:1032. Small archives may do as they
#: like.
_MOST_TIMES = 200
_RATIO_FROM = 64 << 20
_NESTING = 2

#: Everything that reading a damaged or hostile archive was seen to raise.
_BROKEN = (
    BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, struct.error, NotImplementedError,
    RuntimeError, OverflowError, KeyError, IndexError,
)  # fmt: skip

#: Turns an entry's name and first bytes into an input file without a path.
Judge = Callable[[str, bytes], InputFile]


class TooLargeError(Exception):
    """Unpacking was stopped; the message says at which limit, in parentheses."""


class Room:
    """What may be unpacked in all, and where to."""

    def __init__(self, scratch: Path, max_bytes: int) -> None:
        self._scratch = scratch
        self._left = max_bytes
        self._max = max_bytes
        self._files = 0

    def spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise TooLargeError(f"(more than {self._max:,} bytes)")

    def new_path(self) -> Path:
        self._files += 1
        return self._scratch / f"unpacked-{self._files:05d}"


def is_clutter(parts: tuple[str, ...]) -> bool:
    """Files that operating systems leave beside the real ones."""
    return any(part.startswith(".") or part == "__MACOSX" for part in parts) or parts[-1].lower() in (
        "thumbs.db",
        "desktop.ini",
    )


class Archive:
    """One ZIP archive being looked through."""

    def __init__(self, name: str, path: Path, room: Room, judge: Judge, level: int = 1) -> None:
        self._name = name
        self._path = path
        self._room = room
        self._judge = judge
        self._level = level
        self._unpacked = 0
        self._packed = path.stat().st_size

    def files(self) -> Iterator[InputFile]:
        """The entries as input files: roster files unpacked, all others named with what is wrong with them."""
        try:
            with ZipFile(self._path) as archive:
                entries = archive.infolist()
                if len(entries) > MOST_ENTRIES:
                    raise TooLargeError(f"(it has more than {MOST_ENTRIES:,} entries)")
                if any(entry.filename == "[Content_Types].xml" for entry in entries):
                    yield self._closed(self._name, "file_not_text", "(it looks like an office document)")
                    return
                for entry in sorted(entries, key=lambda entry: entry.filename):
                    yield from self._entry(archive, entry)
        except TooLargeError as error:
            yield self._closed(self._name, "file_too_large", str(error))
        except BadZipFile:
            yield self._closed(self._name, "file_truncated", "(the archive is incomplete)")
        except _BROKEN:
            yield self._closed(self._name, "file_unreadable", "(the archive is damaged)")

    def _closed(self, name: str, code: str, detail: str = "") -> InputFile:
        return InputFile(name, named=name_says(name), problems=[Problem(code, name, detail=detail)])

    def _entry(self, archive: ZipFile, entry: ZipInfo) -> Iterator[InputFile]:
        name = f"{self._name}/{entry.filename}"
        unsafe = _is_unsafe(entry)
        if not unsafe and (entry.is_dir() or is_clutter(PurePosixPath(entry.filename).parts or ("",))):
            return
        if unsafe:
            yield self._closed(name, "file_unsafe_path")
            return
        if entry.flag_bits & 0x1:
            yield self._closed(name, "file_unreadable", "(it is encrypted)")
            return
        try:
            with archive.open(entry) as stream:
                yield from self._opened(name, stream)
        except TooLargeError:
            raise
        except _BROKEN:
            yield self._closed(name, "file_truncated", "(its part of the archive is damaged)")

    def _opened(self, name: str, stream: IO[bytes]) -> Iterator[InputFile]:
        head = stream.read(HEAD_SIZE)
        self._count(len(head))
        if head.startswith(ZIP_SIGNATURES):
            if self._level >= _NESTING:
                yield self._closed(name, "archive_nested_too_deep", f"(more than {_NESTING} levels)")
                return
            path = self._unpack(stream, head)
            yield from Archive(name, path, self._room, self._judge, self._level + 1).files()
            return
        found = self._judge(name, head)
        if found.head is not None and found.role not in ("ignored", "unreadable"):
            found.path = self._unpack(stream, head)
        yield found

    def _unpack(self, stream: IO[bytes], head: bytes) -> Path:
        path = self._room.new_path()
        try:
            target = path.open("xb")
        except OSError as error:
            raise no_room(error) from None
        with target:
            piece = head
            while piece:
                try:
                    target.write(piece)
                except OSError as error:
                    raise no_room(error) from None
                piece = stream.read(_PIECE)
                self._count(len(piece))
        return path

    def _count(self, size: int) -> None:
        self._room.spend(size)
        self._unpacked += size
        if self._unpacked > max(_RATIO_FROM, _MOST_TIMES * self._packed):
            raise TooLargeError(f"(it grows to more than {_MOST_TIMES} times its packed size)")


def _is_unsafe(entry: ZipInfo) -> bool:
    """Absolute paths, paths that climb out, and symbolic links."""
    name = entry.filename.replace("\\", "/")
    if name.startswith("/") or re.match(r"[A-Za-z]:", name) or ".." in name.split("/"):
        return True
    return stat.S_ISLNK(entry.external_attr >> 16)
