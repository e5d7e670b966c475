"""Whom to tell of what: contacts, notices, and whether these arrived."""

from typing import Literal

import msgspec

from models.health import Event

#: waiting: not sent yet, or it did not arrive and is tried again. given_up: it did not arrive for a day.
DeliveryState = Literal["waiting", "sent", "given_up"]


class ContactView(msgspec.Struct, frozen=True):
    """Who is told: a district's contact, or the operator's (``tenant`` None), who is told of all tenants. ``shown`` is as
    much of the address as is no secret; ``events`` are those that are wanted, none means all."""

    name: str
    tenant: str | None
    shown: str
    events: list[Event]
    created_at: str


class DeliveryView(msgspec.Struct, frozen=True):
    """A notice on its way to a contact. ``next_at`` is when it is tried (again), None once it is sent or given up."""

    contact: str
    tenant: str | None
    shown: str
    state: DeliveryState
    attempts: int
    next_at: str | None
    sent_at: str | None


class Told(msgspec.Struct, frozen=True):
    """A notice as it is sent. ``tenant`` and ``connection`` are names, blank where none is concerned; ``last_good_at`` is when
    the connection's last sync was applied, ``attempts`` how often the notice was sent in vain. Times are ISO texts in UTC."""

    notice_id: int
    event: Event
    code: str
    reason: str
    at: str
    tenant: str
    connection: str
    run_id: int | None = None
    last_good_at: str | None = None
    attempts: int = 0


class NoticeView(msgspec.Struct, frozen=True):
    """Something that people are told of. ``reason`` is a sentence; ``deliveries`` are none where no contact wants it."""

    id: int
    at: str
    tenant: str | None
    connection: str | None
    event: Event
    code: str
    reason: str
    run_id: int | None
    deliveries: list[DeliveryView]
