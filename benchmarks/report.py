"""Figures as a Markdown table, and the machine they were taken on."""

import os
import platform
import sqlite3
from collections.abc import Sequence
from pathlib import Path


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first column to the left, the others to the right."""
    widths = [max(len(row[place]) for row in (header, *rows)) for place in range(len(header))]
    lines = [_line(header, widths), "|" + "|".join(_rule(place, width) for place, width in enumerate(widths)) + "|"]
    return "\n".join([*lines, *(_line(row, widths) for row in rows)])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (
        cell.ljust(width) if not place else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "| " + " | ".join(padded) + " |"


def _rule(place: int, width: int) -> str:
    return "-" * (width + 2) if not place else "-" * (width + 1) + ":"


def ratio(value: float, base: float, bound: float, *, at_least: bool = False) -> str:
    """ "1.8 (bound 2)", with "missed" where it is."""
    found = value / base if base else float("inf")
    met = found >= bound if at_least else found <= bound
    return f"{found:.2f} (bound {'at least ' if at_least else ''}{bound:g}{'' if met else '; missed'})"


def machine() -> str:
    """One line on the machine and the versions that matter."""
    model = next(
        (
            line.partition(": ")[2]
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return (
        f"{os.cpu_count()} × {model}, {platform.system()}, Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}"
    )
