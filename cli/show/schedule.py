"""Schedules: one in words, all in a table, and what became of a request."""

from datetime import datetime

from rich.console import Group, RenderableType
from rich.text import Text

from cli.show.words import bullets, clean, commands, heading, moment, table
from models.health import Cancellation, ScheduleView, SyncRequest


def show_schedule(view: ScheduleView) -> RenderableType:
    """One connection: its timetable, when it was synced, when it is next and why not sooner."""
    title = Text.assemble(
        ("Schedule of ", "bold"), clean(view.tenant, "bold"), "/", clean(view.connection, "bold"), " ",
        clean(f"({view.connector})", "dim"),
    )  # fmt: skip
    upcoming: tuple[RenderableType, ...] = ()
    if view.upcoming:
        upcoming = heading(f"Next times ({view.time_zone})"), bullets(_local(text) for text in view.upcoming)
    return Group(title, bullets(view.sentences), *upcoming)


def show_set_schedule(view: ScheduleView) -> RenderableType:
    """A schedule that was just set, and what may come next."""
    steps = [("sync it now", f"rostersync schedule now {view.tenant} {view.connection}")]
    if view.time_zone == "UTC":
        steps.insert(0, ("set the district's time", f"rostersync tenant set {view.tenant} time_zone America/Chicago"))
    return Group(show_schedule(view), heading("Next"), commands(steps))


def _local(text: str) -> str:
    at = datetime.fromisoformat(text)
    return f"{at:%a %Y-%m-%d %H:%M}"


def show_schedules(views: list[ScheduleView]) -> RenderableType:
    """One line per connection."""
    if not views:
        return Group(
            Text("Nothing is scheduled."),
            commands([("to begin", "rostersync schedule set TENANT --nightly 20:00-05:00")]),
        )
    return table(
        (("Tenant", "left"), ("Connection", "left"), ("When", "left"), ("Next", "left"), ("State", "left")),
        ([clean(v.tenant), clean(v.connection), _when(v), _next(v), clean(v.standing.health)] for v in views),
    )


def _when(view: ScheduleView) -> Text:
    """The timetable as briefly as it can be told; all of it is in ``schedule show``."""
    cron, nightly = view.timetable.get("cron"), view.timetable.get("nightly")
    if view.recurs and cron:
        return clean(f"cron {cron} ({view.time_zone})")
    if view.recurs and isinstance(nightly, dict):
        days = "".join(f" {day}" for day in nightly["days"])
        return clean(f"{nightly['begins']}-{nightly['ends']}{days} ({view.time_zone})")
    return Text("when asked for" if view.connector != "csv" else "when uploaded", style="dim")


def _next(view: ScheduleView) -> Text:
    return clean(moment(view.next_at)[:16] + " UTC") if view.next_at else Text("-", style="dim")


def show_request(request: SyncRequest) -> RenderableType:
    """A sync that was asked for, and where to see what becomes of it."""
    return Group(
        Text.assemble(("Asked for a sync of ", "bold"), clean(f"{request.tenant}/{request.connection}", "bold"), "."),
        bullets([clean(request.sentence, "" if request.workers else "yellow")]),
        heading("Next"),
        commands(
            [
                ("see what becomes of it", f"rostersync schedule show {request.tenant} {request.connection}"),
                ("take it back, or stop it", f"rostersync cancel {request.tenant} {request.connection}"),
            ]
        ),
    )


def show_cancellation(cancellation: Cancellation) -> RenderableType:
    """What was stopped."""
    steps = []
    if cancellation.run_id is not None:
        steps = [heading("Next"), commands([("see how it ended", f"rostersync run show {cancellation.run_id}")])]
    return Group(clean(cancellation.sentence), *steps)
