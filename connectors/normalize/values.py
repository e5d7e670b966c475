"""The rules for single values: pure functions from a cell's text to what a record may hold.

Each takes text that is already stripped and returns None for what cannot be used; which problem that is, and whether
the row survives, is the caller's business. Results of values that repeat (dates, lists, roles) are remembered, bounded.
"""

import re
from datetime import date
from functools import lru_cache
from typing import Literal, NamedTuple

from models.vocabulary import ORG_TYPES, ROLE_GROUPS, TERM_TYPES, RoleGroup, role_group


def words(text: str) -> list[str]:
    """The words of a code table written as text."""
    return text.split()


_NOT_IN_ADDRESS = r"\s@,;:<>()\[\]\"\\"
_EMAIL = re.compile(rf"[^{_NOT_IN_ADDRESS}]+@[^{_NOT_IN_ADDRESS}.]+(?:\.[^{_NOT_IN_ADDRESS}.]+)+")
_EMAIL_LENGTH = 254  # RFC 5321, 4.5.3.1.3: a path of 256 with its angle brackets

_PHONE_NOISE = str.maketrans("", "", " -().\t/\u2010\u2011\u2012\u2013\u00a0")
_PHONE_EXTENSION = re.compile(r"\s*(?:,|;|#|x|ext\.?|extension)\s*\d{1,6}$", re.IGNORECASE)

_US_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})(?:[ T].*)?")

_TRUE = frozenset(words("true t yes y 1 on enabled -1"))
_FALSE = frozenset(words("false f no n 0 off disabled"))

_NOT_LETTERS = re.compile(r"[\s_\-]+")
_EXTENSION = re.compile(r"ext:[A-Za-z0-9._-]{1,100}")

Status = Literal["active", "gone"]
_STATUSES: dict[str, Status] = {"": "active", "active": "active", "tobedeleted": "gone", "inactive": "gone"}


def email_address(text: str) -> str | None:
    """An e-mail address in lower case, or None where the text has not the shape of one."""
    folded = text.lower().removeprefix("mailto:")
    if len(folded) > _EMAIL_LENGTH or _EMAIL.fullmatch(folded) is None:
        return None
    return folded


def phone_number(text: str) -> str | None:
    """Digits with a leading plus if one was there: 7 to 15 of them (E.164's most), extensions cut off."""
    if text.isdecimal() and text.isascii() and 7 <= len(text) <= 15 and text[-1] != "0":
        return text
    # Spreadsheets make a number of what looks like one.
    digits = text.removesuffix(".0").translate(_PHONE_NOISE)
    if not digits.isdecimal():
        digits = _PHONE_EXTENSION.sub("", text).translate(_PHONE_NOISE)
    bare = digits.removeprefix("+")
    if not (bare.isdecimal() and bare.isascii() and 7 <= len(bare) <= 15):
        return None
    # Zeros only are what a form demands from a family without a telephone.
    return digits if bare.strip("0") else None


class ReadDate(NamedTuple):
    """A date as ISO text (None: not a date); ``reformatted`` where it was written the American way."""

    iso: str | None
    reformatted: bool = False


@lru_cache(maxsize=8192)
def read_date(text: str) -> ReadDate:
    """ISO dates, the date of ISO date-times, and m/d/yyyy."""
    if match := _US_DATE.fullmatch(text):
        month, day, year = (int(part) for part in match.groups())
        try:
            return ReadDate(date(year, month, day).isoformat(), reformatted=True)
        except ValueError:
            return ReadDate(None)
    day_part = text[:10] if len(text) > 10 and text[10] in "T " else text
    try:
        return ReadDate(date.fromisoformat(day_part).isoformat())
    except ValueError:
        return ReadDate(None)


def read_boolean(text: str) -> bool | None:
    """Every spelling of true and false that was met in the field (reference/oneroster-classlink.md, 4.2)."""
    folded = text.lower()
    if folded in _TRUE:
        return True
    return False if folded in _FALSE else None


class ReadList(NamedTuple):
    """The entries of a list in one cell; ``cleaned`` where blank or repeated ones were skipped."""

    entries: tuple[str, ...]
    cleaned: bool = False


_AROUND_ENTRIES = " \t\r\n\"'\u201c\u201d\u201e\u00ab\u00bb"


def read_list(text: str) -> ReadList:
    """Entries separated by comma, semicolon or bar, in order, each without surrounding space and quotes."""
    if ";" in text or "|" in text:
        text = text.replace(";", ",").replace("|", ",")
    if not text:
        return ReadList(())
    parts = [part.strip(_AROUND_ENTRIES) for part in text.split(",")]
    entries = tuple(dict.fromkeys(part for part in parts if part))
    return ReadList(entries, cleaned=len(entries) != len(parts))


def _fold(text: str) -> str:
    return _NOT_LETTERS.sub("", text).lower()


_ROLES = {_fold(role): role for role in ROLE_GROUPS}
_ORG_TYPES = {_fold(name): name for name in ORG_TYPES}
_TERM_TYPES = {_fold(name): name for name in TERM_TYPES}


class ReadRole(NamedTuple):
    """A role in OneRoster's spelling and its group; both None for an unknown role."""

    role: str | None
    group: RoleGroup | None


@lru_cache(maxsize=1024)
def read_role(text: str) -> ReadRole:
    """Read a role, whatever its case and spacing; 1.2's ``ext:`` roles pass as they are."""
    if text[:4].lower() == "ext:":
        role = "ext:" + text[4:] if _EXTENSION.fullmatch("ext:" + text[4:]) else None
    else:
        role = _ROLES.get(_fold(text))
    return ReadRole(role, role_group(role) if role else None)


def read_org_type(text: str) -> str | None:
    """The OneRoster spelling of an organization's type; None for an unknown one."""
    return text if text.startswith("ext:") else _ORG_TYPES.get(_fold(text))


def read_term_type(text: str) -> str | None:
    """The OneRoster spelling of an academic session's type; None for an unknown one."""
    return text if text.startswith("ext:") else _TERM_TYPES.get(_fold(text))


def read_status(text: str) -> Status | None:
    """active (or blank, as in a bulk export), gone (``tobedeleted``, 1.0's ``inactive``), or None for anything else."""
    return _STATUSES.get(_fold(text))
