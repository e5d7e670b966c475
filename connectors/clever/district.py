"""The district that a token is for: who it is, when Clever last synced it, and what else a person should know."""

from typing import Any, Final

import msgspec

from connectors.clever.answers import ListPage
from connectors.normalize.cleaning import clean_cell
from connectors.normalize.values import read_date
from models.errors import SettingsError, SourceProtocolError, StoppedError
from models.records import School


class District(msgspec.Struct):
    """``last_clever_sync`` is there for apps with sync notifications only (reference/clever.md, 2.4)."""

    id: str
    name: Any = ""
    state: Any = ""
    pause_start: Any = ""
    pause_end: Any = ""
    last_sync: Any = None
    last_clever_sync: Any = None


def only_district(page: ListPage[District], wanted: str, token_given: bool) -> District:
    """The one district that the list must hold, the ``wanted`` one if that is not "".

    Another district is the fault of whoever gave the token (SettingsError), or Clever's (StoppedError). Raises
    SourceProtocolError if there is not one district.
    """
    found = [district for district in page.records if isinstance(district, District) and district.id]
    if len(found) != 1 or len(page.records) != 1:
        raise SourceProtocolError(
            "Clever does not say which district the token is for. Nothing was changed; tell Clever's support.",
            f"districts: {len(page.records)} record(s), {len(found)} of them a district",
        )
    district = found[0]
    if not wanted or district.id == wanted:
        return district
    if token_given:
        raise SettingsError(
            f"The token is for the district {district.id}, and district_id says {wanted}: correct district_id, or give the "
            "token of that district.",
            "districts: another district than district_id",
        )
    raise StoppedError(
        f"Clever answers for the district {district.id} instead of {wanted}. Nothing was changed; tell Clever's support.",
        "districts: another district than the token's",
    )


def as_school(district: District) -> School:
    """The district as a record. One without a name is called by its id, as all schools need it as their parent."""
    name, _ = clean_cell(district.name if isinstance(district.name, str) else "", "text")
    return School(district.id, name or district.id, type="district")


def has_moved(before: District, after: District) -> bool:
    """Whether Clever synced the district in between: then what was read may be half of the one and half of the other."""
    return (before.last_sync, before.last_clever_sync) != (after.last_sync, after.last_clever_sync)


_STATES: Final = {
    "paused": "Clever has paused this district{dates}: its data stays as it was, but what the district shares may change.",
    "pending": "Clever waits for the district to mend its sync; until then its data may be old.",
    "error": "Clever has trouble with syncing this district; until it is mended its data may be old.",
}


def notes_of(district: District) -> list[str]:
    """What a person should know of the district's state (reference/clever.md, 3.3)."""
    text = _STATES.get(district.state) if isinstance(district.state, str) else None
    if text is None:
        return []
    dates = ""
    for word, day in (("since", district.pause_start), ("until", district.pause_end)):
        iso = read_date(day).iso if isinstance(day, str) and day else None
        dates += f" {word} {iso}" if iso else ""
    return [text.format(dates=dates)]
