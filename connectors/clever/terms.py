"""Terms and courses: small lists, whose ids Clever gives anew now and then (reference/clever.md, 2.5)."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Final, NamedTuple

import msgspec

from connectors.clever.answers import Malformed
from connectors.clever.text import Fields, clean, read_strings
from connectors.normalize import people
from connectors.staging import Staging
from models.records import Term

_TERM_FIELDS: Final = Fields(id="id", name="text", start_date="code", end_date="code")
_COURSE_FIELDS: Final = Fields(id="id", name="text", number="code")


class CleverTerm(msgspec.Struct, gc=False):
    id: str
    name: Any = ""
    start_date: Any = ""
    end_date: Any = ""


class CleverCourse(msgspec.Struct, gc=False):
    id: str
    name: Any = ""
    number: Any = ""


class Course(NamedTuple):
    """What a class takes from its course."""

    title: str | None
    number: str | None


class Terms:
    """Takes the list of terms."""

    def __init__(self, staging: Staging) -> None:
        self.part = staging.part("term", "terms")

    def take(self, records: Sequence[CleverTerm | Malformed], first: int) -> None:
        listing = self.part.listing
        for line, _, (source_id, name, start, end) in read_strings(records, first, _TERM_FIELDS, listing):
            begins_on = people.day(listing, line, source_id, "start_date", start) if start else None
            last_day = people.day(listing, line, source_id, "end_date", end) if end else None
            if begins_on and last_day and last_day < begins_on:
                listing.tell("dates_reversed", line, source_id, "end_date")
                begins_on = last_day = None
            title = name or _title(begins_on, last_day)
            if title:
                listing.add(Term(source_id, title, "term", begins_on, _day_after(last_day)), line)
            else:
                listing.tell("required_missing", line, source_id, "name")
                listing.protect(line, (source_id,))
        self.part.keep_full()


def _title(begins_on: str | None, last_day: str | None) -> str:
    """What to call a term without a name; each of a term's three facts may be missing (reference/clever.md, 2.4)."""
    if begins_on and last_day:
        return f"{begins_on} to {last_day}"
    return f"from {begins_on}" if begins_on else f"until {last_day}" if last_day else ""


def _day_after(last_day: str | None) -> str | None:
    """Clever's end date is a term's last day (in its demo district one term ends on 2012-12-01 and the next begins on
    2012-12-02); a record's is exclusive."""
    if last_day is None:
        return None
    day = date.fromisoformat(last_day)
    return last_day if day == date.max else (day + timedelta(days=1)).isoformat()


class Courses:
    """Takes the list of courses: no records of their own, as classes hold what they say by value."""

    def __init__(self, staging: Staging) -> None:
        self.by_id: dict[str, Course] = {}
        #: Its pages hold problems only.
        self.part = staging.part("class", "sections", "courses")

    def take(self, records: Sequence[CleverCourse | Malformed], first: int) -> None:
        """A course that cannot be read is simply not known; its classes are told of."""
        listing = self.part.listing
        for line, record in enumerate(records, first):
            strings = (record.id, "", "") if isinstance(record, Malformed) else _COURSE_FIELDS.pick(record)
            source_id, name, number = clean(strings, _COURSE_FIELDS.shapes, listing, line)
            if isinstance(record, Malformed) or not source_id:
                listing.tell("record_malformed", line, source_id or None)
            else:
                self.by_id[source_id] = Course(name or None, number or None)
        self.part.keep_full()
