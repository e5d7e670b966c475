"""What one file says of one kind, on its way into pages: records, tombstones, refusals, problems, and the coverage."""

from collections.abc import Iterator
from typing import NamedTuple

from connectors.normalize.spool import Spool
from models.pages import Coverage, CoverageVerdict, Page, Refusal
from models.problems import Problem
from models.records import Record
from models.vocabulary import Kind


class Listing:
    """Gathers the records of one (kind, listing) of one file and hands them out as pages of at most ``page_size``.

    ``received`` counts all records that were yielded, tombstones included; ``present`` only those that are there.
    """

    def __init__(self, kind: Kind, listing: str, file: str, page_size: int) -> None:
        self.kind: Kind = kind
        self.listing = listing
        self.file = file
        self.page_size = page_size
        self.records: list[Record] = []
        self.lines: list[int] = []
        #: The schools that each record's row names, where the reader of the file keeps them (people, enrollments).
        self.schools: list[tuple[str, ...]] = []
        self.received = 0
        self.present = 0
        self.refused = 0
        self.unidentified = 0
        self._gone: list[Record] = []
        self._gone_lines: list[int] = []
        self._problems: list[Problem] = []
        self._refusals: list[Refusal] = []
        self._told: set[tuple[str, str]] = set()

    def add(self, record: Record, line: int) -> None:
        self.records.append(record)
        self.lines.append(line)

    def add_gone(self, record: Record, line: int) -> None:
        """A record that the source says is deleted."""
        self._gone.append(record)
        self._gone_lines.append(line)

    def tell(self, code: str, line: int, source_id: str | None = None, field: str = "", detail: str = "") -> None:
        """Note a problem of one row."""
        self._problems.append(Problem(code, self.file, line, self.kind, source_id, field, detail))

    def tell_once(self, code: str, line: int, field: str) -> None:
        """Note what would otherwise repeat on every row, at its first row only."""
        if (code, field) not in self._told:
            self._told.add((code, field))
            self.tell(code, line, None, field)

    def protect(self, line: int, source_ids: tuple[str, ...] | None, role: str | None = None) -> None:
        """Note that a record was listed and could not be taken, so that it does not count as absent."""
        self._refusals.append(Refusal(line, source_ids, role))
        self.refused += 1
        self.unidentified += source_ids is None

    def is_full(self) -> bool:
        size = self.page_size
        return len(self.records) >= size or len(self._problems) >= size or len(self._refusals) >= size

    def take(self) -> Iterator[Page]:
        """The pages gathered so far: what is there (with problems and refusals), then what is gone."""
        if self.records or self._problems or self._refusals:
            page = Page(
                self.kind,
                self.listing,
                self.file,
                self.records,
                self.lines,
                self._problems,
                self._refusals,
                schools=self.schools,
            )
            self.received += len(self.records)
            self.present += len(self.records)
            self.records, self.lines, self.schools, self._problems, self._refusals = [], [], [], [], []
            yield page
        if self._gone:
            page = Page(self.kind, self.listing, self.file, self._gone, self._gone_lines, tombstones=True)
            self.received += len(self._gone)
            self._gone, self._gone_lines = [], []
            yield page

    def coverage(self, doubt: str, *, delta: bool, scope: str | None) -> Coverage:
        """State what the listing proves. ``doubt`` is why it proves less than it seems to; empty for no doubt."""
        verdict: CoverageVerdict = "complete"
        reason = ""
        if delta:
            verdict, reason = "none", f"{self.file} is a delta file: it lists changes only"
        elif self.present == 0:
            verdict, reason = "none", f"{self.file} holds no record that could be used"
        elif self.unidentified:
            verdict, reason = "partial", f"{self.unidentified} row(s) of {self.file} have no readable id"
        elif doubt:
            verdict, reason = "partial", doubt
        return Coverage(self.kind, self.listing, self.file, verdict, self.received, self.refused, reason, scope, delta)

    def coverage_beside(self, people: Coverage) -> Coverage:
        """State what relations prove that stand on the rows of people: as much as those, even if there are none."""
        verdict, reason = people.verdict, people.reason
        if verdict == "complete" and self.unidentified:
            verdict, reason = "partial", f"{self.unidentified} row(s) of {self.file} have no readable id"
        return Coverage(self.kind, self.listing, self.file, verdict, self.received, self.refused, reason, people.scope)


class Part(NamedTuple):
    """A listing whose pages wait in a spool until their kind's turn."""

    listing: Listing
    spool: Spool

    def keep_full(self) -> None:
        if self.listing.is_full():
            self.keep_all()

    def keep_all(self) -> None:
        for page in self.listing.take():
            self.spool.put(page)
