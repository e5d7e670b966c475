"""Notices and their deliveries: what people are told is written with the change that it tells of, and sent afterwards.

A delivery that is handed out is not due again before its lease is over, so that two workers do not send the same. Should
the one that took it die in between, another sends it then: each notice arrives at least once.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection as DatabaseConnection
from sqlalchemy import Engine, func, insert, select, update

from models.health import Event
from models.notices import DeliveryState, DeliveryView, NoticeView, Told
from models.tables import Connection, Contact, Delivery, Notice, Schedule, Tenant
from store.database import is_sqlite, reading, writing

_CONNECTION = Connection.__table__  # type: ignore[attr-defined]
_CONTACT = Contact.__table__  # type: ignore[attr-defined]
_DELIVERY = Delivery.__table__  # type: ignore[attr-defined]
_NOTICE = Notice.__table__  # type: ignore[attr-defined]
_SCHEDULE = Schedule.__table__  # type: ignore[attr-defined]
_TENANT = Tenant.__table__  # type: ignore[attr-defined]

_WAITING: DeliveryState = "waiting"


class Mail(msgspec.Struct, frozen=True):
    """What is due for one contact, the oldest first."""

    contact: Contact
    told: list[Told]


def add(
    connection: DatabaseConnection,
    tenant_id: int | None,
    connection_id: int | None,
    run_id: int | None,
    event: Event,
    code: str,
    reason: str,
    now: str,
) -> None:
    """Tell the contacts of the tenant and those of the operator that want this event; all in the caller's transaction."""
    values = {
        "tenant_id": tenant_id, "connection_id": connection_id, "run_id": run_id, "event": event, "code": code,
        "reason": reason, "created_at": now,
    }  # fmt: skip
    notice_id = connection.execute(insert(_NOTICE).values(values).returning(_NOTICE.c.id)).scalar_one()
    theirs = _CONTACT.c.tenant_id.is_(None) | (_CONTACT.c.tenant_id == tenant_id)
    query = select(_CONTACT.c.id, _CONTACT.c.events).where(theirs)
    if not is_sqlite(
        connection
    ):  # whoever removes one of them just now waits, or is waited for (store.contacts.remove)
        query = query.order_by(_CONTACT.c.id).with_for_update(read=True, key_share=True)
    wanted = [
        {"notice_id": notice_id, "contact_id": contact_id, "state": _WAITING, "attempts": 0, "next_at": now}
        for contact_id, events in connection.execute(query)
        if event in (msgspec.json.decode(events, type=list[str]) or [event])
    ]
    if wanted:
        connection.execute(insert(_DELIVERY), wanted)


# --- sending ----------------------------------------------------------------------------------------------------------


def take_due(engine: Engine, now: str, lease_until: str) -> Mail | None:
    """All that is due for the contact that has waited longest; None if nothing is due. It is due again at ``lease_until``,
    unless it is marked as sent or failed before."""
    due = (_DELIVERY.c.state == _WAITING, _DELIVERY.c.next_at <= now)
    oldest = select(_DELIVERY.c.contact_id).where(*due).order_by(_DELIVERY.c.next_at).limit(1)
    with reading(engine) as connection:
        if connection.execute(oldest).first() is None:
            return None
    with writing(engine) as connection:
        contact_id = connection.execute(_unlocked(connection, oldest)).scalar_one_or_none()
        if contact_id is None:
            return None
        theirs = select(_DELIVERY.c.notice_id).where(*due, _DELIVERY.c.contact_id == contact_id)
        notice_ids = list(connection.execute(_unlocked(connection, theirs)).scalars())
        _change(connection, contact_id, notice_ids, {"next_at": lease_until})
        contact = connection.execute(select(_CONTACT).where(_CONTACT.c.id == contact_id)).mappings().one()
        return Mail(Contact(**contact), _told(connection, contact_id, notice_ids))


def _unlocked(connection: DatabaseConnection, query: Any) -> Any:
    """Lock what is found and pass over what others have locked; SQLite has one writer at a time anyway."""
    return query if is_sqlite(connection) else query.with_for_update(skip_locked=True)


def _told(connection: DatabaseConnection, contact_id: int, notice_ids: list[int]) -> list[Told]:
    query = (
        select(
            _NOTICE.c.id.label("notice_id"),
            *(_NOTICE.c[name] for name in ("event", "code", "reason", "run_id")),
            _NOTICE.c.created_at.label("at"),
            func.coalesce(_TENANT.c.name, "").label("tenant"),
            func.coalesce(_CONNECTION.c.name, "").label("connection"),
            _SCHEDULE.c.last_good_at,
            _DELIVERY.c.attempts,
        )
        .join(_DELIVERY, _DELIVERY.c.notice_id == _NOTICE.c.id)
        .outerjoin(_TENANT, _TENANT.c.id == _NOTICE.c.tenant_id)
        .outerjoin(_CONNECTION, _CONNECTION.c.id == _NOTICE.c.connection_id)
        .outerjoin(_SCHEDULE, _SCHEDULE.c.connection_id == _NOTICE.c.connection_id)
        .where(_DELIVERY.c.contact_id == contact_id, _NOTICE.c.id.in_(notice_ids))
        .order_by(_NOTICE.c.id)
    )
    return [Told(**row) for row in connection.execute(query).mappings()]


def sent(engine: Engine, contact_id: int, notice_ids: Iterable[int], now: str) -> None:
    """These have arrived at the contact."""
    with writing(engine) as connection:
        _change(connection, contact_id, notice_ids, {"state": "sent", "sent_at": now})


def failed(engine: Engine, contact_id: int, next_tries: Mapping[int, str | None]) -> None:
    """These have not: when each notice (by id) is tried next; None gives it up."""
    with writing(engine) as connection:
        for notice_id, next_at in next_tries.items():
            again = {"next_at": next_at} if next_at else {"state": "given_up"}
            _change(connection, contact_id, [notice_id], again | {"attempts": _DELIVERY.c.attempts + 1})


def _change(
    connection: DatabaseConnection, contact_id: int, notice_ids: Iterable[int], values: Mapping[str, Any]
) -> None:
    place = (_DELIVERY.c.contact_id == contact_id, _DELIVERY.c.notice_id.in_(notice_ids), _DELIVERY.c.state == _WAITING)
    connection.execute(update(_DELIVERY).where(*place).values(**values))


# --- looking ----------------------------------------------------------------------------------------------------------


def recent(engine: Engine, tenant_id: int | None, limit: int) -> list[NoticeView]:
    """The last notices (of one tenant), the newest first, with what became of each."""
    wanted = [] if tenant_id is None else [_NOTICE.c.tenant_id == tenant_id]
    query = (
        select(_NOTICE, _TENANT.c.name.label("tenant"), _CONNECTION.c.name.label("connection"))
        .outerjoin(_TENANT, _TENANT.c.id == _NOTICE.c.tenant_id)
        .outerjoin(_CONNECTION, _CONNECTION.c.id == _NOTICE.c.connection_id)
        .where(*wanted)
        .order_by(_NOTICE.c.id.desc())
        .limit(limit)
    )
    with reading(engine) as connection:
        rows = connection.execute(query).mappings().all()
        deliveries = _deliveries(connection, [row["id"] for row in rows])
    return [
        NoticeView(
            row["id"], row["created_at"], row["tenant"], row["connection"], row["event"], row["code"], row["reason"],
            row["run_id"], deliveries.get(row["id"], []),
        )
        for row in rows
    ]  # fmt: skip


def _deliveries(connection: DatabaseConnection, notice_ids: list[int]) -> dict[int, list[DeliveryView]]:
    query = (
        select(_DELIVERY, _CONTACT.c.name, _CONTACT.c.shown, _TENANT.c.name.label("tenant"))
        .join(_CONTACT, _CONTACT.c.id == _DELIVERY.c.contact_id)
        .outerjoin(_TENANT, _TENANT.c.id == _CONTACT.c.tenant_id)
        .where(_DELIVERY.c.notice_id.in_(notice_ids))
        .order_by(_CONTACT.c.name, _CONTACT.c.id)
    )
    found: dict[int, list[DeliveryView]] = {}
    for row in connection.execute(query).mappings():
        next_at = row["next_at"] if row["state"] == _WAITING else None
        found.setdefault(row["notice_id"], []).append(
            DeliveryView(
                row["name"], row["tenant"], row["shown"], row["state"], row["attempts"], next_at, row["sent_at"]
            )
        )
    return found
