"""``/enrollments``: who is in which class. The identity is (class, user, role), as in all our sources.

Users and classes that are not known are the engine's to judge: their rows are handed on as they are.
"""

from collections.abc import Sequence

from connectors.normalize import people
from connectors.normalize.listing import Part
from connectors.normalize.repeats import Repeats
from connectors.normalize.values import read_role, read_status
from connectors.oneroster import wire
from connectors.oneroster.aside import malformed
from connectors.oneroster.texts import clean_texts, fields, one_id, text_of
from models.records import Enrollment

_FIELDS = fields("class:id user:id role:code status:code school:id primary:code beginDate:code endDate:code")


class EnrollmentsReader:
    """Reads one pass over the enrollments."""

    def __init__(self, part: Part) -> None:
        self.parts = (part,)
        self.repeats = Repeats(part)
        self._listing = part.listing
        self._named: dict[str, tuple[str, ...]] = {"": ()}

    def take(self, lines: Sequence[int], rows: Sequence[object]) -> None:
        """Records of one page, with their positions in the collection."""
        listing, named = self._listing, self._named
        identities: list[str] = []
        for line, row in zip(lines, rows, strict=True):
            if type(row) is not wire.Enrollment:
                malformed(listing, line)
                continue
            values = (
                one_id(row.class_, row.class_sourced_id),
                one_id(row.user, row.user_sourced_id),
                row.role,
                row.status,
                one_id(row.school, row.school_sourced_id),
                text_of(row.primary),
                row.begin_date,
                row.end_date,
            )
            class_id, person, role_text, status, school, primary, begin, end = clean_texts(
                listing, line, values, _FIELDS
            )
            role, group = read_role(role_text)
            if (
                not (class_id and person)
                or role is None
                or group == "guardian"
                or (status != "active" and read_status(status) != "active")
            ):
                self._set_aside(line, class_id, person, role_text, status)
                continue
            listing.records.append(self._record(line, class_id, person, role, primary, begin, end))
            listing.lines.append(line)
            listing.schools.append(named.get(school) or named.setdefault(school, (school,)))
            identities.append(f"{class_id}\0{person}\0{role}")
        self.repeats.note(identities)

    def _record(
        self, line: int, class_id: str, person: str, role: str, primary: str, begin: str, end: str
    ) -> Enrollment:
        listing = self._listing
        flag = people.flag(listing, line, person, "primary", primary) if primary else None
        begins_on, ends_on = people.period(listing, line, person, begin, end) if begin or end else (None, None)
        return Enrollment(class_id, person, role, flag, begins_on, ends_on)

    def _set_aside(self, line: int, class_id: str, person: str, role_text: str, status: str) -> None:
        """Records that are refused, and those that say that an enrollment is gone."""
        listing = self._listing
        known, role = read_status(status), read_role(role_text).role
        if not (class_id and person):
            listing.tell("id_missing", line, person or None, "user" if class_id else "class")
        elif role is None:
            listing.tell("unknown_role" if role_text else "required_missing", line, person, "role")
        elif known is None:
            listing.tell("bad_status", line, person, "status")
        elif known == "gone":
            listing.add_gone(Enrollment(class_id, person, role), line)
        else:
            listing.tell("guardian_enrolled", line, person, "role")
        # A tombstone says of nobody that they are there: one that nobody can place (many providers strip it to its own
        # id) protects nothing, and its enrollment is missed by absence.
        if known == "gone":
            return
        if class_id and person:
            listing.protect(line, (class_id, person), role)
        else:
            listing.protect(line, None)
