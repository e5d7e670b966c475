"""Guardianships from both sides: a student's row names its guardians, a guardian's row its students.

OneRoster wants both (reference/oneroster-classlink.md, 2.2), in practice either may be missing, so the union counts.
"""

from collections.abc import Iterator, Sequence

from connectors.normalize.compact import CompactMap
from connectors.normalize.listing import Listing, Part
from models.pages import Page
from models.records import Guardianship
from models.vocabulary import GROUP_BITS


class GuardianLinks:
    """Gathers links while people are read; ``pages`` hands them out afterwards, each pair once.

    ``forward`` keeps those named on students' rows, ``reverse`` those named on guardians' rows: most of the second are
    in the first already.
    """

    def __init__(self, forward: Part, reverse: Part) -> None:
        self._forward = forward
        self._reverse = reverse

    @property
    def listing(self) -> Listing:
        """What the coverage statement of the links is made of."""
        return self._forward.listing

    def add(self, line: int, source_id: str, groups: int, others: Sequence[str]) -> None:
        """What one person's row names; ``groups`` are all that the person belongs to (``GROUP_BITS``; 0: not known).

        Agents of staff are no guardians, but those of staff who are guardians too are their children: 1.2 merges what
        were several records in 1.1 (reference, 4.3).
        """
        if not groups or groups & GROUP_BITS["student"]:
            for guardian in others:
                self._forward.listing.add(Guardianship(source_id, guardian), line)
            self._forward.keep_full()
        elif groups & GROUP_BITS["guardian"]:
            for student in others:
                self._reverse.listing.add(Guardianship(student, source_id), line)
            self._reverse.keep_full()

    def keep_all(self) -> None:
        """Ask when the last row has been added."""
        self._forward.keep_all()
        self._reverse.keep_all()

    def pages(self) -> Iterator[Page]:
        """All links: those from the students' rows, then those that only the guardians' rows name."""
        yield from self._forward.spool.pages()
        if not self._reverse.listing.received:
            return
        links = self._forward.listing
        known = CompactMap()
        for _, key, _ in _guardianships(self._forward):
            known.add(key)
        for record, key, line in _guardianships(self._reverse):
            if links.is_full():
                yield from links.take()
            if not known.bits(key):
                links.add(record, line)
        yield from links.take()


def _guardianships(part: Part) -> Iterator[tuple[Guardianship, str, int]]:
    """The guardianships in a spool, each with a key for the pair and its line."""
    for page in part.spool.pages():
        for record, line in zip(page.records, page.lines, strict=True):
            if isinstance(record, Guardianship):
                yield record, f"{record.student_source_id}\0{record.guardian_source_id}", line
