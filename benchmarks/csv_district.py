"""A district's CSV files: reading, bare load, first, unchanged and changed upload. ``python -m benchmarks.csv_district``.

Ratios and their bounds are the project's own goals (docs/benchmarks.md). Every step runs in a fresh process, on a
database that is exactly as the step needs it, ``--repeat`` times; the table shows the run with the middle wall time.
"""

import sys
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks.command import print_section
from benchmarks.databases import Databases, open_databases
from benchmarks.measure import Figures, measure, median
from benchmarks.report import machine, ratio, table
from fixtures.district import generate, write_school_list
from fixtures.layout import Spec

DISTRICT = "bench-district"


class Files(NamedTuple):
    """Folders with the same district: day 0 twice, in two orders, and day 1 (1 % changed), in both orders."""

    day0: str
    shuffled: str
    changed: str
    changed_shuffled: str
    schools: str


class Step(NamedTuple):
    """A row of the table. ``database`` is megabytes of changed pages or WAL, ``server`` its own CPU seconds."""

    name: str
    figures: Figures
    database: float
    server: float


def main(arguments: list[str] | None = None) -> int:
    """Run and print."""
    return print_section(run, "csv_district", __doc__, arguments)


def run(folder: Path, people: int, kind: str, repeat: int) -> str:
    """Measure all steps; returns the Markdown section."""
    files = make_files(folder / "files", people)
    (folder / "db").mkdir()
    with open_databases(kind, folder / "db") as databases:
        bench = _Bench(databases, folder, files, repeat)
        steps = bench.steps()
    return _section(people, kind, repeat, steps)


def make_files(folder: Path, people: int) -> Files:
    """Generate the district in the four variants."""
    folder.mkdir(parents=True)
    spec = Spec(people=people)
    for name in Files._fields[:-1]:
        day, shuffle = int("changed" in name), "shuffled" in name
        generate(folder / name, msgspec.structs.replace(spec, day=day, shuffle=shuffle))
    write_school_list(folder / "schools.csv", spec)
    return Files(*(str(folder / name) for name in Files._fields[:-1]), str(folder / "schools.csv"))


class _Bench:
    def __init__(self, databases: Databases, folder: Path, files: Files, repeat: int) -> None:
        self._databases = databases
        self._data = str(folder / "data")
        self._files = files
        self._repeat = repeat

    def steps(self) -> list[Step]:
        files = self._files
        reading = [measure("benchmarks.steps:read", paths=[files.shuffled]) for _ in range(self._repeat)]
        return [
            Step("a. read and normalize", median(reading), 0.0, 0.0),
            self._bulk(),
            self._first("c. first upload", "none"),
            self._first("c′. first upload, result files of all rows", "full"),
            self._again("d. unchanged, other row order", files.shuffled),
            self._again("d′. unchanged, same files", files.day0),
            self._again("e. 1 % changed, other row order", files.changed_shuffled),
            self._again("e′. 1 % changed, same order", files.changed),
        ]

    def _bulk(self) -> Step:
        runs = []
        for _ in range(self._repeat):
            url = self._databases.new("bare")
            measure("benchmarks.bulk_load:make_tables", url=url)
            measured = self._watched(
                "bare", "benchmarks.bulk_load:load", url=url, folder=self._files.day0, schools=self._files.schools
            )
            runs.append(measured)
        return _middle("b. bare bulk load", runs)

    def _first(self, name: str, results: str) -> Step:
        runs = []
        for _ in range(self._repeat):
            url = self._databases.new("loaded")
            measure(
                "benchmarks.steps:set_up", url=url, data_dir=self._data, schools=self._files.schools, district=DISTRICT
            )
            runs.append(self._upload("loaded", url, self._files.day0, results))
        return _middle(name, runs)

    def _again(self, name: str, folder: str) -> Step:
        runs = []
        for _ in range(self._repeat):
            url = self._databases.copy("loaded", "again")
            runs.append(self._upload("again", url, folder, "none"))
        return _middle(name, runs)

    def _upload(self, database: str, url: str, folder: str, results: str) -> Step:
        step = self._watched(
            database, "benchmarks.steps:upload", url=url, data_dir=self._data, paths=[folder], results=results
        )
        if step.figures.answer["state"] != "applied":
            raise RuntimeError(f"an upload ended as {step.figures.answer}")
        return step

    def _watched(self, database: str, step: str, **arguments: object) -> Step:
        """A measured step with what the database did meanwhile."""
        position, cpu = self._databases.position(database), self._databases.server_cpu()
        figures = measure(step, **arguments)
        server = self._databases.server_cpu() - cpu
        return Step("", figures, self._databases.written_since(database, position), server)


def _middle(name: str, runs: list[Step]) -> Step:
    chosen = median([step.figures for step in runs])
    return next(step for step in runs if step.figures is chosen)._replace(name=name)


def _section(people: int, kind: str, repeat: int, steps: list[Step]) -> str:
    read, bare, first, _, unchanged, same, changed, changed_same = steps
    rows = [
        [
            step.name,
            f"{step.figures.wall:.2f}",
            f"{step.figures.cpu:.2f}",
            f"{step.server:.2f}" if kind == "postgresql" and step.name[0] != "a" else "–",
            f"{step.figures.peak:.0f}",
            f"{step.figures.written:.2f}",
            f"{step.database:.2f}" if step.name[0] != "a" else "–",
        ]
        for step in steps
    ]
    peak = max(step.figures.peak for step in (first, unchanged, same, changed, changed_same))
    goals = [
        _ratios("first upload / bare bulk load (c / b)", first, bare, 2),
        _ratios("unchanged / reading (d / a)", unchanged, read, 2),
        _ratios("unchanged, same files / reading (d′ / a)", same, read, 2),
        _ratios("1 % changed / unchanged (e / d)", changed, unchanged, 1.5),
        _ratios("1 % changed / unchanged, same order (e′ / d′)", changed_same, same, 1.5),
        ["written to the database by an unchanged upload, kB", ratio(unchanged.database * 1000, 1, 100), ""],
        ["highest peak memory of an upload, MB", ratio(peak, 1, 150 if people <= 100_000 else 300), ""],
    ]
    database = "WAL, MB" if kind == "postgresql" else "changed pages, MB"
    head = ["step", "wall, s", "CPU, s", "server CPU, s", "peak over imports, MB", "write(), MB", database]
    records = first.figures.answer["received"]
    return (
        f"### {people:,} people, {kind}\n\n{records:,} records; {machine()}; middle of {repeat}.\n\n"
        f"{table(head, rows)}\n\n{table(['goal', 'by wall time', 'by CPU time'], goals)}\n\n"
    )


def _ratios(name: str, step: Step, base: Step, bound: float) -> list[str]:
    """The goal is about wall time; CPU, the server's included, says how much of it was waiting or another's work."""
    cpu = (step.figures.cpu + step.server) / (base.figures.cpu + base.server)
    return [name, ratio(step.figures.wall, base.figures.wall, bound), f"{cpu:.2f}"]


if __name__ == "__main__":
    sys.exit(main())
