"""Writing a plan's operations, chunk by chunk, inside the one transaction of a run."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Table, text

from models import tables
from models.errors import StoppedError
from models.plan import COLUMNS, Chunk
from models.state import ENDS
from models.vocabulary import ENTITY_KINDS, Kind
from store.bulk import insert_rows, update_rows

Rows = Sequence[Sequence[Any]]

TABLES: dict[Kind, Table] = {
    "school": tables.School.__table__,  # type: ignore[attr-defined]
    "term": tables.Term.__table__,  # type: ignore[attr-defined]
    "class": tables.Class.__table__,  # type: ignore[attr-defined]
    "person": tables.Person.__table__,  # type: ignore[attr-defined]
    "affiliation": tables.Affiliation.__table__,  # type: ignore[attr-defined]
    "enrollment": tables.Enrollment.__table__,  # type: ignore[attr-defined]
    "guardianship": tables.Guardianship.__table__,  # type: ignore[attr-defined]
}
_LINK: Table = tables.Link.__table__  # type: ignore[attr-defined]
_CHANGE: Table = tables.Change.__table__  # type: ignore[attr-defined]

_LINK_COLUMNS = ("entity_id", "source_id", "key", "fingerprint", "listing", "line")
_CHANGE_COLUMNS = (
    "run_id", "seq", "tenant_id", "kind", "action", "subject_id", "object_id", "role", "cause", "coverage_seq", "before",
    "after",
)  # fmt: skip
_PLACE = ("fingerprint", "listing", "line")
_REVIVED = ("status", "archived_run_id", "archived_cause", "archived_at")
_ARCHIVED = ("status", "archived_run_id", "archived_cause", "archived_at")


class RosterWriter:
    """Writes for one run. ``now`` is the time that archived rows carry (ISO 8601, UTC)."""

    def __init__(self, connection: Connection, tenant_id: int, connection_id: int, run_id: int, now: str) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self._connection_id = connection_id
        self._run_id = run_id
        self._now = now
        self._changes = 0

    def continue_changes(self) -> None:
        """Number changes on from those that the run's first part wrote (an approval comes after it)."""
        query = text("SELECT coalesce(max(seq), 0) FROM change WHERE run_id = :run")
        self._changes = int(self._connection.execute(query, {"run": self._run_id}).scalar_one())

    def write(self, chunk: Chunk) -> None:
        """Do a chunk's operations (``models.plan`` has the rows' layouts). Raises the driver's errors."""
        if not chunk.rows:
            return
        if chunk.kind in ENTITY_KINDS:
            self._write_entities(chunk)
        else:
            self._write_relations(chunk)

    # --- entities --------------------------------------------------------------------------------------------------

    def _write_entities(self, chunk: Chunk) -> None:
        if chunk.operation == "create":
            self._create_entities(chunk.kind, chunk.rows)
        elif chunk.operation == "link":
            self._add_links(chunk.kind, chunk.rows, manages=False)
        elif chunk.operation == "touch":
            self._move_links(chunk.kind, chunk.rows)
        elif chunk.operation == "archive":
            self._archive_entities(chunk.kind, chunk.rows)
        else:
            self._change_entities(chunk)

    def _create_entities(self, kind: Kind, rows: Rows) -> None:
        columns = COLUMNS[kind]
        insert_rows(
            self._connection, TABLES[kind], ("id", *columns), rows, (0, *range(6, 6 + len(columns))), self._owned()
        )
        self._add_links(kind, [row[:6] for row in rows], manages=True)

    def _owned(self) -> dict[str, Any]:
        """What all rows that a run creates have in common."""
        return {
            "tenant_id": self._tenant_id,
            "connection_id": self._connection_id,
            "status": "active",
            "created_run_id": self._run_id,
        }

    def _add_links(self, kind: Kind, rows: Rows, manages: bool) -> None:
        shared = {
            "connection_id": self._connection_id,
            "kind": kind,
            "tenant_id": self._tenant_id,
            "manages": manages,
            "active": True,
            "run_id": self._run_id,
        }
        insert_rows(self._connection, _LINK, _LINK_COLUMNS, rows, range(6), shared)

    def _move_links(self, kind: Kind, rows: Rows) -> None:
        """Fingerprint and place of what the source says now.

        A record was found by its 64-bit key; that its id is the stored one, letter by letter, is made sure of here.
        """
        keys = ("connection_id", "kind", "source_id")
        moved = [(row[3], row[4], row[5], self._run_id, self._connection_id, kind, row[1]) for row in rows]
        if update_rows(self._connection, _LINK, (*_PLACE, "run_id"), keys, moved) != len(moved):
            raise StoppedError(
                "Two ids in the files cannot be told apart by their keys; nothing was changed. Tell the operator.",
                f"64-bit keys of two {kind} ids collide",
            )

    def _change_entities(self, chunk: Chunk) -> None:
        kind, restore = chunk.kind, chunk.operation == "restore"
        columns = (*COLUMNS[kind], "changed_run_id", *(_REVIVED if restore else ()))
        extra = (self._run_id, "active", None, None, None) if restore else (self._run_id,)
        rows = [(*row[6:-2], *extra, self._tenant_id, row[0]) for row in chunk.rows]
        update_rows(self._connection, TABLES[kind], columns, ("tenant_id", "id"), rows)
        self._move_links(kind, chunk.rows)
        if restore:
            self._mark_links(kind, chunk.rows, active=True)
        self._note([(kind, chunk.operation, row[0], None, None, None, None, row[-2], row[-1]) for row in chunk.rows])

    def _archive_entities(self, kind: Kind, rows: Rows) -> None:
        archived = [("archived", self._run_id, row[1], self._now, self._tenant_id, row[0]) for row in rows]
        update_rows(self._connection, TABLES[kind], _ARCHIVED, ("tenant_id", "id"), archived)
        self._mark_links(kind, rows, active=False)
        self._note([(kind, "archive", row[0], None, None, row[1], row[2], "{}", "{}") for row in rows])

    def _mark_links(self, kind: Kind, rows: Rows, active: bool) -> None:
        """All links of an entity tell whether it is active, whichever connection's they are."""
        links = [(active, self._tenant_id, kind, row[0]) for row in rows]
        update_rows(self._connection, _LINK, ("active",), ("tenant_id", "kind", "entity_id"), links)

    # --- relations -------------------------------------------------------------------------------------------------

    def _write_relations(self, chunk: Chunk) -> None:
        if chunk.operation == "create":
            self._create_relations(chunk.kind, chunk.rows)
        elif chunk.operation == "archive":
            self._archive_relations(chunk.kind, chunk.rows)
        elif chunk.operation == "touch":
            moved = [(*row[3:6], *self._key(chunk.kind, row)) for row in chunk.rows]
            update_rows(self._connection, TABLES[chunk.kind], _PLACE, self._key_columns(chunk.kind), moved)
        else:
            self._change_relations(chunk)

    def _create_relations(self, kind: Kind, rows: Rows) -> None:
        end = 6 + len(COLUMNS[kind])
        if kind == "guardianship":  # it has no role
            columns, picks = (*ENDS[kind], *_PLACE, *COLUMNS[kind]), (0, 1, *range(3, end))
        else:
            columns, picks = (*ENDS[kind], "role", *_PLACE, *COLUMNS[kind]), tuple(range(end))
        insert_rows(self._connection, TABLES[kind], columns, rows, picks, self._owned())

    def _change_relations(self, chunk: Chunk) -> None:
        kind, restore = chunk.kind, chunk.operation == "restore"
        revived = (*_REVIVED, "connection_id") if restore else ()
        extra = (self._run_id, "active", None, None, None, self._connection_id) if restore else (self._run_id,)
        columns = (*_PLACE, *COLUMNS[kind], "changed_run_id", *revived)
        rows = [(*row[3:-2], *extra, *self._key(kind, row)) for row in chunk.rows]
        update_rows(self._connection, TABLES[kind], columns, self._key_columns(kind), rows)
        self._note_relations(kind, chunk.operation, [(row, None, None, row[-2], row[-1]) for row in chunk.rows])

    def _archive_relations(self, kind: Kind, rows: Rows) -> None:
        archived = [("archived", self._run_id, row[3], self._now, *self._key(kind, row)) for row in rows]
        update_rows(self._connection, TABLES[kind], _ARCHIVED, self._key_columns(kind), archived)
        self._note_relations(kind, "archive", [(row, row[3], row[4], "{}", "{}") for row in rows])

    @staticmethod
    def _key_columns(kind: Kind) -> tuple[str, ...]:
        return ("tenant_id", *ENDS[kind]) if kind == "guardianship" else ("tenant_id", *ENDS[kind], "role")

    def _key(self, kind: Kind, row: Sequence[Any]) -> tuple[Any, ...]:
        return (self._tenant_id, row[0], row[1]) if kind == "guardianship" else (self._tenant_id, *row[:3])

    # --- history ---------------------------------------------------------------------------------------------------

    def _note_relations(self, kind: Kind, action: str, changes: Sequence[tuple[Any, ...]]) -> None:
        """The person (student) of a relation is its subject, whichever end of the key that is."""
        person = 1 if kind == "enrollment" else 0
        self._note(
            [
                (kind, action, row[person], row[1 - person], row[2] or None, cause, coverage, before, after)
                for row, cause, coverage, before, after in changes
            ]
        )

    def _note(self, changes: Sequence[tuple[Any, ...]]) -> None:
        rows = [
            (self._run_id, seq, self._tenant_id, *change) for seq, change in enumerate(changes, start=self._changes + 1)
        ]
        self._changes += len(rows)
        insert_rows(self._connection, _CHANGE, _CHANGE_COLUMNS, rows)
