"""``/orgs`` to schools: all of them, whatever their type, as some providers type their schools "department"
(reference/oneroster-classlink.md, 4.2)."""

from collections.abc import Sequence

from connectors.normalize.listing import Part
from connectors.normalize.orgs import parents_first
from connectors.normalize.values import read_org_type
from connectors.oneroster import wire
from connectors.oneroster.aside import is_set_aside, lacks, malformed
from connectors.oneroster.texts import clean_texts, fields, one_id
from models.records import School

_FIELDS = fields("sourcedId:id status:code name:text type:code identifier:id parent:id")


class OrgsReader:
    """Reads one pass over the orgs; they are a small listing, and kept here until ``finish`` puts parents first."""

    def __init__(self, part: Part) -> None:
        self.parts = (part,)
        self.districts: list[School] = []
        self._listing = part.listing
        self._found: list[tuple[School, int]] = []

    def take(self, lines: Sequence[int], rows: Sequence[object]) -> None:
        """Records of one page, with their positions in the collection."""
        for line, row in zip(lines, rows, strict=True):
            if isinstance(row, wire.Org):
                self._take(line, row)
            else:
                malformed(self._listing, line)

    def _take(self, line: int, row: wire.Org) -> None:
        listing = self._listing
        parent_id = one_id(row.parent, row.parent_sourced_id)
        values = (row.sourced_id, row.status, row.name, row.type, row.identifier, parent_id)
        source_id, status, name, type_text, number, parent = clean_texts(listing, line, values, _FIELDS)
        if is_set_aside(listing, line, source_id, status, School(source_id, name)):
            return
        if not name:
            lacks(listing, line, source_id, "name")
            return
        org_type = read_org_type(type_text) if type_text else "school"
        if org_type is None:
            listing.tell("unknown_type", line, source_id, "type")
        school = School(source_id, name, number or None, org_type or type_text, parent or None)
        self._found.append((school, line))
        if school.type == "district":
            self.districts.append(school)

    def finish(self) -> None:
        """Hand the schools on; ask when the last page has been taken."""
        (part,) = self.parts
        for record, line in parents_first(self._found):
            part.listing.add(record, line)
            part.keep_full()
