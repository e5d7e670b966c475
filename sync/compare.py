"""Compare what a source lists with what is stored, page by page; memory grows by tens of bytes per record."""

from typing import Any

import numpy as np
from msgspec import structs

from models.pages import Coverage, Page, Refusal
from models.plan import Chunk
from models.state import pack
from models.vocabulary import ENTITY_KINDS, KINDS, RELATION_KINDS, Kind
from sync.columns import difference
from sync.compare_entities import EntityComparer
from sync.compare_relations import RelationComparer
from sync.context import Context
from sync.index import keys_from
from sync.removals import END_KINDS, RemovalFinder

_CHUNK = 5_000


class Comparison:
    """Feed it a pull's pages and coverage statements in order; ``finish`` when the pull has ended.

    Afterwards the context's plan file holds all creates, updates and restores, and ``removals`` what is gone.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._entities = EntityComparer(context)
        self._relations = RelationComparer(context)
        self.removals = RemovalFinder(context)
        self._finished = 0
        #: Records taken and refused of each listing.
        self._seen: dict[tuple[Kind, str], tuple[int, int]] = {}

    def take_page(self, page: Page) -> None:
        self._finish_before(page.kind)
        self._context.problems.extend(page.problems)
        counts = self._context.counts[page.kind]
        before = counts.received - counts.refused, counts.refused
        self._refuse(page)
        if page.kind in ENTITY_KINDS:
            self._entities.take(page)
        else:
            self._relations.take(page)
        taken, refused = self._seen.get((page.kind, page.listing), (0, 0))
        taken += counts.received - counts.refused - before[0] + len(page.refusals)
        self._seen[page.kind, page.listing] = taken, refused + counts.refused - before[1]

    def take_coverage(self, coverage: Coverage) -> None:
        """A listing of which nothing could be taken proves nothing, however completely it was read."""
        self._finish_before(coverage.kind)
        taken, refused = self._seen.get((coverage.kind, coverage.listing), (0, 0))
        if coverage.verdict == "complete" and refused and not taken:
            reason = f"none of its {refused} records could be taken"
            coverage = structs.replace(coverage, verdict="none", reason=reason)
        self._context.coverage.append(coverage)

    def finish(self) -> None:
        """Finish every kind; what no page spoke of may still go because its parents do."""
        self._finish_before(None)

    @property
    def first_sync(self) -> bool:
        """Whether this connection manages nothing yet."""
        entities = any(self._context.entities(kind).managed_before for kind in ENTITY_KINDS)
        return not entities and not any(self._context.relations(kind).managed_before for kind in RELATION_KINDS)

    def _finish_before(self, kind: Kind | None) -> None:
        """Pages come in the order of KINDS, so all kinds before this one are complete."""
        end = KINDS.index(kind) if kind else len(KINDS)
        while self._finished < end:
            done = KINDS[self._finished]
            if done in ENTITY_KINDS:
                self.removals.finish_entities(done)
            else:
                self.removals.finish_relations(done)
                self._write_relations(done)
            self._finished += 1

    # --- refused rows ----------------------------------------------------------------------------------------------

    def _refuse(self, page: Page) -> None:
        """Rows that the connector could not take: what is stored of them stays as it is."""
        self._context.counts[page.kind].refused += len(page.refusals)
        known = [refusal for refusal in page.refusals if refusal.source_ids]
        if not known:
            return
        if page.kind in ENTITY_KINDS:
            keys = keys_from([refusal.source_ids[0] for refusal in known if refusal.source_ids])
            self._context.block_entities(page.kind, keys)
            return
        for refusal in known:
            self._block_relation(page.kind, refusal)

    def _block_relation(self, kind: Kind, refusal: Refusal) -> None:
        assert refusal.source_ids
        ends = [
            self._context.entities(end).resolve(keys_from([source_id]))
            for end, source_id in zip(END_KINDS[kind], refusal.source_ids, strict=True)
        ]
        if not all(end[0] for end in ends):
            return
        book = self._context.relations(kind)
        if refusal.role is None:
            book.block_pair(int(ends[0][0]), int(ends[1][0]))
        else:
            book.keep_as_is(pack(ends[0], ends[1], np.array([self._context.roles.code(refusal.role)])))

    # --- relations to write ----------------------------------------------------------------------------------------

    def _write_relations(self, kind: Kind) -> None:
        """New relations stay arrays until they are written; changed ones become rows now, with what they were."""
        book = self._context.relations(kind)
        self._context.plan.append_source(
            lambda: (Chunk(kind, "create", rows) for rows in book.new_rows(_CHUNK)), book.created_count
        )
        for rows, archived in book.changed_rows(_CHUNK):
            before = self._context.stored.relation_columns(kind, [(row[0], row[1], row[2]) for row in rows])
            updates: list[tuple[Any, ...]] = []
            restores: list[tuple[Any, ...]] = []
            moved: list[tuple[Any, ...]] = []
            for row, back in zip(rows, archived.tolist(), strict=True):
                differs = difference(kind, before[row[0], row[1], row[2]], row[6:])
                if back or differs:
                    (restores if back else updates).append((*row, *(differs or ("{}", "{}"))))
                else:
                    moved.append(row[:6])
            self._context.plan.append(Chunk(kind, "touch", moved))
            self._context.plan.append(Chunk(kind, "update", updates))
            self._context.plan.append(Chunk(kind, "restore", restores))
