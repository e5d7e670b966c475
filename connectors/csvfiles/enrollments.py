"""enrollments.csv: who is in which class. Its identity is (class, user, role): the product's file has no other."""

from collections.abc import Iterator

from connectors.csvfiles.records import Fault
from connectors.csvfiles.table import Table
from connectors.normalize import people
from connectors.normalize.listing import Listing
from connectors.normalize.values import read_role, read_status
from models.pages import Page
from models.records import Enrollment


def read_enrollments(table: Table, listing: Listing, school: str | None) -> Iterator[Page]:
    """One enrollment per row; in a school-level upload (``school``) rows of other schools are refused."""
    pick = table.getter("classSourcedId", "userSourcedId", "role", "schoolSourcedId", "status")
    pick_more = table.getter("primary", "beginDate", "endDate")
    more = any(table.has(name) for name in ("primary", "beginDate", "endDate"))
    size = listing.page_size
    named: dict[str, tuple[str, ...]] = {}
    for line, cells, fault in table.rows(listing):
        if len(listing.records) >= size or listing.is_full():
            yield from listing.take()
        class_id, person, role_text, org, status = pick(cells)
        role, group = read_role(role_text)
        if (
            fault is not None
            or not (class_id and person)
            or role is None
            or group == "guardian"
            or (status and read_status(status) != "active")
            or (school is not None and org and org != school)
        ):
            _set_aside(table, listing, line, cells, fault, role, school)
            continue
        record = Enrollment(class_id, person, role)
        if more:
            record = _with_more(listing, line, record, *pick_more(cells))
        listing.records.append(record)
        listing.lines.append(line)
        listing.schools.append(named.get(org) or named.setdefault(org, (org,) if org else ()))
    yield from listing.take()


def _with_more(listing: Listing, line: int, record: Enrollment, primary: str, begin: str, end: str) -> Enrollment:
    """The record with OneRoster's further columns."""
    person = record.person_source_id
    flag = people.flag(listing, line, person, "primary", primary) if primary else None
    begins_on, ends_on = people.period(listing, line, person, begin, end)
    return Enrollment(record.class_source_id, person, record.role, flag, begins_on, ends_on)


def _set_aside(
    table: Table,
    listing: Listing,
    line: int,
    cells: list[str],
    fault: Fault | None,
    role: str | None,
    school: str | None,
) -> None:
    """Rows that are refused, and those that say that an enrollment is gone."""
    if fault is not None:
        listing.tell(fault.code, line, detail=fault.detail)
        class_id, person = (table.trusted_id(cells, name, fault) for name in ("classSourcedId", "userSourcedId"))
        listing.protect(line, (class_id, person) if class_id and person else None)
        return
    pick = table.getter("classSourcedId", "userSourcedId", "role", "schoolSourcedId", "status")
    class_id, person, role_text, org, status = pick(cells)
    if not (class_id and person):
        listing.tell("id_missing", line, person or None, "userSourcedId" if class_id else "classSourcedId")
        listing.protect(line, None)
        return
    gone = read_status(status)
    if role is None:
        listing.tell("unknown_role" if role_text else "required_missing", line, person, "role")
    elif gone is None:
        listing.tell("bad_status", line, person, "status")
    elif school is not None and org and org != school:
        listing.tell("wrong_school", line, person, "schoolSourcedId", f"({org})")
    elif gone == "gone":
        listing.add_gone(Enrollment(class_id, person, role), line)
        return
    else:
        listing.tell("guardian_enrolled", line, person, "role")
    listing.protect(line, (class_id, person), role)
