"""What all sources say in the same way, of people above all: contact, language, grades, dates, truths, identifiers."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from connectors.normalize.grades import grade_code
from connectors.normalize.languages import language_code
from connectors.normalize.listing import Listing
from connectors.normalize.values import email_address, phone_number, read_boolean, read_date, read_list, words
from models.vocabulary import RoleGroup

#: A guardian's language where the product's own files leave it blank (reference/csv-and-product.md, 1.1).
DEFAULT_LANGUAGE: Final = "en"

_ID_TYPES: Final = {
    **dict.fromkeys(words("sisid sis sisuserid localid local dcid"), "sis_id"),
    **dict.fromkeys(words("studentnumber studentno studentid"), "student_number"),
    **dict.fromkeys(words("stateid state statestudentid stateuniqueid ssid sasid"), "state_id"),
    **dict.fromkeys(words("staffid staffnumber employeeid employeenumber teacherid teachernumber"), "staff_id"),
    **dict.fromkeys(words("legacyid legacysourceid legacysourcedid previousid"), "legacy_id"),
}
#: OneRoster's ``identifier`` is "an identifier with a human readable meaning": whose, the role says.
_IDENTIFIER_OF: Final[dict[RoleGroup, str]] = {
    "student": "student_number",
    "teacher": "staff_id",
    "administrator": "staff_id",
    "guardian": "sis_id",
}
_USER_ID = re.compile(r"\{([^{}:]+):([^{}]*)\}")


def contact(
    listing: Listing, line: int, source_id: str | None, email: str, sms: str, phone: str
) -> tuple[str | None, str | None, str | None]:
    """E-mail, mobile and other telephone number, None where blank or not usable (then the listing is told)."""
    good_email = email_address(email) if email else None
    if email and good_email is None:
        listing.tell("bad_email", line, source_id, "email")
    good_sms = phone_number(sms) if sms else None
    if sms and good_sms is None:
        listing.tell("bad_phone", line, source_id, "sms")
    good_phone = phone_number(phone) if phone else None
    if phone and good_phone is None:
        listing.tell("bad_phone", line, source_id, "phone")
    return good_email, good_sms, good_phone


def language(listing: Listing, line: int, source_id: str | None, text: str) -> str:
    """A language as a code; an unknown one is kept as it is."""
    code = language_code(text)
    if code is None:
        listing.tell("unknown_language", line, source_id, "language")
        return text
    return code


@lru_cache(maxsize=4096)
def _read_grades(text: str) -> tuple[tuple[str, ...], bool, bool]:
    entries, cleaned = read_list(text)
    codes = [grade_code(entry) for entry in entries]
    kept = tuple(dict.fromkeys(code or entry for code, entry in zip(codes, entries, strict=True)))
    return kept, None in codes, cleaned


def grades(listing: Listing, line: int, source_id: str | None, text: str) -> tuple[str, ...]:
    """The grades of a cell as CEDS codes; unknown ones are kept as they are."""
    codes, unknown, cleaned = _read_grades(text)
    if unknown:
        listing.tell("unknown_grade", line, source_id, "grades")
    if cleaned:
        listing.tell_once("list_cleaned", line, "grades")
    return codes


def entries(listing: Listing, line: int, field: str, text: str) -> tuple[str, ...]:
    """The entries of a list cell, blanks and repeats skipped."""
    if "," not in text and ";" not in text and "|" not in text:
        return (text,) if text else ()
    found = read_list(text)
    if found.cleaned:
        listing.tell_once("list_cleaned", line, field)
    return found.entries


def day(listing: Listing, line: int, source_id: str, field: str, text: str) -> str | None:
    """A date as ISO text; tells the listing where it is none, or is written the American way."""
    found = read_date(text)
    if found.iso is None:
        listing.tell("bad_date", line, source_id, field)
    elif found.reformatted:
        listing.tell_once("date_reformatted", line, field)
    return found.iso


def period(
    listing: Listing,
    line: int,
    source_id: str,
    begin: str,
    end: str,
    fields: tuple[str, str] = ("beginDate", "endDate"),
) -> tuple[str | None, str | None]:
    """The days on which something begins and ends, None where blank or not usable; neither where they are reversed."""
    begin_field, end_field = fields
    begins_on = day(listing, line, source_id, begin_field, begin) if begin else None
    ends_on = day(listing, line, source_id, end_field, end) if end else None
    if begins_on and ends_on and ends_on < begins_on:
        listing.tell("dates_reversed", line, source_id, end_field)
        return None, None
    return begins_on, ends_on


def flag(listing: Listing, line: int, source_id: str, field: str, text: str) -> bool | None:
    """A truth in any spelling; tells the listing where it is none."""
    truth = read_boolean(text)
    if truth is None:
        listing.tell("bad_boolean", line, source_id, field)
    return truth


def user_id_pairs(text: str) -> list[tuple[str, str]]:
    """The (type, id) pairs of a OneRoster CSV ``userIds`` cell: ``{type:id},{type:id}``."""
    return _USER_ID.findall(text)


@lru_cache(maxsize=1024)
def _id_type(name: str) -> str:
    folded = re.sub(r"[\s_.\-]+", "", name).lower()
    return _ID_TYPES.get(folded, folded)


def identifiers(
    group: RoleGroup | None, user_ids: Iterable[tuple[str, str]], identifier: str, master: str
) -> tuple[tuple[str, str], ...]:
    """OneRoster's ``userIds`` (as (type, id) pairs), ``identifier`` and ``userMasterIdentifier``, sorted by type.

    Known spellings of types become ours (``sis_id``, ``student_number``, ``state_id``, ``staff_id``, ``legacy_id``),
    others are kept in lower case; of several ids of one type the first counts.
    """
    found: dict[str, str] = {}
    for name, value in user_ids:
        id_type = _id_type(name)
        if id_type and (text := value.strip()):
            found.setdefault(id_type, text)
    if identifier:
        found.setdefault(_IDENTIFIER_OF[group or "guardian"], identifier)
    if master:
        found.setdefault("master_id", master)
    return tuple(sorted(found.items()))
