"""Grade levels as districts write them, turned into the OneRoster 1.1 (CEDS "Entry Grade Level") codes.

The spellings are those met in real exports (reference/oneroster-classlink.md, section 6): PowerSchool's ``0`` and
``-1``, ``K``, ``PreK``, ``PK3``, ``9th``, words. What is not known is kept verbatim by the caller, beside a problem.
"""

import re
from functools import lru_cache

from connectors.normalize.values import words
from models.vocabulary import GRADES

_WORDS = words("first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth")
_NUMBERS = words("one two three four five six seven eight nine ten eleven twelve thirteen")

_SPELLINGS: dict[str, str] = {
    **{code.lower(): code for code in GRADES},
    **{word: f"{number:02d}" for number, word in enumerate(_WORDS, 1)},
    **{word: f"{number:02d}" for number, word in enumerate(_NUMBERS, 1)},
    **dict.fromkeys(words("k kf kg kdg kn kinder kindergarten kindergarden fulldaykindergarten 0 00"), "KG"),
    **dict.fromkeys(words("prek prekg prek3 prek4 pk3 pk4 p3 p4 prekindergarten prekinder pkg"), "PK"),
    **dict.fromkeys(words("prek-3 prek-4 pk-3 pk-4 p-3 p-4 -1 -01 -2 -02 -3 -03"), "PK"),
    **dict.fromkeys(words("tk transitionalkindergarten transitional"), "TK"),
    **dict.fromkeys(words("infant toddler infanttoddler"), "IT"),
    **dict.fromkeys(words("preschool nursery"), "PR"),
    **dict.fromkeys(words("postsecondary postgraduate college"), "PS"),
    **dict.fromkeys(words("ungraded ung"), "UG"),
    "freshman": "09",
    "sophomore": "10",
    "junior": "11",
    "senior": "12",
}
_NUMBERED = re.compile(r"(\d{1,2})(?:st|nd|rd|th)?")
_FILLER = re.compile(r"(?<![a-z])(?:grades?|gr|level|year)(?![a-z])")
# A minus is a sign only before a number ("-1"); elsewhere it is a hyphen ("Pre-K").
_NOISE = re.compile(r"[\s_./()]+|-(?!\d)")


@lru_cache(maxsize=4096)
def grade_code(text: str) -> str | None:
    """The CEDS code for one grade as written, or None if nobody can say."""
    if text in GRADES:
        return text
    folded = _NOISE.sub("", _FILLER.sub("", text.lower().removesuffix(".0")))
    code = _SPELLINGS.get(folded)
    if code is None and (match := _NUMBERED.fullmatch(folded)) and 1 <= int(match[1]) <= 13:
        code = f"{int(match[1]):02d}"
    return code
