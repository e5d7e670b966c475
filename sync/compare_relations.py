"""Check and compare pages of relations: resolve both ends, apply the rules between records, then compare keys."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import numpy as np

from models.pages import Page
from models.problems import Problem
from models.records import Affiliation, Enrollment, Guardianship
from models.state import ACTIVE, MANAGED, pack, unpack
from models.tables import DISTRICT_SCHOOL_ID
from models.vocabulary import GROUP_BITS, MAX_GUARDIANS
from sync import outcomes
from sync.check import SchoolLists, group_bits, lacks_group, over_limit
from sync.context import Context
from sync.index import Growing, Ints, Keys, Mask, keys_from, locate
from sync.relations import RelationBook, RelationComparison

_Value = TypeVar("_Value")


def _numbered(values: Sequence[_Value], number_of: Callable[[_Value], int]) -> Ints:
    """The number of each value; a page has few different ones, so each is asked for once."""
    numbers = {value: number_of(value) for value in set(values)}
    if len(numbers) == 1:
        return np.full(len(values), next(iter(numbers.values())), dtype=np.int64)
    return np.array([numbers[value] for value in values], dtype=np.int64)


class RelationComparer:
    """Takes the pages of affiliations, enrollments and guardianships."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._group_of_code, self._roles_grouped = group_bits(context.roles), len(context.roles.all_codes())
        self._guardians_of: Growing | None = None
        self._groups_loaded = False

    def take(self, page: Page) -> None:
        counts = self._context.counts[page.kind]
        counts.received += len(page.records)
        if not len(page.records):
            return
        book = self._context.relations(page.kind)
        first, second, codes, contents = self._resolve(page, book)
        if page.tombstones:
            self._take_tombstones(page, book, first, second, codes)
            return
        kept = self._check(page, first, second, codes)
        counts.refused += int(np.count_nonzero(~kept))
        indexes = np.flatnonzero(kept)
        lines = np.asarray(page.lines, dtype=np.int64)[indexes]
        keys = pack(first[indexes], second[indexes], codes[indexes])
        result = book.compare(keys, contents[indexes], lines, page.listing)
        if page.kind == "guardianship":
            self._limit_guardians(page, book, indexes, keys, result)
        self._count(page, indexes, lines, result)
        self._report_duplicates(page, indexes, result)

    # --- resolve ---------------------------------------------------------------------------------------------------

    def _resolve(self, page: Page, book: RelationBook) -> tuple[Ints, Ints, Ints, Ints]:
        """Internal ids of both ends (0: unknown), role codes and content numbers of a page's records."""
        context = self._context
        people = context.entities("person")
        if page.kind == "enrollment":
            enrollments = cast(Sequence[Enrollment], page.records)
            first = context.entities("class").resolve(keys_from([r.class_source_id for r in enrollments]))
            second = people.resolve(keys_from([r.person_source_id for r in enrollments]))
            codes = self._codes([r.role for r in enrollments])
            contents: list[tuple[Any, ...]] = [(r.primary, r.begins_on, r.ends_on) for r in enrollments]
        elif page.kind == "affiliation":
            affiliations = cast(Sequence[Affiliation], page.records)
            first = people.resolve(keys_from([r.person_source_id for r in affiliations]))
            second = _numbered([r.school_source_id for r in affiliations], self._school_id)
            codes = self._codes([r.role for r in affiliations])
            contents = [(r.primary,) for r in affiliations]
        else:
            guardianships = cast(Sequence[Guardianship], page.records)
            first = people.resolve(keys_from([r.student_source_id for r in guardianships]))
            second = people.resolve(keys_from([r.guardian_source_id for r in guardianships]))
            codes = np.zeros(len(guardianships), dtype=np.int64)
            contents = [(r.relationship, r.contact_type) for r in guardianships]
        return first, second, codes, _numbered(contents, book.number_of)

    def _school_id(self, source_id: str | None) -> int:
        if source_id is None:
            return DISTRICT_SCHOOL_ID
        return int(self._context.entities("school").resolve(keys_from([source_id]))[0])

    def _codes(self, roles: Sequence[str]) -> Ints:
        known = self._context.roles
        codes = _numbered(roles, known.code)
        if len(known.all_codes()) != self._roles_grouped:
            self._group_of_code, self._roles_grouped = group_bits(known), len(known.all_codes())
        return codes

    # --- check -----------------------------------------------------------------------------------------------------

    def _check(self, page: Page, first: Ints, second: Ints, codes: Ints) -> Mask:
        """Which records can be taken; a problem for each that cannot."""
        if page.kind == "affiliation":
            return self._check_affiliations(page, first, second, codes)
        self._load_groups()
        if page.kind == "enrollment":
            return self._check_enrollments(page, first, second, codes)
        return self._check_guardianships(page, first, second)

    def _check_affiliations(self, page: Page, people: Ints, schools: Ints, codes: Ints) -> Mask:
        """An unknown school of a users row was reported with the row; one in roles.csv was not."""
        self._load_groups()
        kept = (people != 0) & (schools != 0)
        groups = self._context.person_groups
        if kept.any():
            groups.reach(int(people.max()))
            np.bitwise_or.at(groups.values, people[kept], self._group_of_code[codes[kept]])
        if page.listing == "roles":
            self._problems(page, people == 0, "unknown_person", "userSourcedId")
            self._problems(page, (people != 0) & (schools == 0), "unknown_school", "orgSourcedId")
        return np.asarray(kept)

    def _check_enrollments(self, page: Page, classes: Ints, people: Ints, codes: Ints) -> Mask:
        self._problems(page, classes == 0, "unknown_class", "classSourcedId")
        self._problems(page, (classes != 0) & (people == 0), "unknown_person", "userSourcedId")
        kept = (classes != 0) & (people != 0)
        groups = self._context.person_groups.get(people)
        self._problems(page, kept & lacks_group(groups, self._group_of_code[codes]), "role_mismatch", "role")
        if page.schools:
            named = _numbered(page.schools, SchoolLists(self._context.entities("school").resolve).first_id)
            actual = self._context.class_schools.get(classes)
            self._problems(page, kept & (named != 0) & (named != actual), "school_mismatch", "schoolSourcedId")
        return np.asarray(kept)

    def _check_guardianships(self, page: Page, students: Ints, guardians: Ints) -> Mask:
        """A side that is unknown because its own row was refused has its problem there already."""
        if page.listing == "guardians":
            self._problems(page, students == 0, "unknown_student", "studentSourcedId")
        else:
            self._problems(page, (students != 0) & (guardians == 0), "unknown_guardian", "agentSourcedIds")
            self._problems(page, (students == 0) & (guardians != 0), "unknown_agent", "agentSourcedIds")
        kept = (students != 0) & (guardians != 0)
        groups = self._context.person_groups
        no_student = kept & lacks_group(groups.get(students), GROUP_BITS["student"])
        no_guardian = kept & ~no_student & lacks_group(groups.get(guardians), GROUP_BITS["guardian"])
        self._problems(page, no_student, "not_a_student", "studentSourcedId")
        self._problems(page, no_guardian | (kept & (students == guardians)), "not_a_guardian", "agentSourcedIds")
        return np.asarray(kept & ~no_student & ~no_guardian & (students != guardians))

    def _load_groups(self) -> None:
        """Groups of people who are not in this upload come from their stored affiliations."""
        if self._groups_loaded:
            return
        self._groups_loaded = True
        stored = self._context.relations("affiliation").stored
        people, _, codes = unpack(stored.keys[(stored.flags & ACTIVE) != 0])
        self._group_of_code = group_bits(self._context.roles)
        if len(people):
            self._context.person_groups.reach(int(people.max()))
            np.bitwise_or.at(self._context.person_groups.values, people, self._group_of_code[codes])

    # --- six guardians ---------------------------------------------------------------------------------------------

    def _limit_guardians(
        self, page: Page, book: RelationBook, indexes: Ints, keys: Keys, result: RelationComparison
    ) -> None:
        """Keep the first six guardians of a student; guardians that others manage count first."""
        if self._guardians_of is None:
            self._guardians_of = Growing(np.uint8)
            foreign = ((book.stored.flags & ACTIVE) != 0) & ((book.stored.flags & MANAGED) == 0)
            self._add_guardians(unpack(book.stored.keys[foreign])[0])
        positions, known = locate(book.stored.keys, keys)
        listed = np.ones(len(keys), dtype=np.bool_)
        listed[known] = book.stored.flags[positions[known]] != ACTIVE  # those of others have their place already
        listed[[index for index, _ in result.duplicates]] = False
        students, _, _ = unpack(keys[listed])
        if not len(students):
            return
        self._guardians_of.reach(int(students.max()))
        over = np.zeros(len(keys), dtype=np.bool_)
        over[listed] = over_limit(students, self._guardians_of.values, MAX_GUARDIANS)
        self._add_guardians(students)
        if over.any():
            book.withdraw(keys[over])
            for mask in (result.unchanged, result.changed, result.restored, result.created):
                mask[over] = False
            rows = np.zeros(len(page.records), dtype=np.bool_)
            rows[indexes[over]] = True
            self._context.counts["guardianship"].refused += int(np.count_nonzero(over))
            self._problems(page, rows, "too_many_guardians", "agentSourcedIds")

    def _add_guardians(self, students: Ints) -> None:
        assert self._guardians_of is not None
        if len(students):
            self._guardians_of.reach(int(students.max()))
            extra = np.minimum(np.bincount(students, minlength=0), MAX_GUARDIANS).astype(np.uint8)
            values = self._guardians_of.values
            values[: len(extra)] = np.minimum(values[: len(extra)] + extra, 100)

    # --- report ----------------------------------------------------------------------------------------------------

    def _count(self, page: Page, indexes: Ints, lines: Ints, result: RelationComparison) -> None:
        counts, marks = self._context.counts[page.kind], self._context.outcomes
        counts.unchanged += int(np.count_nonzero(result.unchanged))
        counts.updated += int(np.count_nonzero(result.changed))
        counts.restored += int(np.count_nonzero(result.restored))
        counts.created += int(np.count_nonzero(result.created))
        marks.mark(page.file, lines[result.unchanged], outcomes.UNCHANGED)
        marks.mark(page.file, lines[result.changed], outcomes.UPDATED)
        marks.mark(page.file, lines[result.restored], outcomes.RESTORED)
        marks.mark(page.file, lines[result.created], outcomes.CREATED)

    def _report_duplicates(self, page: Page, indexes: Ints, result: RelationComparison) -> None:
        """Links of guardians may stand on both sides, and a role may be listed twice: only enrollments are told of."""
        counts = self._context.counts[page.kind]
        for place, same in result.duplicates:
            index = int(indexes[place])
            if page.kind != "enrollment":
                continue
            counts.refused += not same
            self._problem(page, index, "duplicate_same" if same else "duplicate_different", "classSourcedId")

    def _take_tombstones(self, page: Page, book: RelationBook, first: Ints, second: Ints, codes: Ints) -> None:
        effective, listed = np.zeros(len(first), dtype=np.bool_), np.zeros(len(first), dtype=np.bool_)
        resolved = (first != 0) & (second != 0)
        keys = pack(first[resolved], second[resolved], codes[resolved])
        effective[resolved] = book.mark_gone(keys)
        listed[resolved] = book.is_listed(keys)
        self._context.tombstones += int(np.count_nonzero(effective))
        lines = np.asarray(page.lines, dtype=np.int64)
        action = outcomes.UNCHANGED if self._context.add_only else outcomes.DELETED
        self._context.outcomes.mark(page.file, lines[effective], action)
        self._problems(page, ~effective & ~listed, "tombstone_unknown", "")

    def _problems(self, page: Page, rows: Mask, code: str, field: str) -> None:
        for index in np.flatnonzero(rows).tolist():
            self._problem(page, index, code, field)

    def _problem(self, page: Page, index: int, code: str, field: str) -> None:
        record = page.records[index]
        if isinstance(record, Enrollment):
            source_id, other = record.person_source_id, record.class_source_id
        elif isinstance(record, Affiliation):
            source_id, other = record.person_source_id, record.school_source_id or ""
        else:
            guardianship = cast(Guardianship, record)
            source_id, other = guardianship.student_source_id, guardianship.guardian_source_id
        detail = source_id if code in ("unknown_person", "unknown_student", "unknown_agent", "not_a_student") else other
        self._context.problems.add(Problem(code, page.file, page.lines[index], page.kind, source_id, field, detail))
