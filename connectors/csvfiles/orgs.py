"""orgs.csv and academicSessions.csv of a OneRoster set: schools (parents first) and terms."""

from collections.abc import Iterator

from connectors.csvfiles.records import Fault
from connectors.csvfiles.table import Table
from connectors.normalize import people
from connectors.normalize.listing import Listing
from connectors.normalize.orgs import parents_first
from connectors.normalize.values import read_org_type, read_status, read_term_type
from models.pages import Page
from models.records import Record, School, Term


def read_orgs(table: Table, listing: Listing, school: str | None) -> Iterator[Page]:
    """All organizations, parents before their children. A school-level upload speaks of its own school only."""
    pick = table.getter("sourcedId", "status", "name", "type", "identifier", "parentSourcedId")
    found: list[tuple[School, int]] = []
    for line, cells, fault in table.rows(listing):
        source_id, status, name, type_text, number, parent = pick(cells)
        gone = School(source_id, name)
        if _is_set_aside(table, listing, line, cells, fault, source_id, status, "" if name else "name", gone):
            continue
        if school is not None and source_id != school:
            continue
        org_type = read_org_type(type_text) if type_text else "school"
        if org_type is None:
            listing.tell("unknown_type", line, source_id, "type")
        found.append((School(source_id, name, number or None, org_type or type_text, parent or None), line))
    for record, line in parents_first(found):
        listing.add(record, line)
        if listing.is_full():
            yield from listing.take()
    yield from listing.take()


def read_sessions(table: Table, listing: Listing) -> Iterator[Page]:
    """All academic sessions."""
    pick = table.getter("sourcedId", "status", "title", "type", "startDate", "endDate", "schoolYear")
    for line, cells, fault in table.rows(listing):
        if listing.is_full():
            yield from listing.take()
        source_id, status, title, type_text, begin, end, year = pick(cells)
        gone = Term(source_id, title)
        if _is_set_aside(table, listing, line, cells, fault, source_id, status, "" if title else "title", gone):
            continue
        term_type = read_term_type(type_text) if type_text else "term"
        if term_type is None:
            listing.tell("unknown_type", line, source_id, "type")
        begins_on, ends_on = people.period(listing, line, source_id, begin, end, ("startDate", "endDate"))
        listing.add(Term(source_id, title, term_type or type_text, begins_on, ends_on, year or None), line)
    yield from listing.take()


def _is_set_aside(
    table: Table,
    listing: Listing,
    line: int,
    cells: list[str],
    fault: Fault | None,
    source_id: str,
    status: str,
    blank_field: str,
    gone: Record,
) -> bool:
    """Deal with rows that are refused or deleted; False for a row to be read on."""
    if fault is not None:
        listing.tell(fault.code, line, detail=fault.detail)
        trusted = table.trusted_id(cells, "sourcedId", fault)
        listing.protect(line, (trusted,) if trusted else None)
        return True
    if not source_id:
        listing.tell("id_missing", line, field="sourcedId")
        listing.protect(line, None)
        return True
    known = read_status(status)
    if known == "gone":
        listing.add_gone(gone, line)
        return True
    if known is None or blank_field:
        listing.tell("required_missing" if known else "bad_status", line, source_id, blank_field if known else "status")
        listing.protect(line, (source_id,))
        return True
    return False
