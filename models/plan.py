"""A plan: the exact operations that a run would do, in chunks, in the order in which they are applied.

Rows are plain tuples, as there may be millions. Their layouts (``…`` are the kind's columns, see ``COLUMNS``):

* entities, create: id, source id, key, fingerprint, listing, line, …
* entities, update / restore: id, source id, key, fingerprint, listing, line, …, before, after
* entities, link / touch: id, source id, key, fingerprint, listing, line
* entities, archive: id, cause, coverage seq
* relations, create: first id, second id, role, fingerprint, listing, line, …
* relations, update / restore: first id, second id, role, fingerprint, listing, line, …, before, after
* relations, touch: first id, second id, role, fingerprint, listing, line
* relations, archive: first id, second id, role, cause, coverage seq

``before`` and ``after`` are JSON objects of the fields that differ. ``link`` adds a source's id to an
entity that something else manages; ``touch`` refreshes fingerprint and place of a record whose meaning did not change.
"""

from collections.abc import Callable, Iterator
from typing import IO, Any, Final, Literal

import msgspec

from models.vocabulary import Kind

Operation = Literal["create", "update", "restore", "archive", "link", "touch"]

#: The columns that a source decides, in the order of the operations' rows.
COLUMNS: Final[dict[Kind, tuple[str, ...]]] = {
    "school": ("name", "number", "type", "parent_id"),
    "term": ("title", "type", "begins_on", "ends_on", "school_year"),
    "class": (
        "title", "school_id", "code", "course_title", "course_number", "subjects", "grades", "periods", "location",
        "term_ids",
    ),
    "person": (
        "given_name", "middle_name", "family_name", "preferred_name", "username", "email", "sms", "phone", "grades",
        "language", "enabled", "identifiers",
    ),
    "affiliation": ("is_primary",),
    "enrollment": ("is_primary", "begins_on", "ends_on"),
    "guardianship": ("relationship", "contact_type"),
}  # fmt: skip


class Chunk(msgspec.Struct, frozen=True, array_like=True):
    """Some operations of one kind and one sort."""

    kind: Kind
    operation: Operation
    rows: list[tuple[Any, ...]]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Chunk)
encode_chunk = _encoder.encode
decode_chunk = _decoder.decode


class ChunkFile:
    """Chunks in a temporary file, so that a plan of any size costs little memory; read as often as needed.

    ``append_source`` takes chunks that something else can make again at any time, and does not write them down.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._parts: list[tuple[int, int] | Callable[[], Iterator[Chunk]]] = []
        self.operations = 0

    def append(self, chunk: Chunk) -> None:
        if not chunk.rows:
            return
        payload = encode_chunk(chunk)
        start = self._file.seek(0, 2)
        self._file.write(payload)
        self._parts.append((start, len(payload)))
        self.operations += len(chunk.rows)

    def append_source(self, chunks: Callable[[], Iterator[Chunk]], operations: int) -> None:
        if operations:
            self._parts.append(chunks)
            self.operations += operations

    def __iter__(self) -> Iterator[Chunk]:
        for part in self._parts:
            if callable(part):
                yield from part()
            else:
                self._file.seek(part[0])
                yield decode_chunk(self._file.read(part[1]))
