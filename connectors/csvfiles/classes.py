"""classes.csv, with OneRoster's courses.csv folded in by value."""

from collections.abc import Iterator
from typing import NamedTuple

from connectors.csvfiles.records import Fault
from connectors.csvfiles.table import Table
from connectors.normalize import people
from connectors.normalize.listing import Listing
from connectors.normalize.values import read_status
from models.pages import Page
from models.records import Class


class Course(NamedTuple):
    """What a class takes from its course."""

    title: str | None
    number: str | None
    grades: tuple[str, ...]
    subjects: tuple[str, ...]


def read_courses(table: Table, listing: Listing, courses: dict[str, Course]) -> Iterator[Page]:
    """Fill ``courses`` by id; the pages hold problems only. A course that is refused is simply not known."""
    pick = table.getter("sourcedId", "status", "title", "courseCode", "grades", "subjects")
    for line, cells, fault in table.rows(listing):
        if listing.is_full():
            yield from listing.take()
        source_id, status, title, number, grades_text, subjects_text = pick(cells)
        if fault is not None:
            listing.tell(fault.code, line, detail=fault.detail)
        elif not source_id:
            listing.tell("id_missing", line, field="sourcedId")
        elif read_status(status) == "active":
            grades = people.grades(listing, line, source_id, grades_text)
            subjects = people.entries(listing, line, "subjects", subjects_text)
            courses[source_id] = Course(title or None, number or None, grades, subjects)
    yield from listing.take()


def read_classes(
    table: Table, listing: Listing, courses: dict[str, Course] | None, school: str | None
) -> Iterator[Page]:
    """One class per row. ``courses`` is None where no courses.csv came; then unknown courses are no news."""
    pick = table.getter("sourcedId", "status", "title", "schoolSourcedId", "courseSourcedId", "classCode")
    pick_more = table.getter("subjects", "grades", "periods", "location", "termSourcedIds")
    none = Course(None, None, (), ())
    for line, cells, fault in table.rows(listing):
        if listing.is_full():
            yield from listing.take()
        source_id, status, title, org, course_id, code = pick(cells)
        org = org or school or ""
        course = courses.get(course_id, none) if courses else none
        # Classes of elementary schools often have no title of their own (reference/oneroster-classlink.md, 4.2).
        title = title or course.title or code
        if (
            fault is not None
            or not (source_id and title and org)
            or (status and read_status(status) != "active")
            or (school is not None and org != school)
        ):
            _set_aside(table, listing, line, cells, fault, school)
            continue
        if course is none and course_id and courses is not None:
            listing.tell("unknown_course", line, source_id, "courseSourcedId", course_id)
        subjects, grades, periods, location, terms = pick_more(cells)
        record = Class(
            source_id,
            title,
            org,
            code or None,
            course.title,
            course.number,
            people.entries(listing, line, "subjects", subjects) if subjects else course.subjects,
            people.grades(listing, line, source_id, grades) if grades else course.grades,
            people.entries(listing, line, "periods", periods) if periods else (),
            location or None,
            people.entries(listing, line, "termSourcedIds", terms) if terms else (),
        )
        listing.add(record, line)
    yield from listing.take()


def _set_aside(
    table: Table, listing: Listing, line: int, cells: list[str], fault: Fault | None, school: str | None
) -> None:
    """Rows that are refused, and those that say that a class is gone."""
    if fault is not None:
        listing.tell(fault.code, line, detail=fault.detail)
        trusted = table.trusted_id(cells, "sourcedId", fault)
        listing.protect(line, (trusted,) if trusted else None)
        return
    source_id, status, title, org = table.getter("sourcedId", "status", "title", "schoolSourcedId")(cells)
    if not source_id:
        listing.tell("id_missing", line, field="sourcedId")
        listing.protect(line, None)
        return
    known = read_status(status)
    if known is None:
        listing.tell("bad_status", line, source_id, "status")
    elif school is not None and org and org != school:
        listing.tell("wrong_school", line, source_id, "schoolSourcedId", f"({org})")
    elif known == "gone":
        listing.add_gone(Class(source_id, title, org or school or ""), line)
        return
    else:
        listing.tell("required_missing", line, source_id, "title" if org or school else "schoolSourcedId")
    listing.protect(line, (source_id,))
