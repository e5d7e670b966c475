"""``rostersync tenant``: districts and their settings."""

from typing import Annotated

import typer

from cli.console import deliver
from cli.options import JsonOption, TenantArgument, command_group
from cli.session import open_service

app = command_group("Districts and their settings.")


@app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A short name, as you will type it.", show_default=False)],
    district_id: Annotated[
        str | None,
        typer.Option(metavar="ID", help="The district's own id, where rows of its files name it as their school."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Add a tenant: one district with a roster of its own."""
    from cli.show.tenants import show_added_tenant
    from sync import tenants

    with open_service() as service:
        deliver(tenants.add_tenant(service, name, district_id=district_id), as_json, show_added_tenant)


@app.command("list")
def list_tenants(as_json: JsonOption = False) -> None:
    """List the tenants and how much is stored for each."""
    from cli.show.tenants import show_tenants
    from sync import tenants

    with open_service() as service:
        deliver(tenants.list_tenants(service), as_json, show_tenants)


@app.command()
def show(name: TenantArgument, as_json: JsonOption = False) -> None:
    """Show a tenant's counts and settings."""
    from cli.show.tenants import show_tenant
    from sync import tenants

    with open_service() as service:
        deliver(tenants.show_tenant(service, name), as_json, show_tenant)


@app.command("set")
def set_setting(
    name: TenantArgument,
    key: Annotated[str, typer.Argument(metavar="KEY", help="A setting as `tenant show` names it.", show_default=False)],
    value: Annotated[str, typer.Argument(metavar="VALUE", help="Its new value.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Change one setting, e.g. create_schools true, or guard.removals.percent 5."""
    from cli.show.tenants import show_tenant
    from sync import tenants

    with open_service() as service:
        deliver(tenants.set_setting(service, name, key, value), as_json, show_tenant)
