"""Pages that must wait for their kind's turn: one users row speaks of three kinds.

A small district's wait in memory; from ``_IN_MEMORY`` bytes on they go to disk, so that memory stays flat.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Generic, TypeVar

import msgspec

from models.errors import RetryLaterError
from models.pages import Page, Refusal
from models.problems import Problem
from models.records import Affiliation, Guardianship
from models.vocabulary import Kind

R = TypeVar("R", Affiliation, Guardianship)

_IN_MEMORY = 8 * 2**20


class _Stored(msgspec.Struct, Generic[R], array_like=True):
    kind: Kind
    listing: str
    file: str
    records: list[R]
    lines: list[int]
    problems: list[Problem]
    refusals: list[Refusal]
    tombstones: bool


class Spool(Generic[R]):
    """Pages of one record type, written first and then read back in order, any number of times."""

    def __init__(self, scratch: Path, record_type: type[R]) -> None:
        self._file = SpooledTemporaryFile(max_size=_IN_MEMORY, dir=str(scratch))  # noqa: SIM115
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(_Stored[record_type]).decode  # type: ignore[valid-type]

    def put(self, page: Page) -> None:
        """Keep a page. Raises ``RetryLaterError`` where the disk is full."""
        payload = self._encode(
            (
                page.kind,
                page.listing,
                page.file,
                page.records,
                page.lines,
                page.problems,
                page.refusals,
                page.tombstones,
            )
        )
        try:
            self._file.write(len(payload).to_bytes(8, "big"))
            self._file.write(payload)
        except OSError as error:
            raise no_room(error) from None

    def pages(self) -> Iterator[Page]:
        file = self._file
        file.seek(0)
        while size := file.read(8):
            stored = self._decode(file.read(int.from_bytes(size, "big")))
            yield Page(
                stored.kind,
                stored.listing,
                stored.file,
                stored.records,
                stored.lines,
                stored.problems,
                stored.refusals,
                stored.tombstones,
            )

    def close(self) -> None:
        self._file.close()


def no_room(error: OSError) -> RetryLaterError:
    """What to raise when the scratch directory cannot be written to."""
    reason = error.strerror or type(error).__name__
    return RetryLaterError("The upload could not be unpacked for lack of room; try again later.", f"scratch: {reason}")
