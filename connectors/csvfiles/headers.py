"""Which column holds which field: headers are the weak point of every hand-made file, so they are read with patience.

Upper and lower case, spaces, underscores, quotes and invisible characters never matter. A header that fits nothing is
compared by edit distance with the fields that are still missing; what was taken for what is told (``header_guessed``).
"""

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from connectors.csvfiles.layouts import Layout
from models.problems import Problem

_MOST_UNKNOWN_TOLD = 30
_LONGEST_NAME_SHOWN = 60


def fold(header: str) -> str:
    """A header's letters and digits in lower case; ``sourceId`` reads as ``sourcedId``."""
    text = unicodedata.normalize("NFKC", header).casefold()
    letters = "".join(char for char in text if char.isalnum())
    return letters.replace("sourceid", "sourcedid")


class Columns(NamedTuple):
    """Where each field of a layout stands. ``guessed`` maps the index of a column to the field it was taken for.

    ``repeats`` are pairs (first column, later column) with the same header.
    """

    place: dict[str, int]
    guessed: dict[int, str]
    repeats: tuple[tuple[int, int], ...]
    unknown: tuple[int, ...]


def match_columns(header: Sequence[str], layout: Layout) -> Columns:
    """Fit a header to a layout: exact names first, then other known spellings, then small misspellings."""
    folded = [fold(name) for name in header]
    index, repeats = _known_spellings(folded, layout)
    taken = set(index.values()) | {later for _, later in repeats}
    guessed: dict[int, str] = {}
    unknown: list[int] = []
    for position, name in enumerate(folded):
        if position in taken or not name or name in layout.unused or name.startswith("metadata"):
            continue
        field = _closest(name, [field.name for field in layout.fields if field.name not in index])
        if field is None:
            unknown.append(position)
        else:
            index[field] = position
            guessed[position] = field
    return Columns(index, guessed, repeats, tuple(unknown))


def _known_spellings(folded: Sequence[str], layout: Layout) -> tuple[dict[str, int], tuple[tuple[int, int], ...]]:
    index: dict[str, int] = {}
    repeats: list[tuple[int, int]] = []
    for field in layout.fields:
        own = [position for position, name in enumerate(folded) if name == fold(field.name)]
        used = set(index.values())
        own = [position for position in own if position not in used]
        if not own:
            # An alias must not take the column of another field's own name ("userId" beside "sourcedId").
            own = [p for p, name in enumerate(folded) if name in field.aliases and p not in used][:1]
            if own and any(folded[own[0]] == fold(other.name) for other in layout.fields):
                own = []
        if own:
            index[field.name] = own[0]
            repeats.extend((own[0], later) for later in own[1:])
    return index, tuple(repeats)


def _closest(name: str, fields: Sequence[str]) -> str | None:
    """The one field that a misspelt header can mean: one slip from six letters on, two from ten on."""
    slips = 2 if len(name) >= 10 else 1 if len(name) >= 5 else 0
    if not slips:
        return None
    near = sorted((_distance(name, fold(field), slips), field) for field in fields)
    near = [pair for pair in near if pair[0] <= slips]
    if not near or (len(near) > 1 and near[0][0] == near[1][0]):
        return None
    return near[0][1]


def _distance(left: str, right: str, limit: int) -> int:
    """Edit distance with swapped neighbours as one slip (optimal string alignment), exact up to ``limit``."""
    if abs(len(left) - len(right)) > limit:
        return limit + 1
    before: list[int] = []
    above = list(range(len(right) + 1))
    for row, char in enumerate(left, 1):
        line = [row]
        for column, other in enumerate(right, 1):
            cost = min(above[column] + 1, line[-1] + 1, above[column - 1] + (char != other))
            if row > 1 and column > 1 and char == right[column - 2] and left[row - 2] == other:
                cost = min(cost, before[column - 2] + 1)
            line.append(cost)
        before, above = above, line
    return above[-1]


def header_problems(file: str, header: Sequence[str], columns: Columns, line: int) -> list[Problem]:
    """What a person should know of a recognized file's header line."""
    problems: list[Problem] = []
    field_at = {position: field for field, position in columns.place.items()}
    for position, field in sorted(field_at.items()):
        name = header[position]
        if position in columns.guessed:
            shown = _shown(name)
            problems.append(Problem("header_guessed", file, line, field=field, detail=shown))
        elif not name.isprintable() or '"' in name or name != name.strip():
            problems.append(Problem("header_cleaned", file, line, field=field))
    for position in columns.unknown[:_MOST_UNKNOWN_TOLD]:
        problems.append(Problem("header_unknown", file, line, field=_shown(header[position])))
    return problems


def _shown(name: str) -> str:
    return "".join(char for char in name if char.isprintable()).strip()[:_LONGEST_NAME_SHOWN]
