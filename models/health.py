"""How a connection's syncs are doing: what one attempt came to, the state that follows, and what is told of it."""

from typing import Final, Literal

import msgspec

#: What one attempt came to, named by what follows from it.
#:
#: applied: a run was applied. held: its safe part was, the rest waits for a person. nothing_new: the source holds what was
#: applied before. not_ready: a drop of files is still growing or incomplete. unavailable: the source, the database or the
#: disk did not answer; worth another try. refused: our credentials are. disconnected: the district switched us off.
#: district: what it sent or shares cannot be used. broken: the source's protocol, a setting or rostersync itself is at
#: fault. cancelled: a person stopped it. busy: another run of the tenant was going on. parked: the worker was told to
#: stop. interrupted: the worker is gone.
OutcomeKind = Literal[
    "applied", "held", "nothing_new", "not_ready", "unavailable", "refused", "disconnected", "district", "broken",
    "cancelled", "busy", "parked", "interrupted",
]  # fmt: skip

#: How a connection stands. new: nothing was synced yet. ok: the last sync was applied. held: it was, but for what waits for
#: a person. retrying: the last try failed, another follows soon. failing: this time was given up; the next one comes as
#: scheduled. refused, disconnected, district: as the outcomes; asked again daily. broken: stopped until the next time; needs
#: an engineer or operator. quarantined: it has failed for so long that it is asked daily only.
Health = Literal[
    "new", "ok", "held", "retrying", "failing", "refused", "disconnected", "district", "broken", "quarantined"
]  # fmt: skip

#: Who has to act: nobody, ours (the operator or an engineer), the district, or the vendor of its system.
Turn = Literal["nobody", "ours", "district", "vendor"]

#: What people are told of, once for each change.
Event = Literal[
    "failed", "held", "refused", "disconnected", "district", "quarantined", "stale", "recovered"
]  # fmt: skip
EVENTS: Final[tuple[Event, ...]] = (
    "failed", "held", "refused", "disconnected", "district", "quarantined", "stale", "recovered",
)  # fmt: skip

#: Why a sync is due: its time has come, an earlier try failed, or a person asked for it.
Reason = Literal["scheduled", "retry", "asked"]


class Outcome(msgspec.Struct, frozen=True):
    """What one attempt came to. ``code`` is the error's (``models.errors``), "" if there was none; ``sentence`` is for the
    district admin and never holds a payload, a name or a secret. ``retry_after`` (seconds) is what the source asked for."""

    kind: OutcomeKind
    code: str = ""
    sentence: str = ""
    run_id: int | None = None
    retry_after: float | None = None


class Standing(msgspec.Struct, frozen=True):
    """Where a connection stands between two attempts; columns of ``models.tables.Schedule`` of the same names.

    Times are ISO texts in UTC. ``slot`` is the identity of the time that is due or was last due (see ``sync.schedule``),
    ``window_ends_at`` until when its retries go, ``attempt`` how often it was tried. ``failures`` counts attempts in a row
    that were interrupted, ``failed_slots`` times in a row that were given up, ``first_failed_at`` when that began.
    """

    next_at: str | None = None
    next_why: Reason = "scheduled"
    slot: str = ""
    window_ends_at: str | None = None
    attempt: int = 0
    asked_by: str = ""
    health: Health = "new"
    health_code: str = ""
    health_reason: str = ""
    health_since: str | None = None
    failures: int = 0
    failed_slots: int = 0
    first_failed_at: str | None = None
    last_run_id: int | None = None
    last_ended_at: str | None = None
    last_good_at: str | None = None
    stale_since: str | None = None


class WorkerView(msgspec.Struct, frozen=True):
    """A process that runs syncs. ``alive``: it was heard of lately. ``running`` are the connections ("tenant/connection")
    that it syncs now."""

    id: str
    host: str
    pid: int
    version: str
    started_at: str
    seconds_ago: float
    alive: bool
    stopping: bool
    slots: int
    running: list[str]


class ConnectionStatus(msgspec.Struct, frozen=True):
    """One line of ``rostersync status``.

    ``state`` in a word: running, queued, paused, blackout, unscheduled, removed, stale, or a Health. ``reason`` says why in a
    sentence, ``turn`` whose turn it is. ``last_run_id`` is the run whose plan waits where something is held. ``last_good_at``
    is when the last run ended well, or the same files came again, and ``age_hours`` the time since, None if there was none.
    """

    tenant: str
    connection: str
    connector: str
    state: str
    health: Health
    turn: Turn
    reason: str
    last_good_at: str | None
    age_hours: float | None
    next_at: str | None
    next_words: str
    last_run_id: int | None
    stale: bool


class ServiceStatus(msgspec.Struct, frozen=True):
    """All tenants at a glance. ``due`` counts connections whose time has come and that no worker has taken yet."""

    at: str
    workers: list[WorkerView]
    due: int
    running: int
    states: dict[str, int]
    connections: list[ConnectionStatus]


class ScheduleView(msgspec.Struct, frozen=True):
    """``schedule show``: the timetable in words, when it ran, when it runs next, and why not. ``upcoming`` are the next
    times (ISO, with the tenant's offset). ``sentences`` say it all for people."""

    tenant: str
    connection: str
    connector: str
    time_zone: str
    timetable: dict[str, object]
    recurs: bool
    sentences: list[str]
    upcoming: list[str]
    next_at: str | None
    standing: Standing


class SyncRequest(msgspec.Struct, frozen=True):
    """``schedule now``: a sync that workers make as soon as one is free. ``workers`` are those alive; ``sentence`` says when it
    begins."""

    tenant: str
    connection: str
    asked_by: str
    asked_at: str
    workers: int
    sentence: str


class Cancellation(msgspec.Struct, frozen=True):
    """``cancel``: what was stopped. run: a run that goes on (``run_id``) stops at its next page; waiting: a sync that was due,
    queued, to be tried again or asked for does not begin. ``next_at`` is when the connection is synced next."""

    tenant: str
    connection: str
    what: Literal["run", "waiting"]
    run_id: int | None
    next_at: str | None
    sentence: str
