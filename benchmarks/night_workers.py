"""Worker processes of the program itself, and a night that they work through."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import psycopg

from benchmarks.api_steps import KEY
from benchmarks.databases import Databases, cpu_of

_PATIENCE: Final = 3_600.0


class Night(NamedTuple):
    """What a night took. Seconds, from when all were due to when the last was settled; ``waits`` (due to begun, whole
    seconds) are sorted, ``asked`` are those of people who asked for a sync while it went on. ``cpu`` is that of the workers,
    ``server_cpu`` PostgreSQL's."""

    runs: int
    wall: float
    waits: list[int]
    asked: list[float]
    cpu: float
    server_cpu: float


class Workers:
    """Worker processes on one database, ready to work."""

    def __init__(self, url: str, databases: Databases, running: list["subprocess.Popen[bytes]"], log: Path) -> None:
        self._connection = psycopg.connect(url, autocommit=True)
        self._databases = databases
        self._running = running
        self._log = log

    def night(self, slot: str, scheduled: list[int], asked: list[int]) -> Night:
        """All of ``scheduled`` are due at once; meanwhile people ask for ``asked``, one after the other.

        Raises RuntimeError unless each is applied once.
        """
        cpu, server = self.cpu(), self._databases.server_cpu()
        started = time.perf_counter()
        due = self._make_due(scheduled, slot, "scheduled")
        with ThreadPoolExecutor(1) as people:
            requests = people.submit(lambda: [self.ask(each, f"asked during {slot}") for each in asked])
            self._wait_until(lambda: self._open(slot) == 0)
            wall = time.perf_counter() - started
            night = Night(
                len(scheduled) + len(asked), wall, [], requests.result(), self.cpu() - cpu,
                self._databases.server_cpu() - server,
            )  # fmt: skip
        begun = self._begun(slot, len(scheduled))
        return night._replace(waits=sorted(int(at.timestamp() - due.timestamp()) for at in begun))

    def ask(self, connection_id: int, slot: str) -> float:
        """Ask for a sync as a person does and wait for its end; returns the seconds until a worker began with it."""
        with psycopg.connect(self._connection.info.dsn, autocommit=True) as connection:
            started = time.perf_counter()
            self._make_due([connection_id], slot, "asked", connection)
            begun = "SELECT 1 FROM schedule WHERE connection_id = %s AND (taken_at IS NOT NULL OR next_at IS NULL)"
            self._wait_until(lambda: connection.execute(begun, [connection_id]).fetchone() is not None, 0.005)
            seconds = time.perf_counter() - started
            ended = "SELECT 1 FROM schedule WHERE connection_id = %s AND job IS NULL"
            self._wait_until(lambda: connection.execute(ended, [connection_id]).fetchone() is not None)
        return seconds

    def cpu(self) -> float:
        """CPU seconds that the workers have used so far."""
        return sum(cpu_of(worker.pid) for worker in self._running)

    def _make_due(self, connection_ids: list[int], slot: str, why: str, connection: Any = None) -> datetime:
        due = datetime.now(UTC).replace(microsecond=0)
        (connection or self._connection).execute(
            "UPDATE schedule SET next_at = %s, next_why = %s, slot = %s, attempt = 0, window_ends_at = NULL "
            "WHERE connection_id = ANY(%s)",
            [due.isoformat(), why, slot, connection_ids],
        )
        return due

    def _open(self, slot: str) -> int:
        """How many connections still have this slot before them."""
        query = "SELECT count(*) FROM schedule WHERE slot = %s AND (job IS NOT NULL OR next_at IS NOT NULL)"
        return int(self._connection.execute(query, [slot]).fetchone()[0])  # type: ignore[index]

    def _begun(self, slot: str, expected: int) -> list[datetime]:
        query = "SELECT state, created_at FROM run WHERE slot = %s"
        runs = self._connection.execute(query, [slot]).fetchall()
        states = [state for state, _ in runs]
        if states != ["applied"] * expected:
            raise RuntimeError(f"{expected} runs were due, {len(states)} made: {sorted(set(states))}\n{self._words()}")
        return [datetime.fromisoformat(at) for _, at in runs]

    def ready(self) -> None:
        """Wait until all of them have said that they are there."""
        query = "SELECT count(*) FROM worker WHERE NOT stopping"
        self._wait_until(lambda: self._connection.execute(query).fetchone() == (len(self._running),))

    def _wait_until(self, true: Callable[[], bool], every: float = 0.05) -> None:
        end = time.monotonic() + _PATIENCE
        while not true():
            if time.monotonic() > end or any(worker.poll() is not None for worker in self._running):
                raise RuntimeError(f"the workers did not do it\n{self._words()}")
            time.sleep(every)

    def _words(self) -> str:
        return self._log.read_text(errors="replace")[-3_000:]

    def close(self) -> None:
        self._connection.close()


@contextmanager
def working(url: str, databases: Databases, folder: Path, host: str, count: int, slots: int) -> Iterator[Workers]:
    """``count`` worker processes with ``slots`` each."""
    environment = os.environ | {
        "ROSTERSYNC_DATABASE_URL": url,
        "ROSTERSYNC_DATA_DIR": str(folder / "workers"),
        "ROSTERSYNC_SECRET_KEYS": KEY,
        "ROSTERSYNC_ALLOW_HOSTS": host,
    }
    command = [sys.executable, "-m", "cli.main", "worker", "--slots", str(slots)]
    log = folder / "workers.log"
    with log.open("ab") as file:
        running = [
            subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
            for _ in range(count)
        ]
        try:
            workers = Workers(url, databases, running, log)
            workers.ready()
            yield workers
            workers.close()
        finally:
            for worker in running:
                worker.terminate()
            for worker in running:
                worker.wait(60)
