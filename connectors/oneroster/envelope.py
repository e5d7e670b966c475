"""One page of a collection: which key of the answer holds it, and what an answer is that holds none.

An answer without the expected key is never "no records" (reference/oneroster-classlink.md, 1.5 and 4.1): such answers are
Torn, which the HTTP client tries again before it gives up.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from connectors.http.client import Torn
from connectors.http.json_body import decode_json
from connectors.oneroster import wire
from connectors.oneroster.wire import Scalar

#: Of a number of records; Python reads no number of thousands of digits.
_MOST_DIGITS: Final = 18


class Decoded(NamedTuple):
    """``status`` is the HTTP status that the answer amounts to: a failure may come as 200 with a failing status info.

    ``rows`` are Structs of ``wire``; whatever in the list was no object stands there as it came. ``total`` is the
    number of records that the body says the collection has.
    """

    status: int
    rows: Sequence[Any] = ()
    total: int | None = None


class _Status(msgspec.Struct, rename={"total_count": "totalCount"}):
    """What may stand beside the records (or instead of them): a status info in one of its shapes, a total."""

    total_count: Any = None
    statusInfoSet: Any = None  # noqa: N815
    imsx_StatusInfo: Any = None  # noqa: N815
    imsx_codeMajor: Any = None  # noqa: N815
    imsx_CodeMinor: Any = None  # noqa: N815
    imsx_codeMinor: Any = None  # noqa: N815


class Collection:
    """A top-level collection: its path and envelope, and how its pages are decoded.

    ``name`` is the path below the base address, the name of the listing, and what people read. A pull cannot do without
    those that are ``mandatory``; of a ``delta`` collection changes only may be asked for.
    """

    def __init__(self, name: str, aliases: str, row: type[wire.Row], *, mandatory: bool, delta: bool = True) -> None:
        self.name = name
        self.mandatory = mandatory
        self.delta = delta
        #: The named key first: providers name it by the endpoint, or by the single record, as well.
        keys = (name, *aliases.split())
        rows = list[row | Scalar | list[Any]]  # type: ignore[valid-type]
        places = {f"rows_{place}": key for place, key in enumerate(keys)}
        envelope = msgspec.defstruct(
            "Envelope",
            [(place, rows | row | Scalar | UnsetType, UNSET) for place in places],
            bases=(_Status,),
            rename=places,
        )
        self._decoder = msgspec.json.Decoder(envelope | rows | Scalar)
        self._places = tuple(places)

    def __repr__(self) -> str:
        return f"Collection({self.name})"

    def decode(self, body: bytes) -> Decoded:
        """Read the body of an answer with status 200. Raises Torn."""
        answer = self._read(body)
        # Only an answer that is a list as a whole may do without a name.
        if isinstance(answer, list):
            return Decoded(200, answer)
        if not isinstance(answer, _Status):
            raise Torn("a JSON value that is neither an object nor a list")
        failed = _failure(answer)
        if failed is not None:
            return Decoded(failed)
        return Decoded(200, self._rows(answer), read_count(answer.total_count))

    def _rows(self, answer: _Status) -> list[Any]:
        held = [getattr(answer, place) for place in self._places]
        for value in held:
            if isinstance(value, list):
                return value
            if isinstance(value, msgspec.Struct):
                return [value]
        if None in held:  # how some languages write an empty list
            return []
        raise Torn(f"no {self.name} in the answer")

    def _read(self, body: bytes) -> Any:
        if not body.strip():
            raise Torn("an empty body")
        if body.lstrip()[:1] == b"<":
            raise Torn("an HTML page instead of JSON")
        try:
            return decode_json(self._decoder, body.removeprefix(b"\xef\xbb\xbf"))
        except ValueError:
            raise Torn("JSON that breaks off or is malformed") from None


def _failure(answer: _Status) -> int | None:
    """The HTTP status that a failing status info amounts to; None where it says success, or nothing.

    Several providers send a success beside the records of every page (reference/oneroster-classlink.md, 2.5).
    """
    infos = [msgspec.structs.asdict(answer)]
    for held in (answer.imsx_StatusInfo, answer.statusInfoSet):
        infos += [info for info in (held if isinstance(held, list) else [held]) if isinstance(info, dict)]
    for info in infos:
        major = str(info.get("imsx_codeMajor") or "").lower()
        if major in ("failure", "unsupported"):
            return _status_of(major, str(info.get("imsx_CodeMinor") or info.get("imsx_codeMinor") or "").lower())
        if major == "processing":
            raise Torn("the provider is not ready with its answer")
    return None


def _status_of(major: str, minor: str) -> int:
    if "unauthori" in minor or "forbidden" in minor:
        return 403
    if major == "unsupported" or "unsupported" in minor or "unknownobject" in minor:
        return 404
    if "invalid" in minor:
        return 400
    # server_busy, internal_server_error, or nothing said
    raise Torn("the provider reports a failure")


def read_count(value: Any) -> int | None:
    """A number of records as a body or header says it; None for anything else."""
    text = value.strip() if isinstance(value, str) else ""
    if text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS:
        return int(text)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


ORGS: Final = Collection("orgs", "org schools school", wire.Org, mandatory=True)
SESSIONS: Final = Collection(
    "academicSessions", "academicSession terms term gradingPeriods gradingPeriod", wire.Session, mandatory=False
)
#: Always read in full, as classes take their course by value.
COURSES: Final = Collection("courses", "course", wire.Course, mandatory=False, delta=False)
CLASSES: Final = Collection("classes", "class", wire.Class, mandatory=True)
USERS: Final = Collection("users", "user students student teachers teacher", wire.User, mandatory=True)
ENROLLMENTS: Final = Collection("enrollments", "enrollment", wire.Enrollment, mandatory=True)
