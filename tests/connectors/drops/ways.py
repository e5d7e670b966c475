"""Both ways to drop files, told what to do by the same words: a folder of this machine, and one on a real SFTP server."""

import csv
import io
import os
import zipfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from connectors.drops.folder import Folder
from connectors.drops.listing import Entry
from connectors.drops.place import Place
from connectors.drops.sftp import Sftp
from connectors.drops.source import DropSource
from connectors.http.client import HttpClient, HttpRules
from connectors.source import Access
from connectors.watch import Watch
from models.connections import DropSettings, FolderSettings, Memory
from models.progress import Progress
from tests.servers.sftp import SftpServer

USERS = [("sourcedId", "orgSourcedIds", "role", "givenName", "familyName"), ("s1", "pine", "student", "Ada", "Byron")]
CLASSES = [("sourcedId", "title", "schoolSourcedId", "grades"), ("c1", "Algebra", "pine", "09")]
ENROLLMENTS = [("classSourcedId", "schoolSourcedId", "userSourcedId", "role"), ("c1", "pine", "s1", "student")]
#: A time at which nobody drops anything any more.
LONG_AGO = 1_700_000_000.0


def text(rows: list[tuple[str, ...]]) -> bytes:
    stream = io.StringIO()
    csv.writer(stream).writerows(rows)
    return stream.getvalue().encode()


FILES = {"users.csv": text(USERS), "classes.csv": text(CLASSES), "enrollments.csv": text(ENROLLMENTS)}


def archive(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return stream.getvalue()


class Way:
    """A folder that a district drops files into. ``before_list`` (count of listings before), ``before_read`` (name) and
    ``while_waiting`` are called at those moments; ``slept`` is for how many seconds was waited."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        self.folder = folder
        self.scratch = scratch
        self.slept = 0.0
        self.told: list[Progress] = []
        self.fetched: list[str] = []
        self.before_list: Callable[[int], None] = lambda _count: None
        self.before_read: Callable[[str], None] = lambda _name: None
        self.while_waiting: Callable[[], None] = lambda: None
        self.cancelled: Callable[[], bool] = lambda: False
        self._times = 0

    def settings(self, **changes: Any) -> DropSettings:
        raise NotImplementedError

    def place(self, settings: DropSettings) -> Place:
        raise NotImplementedError

    def drop(self, files: dict[str, bytes] | None = None, mtime: float | None = None) -> None:
        """Put files into the folder; each later than the ones before unless told otherwise."""
        for name, content in (FILES if files is None else files).items():
            (self.folder / name).write_bytes(content)
            self._times += 1
            at = LONG_AGO + self._times if mtime is None else mtime
            os.utime(self.folder / name, (at, at))

    def source(self, memory: Memory | None = None, **settings: Any) -> DropSource:
        """A source that was not asked for anything yet, with a scratch directory of its own."""
        self._times += 1
        scratch = self.scratch / f"scratch-{self._times}"
        scratch.mkdir(parents=True)
        watch = Watch(self.told.append, lambda: self.cancelled())
        access = Access(HttpClient(HttpRules(), watch), scratch, watch, lambda: "", memory or Memory())
        chosen = self.settings(**settings)
        return DropSource(chosen, self.place(chosen), access, sleep=self._sleep)

    def taken(self, **settings: Any) -> Memory:
        """What is remembered of the drop that lies there when it was applied."""
        source = self.source(**settings)
        list(source.pull())
        self.fetched.clear()
        return source.memory

    def state(self) -> dict[str, tuple[bytes, float]]:
        """All files of the folder and below: content and time."""
        return {
            str(path.relative_to(self.folder)): (path.read_bytes(), path.stat().st_mtime)
            for path in sorted(self.folder.rglob("*"))
            if path.is_file()
        }

    def _sleep(self, seconds: float) -> None:
        if not self.slept:
            self.while_waiting()
        self.slept += seconds


class FolderWay(Way):
    def settings(self, **changes: Any) -> FolderSettings:
        return FolderSettings(**({"path": str(self.folder)} | changes))

    def place(self, settings: DropSettings) -> Place:
        assert isinstance(settings, FolderSettings)
        return _WatchedFolder(self, settings.path)


class _WatchedFolder(Folder):
    def __init__(self, way: Way, path: str) -> None:
        super().__init__(path)
        self._way = way
        self._listings = 0

    def entries(self) -> list[Entry]:
        self._way.before_list(self._listings)
        self._listings += 1
        return super().entries()

    def pieces(self, entry: Entry) -> Generator[bytes, None, None]:
        self._way.fetched.append(entry.name)
        self._way.before_read(entry.name)
        yield from super().pieces(entry)


class SftpWay(Way):
    def __init__(self, folder: Path, scratch: Path, server: SftpServer) -> None:
        super().__init__(folder, scratch)
        self.server = server

    def settings(self, **changes: Any) -> DropSettings:
        return self.server.settings(**changes)

    def place(self, settings: DropSettings) -> Place:
        self.server.requests.clear()
        self.server.before_list = lambda count: self.before_list(count)
        self.server.before_read = self._reads
        assert not isinstance(settings, FolderSettings)
        return Sftp(settings, self.server.credentials(), self.server.allowed)

    def _reads(self, name: str, offset: int) -> None:
        if offset == 0 and (not self.fetched or self.fetched[-1] != name):
            self.fetched.append(name)
            self.before_read(name)


@contextmanager
def way_of(name: str, folder: Path) -> Iterator[Way]:
    """``folder`` or ``sftp``, with an empty folder."""
    (drops := folder / "drops").mkdir()
    if name == "folder":
        yield FolderWay(drops, folder / "scratch")
    else:
        with SftpServer(drops) as server:
            yield SftpWay(drops, folder / "scratch", server)
