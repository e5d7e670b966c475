"""``python -m benchmarks``: all measurements of single districts on both databases, as Markdown (about half an hour at
100,000 people). ``python -m benchmarks night`` is a night of a thousand tenants, ``ticks`` what a scheduler costs at rest.

``--people 1000000`` is a run of hours. Comparisons that need what is not installed are left out, and say so.
"""

import argparse
import importlib.util
import sys
import tempfile
from pathlib import Path

from benchmarks import against_dlt, api_district, csv_district, night, ticks

#: What is asked for by name.
_ALONE = {"night": night.main, "ticks": ticks.main}


def main(arguments: list[str] | None = None) -> int:
    """Run and print section after section."""
    words = sys.argv[1:] if arguments is None else arguments
    if words and words[0] in _ALONE:
        return _ALONE[words[0]](words[1:])
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=3)
    given = parser.parse_args(words)
    modules = [csv_district, api_district]
    if importlib.util.find_spec("dlt"):
        modules.append(against_dlt)
    for module in modules:
        for kind in ("sqlite", "postgresql"):
            with tempfile.TemporaryDirectory(prefix="bench-") as folder:
                sys.stdout.write(module.run(Path(folder), given.people, kind, given.repeat))
                sys.stdout.flush()
    if against_dlt not in modules:
        sys.stdout.write("Not compared with dlt: install benchmarks/requirements.in for that.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
