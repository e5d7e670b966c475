"""``/classes`` to classes, with ``/courses`` folded in by value."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from connectors.normalize.listing import Part
from connectors.normalize.values import read_status
from connectors.oneroster import wire
from connectors.oneroster.aside import is_set_aside, lacks, malformed
from connectors.oneroster.texts import clean_texts, distinct, entries, fields, grades, one_id
from models.records import Class

_COURSE_FIELDS = fields("sourcedId:id status:code title:text courseCode:code")
_COURSE_LISTS = fields("grades:list subjects:text")
_CLASS_FIELDS = fields("sourcedId:id status:code title:text classCode:code location:text school:id course:id")
_CLASS_LISTS = fields("grades:list subjects:text periods:text terms:id")


class Course(NamedTuple):
    """What a class takes from its course."""

    title: str | None = None
    number: str | None = None
    grades: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()


_NO_COURSE = Course()


class CoursesReader:
    """Reads one pass over the courses into ``courses``, by id. A course that is refused is simply not known.

    Its part takes problems only: a course speaks through its classes.
    """

    def __init__(self, part: Part) -> None:
        self.parts = (part,)
        self.courses: dict[str, Course] = {}
        self._listing = part.listing

    def take(self, lines: Sequence[int], rows: Sequence[object]) -> None:
        """Records of one page, with their positions in the collection."""
        listing = self._listing
        for line, row in zip(lines, rows, strict=True):
            if not isinstance(row, wire.Course):
                listing.tell("record_malformed", line, detail="(not an object)")
                continue
            values = (row.sourced_id, row.status, row.title, row.course_code)
            levels, subjects = lists = entries(row.grades, row.grade), entries(row.subjects)
            texts = clean_texts(listing, line, values, _COURSE_FIELDS, lists, _COURSE_LISTS)
            source_id, status, title, number = texts
            if not source_id:
                listing.tell("id_missing", line, field="sourcedId")
            elif read_status(status) == "active":
                self.courses[source_id] = Course(
                    title or None,
                    number or None,
                    grades(listing, line, source_id, levels),
                    distinct(subjects),
                )


class ClassesReader:
    """Reads one pass over the classes. ``courses`` is None where they could not be read: then classes have none."""

    def __init__(self, part: Part, courses: Mapping[str, Course] | None) -> None:
        self.parts = (part,)
        self._listing = part.listing
        self._courses = courses

    def take(self, lines: Sequence[int], rows: Sequence[object]) -> None:
        """Records of one page, with their positions in the collection."""
        for line, row in zip(lines, rows, strict=True):
            if isinstance(row, wire.Class):
                self._take(line, row)
            else:
                malformed(self._listing, line)

    def _take(self, line: int, row: wire.Class) -> None:
        listing = self._listing
        school_id, course_id = one_id(row.school, row.school_sourced_id), one_id(row.course, row.course_sourced_id)
        values = (row.sourced_id, row.status, row.title, row.class_code, row.location, school_id, course_id)
        levels, subjects, periods, terms = lists = (
            entries(row.grades, row.grade),
            entries(row.subjects),
            entries(row.periods),
            entries(row.terms, row.term_sourced_ids),
        )
        texts = clean_texts(listing, line, values, _CLASS_FIELDS, lists, _CLASS_LISTS)
        source_id, status, title, code, location, school, course_id = texts
        if is_set_aside(listing, line, source_id, status, Class(source_id, title, school)):
            return
        course = self._courses.get(course_id, _NO_COURSE) if self._courses else _NO_COURSE
        # Classes of elementary schools often have no title of their own (reference/oneroster-classlink.md, 4.2).
        title = title or course.title or code
        if not (title and school):
            lacks(listing, line, source_id, "school" if title else "title")
            return
        if course is _NO_COURSE and course_id and self._courses is not None:
            listing.tell("unknown_course", line, source_id, "course", course_id)
        record = Class(
            source_id,
            title,
            school,
            code or None,
            course.title,
            course.number,
            distinct(subjects) or course.subjects,
            grades(listing, line, source_id, levels) or course.grades,
            distinct(periods),
            location or None,
            distinct(terms),
        )
        listing.add(record, line)
