"""Bodies of Clever's answers, decoded: what is not named in a shape is dropped while it is decoded, and never seen."""

from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar
from urllib.parse import parse_qsl, urlsplit

import msgspec

from connectors.http.client import Answer, Query, Torn
from connectors.http.json_body import decode_json
from models.errors import SourceProtocolError


class HasId(Protocol):
    """Any record of Clever's."""

    id: str


T = TypeVar("T")
R = TypeVar("R", bound=HasId)


class Malformed(NamedTuple):
    """Something in a list that has not the shape of its records; its id, "" where none can be read."""

    id: str


class Link(msgspec.Struct):
    rel: Any = ""
    uri: Any = ""


class ListPage(NamedTuple, Generic[R]):
    """One page of a list."""

    records: Sequence[R | Malformed]
    links: Sequence[Link]


class _Item(msgspec.Struct, Generic[T]):
    data: T


class _Body(msgspec.Struct, Generic[T]):
    data: list[_Item[T]]
    links: list[Link]


class _LooseBody(msgspec.Struct):
    data: list[msgspec.Raw]
    links: list[Link]


class _Identified(msgspec.Struct):
    id: str


class _Counted(msgspec.Struct):
    count: int | None = None


_loose_body = msgspec.json.Decoder(_LooseBody)
_identified = msgspec.json.Decoder(_Item[_Identified])
_counted = msgspec.json.Decoder(_Counted)


def decode(answer: Answer, decoder: msgspec.json.Decoder[T]) -> T:
    """The body of an answer. Raises Torn where it is not JSON, or not of the decoder's shape."""
    try:
        return decode_json(decoder, answer.body)
    except msgspec.ValidationError:
        raise Torn("JSON of another shape") from None
    except ValueError:
        kind = answer.headers.get("content-type", "")
        raise Torn("HTML instead of JSON" if "html" in kind else "not JSON, or cut off") from None


def read_count(answer: Answer) -> int | None:
    """What ``count=true`` was answered with; None where Clever did not count. Raises Torn."""
    return decode(answer, _counted).count


def page_reader(shape: type[R]) -> Callable[[Answer], ListPage[R]]:
    """What reads a list's pages, whose records become ``shape``; it raises Torn for what is no page.

    A record of another shape is a ``Malformed`` among the others. Both the list and its links must be there: a body
    without them may be anything, and must not pass for the end of a list.
    """
    body: msgspec.json.Decoder[_Body[R]] = msgspec.json.Decoder(_Body[shape])  # type: ignore[valid-type]
    item: msgspec.json.Decoder[_Item[R]] = msgspec.json.Decoder(_Item[shape])  # type: ignore[valid-type]

    def read(answer: Answer) -> ListPage[R]:
        try:
            whole = decode_json(body, answer.body)
        except ValueError:
            loose = decode(answer, _loose_body)
            return ListPage([_read_item(raw, item) for raw in loose.data], loose.links)
        return ListPage([entry.data for entry in whole.data], whole.links)

    return read


def _read_item(raw: msgspec.Raw, item: msgspec.json.Decoder[_Item[R]]) -> R | Malformed:
    try:
        return decode_json(item, raw).data
    except ValueError:
        pass
    try:
        return Malformed(decode_json(_identified, raw).data.id)
    except ValueError:
        return Malformed("")


def next_query(links: Sequence[Link], base_url: str, path: str, what: str) -> Query | None:
    """The query of the next page of the list at ``base_url + path``; None where there is no next page.

    Clever's links are paths (2.2). Only the query is taken over: one that leads anywhere else than on in this very list
    is not followed, as our token would go there. Raises SourceProtocolError for such a link.
    """
    uri = next((link.uri for link in links if link.rel == "next"), None)
    if uri is None:
        return None
    ours = urlsplit(base_url)
    try:
        link = urlsplit(uri if isinstance(uri, str) else "")
        elsewhere = bool(link.scheme or link.netloc) and link[:2] != ours[:2]
    except ValueError:
        elsewhere = True
    if elsewhere or link.path not in (path, ours.path + path):
        raise SourceProtocolError(
            f"For more {what} Clever's answer points to another place, which was not followed. Tell Clever's support.",
            f"{what}: the next link is no path of this list",
        )
    return parse_qsl(link.query, keep_blank_values=True)
