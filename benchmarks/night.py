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
from typing import Final

import psycopg

from benchmarks.databases import Databases, open_databases
from benchmarks.measure import Figures as Measured
from benchmarks.measure import measure
from benchmarks.night_report import Bare, Figures, Size, section
from benchmarks.night_source import Source, make_days, serving_days
from benchmarks.night_workers import Night, Workers, working

#: Connections that wait for a person's request while the others are due.
_ASKED: Final = 3
#: Requests on a service with nothing else to do.
_IDLE: Final = 5
#: The first night, a night and a day for each of two rounds, and days that nothing changes on.
_DAYS: Final = 5


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
        return section(size, _Bench(databases, source, folder, size).figures())


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
        night = workers.night(next(self._slots), self._connections[_ASKED:], self._connections[:_ASKED])
        _tell(night)
        return night

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
        bare = Bare(
            max(each.wall for each in found), sum(each.cpu for each in found), self._databases.server_cpu() - server
        )
        _tell(bare)
        return bare

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


def _tell(figures: Night | Bare) -> None:
    """It takes long, and may be cut short."""
    kind = type(figures).__name__.lower()
    sys.stderr.write(f"{kind}: {figures.wall:.1f} s, CPU {figures.cpu:.1f} s, server {figures.server_cpu:.1f} s\n")


if __name__ == "__main__":
    sys.exit(main())
