"""The circuit breaker: which removals and updates wait for a person. Pure rules on counts.

Measured apart per kind, over the whole tenant and per school, against what the connection manages before the run;
strictly more than the limit trips; a share counts only above a floor, a ceiling counts always; nothing may be emptied
(sync-semantics, 2.2). A first sync has no limits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.report import Hold
from models.settings import GuardSettings, Limit
from models.tables import DISTRICT_SCHOOL_ID
from models.vocabulary import KINDS, PLURALS, Kind


@dataclass(frozen=True)
class Measure:
    """Counts of one kind at one school (internal id), or over the whole tenant (``school`` None)."""

    kind: Kind
    school: int | None
    managed: int
    created: int
    updated: int
    removed: int


@dataclass(frozen=True)
class Churn:
    """Ids that seem to have been re-issued: ``pairs`` of the ``removed`` records came back under a new id. ``kept``: the old
    half stays, as nothing may be removed."""

    kind: Kind
    removed: int
    pairs: int
    kept: bool = False


@dataclass(frozen=True)
class Verdict:
    """What waits. ``removals`` are (kind, school); school None holds all removals of the kind.

    ``both_halves`` are kinds whose creates wait as well, because their ids seem to have been re-issued.
    """

    holds: Sequence[Hold]
    removals: frozenset[tuple[Kind, int | None]]
    updates: frozenset[Kind]
    both_halves: frozenset[Kind]


def allowed(limit: Limit, managed: int) -> int:
    """How many of ``managed`` records may change at once (rounded down: 10 % of 501 allows 50)."""
    share = max(int(managed * limit.percent / 100), limit.floor)
    return min(share, limit.ceiling) if limit.ceiling else share


def judge(
    measures: Sequence[Measure], churns: Sequence[Churn], settings: GuardSettings, school_names: Mapping[int, str]
) -> Verdict:
    """Hold what is over a limit. ``school_names`` are for the sentences."""
    holds: list[Hold] = []
    removals: set[tuple[Kind, int | None]] = set()
    updates: set[Kind] = set()
    both_halves: set[Kind] = set()
    for measure in measures:
        name = None if measure.school is None else school_names.get(measure.school, f"school {measure.school}")
        if hold := _judge_removals(measure, settings.removal_limit(measure.kind), name):
            holds.append(hold)
            removals.add((measure.kind, measure.school))
        if measure.school is None and (hold := _judge_updates(measure, settings.update_limit(measure.kind))):
            holds.append(hold)
            updates.add(measure.kind)
    for churn in churns:
        if churn.pairs >= settings.churn_floor and churn.pairs * 100 >= churn.removed * settings.churn_percent:
            holds.append(_churn_hold(churn))
            removals.add((churn.kind, None))
            both_halves.add(churn.kind)
    holds.sort(key=lambda hold: (KINDS.index(hold.kind), hold.school or "", hold.measure))
    return Verdict(holds, frozenset(removals), frozenset(updates), frozenset(both_halves))


def _judge_removals(measure: Measure, limit: Limit, school: str | None) -> Hold | None:
    if not measure.removed or not measure.managed:
        return None
    what, where = PLURALS[measure.kind], f" at {school}" if school else ""
    most = allowed(limit, measure.managed)
    # The district itself is no school: its only superintendent may leave. All that a kind has is measured apart.
    emptied = measure.removed >= measure.managed and not measure.created and measure.school != DISTRICT_SCHOOL_ID
    if emptied:
        sentence = f"All {measure.managed} {what}{where} would go; held, because no run may empty them unapproved."
        return Hold(measure.kind, "emptied", measure.removed, measure.managed, most, school, sentence)
    if measure.removed <= most:
        return None
    sentence = (
        f"{measure.removed} of {measure.managed} {what}{where} would go; held, because {_why(limit, measure.managed)}."
    )
    return Hold(measure.kind, "removals", measure.removed, measure.managed, most, school, sentence)


def _judge_updates(measure: Measure, limit: Limit) -> Hold | None:
    most = allowed(limit, measure.managed)
    if measure.updated <= most:
        return None
    sentence = (
        f"{measure.updated} of {measure.managed} {PLURALS[measure.kind]} would change; held, because "
        f"{_why(limit, measure.managed)}."
    )
    return Hold(measure.kind, "updates", measure.updated, measure.managed, most, None, sentence)


def _why(limit: Limit, managed: int) -> str:
    most = allowed(limit, managed)
    if limit.ceiling and most == limit.ceiling:
        return f"more than {limit.ceiling} at once need approval"
    if most == limit.floor and managed * limit.percent / 100 < limit.floor:
        return f"more than {limit.floor} at once need approval in a group this small"
    return f"more than {limit.percent:g} % ({most}) need approval"


def _churn_hold(churn: Churn) -> Hold:
    gone = "that the source no longer lists" if churn.kept else "that would go"
    waits = "the new ones are held" if churn.kept else "held with the new ones"
    sentence = (
        f"{churn.pairs} of the {churn.removed} {PLURALS[churn.kind]} {gone} come back under new ids with the same names; "
        f"{waits}, because the source seems to have re-issued its ids."
    )
    return Hold(churn.kind, "churn", churn.pairs, churn.removed, 0, None, sentence)
