"""A district read over the network: merely fetching, pulling, first and unchanged sync. ``python -m benchmarks.api_district``.

The source is a server on loopback in a process of its own that hands out prepared pages, so that nothing is measured but
ourselves. Every step runs in a fresh process over the same pages and the same kind of session.
"""

import shutil
import sys
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.api_server import FORMS, Address, serving
from benchmarks.command import print_section
from benchmarks.databases import Databases, open_databases
from benchmarks.measure import Figures, measure, median
from benchmarks.report import machine, ratio, table
from fixtures.api import prepare
from fixtures.layout import Spec

PAGE_SIZE: Final = 5_000


class Step(NamedTuple):
    """A row of the table."""

    name: str
    figures: Figures


def main(arguments: list[str] | None = None) -> int:
    """Run and print."""
    return print_section(run, "api_district", __doc__, arguments)


def run(folder: Path, people: int, kind: str, repeat: int) -> str:
    """Measure all steps for each form of source; returns the Markdown section."""
    return "".join(_form(folder / form, form, people, kind, repeat) for form in FORMS)


def _form(folder: Path, form: str, people: int, kind: str, repeat: int) -> str:
    pages = folder / "pages"
    prepare(pages, Spec(people=people), form, PAGE_SIZE)
    (folder / "db").mkdir()
    with open_databases(kind, folder / "db") as databases, serving(form, pages) as (address, _):
        steps = _steps(databases, str(folder / "data"), str(pages), address, repeat)
    shutil.rmtree(folder)
    return _section(form, people, kind, repeat, steps)


def _steps(databases: Databases, data: str, pages: str, address: Address, repeat: int) -> list[Step]:
    def often(name: str, step: str, **arguments: object) -> Step:
        runs = [measure(f"benchmarks.api_steps:{step}", address=list(address), **arguments) for _ in range(repeat)]
        return Step(name, median(runs))

    def again() -> Figures:
        url = databases.copy("loaded", "again")
        return _sync(url, data, address)

    fetched = [
        often("a. fetch and decode (json)", "fetch", decoder="json", pages=pages),
        often("a′. fetch and decode (msgspec)", "fetch", decoder="msgspec", pages=pages),
        often("b. pull: fetch, normalize, keep until whole", "pull"),
    ]
    url = databases.new("loaded")
    measure("benchmarks.api_steps:set_up", url=url, data_dir=data, address=list(address))
    return [
        *fetched,
        Step("c. first sync", _sync(url, data, address)),
        Step("d. unchanged sync", median([again() for _ in range(repeat)])),
    ]


def _sync(url: str, data: str, address: Address) -> Figures:
    figures = measure("benchmarks.api_steps:sync", url=url, data_dir=data, address=list(address))
    if figures.answer["state"] != "applied":
        raise RuntimeError(f"a sync ended as {figures.answer}")
    return figures


def _section(form: str, people: int, kind: str, repeat: int, steps: list[Step]) -> str:
    json, quick, _, first, unchanged = steps
    rows = [
        [step.name, f"{f.wall:.2f}", f"{f.cpu:.2f}", f"{f.peak:.0f}", f"{f.written:.2f}"]
        for step in steps
        for f in [step.figures]
    ]
    limit = 150 if people <= 100_000 else 300
    goals = [
        ["unchanged sync / fetching and decoding with json (d / a)", *_ratios(unchanged, json, 2)],
        ["unchanged sync / fetching and decoding with msgspec (d / a′)", *_ratios(unchanged, quick, 2)],
        ["highest peak memory of a sync, MB", ratio(max(first.figures.peak, unchanged.figures.peak), 1, limit), ""],
    ]
    head = ["step", "wall, s", "CPU, s", "peak over imports, MB", "write(), MB"]
    return (
        f"### {form}: {people:,} people, {kind}\n\n"
        f"{json.figures.answer:,} records at the source, {first.figures.answer['received']:,} here; "
        f"pages of {PAGE_SIZE:,}; {machine()}; middle of {repeat}.\n\n"
        f"{table(head, rows)}\n\n{table(['goal', 'by wall time', 'by CPU time'], goals)}\n\n"
    )


def _ratios(step: Step, base: Step, bound: float) -> list[str]:
    return [ratio(step.figures.wall, base.figures.wall, bound), f"{step.figures.cpu / base.figures.cpu:.2f}"]


if __name__ == "__main__":
    sys.exit(main())
