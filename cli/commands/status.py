"""``rostersync status``: all tenants at a glance."""

from typing import Annotated

import typer

from cli.console import deliver
from cli.options import JsonOption
from cli.session import open_service


def status(
    tenant: Annotated[
        str | None,
        typer.Option("--tenant", metavar="TENANT", help="Only this tenant's connections.", show_default=False),
    ] = None,
    troubled: Annotated[
        bool,
        typer.Option("--troubled", help="Only connections where somebody has to act: we, the vendor, the district."),
    ] = False,
    limit: Annotated[
        int, typer.Option("--limit", "-n", metavar="N", min=1, help="How many lines to show at most; JSON has all.")
    ] = 100,
    as_json: JsonOption = False,
) -> None:
    """Show all connections at a glance: last good sync, next one, state, and whose turn it is; troubled ones first.

    The exit code is 0 whatever it shows: it is a report. What to wake somebody for is in the metrics, and in notifications.
    """
    from cli.show.status import show_status
    from sync.status import status as ask

    with open_service() as service:
        found = ask(service, tenant, troubled=troubled)
    deliver(found, as_json, lambda answer: show_status(answer, limit))
