"""``rostersync schedule``: when each connection syncs, and when not; ``rostersync cancel``."""

from typing import Annotated

import typer

from cli.console import deliver
from cli.options import JsonOption, TenantArgument, command_group
from cli.session import open_service, whoami

app = command_group("When connections are synced by workers, and when not.")
blackout = command_group("Days on which nothing is synced.")
add_only = command_group("Days on which nothing is removed, while all else goes on.")
rollover = command_group("The change to a new school year, with limits of its own.")
app.add_typer(blackout, name="blackout")
app.add_typer(add_only, name="add-only")
app.add_typer(rollover, name="rollover")

ConnectionArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[CONNECTION]", help="The connection; may be left out where there is only one.", show_default=False
    ),
]
DatesOption = Annotated[
    str,
    typer.Option(
        metavar="FIRST..LAST",
        help="Days, both included, such as 2027-06-12..2027-08-15; or one day.",
        show_default=False,
    ),
]
NoteOption = Annotated[str, typer.Option(metavar="TEXT", help="Why; shown to people.")]


@app.command("set")
def set_schedule(
    tenant: TenantArgument,
    connection: ConnectionArgument = None,
    nightly: Annotated[
        str | None,
        typer.Option(
            metavar="BEGIN-END", help="Once a night between two times, such as 20:00-05:00.", show_default=False
        ),
    ] = None,
    days: Annotated[
        str | None,
        typer.Option(
            metavar="DAYS", help="Days on which the nights begin, such as mon,tue or mon-fri.", show_default=False
        ),
    ] = None,
    cron: Annotated[
        str | None,
        typer.Option(metavar="EXPRESSION", help='Five fields, such as "17 3 * * *".', show_default=False),
    ] = None,
    stale_hours: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Raise an alarm when nothing was applied for so many hours; left out: as the schedule suggests.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Set when a connection is synced: nightly in a window, at a place of its own in it, or by a cron expression.

    Times are local, by the tenant's setting time_zone.
    """
    from cli.show.schedule import show_set_schedule
    from sync import schedules

    chosen = [days] if days is not None else []
    with open_service() as service:
        view = schedules.set_schedule(
            service, tenant, connection, cron=cron, nightly=nightly, days=chosen, stale_hours=stale_hours
        )
    deliver(view, as_json, show_set_schedule)


@app.command()
def show(tenant: TenantArgument, connection: ConnectionArgument = None, as_json: JsonOption = False) -> None:
    """Show in words when a connection was synced, when it is next, and why not sooner."""
    from cli.show.schedule import show_schedule
    from sync import schedules

    with open_service() as service:
        deliver(schedules.show_schedule(service, tenant, connection), as_json, show_schedule)


@app.command("list")
def list_schedules(
    tenant: Annotated[
        str | None, typer.Argument(metavar="[TENANT]", help="Only this tenant's.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the schedules of all connections, with the next time of each."""
    from cli.show.schedule import show_schedules
    from sync import schedules

    with open_service() as service:
        deliver(schedules.list_schedules(service, tenant), as_json, show_schedules)


@app.command()
def off(tenant: TenantArgument, connection: ConnectionArgument = None, as_json: JsonOption = False) -> None:
    """Sync a connection only when somebody asks for it; blackouts, add-only days and a rollover stay set."""
    from cli.show.schedule import show_schedule
    from sync import schedules

    with open_service() as service:
        deliver(schedules.clear_schedule(service, tenant, connection), as_json, show_schedule)


@app.command("now")
def ask_for_sync(tenant: TenantArgument, connection: ConnectionArgument = None, as_json: JsonOption = False) -> None:
    """Ask the workers to sync a connection as soon as one of them is free.

    The answer comes at once; `rostersync runs` shows what became of it. To sync in this terminal: rostersync sync.
    """
    from cli.show.schedule import show_request
    from sync import requests

    with open_service() as service:
        deliver(requests.ask_for_sync(service, tenant, connection, by=whoami()), as_json, show_request)


def cancel(tenant: TenantArgument, connection: ConnectionArgument = None, as_json: JsonOption = False) -> None:
    """Stop a sync that goes on, at its next page, or take back one that is about to begin.

    The roster stays as it is. A run that is being applied already is not stopped.
    """
    from cli.show.schedule import show_cancellation
    from sync import requests

    with open_service() as service:
        deliver(requests.cancel_sync(service, tenant, connection, by=whoami()), as_json, show_cancellation)


# --- special days -----------------------------------------------------------------------------------------------------


@blackout.command("add")
def add_blackout(
    tenant: TenantArgument,
    dates: DatesOption,
    connection: ConnectionArgument = None,
    note: NoteOption = "",
    as_json: JsonOption = False,
) -> None:
    """Sync nothing on some days: a summer break, holidays."""
    from cli.show.schedule import show_schedule
    from sync import schedules

    with open_service() as service:
        deliver(schedules.add_blackout(service, tenant, connection, dates, note=note), as_json, show_schedule)


@blackout.command("remove")
def remove_blackout(
    tenant: TenantArgument, dates: DatesOption, connection: ConnectionArgument = None, as_json: JsonOption = False
) -> None:
    """Sync on these days after all."""
    from cli.show.schedule import show_schedule
    from sync import schedules

    with open_service() as service:
        deliver(schedules.remove_blackout(service, tenant, connection, dates), as_json, show_schedule)


@add_only.command("add")
def add_add_only(
    tenant: TenantArgument,
    dates: DatesOption,
    connection: ConnectionArgument = None,
    note: NoteOption = "",
    as_json: JsonOption = False,
) -> None:
    """Remove nothing on some days, whoever starts the sync or uploads files."""
    from cli.show.schedule import show_schedule
    from sync import schedules

    with open_service() as service:
        deliver(schedules.add_add_only(service, tenant, connection, dates, note=note), as_json, show_schedule)


@add_only.command("remove")
def remove_add_only(
    tenant: TenantArgument, dates: DatesOption, connection: ConnectionArgument = None, as_json: JsonOption = False
) -> None:
    """Let removals go on."""
    from cli.show.schedule import show_schedule
    from sync import schedules

    with open_service() as service:
        deliver(schedules.remove_add_only(service, tenant, connection, dates), as_json, show_schedule)


@rollover.command()
def start(
    tenant: TenantArgument,
    until: Annotated[
        str, typer.Option(metavar="DAY", help="The last day of it, such as 2027-09-15.", show_default=False)
    ],
    connection: ConnectionArgument = None,
    removals: Annotated[
        float | None,
        typer.Option(
            metavar="PERCENT", help="Removals beyond this share are held; 60 if left out.", show_default=False
        ),
    ] = None,
    updates: Annotated[
        float | None,
        typer.Option(
            metavar="PERCENT", help="Updates beyond this share are held; 100 if left out.", show_default=False
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Put limits in the place of the tenant's own while schools change to a new year or term.

    No run may empty a kind or a school unapproved all the same.
    """
    from cli.show.schedule import show_schedule
    from sync import schedules

    with open_service() as service:
        view = schedules.set_rollover(service, tenant, connection, until, removals=removals, updates=updates)
    deliver(view, as_json, show_schedule)


@rollover.command()
def end(tenant: TenantArgument, connection: ConnectionArgument = None, as_json: JsonOption = False) -> None:
    """Let the tenant's own limits hold again."""
    from cli.show.schedule import show_schedule
    from sync import schedules

    with open_service() as service:
        deliver(schedules.end_rollover(service, tenant, connection), as_json, show_schedule)
