"""What any OneRoster server does once a request is let in: collections, paging, sort, filter, fields, single records.

reference/oneroster-classlink.md, 2.1 to 2.5 and 4.1.
"""

import re
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import quote, unquote

from fixtures.oneroster_api import Records
from tests.servers.messages import Reply, Request
from tests.servers.prepared import PreparedPages

Record = dict[str, Any]
#: Does as asked; does not care; answers 400.
Support = Literal["yes", "ignored", "refused"]

#: Endpoint -> (collection, the condition on its records). The collection is the envelope.
_VIEWS: Final[dict[str, tuple[str, dict[str, str]]]] = {
    **{name: (name, {}) for name in ("orgs", "academicSessions", "courses", "classes", "users", "enrollments")},
    "schools": ("orgs", {"type": "school"}),
    "terms": ("academicSessions", {"type": "semester"}),
    "gradingPeriods": ("academicSessions", {"type": "gradingPeriod"}),
    "students": ("users", {"role": "student"}),
    "teachers": ("users", {"role": "teacher"}),
}
_SINGLE: Final = {"orgs": "org", "academicSessions": "academicSession", "classes": "class"}
_CLAUSE = re.compile(r"([\w.]+)\s*(!=|>=|<=|=|>|<|~)\s*'([^']*)'")


@dataclass
class Provider:
    """A district's records and the manners of its server; all may be changed while it runs.

    ``clamp`` is the largest page whatever was asked for (None: no such limit), ``default_limit`` the page of those who
    do not ask. ``totals`` and ``links``: whether X-Total-Count and Link are sent. ``headers`` go with every answer.
    """

    roster: Records = field(default_factory=dict)
    prepared: PreparedPages | None = None
    totals: bool = True
    links: bool = False
    clamp: int | None = None
    default_limit: int = 100
    sort: Support = "yes"
    filter: Support = "yes"
    headers: dict[str, str] = field(default_factory=dict)

    def answer(self, resource: str, request: Request, url: str) -> Reply:
        """Answer for a resource ("users", "users/0001"), its path still encoded; ``url`` is the collection's own."""
        name, _, source_id = resource.partition("/")
        if name not in _VIEWS or "/" in source_id or request.method != "GET":
            return failure(404, "unknownobject")
        if source_id:
            return self._single(name, unquote(source_id))
        return self._collection(name, request, url).but(headers=self.headers)

    def _single(self, name: str, source_id: str) -> Reply:
        collection, _ = _VIEWS[name]
        found = next((r for r in self.roster.get(collection, []) if r["sourcedId"] == source_id), None)
        if found is None:
            return failure(404, "unknownobject")
        return Reply(200, {_SINGLE.get(collection, collection.removesuffix("s")): found}, headers=self.headers)

    def _collection(self, name: str, request: Request, url: str) -> Reply:
        params = request.params
        limit, offset = params.get("limit", str(self.default_limit)), params.get("offset", "0")
        if not (limit.isdecimal() and offset.isdecimal() and int(limit)):
            return failure(400, "invaliddata")
        if self.sort == "refused" and ("sort" in params or "orderBy" in params):
            return failure(400, "invalid_sort_field")
        if self.filter == "refused" and "filter" in params:
            return failure(400, "invalid_filter_field")
        size, start = min(int(limit), self.clamp or int(limit)), int(offset)
        collection, condition = _VIEWS[name]
        if self.prepared:
            total = self.prepared.total(collection)
            return self.prepared.at(collection, start, size).but(headers=self._counts(total, start, size, url))
        try:
            records = self._chosen(self.roster[collection], condition, params)
        except ValueError:
            return failure(400, "invalid_filter_field")
        found = records[start : start + size]
        if "fields" in params:
            kept = params["fields"].split(",")
            found = [{key: value for key, value in record.items() if key in kept} for record in found]
        counts = self._counts(len(records), start, size, url)
        return Reply(200, {collection: found}, headers=counts, envelope=collection)

    def _chosen(self, records: list[Record], condition: dict[str, str], params: dict[str, str]) -> list[Record]:
        if condition:
            records = [r for r in records if all(value in _values(r, name) for name, value in condition.items())]
        if self.filter == "yes" and "filter" in params:
            records = [record for record in records if _holds(params["filter"], record)]
        if self.sort == "yes" and (key := params.get("sort")):
            records = sorted(records, key=lambda record: _values(record, key), reverse=params.get("orderBy") == "desc")
        return records

    def _counts(self, total: int, start: int, size: int, url: str) -> dict[str, str]:
        headers = {"X-Total-Count": str(total)} if self.totals else {}
        if self.links and start + size < total:
            headers["Link"] = f'<{url}?limit={size}&offset={start + size}>; rel="next"'
        return headers


def failure(status: int, minor: str) -> Reply:
    """An error as OneRoster words it."""
    field_of = {"imsx_codeMinorFieldName": "TargetEndSystem", "imsx_codeMinorFieldValue": minor}
    info = {
        "imsx_codeMajor": "failure",
        "imsx_severity": "error",
        "imsx_description": minor,
        "imsx_CodeMinor": {"imsx_codeMinorField": [field_of]},
    }
    return Reply(status, {"imsx_StatusInfo": info})


def escaped(source_id: str) -> str:
    """A sourcedId as it stands in a path."""
    return quote(source_id, safe="")


def _holds(text: str, record: Record) -> bool:
    """Whether a filter holds: AND binds closer than OR, no parentheses. ValueError for what is no filter."""
    return any(all(_clause(clause, record) for clause in group.split(" AND ")) for group in text.split(" OR "))


def _clause(text: str, record: Record) -> bool:
    match = _CLAUSE.fullmatch(text.strip())
    if not match:
        raise ValueError(text)
    name, operator, wanted = match.groups()
    values = _values(record, name)
    if operator == "!=":
        return wanted not in values
    return any(_compares(value, operator, wanted) for value in values)


def _compares(value: str, operator: str, wanted: str) -> bool:
    return {
        "=": value == wanted,
        ">": value > wanted,
        ">=": value >= wanted,
        "<": value < wanted,
        "<=": value <= wanted,
        "~": wanted in value,
    }[operator]


def _values(record: Record, name: str) -> list[str]:
    """The values of a field as texts; dots lead into objects and lists. A user's ``role`` may stand in ``roles`` (1.2)."""
    found: list[Any] = [record]
    for part in name.split("."):
        found = [entry.get(part) for entry in _flat(found) if isinstance(entry, dict)]
    values = [str(value).lower() if isinstance(value, bool) else str(value) for value in _flat(found)]
    return _values(record, "roles.role") if name == "role" and not values and "roles" in record else values


def _flat(found: list[Any]) -> list[Any]:
    return [item for entry in found for item in (entry if isinstance(entry, list) else [entry]) if item is not None]
