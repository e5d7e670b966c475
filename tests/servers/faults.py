"""What goes wrong on the way to a source, one small mechanism for all servers.

    server.faults += [
        Fault(r"/users", status(502), times=3),                     # the first three requests for users
        Fault(r"/users\\b.*offset=100", torn()),                     # one page, once
        Fault(r"/enrollments", no_rows(), times=None),               # always
        Fault(r"/districts", set_fields(last_sync="2026-09-30T06:00:00.000Z"), first=2, times=None),
    ]

A ``Fault`` is "which requests" and "what happens to the answer". Which: a regular expression that is searched in the raw
path and query ("/v3.1/users?limit=100"), and which of the requests that match, counted from 1 and retries included
(``first``; ``times`` of them, None for all from there on). What: an action, a function from a ``Call`` (the request, and the
answer as the vendor would have given it) to a ``Reply``. Several faults may strike one request, in the order of the list.
Make your own with ``edit`` (of the JSON), ``rows`` (of the list of records), ``each_record`` or a plain function.

| action | what the client sees |
| --- | --- |
| ``status(code, …)`` | that status, with headers and body if wanted; ``too_many(seconds)`` is a 429 |
| ``html()`` | a maintenance page with status 200 |
| ``empty_body()`` | status 200 and nothing |
| ``torn()`` | JSON that ends in the middle, with the Content-Length of what came |
| ``cut()`` | a connection that ends before the promised length |
| ``hang_up()`` | a connection that ends before any answer |
| ``drip(pieces, pause)`` | a body that comes slowly |
| ``no_rows()``, ``no_envelope()`` | a list that is empty; a body without its list |
| ``repeat_page()`` | the page before this one once more |
| ``reverse_rows()``, ``drop_row(n)``, ``repeat_row(n)`` | a page in another order, with a record less, with one twice |
| ``set_fields(…)`` | every record with these fields: unknown ones, unknown words of a list, a moved ``last_sync`` |
| ``headers(…)`` | other headers: a moved ``x-perm-rev``; None takes one away |
| ``count_off(by)`` | a total that is wrong |
| ``expire_token()`` | 401, and all tokens so far are worthless: only a new one is let in |
"""

from collections.abc import Callable
from dataclasses import dataclass
from re import search
from typing import Any, NamedTuple, Protocol

from tests.servers.messages import Reply, Request

Row = dict[str, Any]


class HandsOutTokens(Protocol):
    def revoke(self) -> None: ...
    def unauthorized(self) -> Reply: ...


class Call(NamedTuple):
    """One request, what would be answered, and the answer to the last other query of the same path."""

    server: HandsOutTokens
    request: Request
    reply: Reply
    before: Reply | None


Action = Callable[[Call], Reply]


@dataclass
class Fault:
    """When ``action`` happens: see the module's text. ``seen`` counts the requests that matched so far."""

    path: str
    action: Action
    first: int = 1
    times: int | None = 1
    seen: int = 0

    def strikes(self, request: Request) -> bool:
        """Whether it is this request's turn; counts it."""
        if not search(self.path, request.target):
            return False
        self.seen += 1
        return self.seen >= self.first and (self.times is None or self.seen < self.first + self.times)


def status(code: int, body: bytes = b"", document: Any = None, **headers: str) -> Action:
    """``headers`` are written with underscores: ``Retry_After="1"``."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _call: Reply(code, document, body, named)


def too_many(seconds: float | None = None) -> Action:
    """A 429 with an empty body; ``seconds`` stand in Retry-After."""
    return status(429) if seconds is None else status(429, Retry_After=f"{seconds:g}")


def html(code: int = 200) -> Action:
    page = b"<!DOCTYPE html><html><body>Down for maintenance</body></html>"
    return lambda _call: Reply(code, None, page, {"Content-Type": "text/html; charset=utf-8"})


def empty_body() -> Action:
    return lambda call: call.reply.but(document=None, body=b"")


def torn(share: float = 0.5) -> Action:
    def act(call: Call) -> Reply:
        payload = call.reply.payload()
        return call.reply.but(document=None, body=payload[: int(len(payload) * share)])

    return act


def cut(share: float = 0.5) -> Action:
    return lambda call: call.reply.but(sent=int(len(call.reply.payload()) * share))


def hang_up() -> Action:
    return lambda call: call.reply.but(sent=-1)


def drip(pieces: int = 5, pause: float = 0.02) -> Action:
    return lambda call: call.reply.but(pieces=pieces, pause=pause)


def edit(change: Callable[[Any], Any]) -> Action:
    """Change the JSON document; ``change`` returns a new one (records are shared: never change them in place)."""
    return lambda call: call.reply.but(document=change(call.reply.document))


def rows(change: Callable[[list[Row]], list[Row]]) -> Action:
    """Change the list of records (Clever's are wrapped in ``data`` and ``uri``). Answers without a list stay as they are."""

    def act(call: Call) -> Reply:
        reply = call.reply
        if not reply.envelope:
            return reply
        return reply.but(document=reply.document | {reply.envelope: change(reply.document[reply.envelope])})

    return act


def each_record(change: Callable[[Row], Row]) -> Action:
    """Change every record, wrapped or not."""

    def changed(row: Row) -> Row:
        wrapped = set(row) == {"data", "uri"}
        return row | {"data": change(row["data"])} if wrapped else change(row)

    return rows(lambda found: [changed(row) for row in found])


def set_fields(**fields: Any) -> Action:
    return each_record(lambda record: record | fields)


def no_rows() -> Action:
    return rows(lambda _found: [])


def no_envelope() -> Action:
    return lambda call: call.reply.but(document=_without(call.reply.document, call.reply.envelope))


def _without(document: Row, name: str) -> Row:
    return {key: value for key, value in document.items() if key != name}


def reverse_rows() -> Action:
    return rows(lambda found: found[::-1])


def drop_row(place: int = 0) -> Action:
    return rows(lambda found: found[:place] + found[place + 1 :])


def repeat_row(place: int = 0) -> Action:
    return rows(lambda found: [*found, *found[place : place + 1]])


def repeat_page() -> Action:
    """The page before, with its own links and headers; the first page stays as it is."""
    return lambda call: call.before or call.reply


def headers(**changes: str | None) -> Action:
    """Written with underscores; None takes a header away."""

    def act(call: Call) -> Reply:
        named = {name.replace("_", "-").lower(): value for name, value in changes.items()}
        kept = {name: value for name, value in call.reply.headers.items() if name.lower() not in named}
        added = {name: value for name, value in named.items() if value is not None}
        return Reply(call.reply.status, call.reply.document, call.reply.body, kept | added, call.reply.envelope)

    return act


def count_off(by: int = 1) -> Action:
    """A total that is ``by`` too high, wherever this answer has one."""

    def act(call: Call) -> Reply:
        reply = call.reply
        totals = {
            name: str(int(value) + by) for name, value in reply.headers.items() if name.lower() == "x-total-count"
        }
        document = reply.document
        if isinstance(document, dict) and "count" in document:
            document = document | {"count": document["count"] + by}
        return reply.but(document=document, headers=totals)

    return act


def expire_token() -> Action:
    def act(call: Call) -> Reply:
        call.server.revoke()
        return call.server.unauthorized()

    return act
