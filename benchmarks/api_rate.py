"""A source with a limit of requests: is it ever exceeded, and how much of it is used? ``python -m benchmarks.api_rate``.

A district is read from Clever in pages so small that the limit (1,200 requests a minute by default, a fixed window) is what
decides; the server counts what it had to refuse. It takes as many minutes as there are windows.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.api_server import serving
from benchmarks.measure import measure
from benchmarks.report import ratio, table
from fixtures.api import prepare
from fixtures.layout import Spec

#: Clever's window, in seconds.
WINDOW = 60


def main(arguments: list[str] | None = None) -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.api_rate", description=__doc__)
    parser.add_argument("--people", type=int, default=30_000)
    parser.add_argument("--page-size", type=int, default=10)
    parser.add_argument("--limit", type=int, default=1_200, help="requests a minute")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        sys.stdout.write(run(Path(folder), given.people, given.page_size, given.limit))
    return 0


def run(folder: Path, people: int, page_size: int, limit: int) -> str:
    """Measure; returns the Markdown section."""
    prepare(folder / "pages", Spec(people=people), "clever", page_size)
    with serving("clever", folder / "pages", limit) as (address, counted):
        figures = measure("benchmarks.api_steps:pull", address=list(address))
        counts = counted()
    seconds = figures.wall
    # However fast: so many windows have to pass before the last request may be made.
    least = (counts["answered"] - 1) // limit * WINDOW
    rows = [
        ["requests answered", f"{counts['answered']:,}"],
        ["requests refused (429)", ratio(counts["refused"], 1, 0)],
        ["seconds", f"{seconds:.0f}"],
        ["time that the limit demands / time taken", ratio(least, seconds, 0.8, at_least=True)],
    ]
    return f"### A limit of {limit:,} requests a minute\n\n{table(['', ''], rows)}\n\n"


if __name__ == "__main__":
    sys.exit(main())
