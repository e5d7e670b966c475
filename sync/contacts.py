"""Contacts: whom to tell what happens to a district's syncs. The operator's are told of all tenants."""

from collections.abc import Sequence
from typing import get_args

import msgspec

from models.errors import NotFoundError, SettingsError
from models.health import EVENTS, Event
from models.notices import ContactView
from models.tables import Contact
from store import contacts as store
from sync import master_keys, secrets
from sync.clock import now
from sync.messenger import check_address, send, shown_address
from sync.service import Service
from sync.tenants import tenant_and_settings


def check_new(service: Service, tenant: str | None, name: str, events: Sequence[str]) -> None:
    """What can be said of a new contact before anybody is asked for its address. Raises SettingsError, NotFoundError."""
    _tenant_id(service, tenant)
    _check_name(name)
    _chosen(events)
    master_keys.read(service.settings, make=secrets.new_key)


def add_contact(
    service: Service, tenant: str | None, name: str, address: str, events: Sequence[str] = ()
) -> ContactView:
    """Add a contact of a tenant, or of the operator (None), who is told of ``events`` (none: all) from now on.

    Raises SettingsError when the name is taken, for an address that no message can be sent to, and when there is no usable
    key; NotFoundError for the tenant.
    """
    tenant_id = _tenant_id(service, tenant)
    _check_name(name)
    chosen, address = _chosen(events), address.strip()
    check_address(service.settings, address)
    store.add(
        service.engine, tenant_id, name, shown_address(address), msgspec.json.encode(chosen).decode(),
        lambda added: secrets.seal_address(service.settings, tenant_id, added, address), now(),
    )  # fmt: skip
    return show_contact(service, tenant, name)


def list_contacts(service: Service, tenant: str | None = None) -> list[ContactView]:
    """All contacts, the operator's first; with a tenant, all that are told of it. Raises NotFoundError."""
    return [_view(contact, name) for contact, name in store.contacts(service.engine, _tenant_id(service, tenant))]


def show_contact(service: Service, tenant: str | None, name: str) -> ContactView:
    """A contact of a tenant, or of the operator (None). Raises NotFoundError."""
    return _view(_named(service, tenant, name), tenant)


def remove_contact(service: Service, tenant: str | None, name: str) -> ContactView:
    """Forget a contact, its address, and what was on its way there. Raises NotFoundError."""
    contact = _named(service, tenant, name)
    assert contact.id is not None
    store.remove(service.engine, contact.id)
    return _view(contact, tenant)


def prove_contact(service: Service, tenant: str | None, name: str) -> ContactView:
    """Send a message that says it is a test. Raises SettingsError when it was not taken, NotFoundError."""
    contact = _named(service, tenant, name)
    whose = f"the contact {name} of {tenant}" if tenant else f"the operator's contact {name}"
    body = f"This is a test: {whose} is told of {_events_told(contact)}. Nothing has happened."
    if not send(service.settings, open_address(service, contact), "[rostersync] test", body):
        raise SettingsError(
            f"The message was not taken at {contact.shown}. Check that its server can be reached, and the address (it is "
            "shown to nobody): remove the contact and add it anew.",
            "apprise could not send",
        )
    return _view(contact, tenant)


def open_address(service: Service, contact: Contact) -> str:
    """A contact's address, to be shown to nobody. Raises SettingsError when it cannot be decrypted."""
    assert contact.id is not None
    return secrets.unseal_address(service.settings, contact.tenant_id, contact.id, contact.address)


def _events_told(contact: Contact) -> str:
    return ", ".join(_events_of(contact) or EVENTS)


def _events_of(contact: Contact) -> list[Event]:
    return msgspec.json.decode(contact.events, type=list[Event])


def _chosen(events: Sequence[str]) -> list[Event]:
    """Raises SettingsError for what is no event."""
    known = {event: event for event in get_args(Event)}
    unknown = [event for event in events if event not in known]
    if unknown:
        raise SettingsError(f"There is no event {unknown[0]!r}; choose from {', '.join(EVENTS)}.")
    return [event for event in EVENTS if event in events]


def _check_name(name: str) -> None:
    if not name or not all(letter.isalnum() or letter in "-_." for letter in name):
        raise SettingsError("A contact's name may hold letters, digits, '-', '_' and '.'.")


def _tenant_id(service: Service, tenant: str | None) -> int | None:
    return None if tenant is None else tenant_and_settings(service, tenant)[0]


def _named(service: Service, tenant: str | None, name: str) -> Contact:
    contact = store.find(service.engine, _tenant_id(service, tenant), name)
    if contact is None:
        whose = f"{tenant} has" if tenant else "The operator has"
        raise NotFoundError(f"{whose} no contact {name!r}. See: rostersync contact list")
    return contact


def _view(contact: Contact, tenant: str | None) -> ContactView:
    return ContactView(contact.name, tenant, contact.shown, _events_of(contact), contact.created_at)
