"""``rostersync connection``: the ways in to a district's sources, and what they share."""

from pathlib import Path
from typing import Annotated

import typer

from cli.console import ask, deliver, person_is_present, stderr
from cli.credentials import gather_credentials, read_assignments
from cli.failures import other_credentials_told
from cli.options import JsonOption, TenantArgument, YesOption, command_group
from cli.progress import progress_shown
from cli.session import open_service, whoami
from models.connections import ConnectorName
from models.errors import SettingsError

app = command_group(
    "Connections to Clever, ClassLink, a OneRoster provider or a folder of files: add them, test them, look after them."
)

NameArgument = Annotated[
    str,
    typer.Argument(metavar="NAME", help="The connection's name, as `connection list` shows it.", show_default=False),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A setting; may be given several times. Never a credential."),
]
CredentialsFileOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Take the credentials from this TOML or JSON file (-: standard input)."),
]


@app.command()
def add(
    connector: Annotated[
        ConnectorName,
        typer.Argument(metavar="CONNECTOR", help="clever, classlink, oneroster, sftp or folder.", show_default=False),
    ],
    tenant: TenantArgument,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Its name; by default the connector's.", show_default=False)
    ] = None,
    settings: SetOption = None,
    credentials_file: CredentialsFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a connection to a source, or one that was removed again.

    Credentials come from --credentials-file, from the environment (ROSTERSYNC_CREDENTIALS_CLIENT_ID and so on), or are
    asked for at a terminal; they are stored encrypted and never shown again.
    """
    from cli.show.connections import show_added_connection
    from sync import connections

    chosen = read_assignments(settings or [], "--set", "KEY=VALUE, such as page_size=1000")
    with open_service() as service:
        connections.check_new(service, tenant, connector, chosen)
        credentials = gather_credentials(
            connector,
            credentials_file,
            enough=lambda found: connections.fits(connector, chosen, found),
            may_ask=not as_json,
        )
        added = connections.add_connection(service, tenant, connector, name, settings=chosen, credentials=credentials)
    deliver(added, as_json, show_added_connection)


@app.command("set")
def set_setting(
    tenant: TenantArgument,
    name: NameArgument,
    key: Annotated[
        str | None, typer.Argument(metavar="[KEY]", help="A setting as `connection show` names it.", show_default=False)
    ] = None,
    value: Annotated[
        str | None, typer.Argument(metavar="[VALUE]", help="Its new value; null for none.", show_default=False)
    ] = None,
    credentials: Annotated[
        bool, typer.Option("--credentials", help="Give new credentials in the place of all stored ones.")
    ] = False,
    credentials_file: CredentialsFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change one setting, or the credentials."""
    from cli.show.connections import show_changed_connection
    from sync import connections

    anew = credentials or credentials_file is not None
    if anew == (key is not None) or (key is None) != (value is None):
        raise SettingsError(
            "Give either KEY and VALUE of a setting, or --credentials (or --credentials-file). The settings are listed by: "
            f"rostersync connection show {tenant} {name}"
        )
    with open_service() as service:
        if key is not None and value is not None:
            changed = connections.set_setting(service, tenant, name, key, value)
        else:
            secrets = gather_credentials(
                connections.connector_of(service, tenant, name),
                credentials_file,
                enough=lambda found: connections.fits_stored(service, tenant, name, found),
                may_ask=not as_json,
            )
            changed = connections.set_credentials(service, tenant, name, secrets)
    deliver(changed, as_json, show_changed_connection)


@app.command("list")
def list_connections(tenant: TenantArgument, as_json: JsonOption = False) -> None:
    """List a tenant's connections, with their states and last runs."""
    from cli.show.connections import show_connections
    from sync import connections

    with open_service() as service:
        deliver(connections.list_connections(service, tenant), as_json, show_connections)


@app.command()
def show(tenant: TenantArgument, name: NameArgument, as_json: JsonOption = False) -> None:
    """Show a connection's settings, state and last runs, and which credentials are stored, not what they are."""
    from cli.show.connections import show_connection
    from sync import connections

    with open_service() as service:
        deliver(connections.show_connection(service, tenant, name), as_json, show_connection)


@app.command("test")
def prove(tenant: TenantArgument, name: NameArgument, as_json: JsonOption = False) -> None:
    """Prove the credentials and show what is shared: district, schools, counts, what is missing, what would be left out.

    Everything is read, as by a sync, and nothing is changed or stored.
    """
    from cli.show.probe import show_probe
    from sync.probe import probe

    with open_service() as service:
        with other_credentials_told(tenant, name), progress_shown(quiet=as_json) as progress:
            report = probe(service, tenant, name, progress=progress)
        deliver(report, as_json, show_probe)


@app.command()
def pause(
    tenant: TenantArgument,
    name: NameArgument,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; shown to whoever wants to sync.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Refuse syncs until the connection is resumed; what is stored stays."""
    from cli.show.connections import show_connection_state
    from sync import connections

    with open_service() as service:
        deliver(
            connections.pause_connection(service, tenant, name, reason, by=whoami()), as_json, show_connection_state
        )


@app.command()
def resume(tenant: TenantArgument, name: NameArgument, as_json: JsonOption = False) -> None:
    """Let syncs of a paused connection go on."""
    from cli.show.connections import show_connection_state
    from sync import connections

    with open_service() as service:
        deliver(connections.resume_connection(service, tenant, name), as_json, show_connection_state)


@app.command()
def remove(tenant: TenantArgument, name: NameArgument, yes: YesOption = False, as_json: JsonOption = False) -> None:
    """Forget a connection's credentials and sync it no more; the roster that it brought stays as it is.

    Someone who sits at a terminal is asked first; --yes skips that. `connection add` with the same name and connector
    brings it back, with all that it knew.
    """
    from cli.show.connections import show_connection_state
    from sync import connections

    with open_service() as service:
        if not yes and not as_json and person_is_present():
            connections.connector_of(service, tenant, name)  # or else there is nothing to ask about
            if not ask(f"Remove the connection {name} of {tenant} and forget its credentials?"):
                stderr().print("Nothing was changed.")
                return
        deliver(connections.remove_connection(service, tenant, name, by=whoami()), as_json, show_connection_state)
