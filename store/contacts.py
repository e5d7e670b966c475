"""The rows of contacts: whom to tell. Their addresses are encrypted."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection as DatabaseConnection
from sqlalchemy import Engine, delete, insert, select, update

from models.errors import SettingsError
from models.tables import Contact, Delivery, Tenant
from store.database import is_sqlite, reading, writing

_CONTACT = Contact.__table__  # type: ignore[attr-defined]
_DELIVERY = Delivery.__table__  # type: ignore[attr-defined]
_TENANT = Tenant.__table__  # type: ignore[attr-defined]


def add(
    engine: Engine,
    tenant_id: int | None,
    name: str,
    shown: str,
    events: str,
    seal: Callable[[int], str],
    now: str,
) -> None:
    """Add a contact of a tenant, or of the operator (None). ``seal`` is given the contact's id, as the encrypted address is
    bound to it. Raises SettingsError when the name is taken."""
    values = {"tenant_id": tenant_id, "name": name, "shown": shown, "events": events, "created_at": now, "address": ""}
    with writing(engine) as connection:
        if _named(connection, tenant_id, name) is not None:
            raise SettingsError(
                f"There is a contact {name!r} already; remove it first, or give the new one another name."
            )
        added = int(connection.execute(insert(_CONTACT).values(values).returning(_CONTACT.c.id)).scalar_one())
        connection.execute(update(_CONTACT).where(_CONTACT.c.id == added).values(address=seal(added)))


def contacts(engine: Engine, tenant_id: int | None = None) -> list[tuple[Contact, str | None]]:
    """Contacts with their tenants' names, the operator's (None) first; with a tenant, those that are told of it."""
    wanted = [] if tenant_id is None else [_CONTACT.c.tenant_id.is_(None) | (_CONTACT.c.tenant_id == tenant_id)]
    query = (
        select(_CONTACT, _TENANT.c.name.label("tenant_name"))
        .outerjoin(_TENANT, _TENANT.c.id == _CONTACT.c.tenant_id)
        .where(*wanted)
        .order_by(_CONTACT.c.tenant_id.is_not(None), _TENANT.c.name, _CONTACT.c.name)
    )
    with reading(engine) as connection:
        rows = [dict(row) for row in connection.execute(query).mappings()]
    return [(Contact(**row), tenant) for row in rows for tenant in [row.pop("tenant_name")]]


def find(engine: Engine, tenant_id: int | None, name: str) -> Contact | None:
    """A contact of a tenant, or of the operator (None)."""
    with reading(engine) as connection:
        return _named(connection, tenant_id, name)


def remove(engine: Engine, contact_id: int) -> None:
    """Forget a contact, its address, and what was on its way there; what was told stays."""
    with writing(engine) as connection:
        if not is_sqlite(connection):  # a notice that is written just now waits, or is seen by the next statement
            connection.execute(select(_CONTACT.c.id).where(_CONTACT.c.id == contact_id).with_for_update())
        connection.execute(delete(_DELIVERY).where(_DELIVERY.c.contact_id == contact_id))
        connection.execute(delete(_CONTACT).where(_CONTACT.c.id == contact_id))


def _named(connection: DatabaseConnection, tenant_id: int | None, name: str) -> Contact | None:
    place: Any = (_CONTACT.c.tenant_id.is_not_distinct_from(tenant_id), _CONTACT.c.name == name)
    row = connection.execute(select(_CONTACT).where(*place)).mappings().first()
    return Contact(**row) if row else None
