"""The same users rows through rostersync and through dlt's ``merge``. ``python -m benchmarks.against_dlt``.

dlt keeps one table of the rows as they are; rostersync reads, checks and normalizes them and keeps people, affiliations,
guardianships and their history, and archives who is gone, which dlt's merge does not. Needs ``benchmarks/requirements.in``.
"""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks.command import print_section
from benchmarks.csv_district import DISTRICT, Files, make_files
from benchmarks.databases import Databases, open_databases
from benchmarks.measure import Figures, measure, median
from benchmarks.report import machine, ratio, table

STEPS = ("first", "unchanged", "1 % changed")
#: The project's goals (docs/benchmarks.md): how many times faster.
GOALS = (5, 20, 20)


class Run(NamedTuple):
    """One step; ``server`` is the CPU of the database's own processes."""

    figures: Figures
    server: float


def main(arguments: list[str] | None = None) -> int:
    """Run and print."""
    return print_section(run, "against_dlt", __doc__, arguments)


def run(folder: Path, people: int, kind: str, repeat: int) -> str:
    """Measure; returns the Markdown section."""
    files = make_files(folder / "files", people)
    (folder / "db").mkdir()
    with open_databases(kind, folder / "db") as databases:
        ours = _rostersync(databases, folder, files, repeat)
        dicts = _dlt(databases, folder, files, arrow=False)
        # dlt's SQLAlchemy destination turns Arrow tables into rows again; only PostgreSQL gains from them.
        arrow = _dlt(databases, folder, files, arrow=True) if kind == "postgresql" else None
    return _section(people, kind, ours, dicts, arrow)


def _watched(databases: Databases, action: Callable[[], Figures]) -> Run:
    before = databases.server_cpu()
    figures = action()
    return Run(figures, databases.server_cpu() - before)


def _rostersync(databases: Databases, folder: Path, files: Files, repeat: int) -> list[Run]:
    """Uploads of a users.csv alone: first, unchanged, 1 % changed."""
    data = str(folder / "data")

    def upload(url: str, day: str) -> Run:
        paths = [str(Path(day) / "users.csv")]
        run = _watched(
            databases,
            lambda: measure("benchmarks.steps:upload", url=url, data_dir=data, paths=paths, results="none"),
        )
        if run.figures.answer["state"] != "applied":
            raise RuntimeError(f"an upload ended as {run.figures.answer}")
        return run

    def first() -> Run:
        url = databases.new("loaded")
        measure("benchmarks.steps:set_up", url=url, data_dir=data, schools=files.schools, district=DISTRICT)
        return upload(url, files.day0)

    firsts = [first() for _ in range(repeat)]
    days = (files.day0, files.changed)
    later = [[upload(databases.copy("loaded", "again"), day) for _ in range(repeat)] for day in days]
    return [_middle(runs) for runs in (firsts, *later)]


def _middle(runs: list[Run]) -> Run:
    chosen = median([run.figures for run in runs])
    return next(run for run in runs if run.figures is chosen)


def _dlt(databases: Databases, folder: Path, files: Files, *, arrow: bool) -> list[Run]:
    pipelines = folder / "pipelines"
    shutil.rmtree(pipelines, ignore_errors=True)
    url = databases.new("dlt")

    def merge(day: str) -> Run:
        path = str(Path(day) / "users.csv")
        step = "benchmarks.dlt_steps:merge"
        return _watched(
            databases, lambda: measure(step, url=url, pipelines=str(pipelines), path=path, arrow=arrow)
        )  # fmt: skip

    return [merge(day) for day in (files.day0, files.day0, files.changed)]


def _section(people: int, kind: str, ours: list[Run], dicts: list[Run], arrow: list[Run] | None) -> str:
    peers = [("dlt merge", dicts)] + ([("dlt merge, Arrow tables", arrow)] if arrow else [])
    rows = []
    for place, step in enumerate(STEPS):
        rows.append([f"rostersync, {step}", *_cells(ours[place], None, 0)])
        rows += [[f"{name}, {step}", *_cells(runs[place], ours[place], GOALS[place])] for name, runs in peers]
    head = ["", "wall, s", "CPU with server, s", "peak over imports, MB", "rostersync is faster, times"]
    kept = ours[0].figures.answer["received"]
    return (
        f"### Against dlt's merge: {people:,} users rows, {kind}\n\n{machine()}. From these rows rostersync keeps {kept:,} "
        f"records (people, affiliations, guardianships) with their links and history, dlt {people:,} rows of one table.\n\n"
        f"{table(head, rows)}\n\n"
    )


def _cells(run: Run, base: Run | None, goal: float) -> list[str]:
    figures = run.figures
    faster = ratio(figures.wall, base.figures.wall, goal, at_least=True) if base else ""
    return [f"{figures.wall:.2f}", f"{figures.cpu + run.server:.2f}", f"{figures.peak:.0f}", faster]


if __name__ == "__main__":
    sys.exit(main())
