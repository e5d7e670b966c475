"""From text as it came to text as it is meant: without the space, quotes and invisible characters around it.

The same rules hold for a CSV file's cells and for the strings of an API, so that both end in the same record.
"""

import re
import unicodedata
from typing import Literal

#: What a value is, and so how it is cleaned. Ids and codes hold no free text, so the columns of a row after them can be
#: trusted to be in place even where it turns out to have too many cells; lists and texts are what unescaped commas come from.
Shape = Literal["id", "code", "list", "text"]

_PLAIN_SPACE = " \t\r\n"
_QUOTES = '"\u201c\u201d\u201e\u00ab\u00bb'
_INVISIBLE = ("Cc", "Cf", "Zs", "Zl", "Zp")
CURLY = re.compile("[\u201c\u201d\u201e\u00ab\u00bb]")
#: Joiners that Persian, Hindi and many other scripts write names with.
_JOINERS = "\u200c\u200d"


def clean_cell(text: str, shape: Shape) -> tuple[str, str]:
    """The cell as it is meant, and the code of what was removed from it ("" for nothing but plain space).

    Ids keep every character inside of them but NUL: they are compared character by character.
    """
    told = ""
    text = text.strip(_PLAIN_SPACE)
    bare = _strip_invisible(text)
    if not bare.isprintable():
        # PostgreSQL has no text with a NUL in it.
        bare = bare.replace("\0", "") if shape == "id" else _without_invisible(bare)
    if bare != text:
        told = "invisible_characters"
    # Until nothing changes: a value must read the same when it is exported and read again.
    while (unquoted := _strip_invisible(_unquote(bare, shape))) != bare:
        told, bare = "quotes_left", unquoted
    return bare, told


def _is_invisible(char: str) -> bool:
    """Space of any kind, control and format characters; not what this Python's Unicode merely does not know yet."""
    return not char.isprintable() and unicodedata.category(char) in _INVISIBLE


def _strip_invisible(text: str) -> str:
    start, end = 0, len(text)
    while start < end and (text[start] == " " or _is_invisible(text[start])):
        start += 1
    while end > start and (text[end - 1] == " " or _is_invisible(text[end - 1])):
        end -= 1
    return text[start:end]


def _without_invisible(text: str) -> str:
    """Line ends and odd spaces as one space, control and format characters gone."""
    kept = (
        " " if char.isspace() else char
        for char in text
        if char.isspace() or char in _JOINERS or not _is_invisible(char)
    )
    return " ".join("".join(kept).split())


def _unquote(text: str, shape: Shape) -> str:
    """Without quotes around the value, and without a spreadsheet's ``="…"`` that keeps zeros.

    In an id or code a quote at either end is a remnant. A text may end in one (``Robert "Bob"``) unless it has no mate.
    """
    if text.startswith('="') and text.endswith('"') and len(text) > 2:
        text = text[1:]
    if not text or (text[0] not in _QUOTES and text[-1] not in _QUOTES):
        return text
    paired = len(text) > 1 and text[0] in _QUOTES and text[-1] in _QUOTES
    odd = sum(char in _QUOTES for char in text) % 2 == 1
    return text.strip(_QUOTES).strip(_PLAIN_SPACE) if shape in ("id", "code") or paired or odd else text
