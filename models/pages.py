"""What a connector's ``pull`` yields, in the order in which it happens: arrivals, pages, and coverage statements.

A page of normalized records is the unit of memory, retry and progress. All pages of a kind come before the pages of
the next kind in ``KINDS``; a coverage statement for a (kind, listing) comes after its last page.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from models.problems import Problem
from models.records import Record
from models.vocabulary import Kind


class Refusal(msgspec.Struct, frozen=True):
    """A record that the source listed and we could not take: refused is not absent, so what is stored stays.

    ``source_ids`` are the ids that could be read: one for an entity; for a relation its two ends in the record's own
    order (class, person / person, school / student, guardian). None where nothing could be read: then nobody can say
    which stored record this is, and the listing proves no absence. ``role`` None stands for "whatever the role".
    """

    line: int
    source_ids: tuple[str, ...] | None
    role: str | None = None


class Page(msgspec.Struct, frozen=True):
    """Records of one kind from one listing, in the source's order.

    ``lines[i]`` is where ``records[i]`` stands in ``file`` (1-based line for a file; position for an API).
    With ``tombstones`` the records are what the source says is gone (``status=tobedeleted``); only their identity counts.
    ``schools[i]``, where given, are the source ids of the schools that the row of ``records[i]`` names (people,
    enrollments): a person none of whose schools is known here is not taken.
    """

    kind: Kind
    listing: str
    file: str
    records: Sequence[Record]
    lines: Sequence[int]
    problems: Sequence[Problem] = ()
    refusals: Sequence[Refusal] = ()
    tombstones: bool = False
    schools: Sequence[tuple[str, ...]] = ()


CoverageVerdict = Literal["complete", "partial", "none"]


class Coverage(msgspec.Struct, frozen=True):
    """What a pull proved about one listing of one kind: only "complete" lets absence remove anything.

    ``scope`` is the source id of the one school that the listing covers, None for the whole district. ``reason`` is
    a plain sentence for every other verdict ("users.csv could not be read to its end", "delta file"). ``delta``: the
    listing holds changes only, so that an empty one is nothing unusual. ``untold`` names columns (``models.plan.COLUMNS``)
    of the kind that the source could not tell this time (classes whose courses could not be read): blank there means
    nothing, and what is stored stays. ``untold_roles`` are roles that the source does not show us: whoever is stored with
    one of them, and what they have by it, is not absent.
    """

    kind: Kind
    listing: str
    file: str
    verdict: CoverageVerdict
    received: int
    refused: int = 0
    reason: str = ""
    scope: str | None = None
    delta: bool = False
    untold: tuple[str, ...] = ()
    untold_roles: tuple[str, ...] = ()


class Arrival(msgspec.Struct, frozen=True):
    """One input file (or API collection) as it came: what it was taken for, how it was read, how many rows it has.

    ``role`` is the listing it feeds ("users", "classes", …), or "ignored" / "unreadable". ``rows`` excludes the header
    and blank lines. ``encoding`` and ``delimiter`` say how it was read, ``note`` what a person should know of it.
    """

    file: str
    role: str
    rows: int
    encoding: str = ""
    delimiter: str = ""
    note: str = ""
    problems: Sequence[Problem] = ()


PullEvent = Page | Coverage | Arrival
