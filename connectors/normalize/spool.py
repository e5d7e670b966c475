"""Pages that must wait for their turn: one row may speak of three kinds, and a pull over a network must be whole first.

A small district's wait in memory; from ``_IN_MEMORY`` bytes on they go to disk, so that memory stays flat.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any, Final

import msgspec

from models.errors import RetryLaterError
from models.pages import Page, Refusal
from models.problems import Problem
from models.records import Affiliation, Class, Enrollment, Guardianship, Person, School, Term
from models.vocabulary import Kind

_RECORDS: Final[dict[Kind, Any]] = {
    "school": list[School],
    "term": list[Term],
    "class": list[Class],
    "person": list[Person],
    "affiliation": list[Affiliation],
    "enrollment": list[Enrollment],
    "guardianship": list[Guardianship],
}
_IN_MEMORY = 8 * 2**20


class Spool:
    """Pages of one kind, written first and then read back in order, any number of times."""

    def __init__(self, scratch: Path, kind: Kind) -> None:
        self._kind: Kind = kind
        self._file = SpooledTemporaryFile(max_size=_IN_MEMORY, dir=str(scratch))  # noqa: SIM115
        self._encode = msgspec.msgpack.Encoder().encode
        parts: Any = (
            str,
            str,
            _RECORDS[kind],
            list[int],
            list[Problem],
            list[Refusal],
            bool,
            list[tuple[str, ...]],
        )
        self._decode = msgspec.msgpack.Decoder(tuple[parts]).decode

    def put(self, page: Page) -> None:
        """Keep a page of the spool's kind. Raises ``RetryLaterError`` where the disk is full."""
        payload = self._encode(
            (
                page.listing, page.file, page.records, page.lines, page.problems, page.refusals, page.tombstones,
                page.schools,
            )
        )  # fmt: skip
        try:
            self._file.write(len(payload).to_bytes(8, "big"))
            self._file.write(payload)
        except OSError as error:
            raise no_room(error) from None

    def pages(self) -> Iterator[Page]:
        file = self._file
        file.seek(0)
        while size := file.read(8):
            listing, name, records, lines, problems, refusals, tombstones, schools = self._decode(
                file.read(int.from_bytes(size, "big"))
            )
            yield Page(self._kind, listing, name, records, lines, problems, refusals, tombstones, schools)

    def clear(self) -> None:
        """Forget all pages, to begin anew."""
        self._file.seek(0)
        self._file.truncate()

    def close(self) -> None:
        self._file.close()


def no_room(error: OSError) -> RetryLaterError:
    """What to raise when the scratch directory cannot be written to."""
    reason = error.strerror or type(error).__name__
    return RetryLaterError("There is no room to keep what came; try again later.", f"scratch: {reason}")
