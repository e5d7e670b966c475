"""One measured step, in a fresh process: wall time, CPU, peak memory over the import baseline, bytes written.

A step is a function ``module:name`` that takes keyword arguments, does its imports and set-up, and returns the function
to be measured; that one may return anything that JSON can hold.
"""

import importlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

MEGABYTE = 1_000_000


class Figures(NamedTuple):
    """What a step took. Seconds; megabytes of 1,000,000 bytes; ``answer`` is what the step returned.

    ``cpu`` is user and system time of the process and its children. ``peak`` is the highest resident size over that
    before the step began. ``written`` is all that the process handed to write(), scratch files and sockets included.
    """

    wall: float
    cpu: float
    peak: float
    written: float
    answer: Any


def measure(step: str, **arguments: Any) -> Figures:
    """Run a step in a new interpreter. Raises RuntimeError with its last words if it fails."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        outcome = Path(folder) / "figures.json"
        command = [sys.executable, "-m", "benchmarks.measure", step, json.dumps(arguments), str(outcome)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or not outcome.exists():
            raise RuntimeError(f"{step} failed:\n{done.stderr[-3000:]}")
        return Figures(**json.loads(outcome.read_text()))


def median(runs: list[Figures]) -> Figures:
    """The run whose wall time is the middle one."""
    return sorted(runs, key=lambda figures: figures.wall)[len(runs) // 2]


def _status(field: str) -> int:
    """A size from /proc/self/status, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(field)


def _written() -> int:
    for line in Path("/proc/self/io").read_text().splitlines():
        if line.startswith("wchar:"):
            return int(line.split()[1])
    raise LookupError("wchar")


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def _child(step: str, arguments: dict[str, Any], outcome: Path) -> None:
    module, _, name = step.partition(":")
    body = getattr(importlib.import_module(module), name)(**arguments)
    Path("/proc/self/clear_refs").write_text("5")  # the peak resident size counts from here
    baseline, written, cpu, started = _status("VmRSS"), _written(), _cpu(), time.perf_counter()
    answer = body()
    wall = time.perf_counter() - started
    figures = Figures(
        wall=wall,
        cpu=_cpu() - cpu,
        peak=(_status("VmHWM") - baseline) / MEGABYTE,
        written=(_written() - written) / MEGABYTE,
        answer=answer,
    )
    outcome.write_text(json.dumps(figures._asdict()))


if __name__ == "__main__":
    _child(sys.argv[1], json.loads(sys.argv[2]), Path(sys.argv[3]))
