"""What a plan means for people, in words: who loses the last class, which class loses its last student."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.state import RoleCodes, unpack
from models.vocabulary import GROUP_BITS, RoleGroup
from sync.check import group_bits
from sync.index import Ints, Keys, Mask


@dataclass(frozen=True)
class Movement:
    """Relations of one kind: active before, added by the run, and removed by it (all packed keys)."""

    before: Keys
    added: Keys
    removed: Keys


def _emptied(parts: Sequence[Ints], leaving: Ints) -> int:
    """How many ids had some before, have none afterwards, and do not leave themselves; parts: before, added, removed."""
    before, added, removed = parts
    size = int(max((int(part.max()) for part in (before, added, removed) if len(part)), default=0)) + 1
    had = np.bincount(before, minlength=size)
    left = had + np.bincount(added, minlength=size) - np.bincount(removed, minlength=size)
    empty = np.flatnonzero((had > 0) & (left <= 0))
    return int(np.count_nonzero(~np.isin(empty, leaving)))


def of_enrollments(movement: Movement, roles: RoleCodes, people_leaving: Ints, classes_leaving: Ints) -> list[str]:
    """Sentences on students, teachers and classes that are left with nothing."""
    bits = group_bits(roles)
    sentences = []
    losses: tuple[tuple[RoleGroup, str], ...] = (
        ("student", "{} lose{} their last class"),
        ("teacher", "{} have no class left"),
    )
    for group, sentence in losses:
        parts = [_people(keys, bits, GROUP_BITS[group]) for keys in (movement.before, movement.added, movement.removed)]
        if count := _emptied(parts, leaving=people_leaving):
            sentences.append(_counted(count, group, sentence))
    parts = [
        _classes(keys, bits, GROUP_BITS["student"]) for keys in (movement.before, movement.added, movement.removed)
    ]
    if count := _emptied(parts, leaving=classes_leaving):
        sentences.append(f"{count} class{'es have' if count != 1 else ' has'} no students left")
    return sentences


def of_guardianships(movement: Movement, people_leaving: Ints) -> list[str]:
    """A sentence on students who are left without a guardian."""
    parts = [unpack(keys)[0] for keys in (movement.before, movement.added, movement.removed)]
    count = _emptied(parts, leaving=people_leaving)
    return [_counted(count, "student", "{} lose{} their last guardian")] if count else []


def _people(keys: Keys, bits: NDArray[np.uint8], group: int) -> Ints:
    _, people, codes = unpack(keys)
    return people[_in_group(codes, bits, group)]


def _classes(keys: Keys, bits: NDArray[np.uint8], group: int) -> Ints:
    classes, _, codes = unpack(keys)
    return classes[_in_group(codes, bits, group)]


def _in_group(codes: Ints, bits: NDArray[np.uint8], group: int) -> Mask:
    return np.asarray((bits[codes] & group) != 0)


def _counted(count: int, noun: str, sentence: str) -> str:
    text = sentence.format(f"{count} {noun}{'s' if count != 1 else ''}", "s" if count == 1 else "")
    return text.replace("have no", "has no") if count == 1 else text


_HELD = " (held)"
_CONDITIONAL = (
    (" lose ", " would lose "),
    (" loses ", " would lose "),
    (" have ", " would have "),
    (" has ", " would have "),
)


def conditional(sentences: Sequence[str]) -> list[str]:
    """The same for what is held: it has not happened."""
    answer = []
    for sentence in sentences:
        old, new = next(pair for pair in _CONDITIONAL if pair[0] in sentence)
        answer.append(sentence.replace(old, new, 1) + _HELD)
    return answer


def happened(sentences: Sequence[str], *, everything: bool) -> list[str]:
    """After an approval: what was held has happened now; with ``everything`` (a dry run) the rest has too.

    A sentence on what is held counts the rest in, so it stands for both.
    """
    held = [sentence for sentence in sentences if sentence.endswith(_HELD)]
    said = {_subject(sentence.removesuffix(_HELD)) for sentence in held}
    rest = [s for s in sentences if s not in held and _subject(s) not in said] if everything or not held else []
    return rest + [sentence.removesuffix(_HELD).replace(" would ", " now ", 1) for sentence in held]


def _subject(sentence: str) -> str:
    return " ".join(sentence.split()[-3:])
