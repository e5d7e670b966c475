"""All tenants at a glance: how fresh each connection is, what it does now and next, and whose turn it is."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, cast

import msgspec

from models.errors import (
    CredentialsRefusedError,
    DisconnectedError,
    DistrictActionError,
    DropNotReadyError,
    RetryLaterError,
    RosterSyncError,
    SettingsError,
    SourceUnavailableError,
)
from models.health import ConnectionStatus, Health, ServiceStatus, Turn, WorkerView
from models.report import RunReport
from models.settings import TenantSettings
from models.timetable import DateRange, Timetable
from store import workers
from store.database import reading
from store.status import Glance, HeldPlan, glances, held_plans, running_now
from sync.connections import FILES
from sync.schedule import blackout_at, read_timetable, zone_of
from sync.service import Service
from sync.settling import outcome_of_report, turn
from sync.tenants import tenant_and_settings

#: From so late on somebody has to look why no worker takes what is due.
_OVERDUE: Final = timedelta(hours=1)
#: Attempts that ended so long after the last good sync found nothing to apply.
_LATER: Final = timedelta(hours=1)
_TROUBLE: Final[frozenset[Health]] = frozenset(
    {"held", "retrying", "failing", "refused", "disconnected", "district", "broken", "quarantined"}
)
_FINE: Final[frozenset[Health]] = frozenset({"new", "ok", "held"})
_URGENCY: Final[dict[Turn, int]] = {"ours": 0, "vendor": 1, "district": 2, "nobody": 3}
#: What a run that somebody started by hand says of its connection; all other errors: broken.
_HEALTH_AFTER: Final[dict[type[RosterSyncError], Health]] = {
    CredentialsRefusedError: "refused",
    DisconnectedError: "disconnected",
    DistrictActionError: "district",
    DropNotReadyError: "district",
    RetryLaterError: "failing",
    SourceUnavailableError: "failing",
}
_HEALTH_OF_CODE: Final = {error.code: health for error, health in _HEALTH_AFTER.items()}


class _Word(NamedTuple):
    """The newest that is known of a connection."""

    health: Health
    code: str
    reason: str
    run_id: int | None


def status(service: Service, tenant: str | None = None, *, troubled: bool = False) -> ServiceStatus:
    """Every connection (of one tenant) that was not removed, those first where somebody has to act: we, the vendor, the
    district. Those for uploads, and those that were never scheduled, are among them; with ``troubled`` only those where it is
    somebody's turn. Counts are of all these connections, the workers all that there are. Raises NotFoundError for the tenant.
    """
    if tenant is not None:
        tenant_and_settings(service, tenant)
    at = datetime.now(UTC)
    with reading(service.engine) as connection:
        found, running, held = glances(connection, tenant), running_now(connection), held_plans(connection)
    seen = _workers(service, running)
    alive = frozenset(worker.id for worker in seen if worker.alive)
    lines = [_line(each, held.get(each.connection_id), alive, at) for each in found]
    lines.sort(key=lambda line: (_URGENCY[line.turn], line.tenant))
    states = Counter(line.state for line in lines)
    return ServiceStatus(
        at=at.isoformat(timespec="seconds"),
        workers=seen,
        due=states["queued"] + sum(_is_due(each, at) for each in found),
        running=states["running"],
        states=dict(states),
        connections=[line for line in lines if not troubled or line.turn != "nobody"],
    )


def _workers(service: Service, running: dict[str, list[str]]) -> list[WorkerView]:
    """Workers that run, and those that fell silent; not those that ended as they should."""
    lost = service.settings.lost_seconds
    return [
        WorkerView(
            row.id, row.host, row.pid, row.version, row.started_at, round(silent, 1), silent < lost, row.stopping,
            row.slots, running.get(row.id, []),
        )
        for row, silent in workers.workers(service.engine)
        if silent < lost or not row.stopping
    ]  # fmt: skip


def _is_due(found: Glance, at: datetime) -> bool:
    able = found.state in ("active", "disconnected")
    return able and found.job is None and found.next_at is not None and datetime.fromisoformat(found.next_at) <= at


def _line(found: Glance, held: HeldPlan | None, alive: frozenset[str], at: datetime) -> ConnectionStatus:
    word = _newest_word(found, held)
    try:
        timetable = read_timetable(found.timetable or "{}")
        closed = _blackout(found, timetable, at)
    except SettingsError as error:
        timetable, closed = Timetable(), None
        word = _Word("broken", error.code, error.for_admin, word.run_id)
    state = _state(found, word, alive, timetable, closed)
    whose, reason = _whose_turn(found, word, state, at)
    good_at = _good_at(found)
    return ConnectionStatus(
        tenant=found.tenant,
        connection=found.connection,
        connector=found.connector,
        state=state,
        health=word.health,
        turn=whose,
        reason=reason or _why(found, state, closed),
        last_good_at=good_at,
        age_hours=round(_since(good_at, at) / timedelta(hours=1), 4) if good_at else None,
        next_at=found.next_at if state != "paused" else None,
        next_words=_next_words(found, state, closed, at),
        last_run_id=word.run_id,
        stale=found.stale_since is not None,
    )


def _good_at(found: Glance) -> str | None:
    """The history knows of syncs in a terminal and of uploads, the schedule of files that came again and were the same."""
    return max(found.good_at or "", found.last_good_at or "") or None


def _newest_word(found: Glance, held: HeldPlan | None) -> _Word:
    """As the last attempt left it, unless the history knows better: somebody synced in a terminal, uploaded files, or
    decided about what was held. What waits is told where nothing is worse, whichever run it is of."""
    by_hand = found.run_ended_at is not None and found.run_ended_at > (found.last_ended_at or "")
    if by_hand or found.health is None:
        word = _word_of_run(found)
    else:
        word = _Word(cast(Health, found.health), found.health_code or "", found.health_reason or "", found.last_run_id)
    if held is not None and word.health in _FINE:
        report = msgspec.json.decode(held.report, type=RunReport)
        return _Word("held", word.code, outcome_of_report(report).sentence, held.run_id)
    return _Word("ok", "", "", found.last_run_id) if held is None and word.health == "held" else word


def _word_of_run(found: Glance) -> _Word:
    if found.run_state is None:
        return _Word("new", "", "", None)
    if found.run_report is None:
        return _Word("ok", "", "", found.run_id)
    report, code = msgspec.json.decode(found.run_report, type=RunReport), found.run_code or ""
    return _Word(_HEALTH_OF_CODE.get(code, "broken"), code, report.error, found.run_id)


def _blackout(found: Glance, timetable: Timetable, at: datetime) -> DateRange | None:
    """The blackout that holds now. Few connections have any, and most tenants' settings need not be read."""
    if not timetable.blackouts:
        return None
    try:
        settings = msgspec.json.decode(found.tenant_settings, type=TenantSettings)
    except msgspec.DecodeError:
        raise SettingsError(
            f"The settings of {found.tenant} cannot be read: they were set by another version of rostersync."
        ) from None
    return blackout_at(timetable, zone_of(settings), at)


def _state(found: Glance, word: _Word, alive: frozenset[str], timetable: Timetable, closed: DateRange | None) -> str:
    """What a person should know first. What a worker that is gone had begun waits for another one."""
    if found.job is not None:
        return "running" if found.worker in alive else "queued"
    if found.state == "paused":
        return "paused"
    if closed is not None:
        return "blackout"
    if word.health in _TROUBLE:
        return word.health
    if found.stale_since is not None:
        return "stale"
    return "unscheduled" if found.next_at is None and not timetable.recurs else word.health


def _whose_turn(found: Glance, word: _Word, state: str, at: datetime) -> tuple[Turn, str]:
    """Who has to act, and why. Nobody, where somebody has paused the connection on purpose."""
    if state == "paused":
        return "nobody", ""
    whose = turn(word.health, word.code)
    if whose != "nobody" or word.reason:
        return whose, word.reason
    if _is_due(found, at) and state != "blackout" and _since(found.next_at, at) > _OVERDUE:
        return "ours", f"It is due since {_moment(found.next_at)} UTC, and no worker has taken it."
    if found.stale_since is not None:
        good_at = _good_at(found)
        since = f"since {_moment(good_at)} UTC" if good_at else "so far"
        if found.last_ended_at and _since(good_at, at) > _since(found.last_ended_at, at) + _LATER:
            return "district", f"Nothing new came {since}, although the source answers."
        return "ours", f"Nothing was applied {since}, and no attempt was made."
    return "nobody", ""


def _why(found: Glance, state: str, closed: DateRange | None) -> str:
    if state == "paused":
        return f"It was {found.state_reason}."
    if closed is not None:
        return f"Nothing is synced until {closed.last}" + (f": {closed.note}." if closed.note else ".")
    return ""


def _next_words(found: Glance, state: str, closed: DateRange | None, at: datetime) -> str:
    if state in ("running", "queued"):
        return "now" if state == "running" else "waits for a worker"
    if state == "paused":
        return "when resumed"
    if found.next_at is None:
        return "when files are uploaded" if found.connector == FILES else "when asked"
    ahead = datetime.fromisoformat(found.next_at) - at
    if closed is not None and ahead < timedelta():
        return f"after {closed.last}"
    why = {"retry": " (again)", "asked": f" (asked by {found.asked_by})"}.get(found.next_why or "", "")
    return (f"in {span(ahead)}" if ahead > timedelta() else "due") + why


def span(time: timedelta) -> str:
    """A time in the unit that tells most: "40 s", "12 min", "31 h", "5 d"."""
    seconds = time.total_seconds()
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3_600:
        return f"{seconds / 3_600:.0f} h"
    return f"{seconds / 86_400:,.0f} d"


def _since(then: str | None, at: datetime) -> timedelta:
    """How long ago that was; of what never was, for ever."""
    return at - datetime.fromisoformat(then) if then else timedelta.max


def _moment(at: str | None) -> str:
    return (at or "")[:16].replace("T", " ")
