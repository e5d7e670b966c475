"""Sections: classes, with their course by value, and the enrollments that they hold as lists of ids."""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, Final

import msgspec

from connectors.clever.answers import Malformed
from connectors.clever.members import Arrived, keep_shared
from connectors.clever.terms import Course
from connectors.clever.text import Fields, clean_ids, read_strings
from connectors.normalize import people
from connectors.staging import Staging
from models.records import Class, Enrollment

_FIELDS: Final = Fields(
    id="id", name="text", school="id", section_number="code", sis_id="id", subject="text", grade="text", period="list",
    course="id", term_id="id",
)  # fmt: skip
_NO_COURSE: Final = Course(None, None)


class CleverSection(msgspec.Struct, gc=False):
    id: str
    name: Any = ""
    school: Any = ""
    section_number: Any = ""
    sis_id: Any = ""
    subject: Any = ""
    grade: Any = ""
    period: Any = ""
    course: Any = ""
    term_id: Any = ""
    #: May be null although it is guaranteed.
    teacher: str | None = None
    teachers: list[str | None] | None = None
    students: list[str | None] | None = None


class Sections:
    """Takes the list of sections. ``courses`` is None where Clever does not let us read any; then none is missed."""

    def __init__(self, staging: Staging, courses: Mapping[str, Course] | None) -> None:
        self.classes = staging.part("class", "sections")
        self.enrollments = staging.part("enrollment", "sections")
        #: Enrollments as the sections name them, until it is known who of the members came.
        self._named = staging.part("enrollment", "sections")
        self._courses = courses
        #: Sections that do not say (all of) who is in them.
        self.members_untold = 0

    def take(self, records: Sequence[CleverSection | Malformed], first: int) -> None:
        read = 0
        for line, section, strings in read_strings(records, first, _FIELDS, self.classes.listing):
            read += 1
            students, teachers = self._members(section, line)
            if strings[1] and strings[2]:
                self._add(line, strings, students, teachers)
            else:
                self._refuse(line, strings[0], "school" if strings[1] else "name", students, teachers)
        self.members_untold += len(records) - read
        self.classes.keep_full()

    def settle(self, arrived: Arrived) -> int:
        """Keep the enrollments of those who came; how many name somebody else."""
        return keep_shared(self._named, self.enrollments, attrgetter("person_source_id"), arrived)

    def _members(self, section: CleverSection, line: int) -> tuple[list[str], list[str]]:
        """Ids of the students, and of the teachers with the primary one first; each once."""
        listing = self.enrollments.listing
        students = clean_ids(section.students or (), "students", listing, line)
        teachers = clean_ids((section.teacher or "", *(section.teachers or ())), "teachers", listing, line)
        # A key that is left out is a field that is not shared, not an empty class (reference/clever.md, 2.3).
        said = section.students is not None and (section.teachers is not None or teachers[0])
        if not said or "" in students or "" in teachers[1:]:
            self.members_untold += 1
        return list(dict.fromkeys(filter(None, students))), list(dict.fromkeys(filter(None, teachers)))

    def _add(self, line: int, strings: Sequence[str], students: list[str], teachers: list[str]) -> None:
        source_id, title, school, number, sis_id, subject, grade, period, course_id, term_id = strings
        listing, course = self.classes.listing, _NO_COURSE
        if course_id and self._courses is not None:
            course = self._courses.get(course_id, _NO_COURSE)
            if course is _NO_COURSE:
                listing.tell("unknown_course", line, source_id, "course", course_id)
        record = Class(
            source_id,
            title,
            school,
            number or sis_id or None,
            course.title,
            course.number,
            (subject,) if subject else (),
            people.grades(listing, line, source_id, grade) if grade else (),
            people.entries(listing, line, "period", period),
            None,
            (term_id,) if term_id else (),
        )
        listing.add(record, line)
        named = self._named.listing
        named.records += [
            Enrollment(source_id, teacher, "teacher", place == 0) for place, teacher in enumerate(teachers)
        ]
        named.records += [Enrollment(source_id, student, "student") for student in students]
        named.lines += [line] * (len(teachers) + len(students))
        self._named.keep_full()

    def _refuse(self, line: int, source_id: str, field: str, students: list[str], teachers: list[str]) -> None:
        """Refused is not absent, which holds for all who are in the section too."""
        self.classes.listing.tell("required_missing", line, source_id, field)
        self.classes.listing.protect(line, (source_id,))
        for role, members in (("teacher", teachers), ("student", students)):
            for person in members:
                self.enrollments.listing.protect(line, (source_id, person), role)
        self.enrollments.keep_full()
