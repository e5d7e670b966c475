"""How a step of a case ended, and how that differs from what is expected. Pure."""

from collections import Counter

from models.report import RunReport
from sync.cases import CASE_FILE, Outcome


def outcome_of(report: RunReport, error: str = "") -> Outcome:
    """What of a run's report is compared: no times, no ids of runs. ``error`` is the code of the error that ended it."""
    counts = {}
    for kind in report.kinds:
        named = {name: getattr(kind, name) for name in kind.__struct_fields__ if name != "kind"}
        counts[str(kind.kind)] = {name: count for name, count in named.items() if count}
    problems: Counter[str] = Counter()
    for problem in report.problem_counts:
        problems[problem.code] += problem.count
    assert report.state in ("applied", "held", "failed")
    return Outcome(
        report.state, error, {kind: found for kind, found in counts.items() if found}, dict(sorted(problems.items()))
    )


def expected_differences(wanted: Outcome, found: Outcome) -> list[str]:
    """What differs from ``expected.json``: a number that is not named there is zero. Where the run already ends another
    way, its numbers say nothing."""
    differences = _ending(wanted, found)
    if differences:
        return differences
    for kind in sorted(wanted.counts.keys() | found.counts.keys()):
        counts = found.counts.get(kind, {})
        differences += _numbers(kind, dict.fromkeys(counts, 0) | wanted.counts.get(kind, {}), counts)
    return differences + _numbers("problem", dict.fromkeys(found.problems, 0) | wanted.problems, found.problems)


def insisted_differences(wanted: Outcome, found: Outcome) -> list[str]:
    """What differs from what the author insists on in ``case.toml``: only numbers that are named there count."""
    differences = _ending(wanted, found)
    for kind, counts in wanted.counts.items():
        differences += _numbers(kind, counts, found.counts.get(kind, {}))
    differences += _numbers("problem", wanted.problems, found.problems)
    return [f"{difference} (as {CASE_FILE} insists)" for difference in differences]


def _ending(wanted: Outcome, found: Outcome) -> list[str]:
    differences = []
    if found.state != wanted.state:
        differences.append(f"the run ends as {found.state}, expected {wanted.state}")
    if found.error != wanted.error:
        differences.append(f"the error is {found.error or 'none'}, expected {wanted.error or 'none'}")
    return differences


def _numbers(what: str, wanted: dict[str, int], found: dict[str, int]) -> list[str]:
    return [
        f"{what}: {found.get(name, 0)} {name}, expected {count}"
        for name, count in wanted.items()
        if found.get(name, 0) != count
    ]
