"""The district and its schools."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from connectors.clever.answers import Malformed
from connectors.clever.text import Fields, read_strings
from connectors.staging import Staging
from models.records import School

_FIELDS: Final = Fields(id="id", name="text", school_number="code", sis_id="id")


class CleverSchool(msgspec.Struct, gc=False):
    id: str
    name: Any = ""
    school_number: Any = ""
    sis_id: Any = ""


class Schools:
    """Takes the list of schools; the district comes first, as the parent of all."""

    def __init__(self, staging: Staging, district: School) -> None:
        self.part = staging.part("school", "schools")
        self._district = district.source_id
        self.part.listing.add(district, 0)

    def take(self, records: Sequence[CleverSchool | Malformed], first: int) -> None:
        listing = self.part.listing
        for line, _, (source_id, name, number, sis_id) in read_strings(records, first, _FIELDS, listing):
            if name:
                listing.add(School(source_id, name, number or sis_id or None, "school", self._district), line)
            else:
                listing.tell("required_missing", line, source_id, "name")
                listing.protect(line, (source_id,))
        self.part.keep_full()
