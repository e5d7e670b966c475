"""What the tests of the ClassLink connector share: a stand-in of ClassLink, as an adapter and as a server on loopback."""

import io
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import requests
from oauthlib.oauth1 import RequestValidator, SignatureOnlyEndpoint
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse

from connectors.classlink import ClassLinkSource
from connectors.http.client import HttpClient, HttpRules
from connectors.source import Access
from connectors.watch import Watch
from models.connections import ClassLinkCredentials, ClassLinkSettings, Memory
from models.pages import Coverage, Page, PullEvent

PROXY = "https://proxy.example.org"
SERVER = "https://springfield.example.org"
PARTNER_KEY = "partner-key-of-ours"
BEARER = "bearer-of-springfield"
VERBATIM = "%2FgVa0ed75Gs%3D"
PARTNER = ClassLinkCredentials(partner_key=PARTNER_KEY)

Row = dict[str, Any]


def application(tenant_id: object = 2222, **changes: object) -> Row:
    """A row of /applications as ClassLink sends it, by default one that can be read."""
    row: Row = {
        "id": 12345,
        "application_id": 67890,
        "tenant_id": tenant_id,
        "bearer": BEARER,
        "tenant_name": "Springfield Schools",
        "enabled": "true",
        "tenant_status": "Active",
        "oneroster_application_id": VERBATIM,
        "name": "Our App",
        "version": "",
    }
    return row | changes


def _ref(source_id: str, kind: str) -> Row:
    return {"href": f"https://elsewhere.example.org/{kind}/{source_id}", "sourcedId": source_id, "type": kind}


def _rows(*rows: Row) -> list[Row]:
    return [{"status": "active", "dateLastModified": "2026-08-01T00:00:00.000Z"} | row for row in rows]


def roster(students: int = 3) -> dict[str, list[Row]]:
    """A made-up roster by listing, as OneRoster 1.1 has it; hrefs lead elsewhere."""
    user = {"enabledUser": "true", "orgs": [_ref("S1", "org")], "grades": [], "agents": [], "userIds": []}
    pupils = [
        user
        | {"sourcedId": f"P{n}", "givenName": "Pat", "familyName": f"No{n}", "username": f"p{n}", "role": "student"}
        for n in range(students)
    ]
    seats: list[Row] = [
        {"sourcedId": f"E{n}", "user": _ref(f"P{n}", "user"), "role": "student"} for n in range(students)
    ]
    seats.append({"sourcedId": "ET", "user": _ref("T1", "user"), "role": "teacher", "primary": "true"})
    return {
        "orgs": _rows({"sourcedId": "S1", "name": "Pine Elementary", "type": "school", "identifier": "100"}),
        "academicSessions": _rows(
            {
                "sourcedId": "FY",
                "title": "Full year",
                "type": "term",
                "startDate": "2026-08-10",
                "endDate": "2027-06-11",
                "schoolYear": "2027",
            }
        ),
        "courses": _rows({"sourcedId": "C1", "title": "Science", "courseCode": "SC5", "org": _ref("S1", "org")}),
        "classes": _rows(
            {
                "sourcedId": "K1",
                "title": "Science 5",
                "classType": "scheduled",
                "course": _ref("C1", "course"),
                "school": _ref("S1", "org"),
                "terms": [_ref("FY", "academicSession")],
                "periods": [],
            }
        ),
        "users": _rows(
            *pupils,
            user | {"sourcedId": "T1", "givenName": "Tess", "familyName": "Brown", "username": "t1", "role": "teacher"},
        ),
        "enrollments": _rows(*({"class": _ref("K1", "class"), "school": _ref("S1", "org")} | seat for seat in seats)),
    }


class Reply(NamedTuple):
    status: int
    body: object
    headers: Mapping[str, str] = MappingProxyType({})


class Asked(NamedTuple):
    """A request as it was on the wire: ``target`` is path and query."""

    url: str
    target: str
    authorization: str


class FakeClassLink:
    """ClassLink as far as a pull needs it. ``rosters`` lie under the paths of ``mounts``; each needs what it says there.

    ``cap`` is how many rows /applications sends at most, ``on_page`` is told of each roster request before it is
    answered, ``revisions`` gives the x-perm-rev of each page.
    """

    def __init__(self, *applications: Row, students: int = 3) -> None:
        self.applications = list(applications or [application()])
        self.roster = roster(students)
        self.mounts: dict[str, Callable[[Asked], bool]] = {}
        self.servers: dict[str, Row] = {}
        self.cap = 10_000
        self.ignores_offset = False
        self.refuses = 0
        self.asked: list[Asked] = []
        self.on_page: Callable[[Asked], None] = lambda _asked: None
        self.revisions: Iterator[str] = iter(())

    def behind_proxy(self, *prefixes: str) -> "FakeClassLink":
        """Mount the roster at the proxy, for whoever brings the bearer that is valid at that time."""
        for prefix in prefixes or ("",):
            self.mounts[f"{prefix}/{VERBATIM}/ims/oneroster/v1p1"] = lambda asked: any(
                asked.authorization == f"Bearer {row['bearer']}" for row in self.applications
            )
        return self

    @property
    def targets(self) -> list[str]:
        return [asked.target for asked in self.asked]

    def pages_asked(self, listing: str) -> list[Asked]:
        return [asked for asked in self.asked if f"/v1p1/{listing}?" in asked.target]

    def reply(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        path, _, query = asked.target.partition("?")
        asks = {name: values[0] for name, values in parse_qs(query).items()}
        if path.startswith("/applications"):
            if self.refuses or asked.authorization != f"Bearer {PARTNER_KEY}":
                return Reply(self.refuses or 401, {})
            if path == "/applications":
                offset = 0 if self.ignores_offset else int(asks["offset"])
                rows = self.applications[offset : offset + min(int(asks["limit"]), self.cap)]
                return Reply(200, {"status": 1, "applications": rows})
            server = self.servers.get(path.removeprefix("/applications/").removesuffix("/server"))
            return Reply(200, {"status": 1, "server": server, "message": ""}) if server else Reply(404, {})
        base, _, listing = path.rpartition("/")
        if base not in self.mounts or listing not in self.roster:
            return Reply(404, {})
        self.on_page(asked)
        if not self.mounts[base](asked):
            return Reply(401, {})
        rows, limit, offset = self.roster[listing], int(asks["limit"]), int(asks.get("offset", "0"))
        headers = {"x-total-count": str(len(rows)), "Content-Type": "application/json"}
        revision = next(self.revisions, None)
        if revision is not None:
            headers["x-perm-rev"] = revision
        return Reply(200, {listing: rows[offset : offset + limit]}, headers)


class FakeAdapter(HTTPAdapter):
    """Stands for the network."""

    def __init__(self, fake: FakeClassLink) -> None:
        super().__init__()
        self._fake = fake

    def send(self, request: requests.PreparedRequest, *_args: Any, **_options: Any) -> requests.Response:
        asked = Asked(request.url or "", request.path_url, request.headers.get("Authorization", ""))
        reply = self._fake.reply(asked)
        body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        raw = HTTPResponse(io.BytesIO(body), reply.headers, reply.status, preload_content=False)
        return self.build_response(request, raw)


@contextmanager
def loopback(fake: FakeClassLink) -> Iterator[str]:
    """The stand-in as a real server; yields its address. What it is asked is what came over the wire."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = f"http://{self.headers['Host']}{self.path}"
            reply = fake.reply(Asked(url, self.path, self.headers.get("Authorization", "")))
            body = json.dumps(reply.body).encode()
            self.send_response(reply.status)
            for name, value in {**reply.headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Consumers(RequestValidator):
    """What oauthlib needs to know of the consumers: here their secrets, and that no nonce comes twice."""

    def __init__(self, secrets: dict[str, str]) -> None:
        super().__init__()
        self.secrets = secrets
        self.nonces: set[tuple[str, str]] = set()

    enforce_ssl = False
    dummy_client = "nobody"
    client_key_length = nonce_length = (1, 100)

    def check_client_key(self, client_key: str) -> bool:
        return bool(client_key)

    def check_nonce(self, nonce: str) -> bool:
        return bool(nonce)

    def validate_client_key(self, client_key: str, request: object) -> bool:
        return client_key in self.secrets

    def get_client_secret(self, client_key: str, request: object) -> str:
        return self.secrets.get(client_key, "of nobody")

    def validate_timestamp_and_nonce(
        self,
        client_key: str,
        timestamp: str,
        nonce: str,
        request: object,
        request_token: str | None = None,
        access_token: str | None = None,
    ) -> bool:
        fresh = (timestamp, nonce) not in self.nonces
        self.nonces.add((timestamp, nonce))
        return fresh


def signed_by(secrets: dict[str, str]) -> Callable[[Asked], bool]:
    """Whether a request is signed as RFC 5849 says, judged by oauthlib. The secrets may change later."""
    endpoint = SignatureOnlyEndpoint(_Consumers(secrets))

    def is_signed(asked: Asked) -> bool:
        valid, _ = endpoint.validate_request(asked.url, "GET", None, {"Authorization": asked.authorization})
        return bool(valid)

    return is_signed


def client_of(fake: FakeClassLink) -> HttpClient:
    """A client whose network is the stand-in. No request is tried twice for want of an answer, so that no test waits."""
    return HttpClient(HttpRules(tries=1), Watch(), adapter=FakeAdapter(fake))


@contextmanager
def over_the_wire(fake: FakeClassLink) -> Iterator[tuple[HttpClient, str]]:
    """A client with a real network, and the address of the stand-in there."""
    with loopback(fake) as address:
        client = HttpClient(HttpRules(tries=1, allowed_hosts=frozenset({urlsplit(address).netloc})), Watch())
        try:
            yield client, address
        finally:
            client.close()


def settings(**changes: Any) -> ClassLinkSettings:
    return ClassLinkSettings(**{"tenant_id": "2222", "proxy_url": PROXY} | changes)


def source_of(
    client: HttpClient,
    scratch: Path,
    its_settings: ClassLinkSettings | None = None,
    credentials: ClassLinkCredentials = PARTNER,
    memory: Memory | None = None,
) -> ClassLinkSource:
    access = Access(client, scratch, Watch(), lambda: "2026-11-23T05:00:00Z", memory or Memory(), page_size=100)
    return ClassLinkSource(its_settings or settings(), credentials, access)


def records(events: list[PullEvent], kind: str) -> list[Any]:
    return [record for event in events if isinstance(event, Page) and event.kind == kind for record in event.records]


def verdicts(events: list[PullEvent], kind: str) -> set[str]:
    return {event.verdict for event in events if isinstance(event, Coverage) and event.kind == kind}


def host_of(asked: Asked) -> str:
    return urlsplit(asked.url).netloc
