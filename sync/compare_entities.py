"""Check and compare pages of entities: known schools and terms, duplicates, then create, update, restore or nothing."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import numpy as np
from msgspec import structs

from models.pages import Page
from models.plan import Chunk, Operation
from models.problems import Problem
from models.records import Class, Entity, Person, School, Term, fingerprint
from models.state import ACTIVE
from models.tables import DISTRICT_SCHOOL_ID
from models.vocabulary import LISTINGS, Kind
from sync import outcomes
from sync.check import ALL, NONE, SchoolLists, zero_variants
from sync.columns import blanked, class_columns, difference, natural_key, person_columns, school_columns, term_columns
from sync.context import Context
from sync.entities import UNSETTLED, PageComparison
from sync.index import Ints, Keys, Mask, keys_from, unsigned
from sync.problems import LONGEST_ID

Columns = tuple[Any, ...]
#: Columns of a page's record by its index; made only for those that need them.
ColumnsOf = Callable[[int], Columns]


class EntityComparer:
    """Takes the pages of schools, terms, classes and people."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._school_lists: SchoolLists | None = None

    def take(self, page: Page) -> None:
        """Check and compare a page; schools go one by one, as one may be the parent of the next."""
        if page.kind == "school" and not page.tombstones:
            for single in self._schools_to_compare(page):
                self._take(single)
        else:
            self._take(page)

    def _take(self, page: Page) -> None:
        context, kind = self._context, page.kind
        book, counts = context.entities(kind), context.counts[kind]
        counts.received += len(page.records)
        records = cast(Sequence[Entity], page.records)
        if not records:
            return  # a page of problems and refusals, such as those of courses, which are no records of their own
        source_ids = [record.source_id for record in records]
        keys = keys_from(source_ids)
        if page.tombstones:
            self._take_tombstones(page, keys)
            return
        columns, kept, settled = self._check(page, records)
        self._check_ids(page, source_ids, kept)
        refused = np.flatnonzero(~kept)
        counts.refused += len(refused)
        context.block_entities(kind, keys[refused])
        indexes = np.flatnonzero(kept)
        fingerprints = unsigned(
            fingerprint(records[index]) if settled[index] else UNSETTLED for index in indexes.tolist()
        )
        result = book.compare(keys[indexes], fingerprints, page.listing)
        self._report_duplicates(page, indexes, result)
        self._warn_of_zero_variants(page, indexes[result.created])
        counts.unchanged += len(result.unchanged)
        lines = np.asarray(page.lines, dtype=np.int64)
        context.outcomes.mark(page.file, lines[indexes[result.unchanged]], outcomes.UNCHANGED)
        heads = _Heads(page, keys[indexes], fingerprints, indexes)
        self._plan_creates(page, heads, columns, result)
        self._plan_changes(page, heads, columns, result)

    # --- check -----------------------------------------------------------------------------------------------------

    def _check(self, page: Page, records: Sequence[Entity]) -> tuple[ColumnsOf, Mask, Mask]:
        """Columns of the records, which are kept, and which are settled (nothing was left out of them)."""
        kept = np.ones(len(records), dtype=np.bool_)
        settled = np.ones(len(records), dtype=np.bool_)
        if page.kind == "person":
            self._check_schools_of_people(page, kept)
            return lambda index: person_columns(cast(Person, records[index])), kept, settled
        if page.kind == "term":
            return lambda index: term_columns(cast(Term, records[index])), kept, settled
        if page.kind == "class":
            ready = self._class_columns(page, cast(Sequence[Class], records), kept, settled)
        else:
            ready = self._school_columns(page, cast(Sequence[School], records), settled)
        return ready.__getitem__, kept, settled

    def _check_ids(self, page: Page, source_ids: Sequence[str], kept: Mask) -> None:
        if max(map(len, source_ids), default=0) <= LONGEST_ID:
            return
        for index, source_id in enumerate(source_ids):
            if len(source_id) > LONGEST_ID:
                kept[index] = False
                self._problem(page, index, "cell_too_long", "sourcedId", f"(more than {LONGEST_ID} characters)")

    def _check_schools_of_people(self, page: Page, kept: Mask) -> None:
        if not page.schools:
            return
        if self._school_lists is None:
            self._school_lists = SchoolLists(self._context.entities("school").resolve)
        verdicts = self._school_lists.judge(page.schools)
        for index in np.flatnonzero(verdicts != ALL).tolist():
            code = "unknown_school" if verdicts[index] == NONE else "some_schools_unknown"
            kept[index] = verdicts[index] != NONE
            self._problem(page, index, code, "orgSourcedIds", ", ".join(page.schools[index]))

    def _class_columns(self, page: Page, records: Sequence[Class], kept: Mask, settled: Mask) -> list[Columns]:
        schools = self._context.entities("school").resolve(keys_from([r.school_source_id for r in records]))
        wanted = [term for record in records for term in record.term_source_ids]
        known = dict(zip(wanted, self._context.entities("term").resolve(keys_from(wanted)), strict=True))
        rows: list[Columns] = []
        for index, record in enumerate(records):
            term_ids = tuple(int(known[term]) for term in record.term_source_ids if known[term])
            if len(term_ids) < len(record.term_source_ids):
                settled[index] = False
                missing = next(term for term in record.term_source_ids if not known[term])
                self._problem(page, index, "unknown_term", "termSourcedIds", missing)
            if not schools[index]:
                kept[index] = False
                self._problem(page, index, "unknown_school", "schoolSourcedId", record.school_source_id)
            rows.append(class_columns(record, int(schools[index]), term_ids))
        return rows

    def _school_columns(self, page: Page, records: Sequence[School], settled: Mask) -> list[Columns]:
        rows: list[Columns] = []
        for index, record in enumerate(records):
            parent = self._school_id(record.parent_source_id) if record.parent_source_id else None
            if parent == 0:
                settled[index] = False
                self._problem(page, index, "unknown_parent_org", "parentSourcedId", record.parent_source_id or "")
            rows.append(school_columns(record, parent or None))
        return rows

    def _school_id(self, source_id: str) -> int:
        return int(self._context.entities("school").resolve(keys_from([source_id]))[0])

    def _schools_to_compare(self, page: Page) -> Iterator[Page]:
        """The page's schools one by one, less those that exist already under another connection, or must not be made.

        A school that was set up by hand is only linked to, never changed; an org of type district is the tenant itself.
        """
        context, book = self._context, self._context.entities("school")
        for index, record in enumerate(cast(Sequence[School], page.records)):
            key = keys_from([record.source_id])
            single = structs.replace(page, records=[record], lines=[page.lines[index]], problems=(), refusals=())
            adopted = DISTRICT_SCHOOL_ID if record.type == "district" else int(book.adopt(key)[0])
            if book.knows(key)[0] or (not adopted and context.settings.create_schools):
                yield single
                continue
            context.counts["school"].received += 1
            if adopted:
                book.link(key, adopted)
                row = (
                    adopted,
                    record.source_id,
                    int(key.view(np.int64)[0]),
                    UNSETTLED,
                    page.listing,
                    page.lines[index],
                )
                context.plan.append(Chunk("school", "link", [row]))
                context.counts["school"].unchanged += 1
                context.outcomes.mark(page.file, [page.lines[index]], outcomes.UNCHANGED)
            else:
                context.counts["school"].refused += 1
                self._problem(single, 0, "schools_not_created", "sourcedId", record.source_id)

    # --- plan ------------------------------------------------------------------------------------------------------

    def _plan_creates(self, page: Page, heads: "_Heads", columns: ColumnsOf, result: PageComparison) -> None:
        context, kind = self._context, page.kind
        created = result.created
        if not len(created):
            return
        rows = [
            (entity_id, *heads.of(index), *columns(heads.record_index(index)))
            for entity_id, index in zip(result.created_ids.tolist(), created.tolist(), strict=True)
        ]
        context.counts[kind].created += len(rows)
        context.plan.append(Chunk(kind, "create", rows))
        context.outcomes.mark(page.file, heads.lines(created), outcomes.CREATED)
        self._remember_class_schools(kind, rows)
        if context.entities(kind).managed_before:
            keys = context.new_natural_keys.setdefault(kind, [])
            keys.extend(natural_key(kind, row[6:]) for row in rows)

    def _plan_changes(self, page: Page, heads: "_Heads", columns: ColumnsOf, result: PageComparison) -> None:
        if not len(result.changed):
            return
        context, kind = self._context, page.kind
        book, counts = context.entities(kind), context.counts[kind]
        ids = book.stored.ids[result.changed_positions].tolist()
        active = (book.stored.flags[result.changed_positions] & ACTIVE) != 0
        before = context.stored.entities(kind, ids)
        fingerprints = book.stored.fingerprints[result.changed_positions].view(np.int64).tolist()
        listings = book.stored.listings[result.changed_positions].tolist()
        rows: dict[Operation, list[tuple[Any, ...]]] = {"update": [], "restore": [], "touch": []}
        marks = np.full(len(ids), outcomes.UNCHANGED, dtype=np.uint8)
        for place, (entity_id, index) in enumerate(zip(ids, result.changed.tolist(), strict=True)):
            head = heads.of(index)
            new = columns(heads.record_index(index))
            differs = difference(kind, before[entity_id], new)
            if differs:
                fields = list(blanked(kind, *differs))
                context.blanked.update(fields)
                if not active[place]:
                    context.blanked_again.update(fields)
            if not active[place]:
                rows["restore"].append((entity_id, *head, *new, *(differs or ("{}", "{}"))))
                marks[place] = outcomes.RESTORED
            elif differs:
                rows["update"].append((entity_id, *head, *new, *differs))
                marks[place] = outcomes.UPDATED
            elif head[2] != fingerprints[place] or listings[place] != LISTINGS.index(page.listing):
                rows["touch"].append((entity_id, *head))
        counts.updated += len(rows["update"])
        counts.restored += len(rows["restore"])
        counts.unchanged += len(ids) - len(rows["update"]) - len(rows["restore"])
        for operation, part in rows.items():
            context.plan.append(Chunk(kind, operation, part))
            if operation != "touch":
                self._remember_class_schools(kind, part)
        context.outcomes.mark(page.file, heads.lines(result.changed), marks)

    def _remember_class_schools(self, kind: Kind, rows: list[tuple[Any, ...]]) -> None:
        if kind == "class" and rows:
            self._context.class_schools.put(
                np.array([row[0] for row in rows], dtype=np.int64), np.array([row[7] for row in rows], dtype=np.uint32)
            )

    # --- problems --------------------------------------------------------------------------------------------------

    def _take_tombstones(self, page: Page, keys: Keys) -> None:
        book = self._context.entities(page.kind)
        effective = book.mark_gone(keys)
        self._context.tombstones += int(np.count_nonzero(effective))
        lines = np.asarray(page.lines, dtype=np.int64)
        action = outcomes.UNCHANGED if self._context.add_only else outcomes.DELETED
        self._context.outcomes.mark(page.file, lines[effective], action)
        for index in np.flatnonzero(~effective & ~book.is_listed(keys)).tolist():
            self._problem(page, index, "tombstone_unknown", "")

    def _report_duplicates(self, page: Page, indexes: Ints, result: PageComparison) -> None:
        for place, same in result.duplicates:
            self._problem(page, int(indexes[place]), "duplicate_same" if same else "duplicate_different", "sourcedId")
            self._context.counts[page.kind].refused += not same

    def _warn_of_zero_variants(self, page: Page, indexes: Ints) -> None:
        """Only new ids are looked at: for stored ones the warning was given when they came."""
        if not len(indexes):
            return
        book = self._context.entities(page.kind)
        most = 10 if book.managed_before else 1  # a first sync is compared with itself only
        near: list[str] = []
        owners: list[int] = []
        for index in indexes.tolist():
            variants = zero_variants(cast(Entity, page.records[index]).source_id, most)
            near += variants
            owners += [index] * len(variants)
        told: set[int] = set()
        for place in np.flatnonzero(book.knows(keys_from(near))).tolist():
            if owners[place] not in told:
                told.add(owners[place])
                self._problem(page, owners[place], "id_zero_variant", "sourcedId", near[place])

    def _problem(self, page: Page, index: int, code: str, field: str, detail: str = "") -> None:
        source_id = cast(Entity, page.records[index]).source_id
        self._context.problems.add(Problem(code, page.file, page.lines[index], page.kind, source_id, field, detail))


class _Heads:
    """The beginning of an operation's row (source id, key, fingerprint, listing, line) for the kept records of a page."""

    def __init__(self, page: Page, keys: Keys, fingerprints: Keys, indexes: Ints) -> None:
        self._page = page
        self._keys = keys.view(np.int64).tolist()
        self._fingerprints = fingerprints.view(np.int64).tolist()
        self._indexes: list[int] = indexes.tolist()

    def of(self, index: int) -> tuple[str, int, int, str, int]:
        at = self._indexes[index]
        record = cast(Entity, self._page.records[at])
        return record.source_id, self._keys[index], self._fingerprints[index], self._page.listing, self._page.lines[at]

    def record_index(self, index: int) -> int:
        return self._indexes[index]

    def lines(self, indexes: Ints) -> list[int]:
        return [self._page.lines[self._indexes[index]] for index in indexes.tolist()]
