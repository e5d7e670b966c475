"""Notices in words, for people who get them by e-mail or chat: what happened, when, and what to do. Pure.

They hold the names of districts, schools and connections, counts, and sentences of ours; never anything of a person.
"""

from collections.abc import Sequence
from typing import Final

from models.errors import DropNotReadyError
from models.health import Event, Health, Turn
from models.notices import Told
from sync.settling import turn

#: As many notices at once are told one by one; more of them become one message, with so many lines.
_ONE_BY_ONE, _LINES = 3, 50

#: The health that an event tells of. What is stale or works again is nobody's turn in particular.
_HEALTH: Final[dict[Event, Health]] = {
    "failed": "failing",
    "held": "held",
    "refused": "refused",
    "disconnected": "disconnected",
    "district": "district",
    "quarantined": "quarantined",
}
_WHOSE: Final[dict[Turn, str]] = {
    "nobody": "nobody's",
    "ours": "the operator's of this service",
    "district": "the district's",
    "vendor": "the vendor's of the district's system",
}

_ADVICE: Final[dict[Event, str]] = {
    "failed": "It is tried again at its next time; nobody is told again until something changes.",
    "held": "The rest of the roster was brought up to date. Somebody has to decide about what is held:",
    "refused": "Nothing is removed because of it. It is tried about once a day until the source lets us in. New "
    "credentials are given with:",
    "disconnected": "Nothing is removed because of it. If the district meant to switch it off, there is nothing to do. If "
    "not, it has to be switched on again in the district's system; that is found out within a day, or at once with:",
    "district": "The roster stays as it was, and it is tried about once a day. Once the district has put it right:",
    "quarantined": "It has failed for days, and from now on it is tried about once a day only. It comes back by itself when "
    "it works; to try at once:",
    "stale": "No new roster has been applied for longer than its schedule lets expect. Why is told by:",
    "recovered": "It works again. There is nothing to do.",
}
_WHOLE_DROP_AWAITED: Final = (
    "The roster stays as it was. Files are looked for again at every time of the schedule, or at once with:"
)
_COMMANDS: Final[dict[Event, tuple[str, ...]]] = {
    "failed": ("rostersync run show {run}", "rostersync schedule show {tenant} {connection}"),
    "held": ("rostersync plan show {run}", "rostersync plan approve {run}", "rostersync plan discard {run}"),
    "refused": ("rostersync connection set {tenant} {connection} --credentials",),
    "disconnected": ("rostersync schedule now {tenant} {connection}",),
    "district": ("rostersync schedule now {tenant} {connection}",),
    "quarantined": ("rostersync schedule now {tenant} {connection}",),
    "stale": ("rostersync schedule show {tenant} {connection}",),
    "recovered": (),
}


def messages(told: Sequence[Told]) -> list[tuple[list[Told], str, str]]:
    """Messages as (what they tell, title, text): one for each notice, or one for all where these are many at once, as when a
    vendor's outage ends a thousand syncs."""
    if len(told) <= _ONE_BY_ONE:
        return [([each], f"[rostersync] {_place(each)}: {each.event}", _text(each)) for each in told]
    lines = [f"{_place(each)}: {each.event}. {_sentence(each.reason)}".rstrip() for each in told[:_LINES]]
    if len(told) > _LINES:
        lines.append(f"… and {len(told) - _LINES:,} more.")
    lines += ["", "All of them, with what became of them: rostersync notices"]
    return [(list(told), f"[rostersync] {len(told):,} notices", "\n".join(lines))]


def _text(told: Told) -> str:
    facts = [f"When: {_moment(told.at)}"]
    if told.run_id is not None:
        facts.append(f"Run: {told.run_id}")
    if told.connection:
        facts.append(f"Last sync applied: {_moment(told.last_good_at) if told.last_good_at else 'none yet'}")
    if told.event in _HEALTH:
        facts.append(f"Whose turn it is: {_WHOSE[turn(_HEALTH[told.event], told.code)]}")
    awaited = told.event == "district" and told.code == DropNotReadyError.code
    advice = [_WHOLE_DROP_AWAITED if awaited else _ADVICE[told.event], *_commands(told)]
    return "\n\n".join(filter(None, (_sentence(told.reason), "\n".join(facts), "\n".join(advice))))


def _commands(told: Told) -> list[str]:
    """Those that can be written out: without a run there is nothing to show of it."""
    return [
        "    " + command.format(run=told.run_id, tenant=told.tenant, connection=told.connection)
        for command in _COMMANDS[told.event]
        if told.run_id is not None or "{run}" not in command
    ]


def _place(told: Told) -> str:
    return " / ".join(filter(None, (told.tenant, told.connection)))


def _sentence(reason: str) -> str:
    return " ".join(reason.split())


def _moment(iso: str) -> str:
    return iso[:16].replace("T", " ") + " UTC"
