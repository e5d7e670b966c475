"""Runs, their problems and their changes, as lists."""

from collections.abc import Iterable

from rich.console import RenderableType
from rich.text import Text

from cli.show.report import problems_list
from cli.show.words import STATE_STYLES, Column, clean, moment, number, table
from models.report import ChangeView, ProblemView, RunSummary

ACTION_STYLES = {"create": "green", "update": "cyan", "restore": "green", "archive": "magenta"}


def show_runs(runs: list[RunSummary]) -> RenderableType:
    """The history, newest first."""
    if not runs:
        return Text("No runs yet.")
    columns: list[Column] = [("Run", "right"), *((name, "left") for name in ("Connection", "State, by", "Started"))]
    columns += [(name, "right") for name in ("Created", "Updated", "Archived", "Refused", "Held")]
    return table(
        columns,
        (
            [
                Text(str(run.run_id)),
                _lines(clean(run.tenant), clean(run.connection)),
                _lines(Text(_state(run), style=STATE_STYLES.get(run.state, "")), clean(run.started_by)),
                _lines(*map(Text, moment(run.started_at)[:16].split())),
                number(run.created),
                number(run.updated),
                number(run.archived),
                number(run.refused),
                number(run.held, "yellow"),
            ]
            for run in runs
        ),
        gap=1,
    )


def _lines(*lines: Text) -> Text:
    """One below the other: side by side they would not fit on a terminal of 80 columns."""
    return Text("\n").join(lines)


def _state(run: RunSummary) -> str:
    return "dry run" if run.dry_run and run.state == "planned" else run.state


def show_problems(problems: list[ProblemView], connector: str) -> RenderableType:
    """Problems of a run of this connector with their places and sentences."""
    return (
        problems_list(problems, connector) if problems else Text("No problems of that sort were stored for this run.")
    )


def show_changes(changes: list[ChangeView]) -> RenderableType:
    """Changes, each with its cause or the fields that differ."""
    if not changes:
        return Text("This run changed nothing of that sort.")
    return table(
        (("Kind", "left"), ("What", "left"), ("Who", "left"), ("Why, or which fields", "left")),
        (
            [
                Text(change.kind),
                Text(change.action, style=ACTION_STYLES.get(change.action, "")),
                clean(change.who),
                clean(change_text(change)),
            ]
            for change in changes
        ),
    )


def change_text(change: ChangeView) -> str:
    """The cause, then each field's old and new value."""
    fields = (
        f"{name}: {_value(change.before.get(name))} → {_value(change.after.get(name))}"
        for name in _in_order((*change.before, *change.after))
    )
    return "; ".join(filter(None, ((change.cause or "").replace("_", " "), *fields)))


def _in_order(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _value(value: object) -> str:
    if value is None or value in ("", [], {}):
        return "(blank)"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)
