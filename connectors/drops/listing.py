"""Which files of a folder are the drop: no upload that is still going on, of several days' files the newest. Pure."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Final, NamedTuple

_DAY: Final = r"(?:0[1-9]|[12]\d|3[01])"
_MONTH: Final = r"(?:0[1-9]|1[0-2])"
_YEAR: Final = r"20[2-9]\d"
_DATE: Final = "|".join(
    "[-_.]?".join(parts) for parts in ((_YEAR, _MONTH, _DAY), (_MONTH, _DAY, _YEAR), (_DAY, _MONTH, _YEAR))
)
_TIME: Final = r"[-_.T ]?(?:[01]\d|2[0-3])[-_.]?[0-5]\d(?:[-_.]?[0-5]\d)?Z?"
#: A date, with the time of day or without; and what a browser adds to a second copy. No other digits: users_1.csv and
#: users_2.csv are two halves, and neither may stand for the whole.
_STAMP: Final = re.compile(rf"(?<!\d)(?:{_DATE})(?:{_TIME})?(?!\d)|\(\d{{1,3}}\)$", re.IGNORECASE)
_GAPS: Final = " -_."

_ENDINGS: Final = (".csv", ".zip")
_UNFINISHED_ENDINGS: Final = (".filepart", ".part", ".partial", ".tmp", ".temp", "~")
_UNFINISHED_BEGINNINGS: Final = (".", "~")


class Entry(NamedTuple):
    """A regular file of a folder. ``size`` in bytes, ``mtime`` in Unix seconds by the clock of whoever lists it."""

    name: str
    size: int
    mtime: float


class Drop(NamedTuple):
    """``files`` are to be read, by name; ``older`` are those of earlier days in whose place they stand, the oldest first;
    ``unfinished`` are what programs that upload call a file before it is whole."""

    files: tuple[Entry, ...]
    older: tuple[Entry, ...]
    unfinished: tuple[Entry, ...]


def shown(name: str) -> str:
    """A file's name as it may stand in a sentence: one that is no text, as far as it is."""
    return "".join(sign if sign.isprintable() else "?" for sign in name)


def undated(name: str) -> str:
    """A file's name in lower case without a date in it: ``users.csv`` for ``Users_2026-11-22.csv``."""
    lower = name.lower()
    dot = lower.rfind(".")
    stem, ending = (lower[:dot], lower[dot:]) if dot > 0 else (lower, "")
    bare = re.sub(r"[ _.-]*\0[ _.-]*", "-", _STAMP.sub("\0", stem)).strip(_GAPS)
    return (bare or stem) + ending


def choose(entries: Iterable[Entry]) -> Drop:
    """The drop that a folder holds."""
    days: defaultdict[str, list[Entry]] = defaultdict(list)
    unfinished = []
    for entry in entries:
        lower = entry.name.lower()
        if lower.startswith(_UNFINISHED_BEGINNINGS) or lower.endswith(_UNFINISHED_ENDINGS):
            if any(ending in lower for ending in _ENDINGS):
                unfinished.append(entry)
        elif lower.endswith(_ENDINGS):
            days[undated(entry.name)].append(entry)
    for same in days.values():
        same.sort(key=lambda entry: (entry.mtime, entry.name))
    files = sorted(same[-1] for same in days.values())
    older = sorted((entry for same in days.values() for entry in same[:-1]), key=lambda entry: entry.mtime)
    return Drop(tuple(files), tuple(older), tuple(sorted(unfinished)))


def hash_of_listing(files: Iterable[Entry]) -> str:
    """The same for the same names, sizes and times."""
    return _hash(f"{entry.name}\0{entry.size}\0{entry.mtime!r}" for entry in files)


def hash_of_entry(entry: Entry) -> str:
    """As ``hash_of_listing``, for one file; short, as there may be thousands."""
    return hash_of_listing([entry])[:16]


def hash_of_content(hashes: Iterable[tuple[str, str]]) -> str:
    """The same for files of the same names, but for dates in them, with the same content: of (name, hash of its bytes)."""
    return _hash(f"{undated(name)}\0{content}" for name, content in hashes)


def _hash(lines: Iterable[str]) -> str:
    text = "\n".join(sorted(lines))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
