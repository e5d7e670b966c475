"""Contacts, and what they were told."""

from rich.console import Group, RenderableType
from rich.text import Text

from cli.show.words import clean, commands, facts, heading, moment, plural, table
from models.notices import ContactView, DeliveryView, NoticeView

_STYLES = {
    "failed": "red",
    "held": "yellow",
    "refused": "red",
    "disconnected": "red",
    "district": "red",
    "quarantined": "red",
    "stale": "yellow",
    "recovered": "green",
}


def show_contacts(contacts: list[ContactView]) -> RenderableType:
    """One line per contact."""
    if not contacts:
        return Text("Nobody is told. Add a contact with: rostersync contact add NAME --operator")
    return table(
        (("Name", "left"), ("Of", "left"), ("Address", "left"), ("Is told of", "left")),
        ([clean(c.name), clean(c.tenant or "the operator"), clean(c.shown), Text(_events(c))] for c in contacts),
    )


def show_added_contact(contact: ContactView) -> RenderableType:
    """A new contact, and how to see whether messages arrive."""
    steps = [("see if a message arrives", f"rostersync contact test {contact.name} {_option(contact)}")]
    return Group(_told("Added", contact), heading("Next"), commands(steps))


def show_proved_contact(contact: ContactView) -> RenderableType:
    """That a test message was taken."""
    return Text.assemble(
        "The message was taken at ", clean(contact.shown), ". Ask ", clean(contact.name), " whether it has arrived."
    )


def show_removed_contact(contact: ContactView) -> RenderableType:
    """That a contact is gone."""
    return Text.assemble(("Forgot the contact ", "bold"), clean(contact.name, "bold"), f" of {_whose(contact)}.")


def _told(verb: str, contact: ContactView) -> RenderableType:
    first = Text.assemble((f"{verb} the contact ", "bold"), clean(contact.name, "bold"), f" of {_whose(contact)}.")
    return Group(first, facts([("address", f"{contact.shown} (stored encrypted)"), ("is told of", _events(contact))]))


def _whose(contact: ContactView) -> str:
    return contact.tenant or "the operator"


def _option(contact: ContactView) -> str:
    return f"--tenant {contact.tenant}" if contact.tenant else "--operator"


def _events(contact: ContactView) -> str:
    return ", ".join(contact.events) or "everything"


def show_notices(notices: list[NoticeView]) -> RenderableType:
    """What was told, the newest first: one paragraph per notice."""
    if not notices:
        return Text("Nothing was told so far.")
    return Group(*(_notice(notice, first=notice is notices[0]) for notice in notices))


def _notice(notice: NoticeView, *, first: bool) -> RenderableType:
    place = " / ".join(filter(None, (notice.tenant, notice.connection)))
    head = Text.assemble(
        "" if first else "\n",
        f"{moment(notice.at)[:16]}  ",
        (notice.event, _STYLES.get(notice.event, "")),
        "  ",
        clean(place, "bold"),
        f"  run {notice.run_id}" if notice.run_id is not None else "",
    )
    told = ", ".join(_delivery(delivery) for delivery in notice.deliveries) or "nobody, as no contact wants it"
    return Group(
        head, facts([("", clean(notice.reason)), ("told", clean(told))] if notice.reason else [("told", told)])
    )


def _delivery(delivery: DeliveryView) -> str:
    """``registrar (sent 2026-11-03 05:41)``."""
    tries = plural(delivery.attempts, "try", "tries")
    if delivery.state == "sent":
        became = f"sent {moment(delivery.sent_at or '')[:16]}"
    elif delivery.state == "given_up":
        became = f"did not arrive, given up after {tries}"
    else:
        became = f"did not arrive yet, {tries}" if delivery.attempts else "on its way"
    return f"{delivery.contact} ({became})"
