"""What the tests of the Clever connector share: a Clever that answers from dicts and breaks where it is told to, records in
Clever's shapes with invented people, and the events of a pull, sorted."""

import io
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPResponse

from connectors.clever import CleverSource
from connectors.http.client import HttpClient, HttpRules
from connectors.source import Access
from connectors.watch import Watch
from models.connections import CleverCredentials, CleverSettings
from models.pages import Arrival, Coverage, Page, PullEvent, Refusal
from models.problems import Problem
from models.progress import Progress

Json = dict[str, Any]

DISTRICT = "d" * 24
APP = CleverCredentials(client_id="app", client_secret="secret")
TOKEN = "t" * 40
SCOPES = (
    "read:students", "read:teachers", "read:school_admins", "read:district_admins", "read:sections", "read:student_contacts",
)  # fmt: skip


class Asked(NamedTuple):
    """A request as it came: the path without version ("users", "/oauth/tokens"), its query, its token."""

    path: str
    query: dict[str, str]
    token: str


class Reply(NamedTuple):
    status: int
    body: Any
    kind: str = "application/json"


#: Looks at a request before Clever does; None lets it through.
Fault = Callable[[Asked], Reply | None]


class FakeClever(BaseAdapter):
    """Stands for the network. ``lists`` are the records by list, ``faults`` come first, ``asked`` is all that was asked."""

    def __init__(self, **lists: list[Any]) -> None:
        super().__init__()
        self.district: Json = {
            "id": DISTRICT, "name": "Forest Unified", "state": "running", "last_sync": "2026-09-01T02:00:00.000Z",
        }  # fmt: skip
        self.lists: dict[str, list[Any]] = {name: [] for name in ("schools", "terms", "courses", "sections", "users")}
        self.lists |= lists
        self.tokens: list[Json] = [token_of(DISTRICT, TOKEN)]
        self.scopes: tuple[str, ...] = SCOPES
        self.faults: list[Fault] = []
        self.asked: list[Asked] = []
        self.hosts: set[str] = set()

    # --- the network ---------------------------------------------------------------------------------------------------

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:  # type: ignore[override]
        parts = urlsplit(request.url or "")
        self.hosts.add(parts.netloc)
        path = parts.path.split("/", 2)[-1] if parts.path.startswith("/v3") else parts.path
        asked = Asked(path, dict(parse_qsl(parts.query)), request.headers.get("Authorization", ""))
        self.asked.append(asked)
        faulty = (fault(asked) for fault in self.faults)
        reply = next((reply for reply in faulty if reply), None) or self._answer(asked)
        body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        raw = HTTPResponse(io.BytesIO(body), {"Content-Type": reply.kind}, reply.status, preload_content=False)
        return HTTPAdapter().build_response(request, raw)

    def close(self) -> None:
        return

    # --- Clever --------------------------------------------------------------------------------------------------------

    def _answer(self, asked: Asked) -> Reply:
        if asked.path == "/oauth/tokens":
            if not asked.token.startswith("Basic "):
                return Reply(401, {"error": "invalid_client"})
            wanted = asked.query.get("district")
            tokens = [token for token in self.tokens if wanted in (None, token["owner"]["id"])]
            return Reply(200, {"data": tokens, "links": [{"rel": "self", "uri": "/oauth/tokens"}]})
        if asked.token not in [f"Bearer {token['access_token']}" for token in self.tokens]:
            return Reply(401, {"code": 101, "error": "Unrecognized token string", "data": {}})
        if asked.path == "/oauth/tokeninfo":
            return Reply(200, {"client_id": "app", "scopes": list(self.scopes)})
        if asked.path == "districts":
            return page([self.district], asked)
        if asked.path not in self.lists:
            return Reply(404, {"error": "Resource not found"})
        records = sorted(self.lists[asked.path], key=lambda record: record["id"] if record_id(record) else "")
        if asked.query.get("count") == "true":
            return Reply(200, {"count": len(records), "links": []})
        after = asked.query.get("starting_after", "")
        left = [record for record in records if (record_id(record) or "") > after or not after]
        limit = int(asked.query.get("limit", "100"))
        return page(left[:limit], asked, more=len(left) > limit)

    def paths(self) -> list[str]:
        """All paths in the order in which they were asked, each of a run of equal ones once."""
        return [asked.path for n, asked in enumerate(self.asked) if not n or self.asked[n - 1].path != asked.path]


def record_id(record: Any) -> str | None:
    found = record.get("id") if isinstance(record, dict) else None
    return found if isinstance(found, str) else None


def token_of(district: str, token: str, created: str = "2026-06-23T21:56:32.335Z") -> Json:
    return {
        "id": f"of {token}", "created": created, "owner": {"type": "district", "id": district}, "access_token": token,
        "scopes": ["read:students_basic"],
    }  # fmt: skip


def page(records: list[Any], asked: Asked, *, more: bool = False) -> Reply:
    """A page of a list; with ``more`` there is a next one."""
    links = [{"rel": "self", "uri": f"/v3.1/{asked.path}"}]
    if more:
        limit = asked.query["limit"]
        links.append({"rel": "next", "uri": next_uri(asked.path, limit, record_id(records[-1]) or "")})
    data = [{"data": record, "uri": f"/v3.1/{asked.path}/{record_id(record)}"} for record in records]
    return Reply(200, {"data": data, "links": links})


def next_uri(name: str, limit: str, after: str) -> str:
    return f"/v3.1/{name}?limit={limit}&starting_after={after}"


def once(
    path: str, reply: Reply, *, where: Callable[[Asked], bool] = lambda asked: "count" not in asked.query
) -> Fault:
    """The first request of a path (but for those that count) is answered so."""
    used: list[Asked] = []

    def fault(asked: Asked) -> Reply | None:
        if asked.path != path or used or not where(asked):
            return None
        used.append(asked)
        return reply

    return fault


def always(path: str, reply: Reply) -> Fault:
    return lambda asked: reply if asked.path == path else None


# --- records ---------------------------------------------------------------------------------------------------------------


def school(source_id: str = "school1", **more: Any) -> Json:
    return {
        "id": source_id,
        "district": DISTRICT,
        "name": "Pine Elementary",
        "sis_id": "9255",
        "school_number": "01",
        **more,
    }


def user(source_id: str, **roles: Json) -> Json:
    """A user with the given roles; ``email`` and ``name`` are set afterwards where they matter."""
    name = {"first": "Robin", "middle": "M", "last": "Vale"}
    return {"id": source_id, "district": DISTRICT, "email": f"{source_id}@Example.ORG", "name": name, "roles": roles}


def student(source_id: str = "kim", **more: Any) -> Json:
    return user(source_id, student={"school": "school1", "schools": ["school1"], "sis_id": source_id, **more})


def teacher(source_id: str = "tess", **more: Any) -> Json:
    return user(source_id, teacher={"school": "school1", "schools": ["school1"], "sis_id": source_id, **more})


def link(to: str, kind: str = "Parent/Guardian", relationship: str = "Parent") -> Json:
    return {"student": to, "type": kind, "relationship": relationship}


def contact(source_id: str, *links: Json, **more: Any) -> Json:
    """A contact without a telephone, whose whole name is in ``last``."""
    facts = {"phone": "", "phone_type": "", "sis_id": "", "student_relationships": list(links), **more}
    return user(source_id, contact=facts) | {"name": {"last": "Dana Vale"}}


def section(source_id: str = "art", students: Any = None, **more: Any) -> Json:
    return {
        "id": source_id, "district": DISTRICT, "school": "school1", "name": "Art 4", "sis_id": "587", "section_number": "",
        "subject": "arts and music", "grade": "4", "period": "2", "teacher": "tess", "teachers": ["tess"],
        "students": ["kim"] if students is None else students, **more,
    }  # fmt: skip


def small(**lists: list[Any]) -> FakeClever:
    """A school with one student, one teacher, one contact and one section."""
    usual: dict[str, list[Any]] = {
        "schools": [school()],
        "users": [student(), teacher(), contact("dana", link("kim"))],
        "sections": [section()],
    }
    return FakeClever(**(usual | lists))


# --- pulls -----------------------------------------------------------------------------------------------------------------


class Pulled:
    """All events of one pull, and what the source said of itself."""

    def __init__(self, source: CleverSource, events: list[PullEvent], progress: list[Progress]) -> None:
        self.facts = source.facts
        self.events = events
        self.progress = progress
        self.pages = [event for event in events if isinstance(event, Page)]
        self.arrivals = {event.file: event for event in events if isinstance(event, Arrival)}
        self.coverage = {(event.kind, event.listing): event for event in events if isinstance(event, Coverage)}

    def records(self, kind: str, listing: str = "") -> list[Any]:
        return [record for page in self._pages(kind, listing) for record in page.records]

    def lines(self, kind: str, listing: str = "") -> list[int]:
        return [line for page in self._pages(kind, listing) for line in page.lines]

    def refusals(self, kind: str) -> list[Refusal]:
        return [refusal for page in self._pages(kind, "") for refusal in page.refusals]

    @property
    def problems(self) -> list[Problem]:
        found = [problem for arrival in self.arrivals.values() for problem in arrival.problems]
        return found + [problem for page in self.pages for problem in page.problems]

    @property
    def codes(self) -> list[str]:
        return sorted(problem.code for problem in self.problems)

    def problem(self, code: str) -> Problem:
        (found,) = [problem for problem in self.problems if problem.code == code]
        return found

    def verdicts(self) -> dict[str, str]:
        """ "kind/listing" -> verdict."""
        return {f"{kind}/{listing}": statement.verdict for (kind, listing), statement in self.coverage.items()}

    def _pages(self, kind: str, listing: str) -> Iterator[Page]:
        return (page for page in self.pages if page.kind == kind and listing in ("", page.listing))


COMPLETE = {
    "school/schools", "class/sections", "person/users", "person/contacts", "affiliation/users", "affiliation/contacts",
    "enrollment/sections", "guardianship/contacts",
}  # fmt: skip


def make_client(adapter: BaseAdapter, watch: Watch | None = None, tries: int = 3) -> HttpClient:
    """A client that never waits, and looks no host up."""
    rules = HttpRules(allowed_hosts=frozenset({"api.clever.com", "clever.com"}), tries=tries)
    return HttpClient(rules, watch or Watch(), adapter=adapter, sleep=lambda _seconds: None)


def pull(
    clever: BaseAdapter,
    *,
    credentials: CleverCredentials = APP,
    records_per_page: int = 1_000,
    cancelled: Callable[[], bool] = lambda: False,
    **settings: Any,
) -> Pulled:
    """Pull everything; ``settings`` are those of the connection."""
    progress: list[Progress] = []
    watch = Watch(progress.append, cancelled)
    chosen = CleverSettings(**({"district_id": DISTRICT} | settings))
    with tempfile.TemporaryDirectory() as scratch:
        access = Access(make_client(clever, watch), Path(scratch), watch, lambda: "", page_size=records_per_page)
        source = CleverSource(chosen, credentials, access)
        return Pulled(source, list(source.pull()), progress)
