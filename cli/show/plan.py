"""A plan that waits: why, what it would do, the first operations, and how to decide."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from cli.show.history import ACTION_STYLES
from cli.show.report import counts_table, holds_list, seen
from cli.show.words import STATE_STYLES, bullets, clean, commands, heading, plural, table
from models.report import PlanView
from models.vocabulary import PLURALS


def show_plan(plan: PlanView) -> RenderableType:
    """The whole plan."""
    return Group(*_sections(plan))


def _sections(plan: PlanView) -> Iterator[RenderableType]:
    state = Text(plan.state, style=STATE_STYLES.get(plan.state, "bold"))
    yield Text.assemble(
        (f"Plan of run {plan.run_id}", "bold"), " of ", clean(plan.tenant), ": ", state,
        f", {plural(plan.total_operations, 'change')} waiting",
    )  # fmt: skip
    if plan.stale:
        yield bullets(
            [clean("The stored roster has changed since this plan was made; it can no longer be applied.", "red")], "!"
        )
    if plan.holds:
        yield from (heading("Why it waits"), holds_list(plan.holds))
    if plan.state == "held":
        waiting = [plural(kind.held, kind.kind, PLURALS[kind.kind]) for kind in plan.counts if kind.held]
        yield from (heading("What waits"), bullets([", ".join(waiting)]))
    elif seen(plan.counts):
        yield from (heading("What it would do"), counts_table(seen(plan.counts)))
    if plan.consequences:
        yield from (heading("What this means"), bullets(plan.consequences))
    if plan.operations:
        yield from (heading(_operations_title(plan)), _operations_table(plan))
    if plan.state in {"held", "planned"}:
        yield from (heading("Next"), commands(_next_steps(plan)))


def _operations_title(plan: PlanView) -> str:
    if len(plan.operations) == plan.total_operations:
        return "The changes"
    return f"The first {len(plan.operations):,} of {plural(plan.total_operations, 'change')}"


def _operations_table(plan: PlanView) -> RenderableType:
    return table(
        (("Kind", "left"), ("What", "left"), ("Who", "left"), ("Why, or which fields", "left")),
        (
            [Text(kind), Text(action, style=ACTION_STYLES.get(action, "")), clean(who), clean(why.replace("_", " "))]
            for kind, action, who, why in plan.operations
        ),
    )


def _next_steps(plan: PlanView) -> list[tuple[str, str]]:
    discard = ("drop it", f"rostersync plan discard {plan.run_id}")
    if plan.stale:
        again = f"rostersync sync {plan.tenant} --connection {plan.connection} --dry-run"
        if plan.connector == "csv":
            again = f"rostersync upload {plan.tenant} PATH --dry-run"
        return [discard, ("then make a new one", again)]
    return [("apply exactly this", f"rostersync plan approve {plan.run_id}"), discard]
