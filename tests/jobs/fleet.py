"""Real worker processes, tenants that are due, and a source that they all read."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from sqlalchemy import text

from store import schedules
from store.connections import connections_of
from store.database import reading, writing
from sync import connections, secrets, tenants
from sync.clock import now
from sync.service import Service
from sync.snapshot import Snapshot, difference, snapshot
from sync.tenants import tenant_and_settings
from tests.servers.oneroster import STATIC_TOKEN, OneRosterServer

#: One key for all processes of a test.
KEY = secrets.new_key()
ROOT = Path(__file__).parents[2]


class Fleet:
    """Worker processes on one database. ``log`` is where all of them write, ``environment`` what they know of their settings."""

    def __init__(self, service: Service, folder: Path, **settings: str) -> None:
        self.log = folder / "workers.log"
        self._data = folder / "workers"
        self.environment = os.environ | {
            "ROSTERSYNC_DATABASE_URL": service.engine.url.set(drivername="postgresql").render_as_string(False)
            if service.settings.database_url
            else "",
            "ROSTERSYNC_DATA_DIR": str(self._data if service.settings.database_url else service.settings.data_dir),
            "ROSTERSYNC_SECRET_KEYS": KEY,
            "ROSTERSYNC_ALLOW_HOSTS": service.settings.allow_hosts,
            "ROSTERSYNC_LOST_SECONDS": "3",
            "ROSTERSYNC_LOG_FORMAT": "json",
            "ROSTERSYNC_STOP_SECONDS": "5",
            **{f"ROSTERSYNC_{name.upper()}": value for name, value in settings.items()},
        }
        self.running: list[subprocess.Popen[bytes]] = []
        self._file: IO[bytes] = self.log.open("ab")

    def start(self, command: str = "worker", *arguments: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli.main", command, *arguments],
            cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, stdout=self._file, stderr=self._file,
        )  # fmt: skip
        self.running.append(process)
        return process

    def kill(self, process: subprocess.Popen[bytes], number: int = signal.SIGKILL) -> int:
        """Send a signal and wait for the end; returns the exit code."""
        process.send_signal(number)
        code = process.wait(60)
        self.running.remove(process)
        return code

    def run(self, command: str, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """A command to its end, beside the workers; ``settings`` are its own (names as ``sync.settings`` has them)."""
        changed = {f"ROSTERSYNC_{name.upper()}": value for name, value in settings.items()}
        return subprocess.run(
            [sys.executable, "-m", "cli.main", command, *arguments],
            cwd=ROOT, env=self.environment | changed, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip

    def written(self, event: str = "") -> list[dict[str, Any]]:
        """What the workers have logged so far: all events, or those of a name. A line that is no JSON object fails."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        told = [json.loads(line) for line in lines if line.endswith("}")]
        return [line for line in told if event in ("", line["event"])]

    def close(self) -> None:
        for process in self.running:
            process.kill()
            process.wait(30)
        self._file.close()


@contextmanager
def fleet(service: Service, folder: Path, **settings: str) -> Iterator[Fleet]:
    made = Fleet(service, folder, **settings)
    try:
        yield made
    finally:
        made.close()


def add_tenants(service: Service, server: OneRosterServer, count: int, *, first: int = 0) -> list[int]:
    """Tenants "t000", "t001", … with a connection "oneroster" each to the same server; returns the connections' ids."""
    made = []
    for number in range(first, first + count):
        name = f"t{number:03d}"
        tenants.add_tenant(service, name, district_id="district")
        tenants.set_setting(service, name, "create_schools", "true")
        made.append(add_connection(service, name, server))
    return made


def add_connection(service: Service, tenant: str, server: OneRosterServer, name: str | None = None) -> int:
    """Returns its id."""
    settings = {"base_url": server.url + server.place, "auth": "bearer", "page_size": "1000"}
    credentials = {"token": STATIC_TOKEN}
    view = connections.add_connection(
        service, tenant, "oneroster", name=name, settings=settings, credentials=credentials
    )
    tenant_id, _ = tenant_and_settings(service, tenant)
    (found,) = (row.id for row in connections_of(service.engine, tenant_id) if row.name == view.name)
    assert found is not None
    return found


def make_due(service: Service, connection_ids: Iterable[int], slot: str, why: str = "asked") -> None:
    """Their time has come; ``slot`` names it."""
    with reading(service.engine) as connection:
        tenant_of = {row.id: row.tenant_id for row in connection.execute(text("SELECT id, tenant_id FROM connection"))}
    for connection_id in connection_ids:
        values = {"next_at": now(), "next_why": why, "slot": slot, "window_ends_at": None, "attempt": 0,
                  "asked_by": "tests"}  # fmt: skip
        schedules.save(service.engine, connection_id, tenant_of[connection_id], values)


def hurry(service: Service) -> None:
    """What waits for its next try is tried now: how long that takes by itself is not what these tests are about."""
    with writing(service.engine) as connection:
        query = "UPDATE schedule SET next_at = :now WHERE job IS NULL AND next_why IN ('retry', 'asked', 'scheduled')"
        connection.execute(text(f"{query} AND next_at > :now"), {"now": now()})


def settled(service: Service) -> bool:
    """Nothing is due, queued or running."""
    return not asked(service, "SELECT 1 FROM schedule WHERE job IS NOT NULL OR next_at IS NOT NULL")


def asked(service: Service, query: str, **values: object) -> list[tuple[Any, ...]]:
    """Rows of the database."""
    with reading(service.engine) as connection:
        return [tuple(row) for row in connection.execute(text(query), values)]


def wait_until(true: Callable[[], object], seconds: float, what: str, every: float = 0.2) -> None:
    """Wait for something; fails when it does not come."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"{what} did not happen within {seconds} s"
        time.sleep(every)


def applied_runs(service: Service, slot: str) -> dict[int, int]:
    """How many applied runs each connection has for a slot."""
    query = "SELECT connection_id, count(*) FROM run WHERE slot = :slot AND state IN ('applied', 'held') GROUP BY 1"
    return {row[0]: row[1] for row in asked(service, query, slot=slot)}


def assert_like(service: Service, tenant: str, others: Iterable[str]) -> None:
    """All tenants have the same roster, but for the district's own name."""
    expected = _roster(service, tenant)
    assert expected["person"]
    for other in others:
        assert not difference(expected, _roster(service, other)), other


def _roster(service: Service, tenant: str) -> Snapshot:
    picture = snapshot(service, tenant)
    return picture | {"school": [school for school in picture["school"] if school["id"] != "district"]}
