"""Telling people: what is due goes out to the contacts, as often as it takes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from time import monotonic
from typing import Final

import structlog
from sqlalchemy.exc import DBAPIError

from models.errors import SettingsError
from models.notices import NoticeView, Told
from store import notices as store
from store.notices import Mail
from sync.clock import now
from sync.contacts import open_address
from sync.messenger import send, server_of
from sync.notice_words import messages
from sync.schedule import text_of
from sync.service import Service
from sync.tenants import tenant_and_settings

log = structlog.get_logger("rostersync.notices")

#: For how long a worker that has taken a delivery may need to send it.
_LEASE: Final = timedelta(minutes=5)
#: What did not arrive is tried again after a minute, then after twice as long each, up to the longest; for a day.
_FIRST_WAIT, _LONGEST_WAIT, _PATIENCE = timedelta(minutes=1), timedelta(hours=2), timedelta(days=1)
#: Seconds after which a server that did not take a message is left alone for a while: others wait behind it.
_SLOW: Final = 3.0


def deliver(service: Service, clock: Callable[[], str] = now) -> int:
    """Send what is due, contact by contact; returns how many notices have arrived. What does not arrive is tried again later,
    and given up after a day. Raises DBAPIError only."""
    arrived, began = 0, clock()
    slow: set[str] = set()
    while mail := store.take_due(service.engine, began, _later(clock(), _LEASE)):
        arrived += _deliver(service, mail, slow, clock)
    return arrived


def _deliver(service: Service, mail: Mail, slow: set[str], clock: Callable[[], str]) -> int:
    """Send one contact's messages until one does not arrive, as the others would not, either. Those of a server that was
    slow to fail are left alone until their lease is over."""
    contact_id, left = mail.contact.id, list(mail.told)
    assert contact_id is not None
    with _failures_logged(contact_id):
        address = open_address(service, mail.contact)
        server = server_of(service.settings, address)
        if server in slow:
            return 0
        for told, title, text in messages(mail.told):
            started = monotonic()
            if not send(service.settings, address, title, text):
                log.warning("message was not taken", contact=contact_id)
                if monotonic() - started > _SLOW:
                    slow.add(server)
                break
            store.sent(service.engine, contact_id, [each.notice_id for each in told], clock())
            left = left[len(told) :]
    if left:
        store.failed(service.engine, contact_id, {each.notice_id: _next_try(each, clock()) for each in left})
    return len(mail.told) - len(left)


@contextmanager
def _failures_logged(contact_id: int) -> Iterator[None]:
    """Whatever one contact's service comes to, the others are told. The log says why without the address."""
    try:
        yield
    except DBAPIError:
        raise
    except SettingsError as error:
        log.warning("message cannot be sent", contact=contact_id, why=error.for_engineer)
    except Exception as error:
        log.error("message cannot be sent", contact=contact_id, why=type(error).__name__)


def _next_try(told: Told, at: str) -> str | None:
    """None when it is to be given up."""
    wait = min(_FIRST_WAIT * (1 << min(told.attempts, 20)), _LONGEST_WAIT)
    then = datetime.fromisoformat(at) + wait
    return text_of(then) if then < datetime.fromisoformat(told.at) + _PATIENCE else None


def _later(at: str, wait: timedelta) -> str:
    return text_of(datetime.fromisoformat(at) + wait)


def recent(service: Service, tenant: str | None = None, *, limit: int = 50) -> list[NoticeView]:
    """The last notices (of one tenant), the newest first, with whom they went to and whether they arrived. Raises
    NotFoundError for the tenant."""
    tenant_id = None if tenant is None else tenant_and_settings(service, tenant)[0]
    return store.recent(service.engine, tenant_id, limit)
