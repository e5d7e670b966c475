"""``rostersync school``: schools exist, with the ids that the files use, before files arrive."""

from pathlib import Path
from typing import Annotated

import typer

from cli.console import deliver
from cli.options import JsonOption, TenantArgument, command_group
from cli.session import open_service
from models.errors import SettingsError

app = command_group("Schools: add them, with the ids that the files use, before files arrive.")


@app.command()
def add(
    tenant: TenantArgument,
    source_id: Annotated[
        str | None,
        typer.Argument(
            metavar="[SOURCE_ID]",
            help="The school's id exactly as the files or the source give it.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="The school's name.", show_default=False)] = None,
    number: Annotated[str | None, typer.Option(metavar="NUMBER", help="The school's number, if it has one.")] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Add all schools of this CSV instead (columns sourcedId, name, number).",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Add one school, or all the schools of a file."""
    from cli.show.tenants import show_schools
    from sync import tenants

    if file is not None and (source_id or name or number):
        raise SettingsError("Give either one school (SOURCE_ID and NAME) or --file, not both.")
    if file is None and not (source_id and name):
        raise SettingsError("Give the school's SOURCE_ID and NAME, or --file with a CSV of schools.")
    with open_service() as service:
        if file is not None:
            added = tenants.add_schools_from_file(service, tenant, file)
        else:
            added = [tenants.add_school(service, tenant, source_id or "", name or "", number=number)]
    deliver(added, as_json, show_schools)


@app.command("list")
def list_schools(tenant: TenantArgument, as_json: JsonOption = False) -> None:
    """List a tenant's schools."""
    from cli.show.tenants import show_schools
    from sync import tenants

    with open_service() as service:
        deliver(tenants.list_schools(service, tenant), as_json, show_schools)
