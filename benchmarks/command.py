"""The command line that a single benchmark has: size, database, repetitions."""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

Section = Callable[[Path, int, str, int], str]


def print_section(run: Section, name: str, description: str | None, arguments: list[str] | None = None) -> int:
    """Run one benchmark in a folder of its own and print its Markdown section; returns the exit status."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=description)
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--repeat", type=int, default=3, help="how often each step of rostersync runs")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        sys.stdout.write(run(Path(folder), given.people, given.database, given.repeat))
    return 0
