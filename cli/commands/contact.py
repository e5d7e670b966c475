"""``rostersync contact``: whom to tell what happens to syncs; and ``rostersync notices``: what was told to whom."""

from pathlib import Path
from typing import Annotated

import typer

from cli.console import ask, deliver, person_is_present, stderr
from cli.credentials import gather_address
from cli.options import JsonOption, LimitOption, YesOption, command_group
from cli.session import open_service
from models.errors import SettingsError

app = command_group("Whom to tell: a district's contacts, and the operator's, who are told of all tenants.")

NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="The contact's name, as `contact list` shows it.", show_default=False)
]
TenantOption = Annotated[
    str | None, typer.Option("--tenant", metavar="TENANT", help="A contact of this tenant.", show_default=False)
]
OperatorOption = Annotated[bool, typer.Option("--operator", help="A contact of the operator's.")]


@app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name for the contact.", show_default=False)],
    tenant: TenantOption = None,
    operator: OperatorOption = False,
    events: Annotated[
        str, typer.Option(metavar="EVENT,EVENT", help="Tell only these; by default all.", show_default=False)
    ] = "",
    address_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Take the address from this file (-: standard input).")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Add a contact, who is told of what happens from now on.

    Events are failed, held, refused, disconnected, district, quarantined, stale and recovered; each is told once for each
    change. The address comes from --address-file, from ROSTERSYNC_CONTACT_ADDRESS, or is asked for at a terminal; it is stored
    encrypted and never shown again, as most addresses hold a password or token.
    """
    from cli.show.contact import show_added_contact
    from sync import contacts

    whose = _whose(tenant, operator)
    chosen = [event.strip() for event in events.split(",") if event.strip()]
    with open_service() as service:
        contacts.check_new(service, whose, name, chosen)
        address = gather_address(address_file, may_ask=not as_json)
        deliver(contacts.add_contact(service, whose, name, address, chosen), as_json, show_added_contact)


@app.command("list")
def list_contacts(
    tenant: Annotated[
        str | None,
        typer.Option("--tenant", metavar="TENANT", help="Those who are told of this tenant.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List contacts: where they are told, without what is secret of it, and of what."""
    from cli.show.contact import show_contacts
    from sync import contacts

    with open_service() as service:
        deliver(contacts.list_contacts(service, tenant), as_json, show_contacts)


@app.command("test")
def prove(
    name: NameArgument, tenant: TenantOption = None, operator: OperatorOption = False, as_json: JsonOption = False
) -> None:
    """Send a contact a message that says it is a test."""
    from cli.show.contact import show_proved_contact
    from sync import contacts

    with open_service() as service:
        deliver(contacts.prove_contact(service, _whose(tenant, operator), name), as_json, show_proved_contact)


@app.command()
def remove(
    name: NameArgument,
    tenant: TenantOption = None,
    operator: OperatorOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Forget a contact and its address; nothing more is sent there, not even what was on its way.

    Someone who sits at a terminal is asked first; --yes skips that.
    """
    from cli.show.contact import show_removed_contact
    from sync import contacts

    whose = _whose(tenant, operator)
    with open_service() as service:
        if not yes and not as_json and person_is_present():
            found = contacts.show_contact(service, whose, name)
            if not ask(f"Forget the contact {name} at {found.shown}?"):
                stderr().print("Nothing was changed.")
                return
        deliver(contacts.remove_contact(service, whose, name), as_json, show_removed_contact)


def notices(
    tenant: Annotated[
        str | None, typer.Option("--tenant", metavar="TENANT", help="Only this tenant's.", show_default=False)
    ] = None,
    limit: LimitOption = 20,
    as_json: JsonOption = False,
) -> None:
    """Show what contacts were told lately, and whether it arrived, the newest first."""
    from cli.show.contact import show_notices
    from sync.notices import recent

    with open_service() as service:
        deliver(recent(service, tenant, limit=limit), as_json, show_notices)


def _whose(tenant: str | None, operator: bool) -> str | None:
    """The tenant whose contact is meant; None for the operator's."""
    if (tenant is None) == (not operator):
        raise SettingsError("Say whose contact is meant: --tenant TENANT, or --operator.")
    return tenant
