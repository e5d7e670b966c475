"""A night of a thousand tenants: all due at once, on worker processes and PostgreSQL, against the same syncs run bare.

``python -m benchmarks night``. The source is a process on loopback that hands out prepared pages of one made-up district, which
all tenants read; every day 1 % of it changes. Bare is a plain loop of ``sync.pull.sync`` over the tenants in as many processes
as there are workers. Both are done twice, in the order night, bare, bare, night, so that a machine or database that gets
slower meanwhile favors neither.
"""

import argparse
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from itertools import count
from pathlib import Path
from statistics import mean
from typing import Final, NamedTuple

import psycopg

from benchmarks.databases import Databases, open_databases
from benchmarks.measure import Figures as Measured
from benchmarks.measure import measure
from benchmarks.night_source import Source, make_days, serving_days
from benchmarks.night_workers import Night, Workers, working
from benchmarks.report import machine, ratio, table

#: Connections that wait for a person's request while the others are due.
_ASKED: Final = 3
#: Requests on a service with nothing else to do.
_IDLE: Final = 5
#: The first night, a night and a day for each of two rounds, and days that nothing changes on.
_DAYS: Final = 5
#: Milliseconds that a run may cost more than the same sync run bare.
_BOUND: Final = 100


class Size(NamedTuple):
    """What is measured; ``slots`` is how many syncs a worker runs at a time."""

    tenants: int = 1_000
    people: int = 1_000
    workers: int = 2
    slots: int = 4


class Bare(NamedTuple):
    """The same syncs without a scheduler. Seconds; ``cpu`` is that of the processes, ``server_cpu`` PostgreSQL's."""

    wall: float
    cpu: float
    server_cpu: float


class Figures(NamedTuple):
    """All that was measured: ``nights`` and ``bares`` are of a changed district, in pairs."""

    first: Night
    nights: list[Night]
    bares: list[Bare]
    unchanged: Night
    unchanged_bare: Bare
    idle: list[float]


def main(arguments: list[str] | None = None) -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks night", description=__doc__)
    for name, default in Size._field_defaults.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    size = Size(**vars(parser.parse_args(arguments)))
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        sys.stdout.write(run(Path(folder), size))
    return 0


def run(folder: Path, size: Size) -> str:
    """Measure; returns the Markdown section."""
    make_days(folder / "pages", size.people, _DAYS)
    with open_databases("postgresql", folder) as databases, serving_days(folder / "pages") as source:
        return _section(size, _Bench(databases, source, folder, size).figures())


class _Bench:
    def __init__(self, databases: Databases, source: Source, folder: Path, size: Size) -> None:
        self._databases, self._source, self._folder, self._size = databases, source, folder, size
        self._url = databases.new("night")
        self._data = str(folder / "data")
        self._connections: list[int] = measure(
            "benchmarks.night_steps:set_up", url=self._url, data_dir=self._data, address=list(source.address),
            tenants=size.tenants,
        ).answer  # fmt: skip
        self._slots = (f"night {number}" for number in count(1))

    def figures(self) -> Figures:
        """The first night loads; then a night and a day's bare syncs take turns, each with another day of the source."""
        first = self._night(0)
        night, bare = self._night(1), self._bare(2)
        bare_again, night_again = self._bare(3), self._night(4)
        unchanged, idle = self._unchanged_night()
        return Figures(first, [night, night_again], [bare, bare_again], unchanged, self._bare(4), idle)

    def _night(self, day: int) -> Night:
        with self._workers(day) as workers:
            return self._work(workers)

    def _unchanged_night(self) -> tuple[Night, list[float]]:
        """With, afterwards, requests that find all workers free."""
        with self._workers(_DAYS - 1) as workers:
            night = self._work(workers)
            return night, [workers.ask(each, "asked at rest") for each in self._connections[:_IDLE]]

    def _work(self, workers: Workers) -> Night:
        return workers.night(next(self._slots), self._connections[_ASKED:], self._connections[:_ASKED])

    def _workers(self, day: int) -> AbstractContextManager[Workers]:
        self._prepare(day)
        size, host = self._size, self._source.address.host
        return working(self._url, self._databases, self._folder, host, size.workers, size.slots)

    def _bare(self, day: int) -> Bare:
        """The syncs of all tenants in as many processes as there are workers, each in a plain loop."""
        self._prepare(day)
        tenants, processes = self._size.tenants, self._size.workers
        cuts = [tenants * place // processes for place in range(processes + 1)]
        server = self._databases.server_cpu()
        with ThreadPoolExecutor(processes) as pool:
            found = list(pool.map(self._bare_process, cuts, cuts[1:]))
        if sum(each.answer for each in found) != tenants:
            raise RuntimeError("not all bare syncs were applied")
        return Bare(
            max(each.wall for each in found), sum(each.cpu for each in found), self._databases.server_cpu() - server
        )

    def _bare_process(self, first: int, last: int) -> Measured:
        host = self._source.address.host
        return measure(
            "benchmarks.night_steps:bare", url=self._url, data_dir=self._data, host=host, first=first, last=last
        )

    def _prepare(self, day: int) -> None:
        """Another day of the source, and a database that had a quiet day to tidy up."""
        self._source.show(day)
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
            connection.execute("CHECKPOINT")


def _section(size: Size, found: Figures) -> str:
    night, bare = _mean_night(found.nights), _mean_bare(found.bares)
    rows = [
        _night_row("first night: everything is new", found.first),
        *(_night_row("night, 1 % changed", each) for each in found.nights),
        *(_bare_row("the same, bare", size.tenants, each) for each in found.bares),
        _night_row("night, unchanged", found.unchanged),
        _bare_row("the same, bare", size.tenants, found.unchanged_bare),
    ]
    goals = [
        ["overhead per run, 1 % changed, ms of a worker's time", *_overhead(size, night, bare)],
        ["overhead per run, unchanged, ms of a worker's time", *_overhead(size, found.unchanged, found.unchanged_bare)],
        ["night / bare, 1 % changed", f"{night.wall / bare.wall:.2f}", f"{_cpu(night) / _cpu(bare):.2f}"],
        ["from a person's request to its sync, in the middle of a night, s", f"{max(night.asked):.2f} at most", ""],
        ["from a person's request to its sync, nothing else to do, s", f"{max(found.idle):.2f} at most", ""],
    ]
    head = [
        "step",
        "runs",
        "wall, s",
        "runs a minute",
        "wait, middle, s",
        "wait, longest, s",
        "CPU, s",
        "server CPU, s",
    ]
    return (
        f"### A night of {size.tenants:,} tenants of {size.people:,} people\n\n"
        f"{size.workers} workers with {size.slots} slots each, PostgreSQL; {machine()}.\n\n"
        f"{table(head, rows)}\n\n{table(['goal', 'by wall time', 'by CPU time'], goals)}\n\n"
    )


def _night_row(name: str, night: Night) -> list[str]:
    middle, longest = night.waits[len(night.waits) // 2], night.waits[-1]
    return [
        name, f"{night.runs:,}", f"{night.wall:.1f}", f"{night.runs / night.wall * 60:.0f}", str(middle), str(longest),
        f"{night.cpu:.1f}", f"{night.server_cpu:.1f}",
    ]  # fmt: skip


def _bare_row(name: str, runs: int, bare: Bare) -> list[str]:
    return [
        name, f"{runs:,}", f"{bare.wall:.1f}", f"{runs / bare.wall * 60:.0f}", "–", "–", f"{bare.cpu:.1f}",
        f"{bare.server_cpu:.1f}",
    ]  # fmt: skip


def _overhead(size: Size, night: Night, bare: Bare) -> tuple[str, str]:
    """Milliseconds per run: of the workers' time by the clock, and of CPU time, PostgreSQL's included."""
    by_wall = (night.wall - bare.wall) * size.workers / night.runs * 1_000
    by_cpu = (_cpu(night) - _cpu(bare)) / night.runs * 1_000
    return ratio(by_wall, 1, _BOUND), ratio(by_cpu, 1, _BOUND)


def _cpu(figures: Night | Bare) -> float:
    return figures.cpu + figures.server_cpu


def _mean_night(nights: list[Night]) -> Night:
    return nights[0]._replace(
        wall=mean(each.wall for each in nights),
        asked=[seconds for each in nights for seconds in each.asked],
        cpu=mean(each.cpu for each in nights),
        server_cpu=mean(each.server_cpu for each in nights),
    )


def _mean_bare(bares: list[Bare]) -> Bare:
    return Bare(*(mean(values) for values in zip(*bares, strict=True)))


if __name__ == "__main__":
    sys.exit(main())
