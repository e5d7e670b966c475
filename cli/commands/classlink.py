"""``rostersync classlink``: what a partner of ClassLink can do for many districts at once."""

from typing import Annotated

import typer

from cli.commands.connection import CredentialsFileOption, SetOption
from cli.console import deliver
from cli.credentials import gather_credentials, read_assignments
from cli.options import JsonOption, command_group
from cli.session import open_service

app = command_group("The districts of a ClassLink partner.")


@app.command()
def discover(
    add: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TENANT_ID=TENANT",
            help="Give this district a connection, and the tenant if it does not exist; may be given several times.",
        ),
    ] = None,
    settings: SetOption = None,
    credentials_file: CredentialsFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the districts that your partner key can read, and add those that you choose.

    The partner key comes from --credentials-file, from ROSTERSYNC_CREDENTIALS_PARTNER_KEY, or is asked for at a terminal.
    """
    from cli.show.connections import show_discovery
    from sync.discover import discover as discover_districts

    chosen = read_assignments(settings or [], "--set", "KEY=VALUE, such as page_size=1000")
    wanted = read_assignments(add or [], "--add", "TENANT_ID=TENANT, such as 2222=springfield")
    with open_service() as service:
        credentials = gather_credentials(
            "classlink", credentials_file, enough=lambda found: "partner_key" in found, may_ask=not as_json
        )
        found = discover_districts(service, settings=chosen, credentials=credentials, add=wanted)
    deliver(found, as_json, show_discovery)
