"""A field that vanishes from most records at once is no longer shared: what is stored of it is kept, and told.

Sources simply leave out what they may not show (reference/clever.md, 2.3, 4), and an export may lose a column; either
looks like a hundred thousand people who gave up their telephones. One blank value is a change like any other, unless the
pull itself says that it could not be told (``Coverage.untold``).
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from models.plan import COLUMNS, Chunk, ChunkFile
from models.problems import Problem
from models.settings import GuardSettings
from models.state import StoredState
from models.vocabulary import ENTITY_KINDS, LISTINGS, PLURALS, Kind
from sync import outcomes
from sync.columns import blanked
from sync.context import Context
from sync.entities import UNSETTLED
from sync.index import Ints, locate

#: Kind and name of a column; an identifier counts by its type: "identifiers.state_id".
Field = tuple[Kind, str]

_IDENTIFIERS: Final = "identifiers"
_HEAD = 6  # id, source id, key, fingerprint, listing, line
_read = msgspec.json.Decoder(dict[str, Any]).decode
_write = msgspec.json.Encoder().encode


class Vanished(NamedTuple):
    """``gone`` of the ``had`` records that had a value of the field would lose it."""

    field: Field
    gone: int
    had: int


def vanished(gone: Counter[Field], had: dict[Field, int], settings: GuardSettings) -> list[Vanished]:
    """Which fields are no longer shared, by the tenant's limits."""
    return [
        Vanished(field, count, had[field])
        for field, count in sorted(gone.items())
        if count > settings.vanished_floor and 100 * count > settings.vanished_percent * had[field]
    ]


def keep_unshared(context: Context, spare: ChunkFile) -> None:
    """Take from the plan what would blank fields that are no longer shared, or could not be told. ``spare`` is an empty
    plan file.

    The records are left unsettled, so that the next run looks at each of them again.
    """
    untold = {(statement.kind, name) for statement in context.coverage for name in statement.untold}
    untold &= context.blanked.keys()
    floor = context.settings.guard.vanished_floor
    candidates = Counter({f: n for f, n in context.blanked.items() if n > floor and f not in untold})
    # Those that come back are not among the active ones that are counted.
    had = {field: context.stored.count_having(*field) + context.blanked_again[field] for field in candidates}
    found = vanished(candidates, had, context.settings.guard)
    # Changes only say too little to judge a field by: what the last full pull decided for a record holds on.
    deltas = {statement.kind for statement in context.coverage if statement.delta}
    deltas &= {kind for kind, _ in context.blanked}
    if not (found or untold or deltas):
        return
    fields: dict[Kind, set[str]] = defaultdict(set)
    for kind, name in (*untold, *(entry.field for entry in found)):
        fields[kind].add(name)
    files = {(statement.kind, statement.listing): statement.file for statement in context.coverage}
    seen_in: dict[Field, str] = {}
    for chunk in context.plan:
        for part in _rewritten(context, chunk, fields.get(chunk.kind, set()), chunk.kind in deltas, files, seen_in):
            spare.append(part)
    context.plan = spare
    for field, gone, of in found:
        kind, name = field
        detail = f"({gone:,} of {of:,} {PLURALS[kind]})"
        context.problems.add(Problem("field_unshared", seen_in.get(field, ""), 0, kind, None, name, detail))


def _rewritten(
    context: Context,
    chunk: Chunk,
    fields: set[str],
    delta: bool,
    files: dict[tuple[Kind, str], str],
    seen_in: dict[Field, str],
) -> Iterator[Chunk]:
    if chunk.kind not in ENTITY_KINDS or chunk.operation not in ("update", "restore") or not (fields or delta):
        yield chunk
        return
    unsettled = _stored_unsettled(context, chunk) if delta else [False] * len(chunk.rows)
    kept: list[tuple[Any, ...]] = []
    touched: list[tuple[Any, ...]] = []
    for row, keeps_all in zip(chunk.rows, unsettled, strict=True):
        new, names = _with_old_values(chunk.kind, row, None if keeps_all else fields)
        file = files.get((chunk.kind, row[4]), row[4])
        for name in names:
            seen_in.setdefault((chunk.kind, name), file)
        if new[-1] != "{}" or chunk.operation == "restore":
            kept.append(new)
            continue
        context.counts[chunk.kind].updated -= 1
        context.counts[chunk.kind].unchanged += 1
        context.outcomes.correct(file, row[5], outcomes.UNCHANGED)
        touched.append(new[:_HEAD])
    yield Chunk(chunk.kind, chunk.operation, kept)
    yield Chunk(chunk.kind, "touch", _not_yet_unsettled(context, chunk.kind, touched))


def _with_old_values(kind: Kind, row: Sequence[Any], fields: set[str] | None) -> tuple[tuple[Any, ...], list[str]]:
    """The row without the blanks that are no longer shared (None: any), and the names of those fields."""
    names = [name for _, name in blanked(kind, row[-2], row[-1]) if fields is None or name in fields]
    if not names:
        return tuple(row), names
    before, after, new = _read(row[-2]), _read(row[-1]), list(row)
    new[3] = UNSETTLED
    for name in names:
        column, _, key = name.partition(".")
        if column == _IDENTIFIERS:
            old, left = _read(before[column]), _read(after[column])
            value = _write(dict(sorted({**left, key: old[key]}.items()))).decode()
        else:
            value = before[column]
        new[_HEAD + COLUMNS[kind].index(column)] = after[column] = value
        if value == before[column]:
            del before[column], after[column]
    new[-2:] = _write(before).decode(), _write(after).decode()
    return tuple(new), names


def _places(stored: StoredState, rows: Sequence[Sequence[Any]]) -> Ints:
    """Where the rows' records stand among the stored ones."""
    return locate(stored.keys, np.array([row[2] for row in rows], dtype=np.int64).view(np.uint64))[0]


def _stored_unsettled(context: Context, chunk: Chunk) -> list[bool]:
    """Which of a chunk's records an earlier run has left unsettled."""
    stored = context.entities(chunk.kind).stored
    unsettled: list[bool] = (stored.fingerprints[_places(stored, chunk.rows)] == UNSETTLED).tolist()
    return unsettled


def _not_yet_unsettled(context: Context, kind: Kind, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """What must be written down; on the nights after the first one nothing."""
    stored = context.entities(kind).stored
    at = _places(stored, rows)
    return [
        row
        for row, place in zip(rows, at.tolist(), strict=True)
        if stored.fingerprints[place] != UNSETTLED or stored.listings[place] != LISTINGS.index(row[4])
    ]
