"""``/academicSessions`` to terms."""

from collections.abc import Sequence

from connectors.normalize import people
from connectors.normalize.listing import Part
from connectors.normalize.values import read_term_type
from connectors.oneroster import wire
from connectors.oneroster.aside import is_set_aside, lacks, malformed
from connectors.oneroster.texts import clean_texts, fields
from models.records import Term

_FIELDS = fields("sourcedId:id status:code title:text type:code startDate:code endDate:code schoolYear:code")


class SessionsReader:
    """Reads one pass over the academic sessions."""

    def __init__(self, part: Part) -> None:
        self.parts = (part,)
        self._listing = part.listing

    def take(self, lines: Sequence[int], rows: Sequence[object]) -> None:
        """Records of one page, with their positions in the collection."""
        for line, row in zip(lines, rows, strict=True):
            if isinstance(row, wire.Session):
                self._take(line, row)
            else:
                malformed(self._listing, line)

    def _take(self, line: int, row: wire.Session) -> None:
        listing = self._listing
        values = (row.sourced_id, row.status, row.title, row.type, row.start_date, row.end_date, row.school_year)
        source_id, status, title, type_text, begin, end, year = clean_texts(listing, line, values, _FIELDS)
        if is_set_aside(listing, line, source_id, status, Term(source_id, title)):
            return
        if not title:
            lacks(listing, line, source_id, "title")
            return
        term_type = read_term_type(type_text) if type_text else "term"
        if term_type is None:
            listing.tell("unknown_type", line, source_id, "type")
        begins_on, ends_on = people.period(listing, line, source_id, begin, end, ("startDate", "endDate"))
        listing.add(Term(source_id, title, term_type or type_text, begins_on, ends_on, year or None), line)
