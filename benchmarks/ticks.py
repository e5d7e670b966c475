"""What a worker does at rest, with thousands of connections and their history: ``python -m benchmarks ticks``.

The rows are made by SQL on PostgreSQL, all well and due tonight; then all are due at once, then as many jobs as may wait do.
Nothing is synced, and no job is really queued. Every figure is the middle of some turns.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

import msgspec
import psycopg
from sqlalchemy import event

from benchmarks.api_steps import KEY
from benchmarks.databases import open_databases
from benchmarks.report import machine, ratio, table
from models.report import KindCounts, RunReport
from models.settings import TenantSettings
from models.timetable import Nightly, Timetable
from models.vocabulary import KINDS
from store import schedules
from sync import scheduler
from sync.clock import now
from sync.jobs import JobState
from sync.service import Service, open_service
from sync.settings import Settings
from sync.status import status

_TURNS: Final = 5
#: Milliseconds that a look for what is due may take; every worker looks each second.
_BOUND: Final = 50

_ROWS: Final = """
INSERT INTO tenant (name, settings, revision, created_at)
  SELECT 't' || n, %(settings)s, 1, %(now)s FROM generate_series(1, %(connections)s) n;
INSERT INTO connection (tenant_id, name, connector, settings, memory, state, state_reason, created_at)
  SELECT id, 'api', 'oneroster', '{}', '{}', 'active', '', %(now)s FROM tenant;
INSERT INTO run (tenant_id, connection_id, state, dry_run, started_by, waits_for, base_revision, created_at, finished_at,
                 report, slot)
  SELECT tenant_id, id, 'applied', false, 'schedule', '', 1, %(now)s, %(now)s, %(report)s, 'night ' || night
  FROM generate_series(1, %(nights)s) night, connection ORDER BY night, id;
INSERT INTO schedule (connection_id, tenant_id, timetable, next_at, next_why, slot, attempt, asked_by, health, health_code,
                      health_reason, failures, failed_slots, last_ended_at, last_good_at, last_run_id)
  SELECT connection.id, tenant_id, %(timetable)s, '2999-01-01T00:00:00+00:00', 'scheduled', 'tonight', 0, '', 'ok', '', '', 0,
         0, %(now)s, %(now)s, last.id
  FROM connection JOIN (SELECT connection_id, max(id) AS id FROM run GROUP BY 1) last ON last.connection_id = connection.id
"""


class Turn(NamedTuple):
    """What one thing costs, in milliseconds: by the clock, and of this process's CPU."""

    name: str
    wall: float
    cpu: float


class _NoJobs:
    """In the place of the queue: all jobs wait."""

    def queue(self, *_: object, **__: object) -> None:
        pass

    def states(self, jobs: list[str]) -> dict[str, JobState]:
        return dict.fromkeys(jobs, JobState("waiting"))

    def resume(self, _worker: str) -> list[str]:
        return []


def main(arguments: list[str] | None = None) -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks ticks", description=__doc__)
    parser.add_argument("--connections", type=int, default=13_000)
    parser.add_argument("--nights", type=int, default=30, help="how many runs each connection has behind it")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        sys.stdout.write(run(Path(folder), given.connections, given.nights))
    return 0


def run(folder: Path, connections: int, nights: int) -> str:
    """Measure; returns the Markdown section."""
    with open_databases("postgresql", folder) as databases:
        url = databases.new("ticks")
        settings = Settings(data_dir=folder / "data", database_url=url, secret_keys=KEY)
        with open_service(settings) as service, psycopg.connect(url, autocommit=True) as connection:
            _make_rows(connection, connections, nights)
            turns, plan = _turns(service, connection)
    rows = [[turn.name, f"{turn.wall:.1f}", f"{turn.cpu:.1f}"] for turn in turns]
    goals = [
        ["to look for what is due, where nothing is, ms", ratio(turns[0].wall, 1, _BOUND)],
        ["rows of schedules that are read for that, at most", ratio(plan, 1, 0)],
    ]
    return (
        f"### Ticks with {connections:,} connections and {nights:,} nights behind them\n\nPostgreSQL; {machine()}.\n\n"
        f"{table(['what', 'wall, ms', 'CPU, ms'], rows)}\n\n{table(['goal', 'found'], goals)}\n\n"
    )


def _make_rows(connection: "psycopg.Connection[Any]", connections: int, nights: int) -> None:
    kinds = [KindCounts(kind, received=1_000, unchanged=1_000) for kind in KINDS]
    report = RunReport(1, "t1", "api", "applied", dry_run=False, started_by="schedule", started_at=now(), kinds=kinds)
    values = {
        "connections": connections, "nights": nights, "now": now(),
        "settings": msgspec.json.encode(TenantSettings()).decode(),
        "timetable": msgspec.json.encode(Timetable(nightly=Nightly("20:00", "05:00"))).decode(),
        "report": msgspec.json.encode(report).decode(),
    }  # fmt: skip
    with psycopg.ClientCursor(connection) as cursor:  # one that may be given several statements
        cursor.execute(_ROWS, values)
    connection.execute("VACUUM ANALYZE")


def _turns(service: Service, connection: "psycopg.Connection[Any]") -> tuple[list[Turn], int]:
    jobs: Any = _NoJobs()
    found = [
        _often("look for what is due: nothing", lambda: scheduler.queue_due(service, jobs)),
        _often("look for workers that are gone", lambda: scheduler.take_over(service, jobs, "this one", 45.0)),
        _often("look for abandoned jobs: none in flight", lambda: scheduler.mend(service, jobs)),
        _often("look for silence: all were synced lately", lambda: scheduler.raise_alarms(service)),
        _often("status of all connections", lambda: status(service)),
    ]
    read = _rows_read(service, connection)
    connection.execute("UPDATE schedule SET next_at = '2026-01-01T00:00:00+00:00'")
    connection.execute("VACUUM ANALYZE schedule")
    found.append(_often("all are due: a batch is claimed and queued", lambda: scheduler.queue_due(service, jobs)))
    while scheduler.queue_due(service, jobs):
        pass
    connection.execute("UPDATE schedule SET queued_at = '2026-01-01T00:00:00+00:00' WHERE job IS NOT NULL")
    return [
        *found,
        _often("as many as may wait do: nothing is claimed", lambda: scheduler.queue_due(service, jobs)),
        _often("look for abandoned jobs: as many as may wait", lambda: scheduler.mend(service, jobs)),
    ], read


def _often(name: str, step: Callable[[], object]) -> Turn:
    walls, cpus = [], []
    for _ in range(_TURNS):
        wall, cpu = time.perf_counter(), time.process_time()
        step()
        walls.append((time.perf_counter() - wall) * 1_000)
        cpus.append((time.process_time() - cpu) * 1_000)
    return Turn(name, median(walls), median(cpus))


def _rows_read(service: Service, connection: "psycopg.Connection[Any]") -> int:
    """How many rows of the table PostgreSQL looks at to find that nothing is due: 0 by the index, all of them without it."""
    with _statements(service) as statements:
        schedules.due(service.engine, now(), 50)
    ((statement, values),) = [each for each in statements if "FROM schedule" in each[0]]
    query = f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}".encode()
    ((plans,),) = connection.execute(query, values).fetchall()
    return sum(_read(plans[0]["Plan"]))


def _read(plan: dict[str, Any]) -> Iterator[int]:
    if plan.get("Relation Name") == "schedule":
        loops = plan["Actual Loops"]
        yield int(loops * (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)))
    for each in plan.get("Plans", []):
        yield from _read(each)


@contextmanager
def _statements(service: Service) -> Iterator[list[tuple[str, Any]]]:
    """What is sent to the database meanwhile."""
    found: list[tuple[str, Any]] = []

    def on_execute(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        found.append((statement, values))

    event.listen(service.engine, "before_cursor_execute", on_execute)
    try:
        yield found
    finally:
        event.remove(service.engine, "before_cursor_execute", on_execute)


if __name__ == "__main__":
    sys.exit(main())
