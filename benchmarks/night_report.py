"""What a night took, as Markdown. See ``benchmarks.night``."""

from statistics import mean
from typing import Final, NamedTuple

from benchmarks.night_workers import Night
from benchmarks.report import machine, ratio, table

#: Milliseconds that a run may cost more than the same sync run bare.
_BOUND: Final = 100


class Size(NamedTuple):
    """What is measured; ``slots`` is how many syncs a worker runs at a time."""

    tenants: int = 1_000
    people: int = 1_000
    workers: int = 2
    slots: int = 4


class Bare(NamedTuple):
    """The same syncs without a scheduler. Seconds; ``cpu`` is that of the processes, ``server_cpu`` PostgreSQL's."""

    wall: float
    cpu: float
    server_cpu: float


class Figures(NamedTuple):
    """All that was measured: ``nights`` and ``bares`` are of a changed district, in pairs."""

    first: Night
    nights: list[Night]
    bares: list[Bare]
    unchanged: Night
    unchanged_bare: Bare
    idle: list[float]


def section(size: Size, found: Figures) -> str:
    """All figures, and how they stand against the goals."""
    night, bare = _mean_night(found.nights), _mean_bare(found.bares)
    rows = [
        _night_row("first night: everything is new", found.first),
        *(_night_row("night, 1 % changed", each) for each in found.nights),
        *(_bare_row("the same, bare", size.tenants, each) for each in found.bares),
        _night_row("night, unchanged", found.unchanged),
        _bare_row("the same, bare", size.tenants, found.unchanged_bare),
    ]
    goals = [
        ["overhead per run, 1 % changed, ms of a worker's time", *_goals_of_overhead(size, night, bare)],
        [
            "overhead per run, unchanged, ms of a worker's time",
            *_goals_of_overhead(size, found.unchanged, found.unchanged_bare),
        ],
        ["night / bare, 1 % changed", f"{night.wall / bare.wall:.2f}", f"{_cpu(night) / _cpu(bare):.2f}"],
        ["from a person's request to its sync, in the middle of a night, s", f"{max(night.asked):.2f} at most", ""],
        ["from a person's request to its sync, nothing else to do, s", f"{max(found.idle):.2f} at most", ""],
    ]
    head = [
        "step",
        "runs",
        "wall, s",
        "runs a minute",
        "wait, middle, s",
        "wait, longest, s",
        "CPU, s",
        "server CPU, s",
    ]
    return (
        f"### A night of {size.tenants:,} tenants of {size.people:,} people\n\n"
        f"{size.workers} workers with {size.slots} slots each, PostgreSQL; {machine()}.\n\n"
        f"{table(head, rows)}\n\n{table(['goal', 'by wall time', 'by CPU time'], goals)}\n\n"
    )


def _night_row(name: str, night: Night) -> list[str]:
    middle, longest = night.waits[len(night.waits) // 2], night.waits[-1]
    return [
        name, f"{night.runs:,}", f"{night.wall:.1f}", f"{night.runs / night.wall * 60:.0f}", str(middle), str(longest),
        f"{night.cpu:.1f}", f"{night.server_cpu:.1f}",
    ]  # fmt: skip


def _bare_row(name: str, runs: int, bare: Bare) -> list[str]:
    return [
        name, f"{runs:,}", f"{bare.wall:.1f}", f"{runs / bare.wall * 60:.0f}", "–", "–", f"{bare.cpu:.1f}",
        f"{bare.server_cpu:.1f}",
    ]  # fmt: skip


def _goals_of_overhead(size: Size, night: Night, bare: Bare) -> list[str]:
    return [ratio(milliseconds, 1, _BOUND) for milliseconds in overhead(size.workers, night, bare)]


def overhead(workers: int, night: Night, bare: Bare) -> tuple[float, float]:
    """Milliseconds that a run costs more than the same sync run bare: of a worker's time by the clock, and of CPU time,
    PostgreSQL's included."""
    by_wall = (night.wall - bare.wall) * workers / night.runs * 1_000
    return by_wall, (_cpu(night) - _cpu(bare)) / night.runs * 1_000


def _cpu(figures: Night | Bare) -> float:
    return figures.cpu + figures.server_cpu


def _mean_night(nights: list[Night]) -> Night:
    return nights[0]._replace(
        wall=mean(each.wall for each in nights),
        asked=[seconds for each in nights for seconds in each.asked],
        cpu=mean(each.cpu for each in nights),
        server_cpu=mean(each.server_cpu for each in nights),
    )


def _mean_bare(bares: list[Bare]) -> Bare:
    return Bare(*(mean(values) for values in zip(*bares, strict=True)))
