"""What the tests of the OneRoster connector share: a provider with quirks, as an adapter, and pulls of it."""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse

from connectors.http.auth import NoAuth
from connectors.http.client import Answer, HttpClient, HttpRules
from connectors.oneroster.endpoint import Endpoint, PullSettings
from connectors.oneroster.pull import OneRosterPull
from connectors.source import Access, SourceFacts
from connectors.watch import Watch
from models.connections import Memory
from models.pages import Arrival, Coverage, Page, PullEvent, Refusal
from models.problems import Problem
from models.progress import Progress

BASE = "https://sis.example.org/ims/oneroster/v1p1"
NOW = "2026-09-01T06:00:00Z"
COLLECTIONS = ("orgs", "academicSessions", "courses", "classes", "users", "enrollments")

Row = dict[str, Any]
Roster = dict[str, list[Any]]


class Asked(NamedTuple):
    """A request as it came."""

    collection: str
    query: dict[str, str]
    raw_query: str

    @property
    def limit(self) -> int:
        return int(self.query["limit"])

    @property
    def offset(self) -> int:
        return int(self.query["offset"])


class Reply(NamedTuple):
    """``body`` is sent as it is if it is bytes, else as JSON."""

    status: int = 200
    body: Any = b""
    headers: Mapping[str, str] = {}


#: What stands between a request and the usual answer: None to let it through.
Quirk = Callable[[Asked], Reply | None]


class FakeProvider(HTTPAdapter):
    """Serves ``roster`` by limit and offset. ``clamp`` is the most it gives at once, ``total`` where it says how many there
    are; ``quirks`` are asked in turn for another answer. ``asked`` is what came."""

    def __init__(self, roster: Roster, *, clamp: int = 10_000, total: str = "X-Total-Count") -> None:
        super().__init__()
        self.roster = roster
        self.clamp = clamp
        self.total = total
        self.quirks: list[Quirk] = []
        self.asked: list[Asked] = []
        self.headers: dict[str, str] = {"Date": "Tue, 01 Sep 2026 05:59:30 GMT"}

    def of(self, collection: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.collection == collection]

    def page(self, asked: Asked) -> Reply:
        """The usual answer."""
        rows = self.roster[asked.collection]
        body: Row = {asked.collection: rows[asked.offset : asked.offset + min(asked.limit, self.clamp)]}
        headers = dict(self.headers)
        if self.total == "body":
            body["totalCount"] = len(rows)
        elif self.total:
            headers[self.total] = str(len(rows))
        return Reply(200, body, headers)

    def send(self, request: requests.PreparedRequest, *_args: Any, **_options: Any) -> requests.Response:
        parts = urlsplit(request.url or "")
        asked = Asked(parts.path.rsplit("/", 1)[1], dict(parse_qsl(parts.query)), parts.query)
        self.asked.append(asked)
        reply = next((found for quirk in self.quirks if (found := quirk(asked)) is not None), None) or self.page(asked)
        return self.respond(request, reply)

    def respond(self, request: requests.PreparedRequest, reply: Reply) -> requests.Response:
        body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        raw = HTTPResponse(io.BytesIO(body), reply.headers, reply.status, preload_content=False)
        return self.build_response(request, raw)


class Pulled:
    """All events of one pull, and what it left."""

    def __init__(
        self, events: list[PullEvent], facts: SourceFacts, memory: Memory, progress: Sequence[Progress] = ()
    ) -> None:
        self.events = events
        self.facts = facts
        self.memory = memory
        self.progress = progress
        self.pages = [event for event in events if isinstance(event, Page)]
        self.arrivals = {event.file: event for event in events if isinstance(event, Arrival)}
        self.coverage = {event.kind: event for event in events if isinstance(event, Coverage)}

    def records(self, kind: str) -> list[Any]:
        return [record for page in self.pages if page.kind == kind and not page.tombstones for record in page.records]

    def ids(self, kind: str) -> list[str]:
        return [record.source_id for record in self.records(kind)]

    def gone(self, kind: str) -> list[Any]:
        return [record for page in self.pages if page.kind == kind and page.tombstones for record in page.records]

    def lines(self, kind: str) -> list[int]:
        return [line for page in self.pages if page.kind == kind and not page.tombstones for line in page.lines]

    def schools(self, kind: str) -> list[tuple[str, ...]]:
        return [named for page in self.pages if page.kind == kind and not page.tombstones for named in page.schools]

    def refusals(self, kind: str) -> list[Refusal]:
        return [refusal for page in self.pages if page.kind == kind for refusal in page.refusals]

    def verdict(self, kind: str) -> str:
        return self.coverage[kind].verdict  # type: ignore[index]

    @property
    def problems(self) -> list[Problem]:
        found = [problem for arrival in self.arrivals.values() for problem in arrival.problems]
        return found + [problem for page in self.pages for problem in page.problems]

    @property
    def codes(self) -> list[str]:
        return sorted(problem.code for problem in self.problems)


def client(provider: FakeProvider, watch: Watch | None = None) -> HttpClient:
    """The real client, which waits for nothing."""
    return HttpClient(HttpRules(), watch or Watch(), adapter=provider, sleep=lambda _seconds: None)


def pull(
    provider: FakeProvider,
    scratch: Path,
    *,
    memory: Memory | None = None,
    page_size: int = 100,
    sort: bool = True,
    delta: bool = False,
    overlap_hours: int = 24,
    now: str = NOW,
    pages_of: int = 5_000,
    facts: SourceFacts | None = None,
    inspect: Callable[[Answer], None] = lambda _answer: None,
) -> Pulled:
    """Pull everything. ``page_size`` is asked for, ``pages_of`` is the size of the pages that are yielded."""
    progress: list[Progress] = []
    watch = Watch(tell=progress.append)
    access = Access(client(provider, watch), scratch, watch, lambda: now, memory or Memory(), pages_of)
    facts = facts or SourceFacts()
    settings = PullSettings(page_size, sort, delta, overlap_hours, full_every_days=7)
    source = OneRosterPull(Endpoint(BASE, NoAuth()), settings, access, facts=facts, inspect=inspect)
    events = list(source.events())
    return Pulled(events, facts, source.memory, progress)


def ref(source_id: str, kind: str) -> Row:
    return {"href": f"http://elsewhere.example.org/{kind}/{source_id}", "sourcedId": source_id, "type": kind}


def user(source_id: str, role: str = "student", **more: Any) -> Row:
    """A user as 1.1 has it."""
    known = {
        "sourcedId": source_id,
        "status": "active",
        "dateLastModified": "2026-08-01T00:00:00.000Z",
        "username": f"u{source_id}",
        "enabledUser": True,
        "givenName": "Kim",
        "familyName": f"No{source_id}",
        "role": role,
        "orgs": [ref("S1", "org")],
        "agents": [],
        "grades": [],
        "password": "must-not-be-kept",
    }
    return known | more


def users(count: int, start: int = 0) -> list[Row]:
    return [user(f"P{number:05d}") for number in range(start, start + count)]


def roster(**collections: list[Any]) -> Roster:
    """A small made-up district; each collection may be replaced."""
    known: Roster = {
        "orgs": [
            {"sourcedId": "S1", "status": "active", "name": "Pine Elementary", "type": "school", "identifier": "77",
             "parent": ref("D1", "org")},
            {"sourcedId": "D1", "status": "active", "name": "Springfield", "type": "district"},
        ],
        "academicSessions": [
            {"sourcedId": "T1", "status": "active", "title": "Fall", "type": "semester", "startDate": "2026-08-31",
             "endDate": "2027-01-15", "schoolYear": 2027}
        ],
        "courses": [
            {"sourcedId": "K1", "status": "active", "title": "Algebra", "courseCode": "ALG1", "grades": ["09"],
             "subjects": ["Math"]}
        ],
        "classes": [
            {"sourcedId": "C1", "status": "active", "title": "Algebra 1", "classCode": "A-1", "location": "R1",
             "course": ref("K1", "course"), "school": ref("S1", "org"), "terms": [ref("T1", "academicSession")],
             "periods": ["1", "2"]}
        ],
        "users": [user("1"), user("2", "teacher")],
        "enrollments": [enrollment("E1", "C1", "1"), enrollment("E2", "C1", "2", "teacher", primary=True)],
    }  # fmt: skip
    return known | collections


def enrollment(source_id: str, clazz: str, person: str, role: str = "student", **more: Any) -> Row:
    known = {
        "sourcedId": source_id,
        "status": "active",
        "class": ref(clazz, "class"),
        "user": ref(person, "user"),
        "school": ref("S1", "org"),
        "role": role,
    }
    return known | more
