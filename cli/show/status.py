"""All tenants at a glance."""

from collections.abc import Iterator
from datetime import timedelta

from rich.console import Group, RenderableType
from rich.text import Text

from cli.show.words import bullets, clean, commands, facts, heading, moment, plural, table
from models.health import ConnectionStatus, ServiceStatus, Turn, WorkerView
from sync.status import span

_STYLES = {
    "ok": "green",
    "running": "cyan",
    "queued": "cyan",
    "held": "yellow",
    "retrying": "yellow",
    "stale": "yellow",
    "failing": "red",
    "refused": "red",
    "disconnected": "red",
    "district": "red",
    "broken": "red",
    "quarantined": "red",
    "new": "dim",
    "paused": "dim",
    "blackout": "dim",
    "unscheduled": "dim",
}
_TURNS: dict[Turn, str] = {"ours": "Ours to do", "vendor": "The vendor's turn", "district": "The district's turn"}


def show_status(status: ServiceStatus, limit: int) -> RenderableType:
    """Workers, counts, one line for each of the first ``limit`` connections, and whose turn it is where it is somebody's."""
    return Group(*_parts(status, limit))


def _parts(status: ServiceStatus, limit: int) -> Iterator[RenderableType]:
    yield Text.assemble(("Status", "bold"), f" at {moment(status.at)}")
    yield from _workers(status)
    if not status.connections:
        yield Text("\nNo connections.")
        return
    yield Text(_counts(status))
    shown = status.connections[:limit]
    yield Text()
    yield _table(shown)
    if len(status.connections) > limit:
        yield Text(f"… and {len(status.connections) - limit:,} more: --limit N shows them", style="dim")
    for turn, title in _TURNS.items():
        reasons = [_reason(line) for line in shown if line.turn == turn]
        if reasons:
            yield from (heading(title), bullets(reasons))
    retried = [_reason(line) for line in shown if line.state == "retrying" and line.turn == "nobody"]
    if retried:
        yield from (heading("Tried again by itself"), bullets(retried))
    yield from _next(shown)


def _workers(status: ServiceStatus) -> Iterator[RenderableType]:
    alive = [worker for worker in status.workers if worker.alive]
    if not alive:
        yield Text("No worker is alive: nothing is synced on schedule.", style="red")
        yield commands([("to start one", "rostersync serve")])
    if status.workers:
        yield facts((f"{worker.host}, pid {worker.pid}", _worker(worker)) for worker in status.workers)


def _worker(worker: WorkerView) -> Text:
    if not worker.alive:
        return Text(f"silent for {span(timedelta(seconds=worker.seconds_ago))}", style="red")
    busy = f"{len(worker.running)} of {plural(worker.slots, 'slot')} busy"
    stopping = ", stopping" if worker.stopping else ""
    running = f": {', '.join(worker.running)}" if worker.running else ""
    return clean(f"{busy}{stopping}{running}")


def _counts(status: ServiceStatus) -> str:
    states = ", ".join(
        f"{count:,} {state}" for state, count in sorted(status.states.items(), key=lambda item: -item[1])
    )
    return (
        f"{plural(sum(status.states.values()), 'connection')}: {states}; {status.due:,} due, {status.running:,} running"
    )


def _table(lines: list[ConnectionStatus]) -> RenderableType:
    return table(
        (("Connection", "left"), ("State", "left"), ("Last good", "right"), ("Next", "left"), ("Turn", "left")),
        (
            [
                clean(f"{line.tenant}/{line.connection}"),
                Text(
                    line.state + (", stale" if line.stale and line.state != "stale" else ""),
                    _STYLES.get(line.state, ""),
                ),
                _age(line),
                clean(line.next_words),
                Text("-", "dim") if line.turn == "nobody" else Text(line.turn),
            ]
            for line in lines
        ),
    )


def _age(line: ConnectionStatus) -> Text:
    if line.age_hours is None:
        return Text("never", style="dim")
    return Text(f"{span(timedelta(hours=line.age_hours))} ago")


def _reason(line: ConnectionStatus) -> Text:
    run = f" (last run {line.last_run_id})" if line.last_run_id is not None else ""
    return Text.assemble(
        clean(f"{line.tenant}/{line.connection}", "bold"), clean(f"{run}: {line.reason or line.state}")
    )


def _next(lines: list[ConnectionStatus]) -> Iterator[RenderableType]:
    """How to look closer, by the example of the first one."""
    line = next((line for line in lines if line.turn != "nobody"), None)
    if line is None:
        return
    steps = [("what it waits for", f"rostersync schedule show {line.tenant} {line.connection}")]
    if line.health == "held":
        steps.append(("what is held", f"rostersync plan show {line.last_run_id}"))
    elif line.last_run_id is not None:
        steps.append(("its last run", f"rostersync run show {line.last_run_id}"))
    yield from (heading("Next"), commands(steps))
