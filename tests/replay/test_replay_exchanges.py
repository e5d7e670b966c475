"""Recording what an HttpClient sees, and playing it back to another."""

import gzip
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from connectors.http.auth import Bearer
from connectors.http.client import Answer, HttpClient, HttpRules
from connectors.recording.clean import Cleaner
from connectors.recording.exchanges import Exchange, Recorder, ReplayAdapter
from connectors.recording.pseudonyms import Pseudonyms
from connectors.watch import Watch
from models.errors import CredentialsRefusedError, SettingsError, SourceUnavailableError, StoppedError

PSEUDONYMS = Pseudonyms(b"a key of 16 bytes")
BASE = "https://sis.example.org"


def whole(answer: Answer) -> Answer:
    return answer


def client(adapter: ReplayAdapter, sleep: Callable[[float], None] = lambda _seconds: None) -> HttpClient:
    return HttpClient(HttpRules(), Watch(), adapter=adapter, sleep=sleep)


def written(path: Path, *exchanges: object) -> ReplayAdapter:
    path.write_text("".join(json.dumps(exchange) + "\n" for exchange in exchanges), encoding="utf-8")
    return ReplayAdapter(path)


class Server(http.server.BaseHTTPRequestHandler):
    """Two pages of users, a page in HTML, and a token."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path.startswith("/me"):
            self._answer(200, "text/html", b"<html><b>Ann Lee</b></html>")
        elif "starting_after" in self.path:
            self._answer(200, "application/json", b'{"data": [{"id": "u-40011", "email": "bob@pine.org"}]}')
        else:
            body = b'{"data": [{"id": "u-40010", "email": "ann@pine.org", "dob": "2/11/2015"}], "next": "u-40010"}'
            self._answer(200, "application/json", body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200, "application/json", b'{"access_token": "s3cret", "expires_in": 3600}')

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Set-Cookie", "affinity=pine")
        self.send_header("X-Total-Count", "2")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def host() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("name", ["night.jsonl", "night.jsonl.gz"])
def test_what_was_recorded_plays_back_with_the_ids_of_the_recording(host: str, tmp_path: Path, name: str) -> None:
    def walk(http: HttpClient, base: str) -> list[tuple[int, object]]:
        token = http.post(f"{base}/token", [("grant_type", "x"), ("client_secret", "c")], what="token", read=whole)
        auth = Bearer(json.loads(token.body)["access_token"])
        first = http.get(f"{base}/users", [("limit", "1")], what="users", read=whole, auth=auth)
        after = json.loads(first.body)["next"]
        query = [("limit", "1"), ("starting_after", after)]
        second = http.get(f"{base}/users", query, what="users", read=whole, auth=auth)
        page = http.get(f"{base}/me", what="login", read=whole)
        assert first.headers["X-Total-Count"] == "2"
        return [(answer.status, answer.body) for answer in (token, first, second, page)]

    path = tmp_path / name
    rules = HttpRules(allowed_hosts=frozenset({host}))
    with Recorder(path, Cleaner(PSEUDONYMS)) as recorder:
        http = HttpClient(rules, Watch(), observe=recorder)
        walk(http, f"http://{host}")
        http.close()
    assert recorder.exchanges == 4
    adapter = ReplayAdapter(path)
    replayed = walk(client(adapter), BASE)
    assert adapter.unasked() == 0
    assert json.loads(replayed[2][1]) == {  # type: ignore[arg-type]
        "data": [{"id": PSEUDONYMS.text("u-40011"), "email": PSEUDONYMS.text("bob@pine.org")}]
    }
    assert b"html" in replayed[3][1]  # type: ignore[operator]
    kept = gzip.decompress(path.read_bytes()) if name.endswith(".gz") else path.read_bytes()
    for secret in (
        b"s3cret",
        b"Ann",
        b"ann",
        b"pine",
        b"4001",
        b"2015",
        b"cookie",
        b"Bearer",
        b"client_secret",
        b"127.0",
    ):
        assert secret not in kept


def test_an_exchange_is_on_disk_before_the_next_one_comes(tmp_path: Path) -> None:
    request = requests.Request("GET", f"{BASE}/orgs").prepare()
    with Recorder(tmp_path / "night.jsonl", Cleaner(PSEUDONYMS)) as recorder:
        recorder(request, Answer(200, {}, b'{"orgs": []}'))
        assert (tmp_path / "night.jsonl").read_bytes() == b'{"method":"GET","url":"/orgs","json":{"orgs":[]}}\n'


def test_answers_to_one_request_come_in_their_order_and_then_no_more(tmp_path: Path) -> None:
    adapter = written(
        tmp_path / "night.jsonl",
        {"method": "GET", "url": "/districts", "json": 1},
        {"method": "GET", "url": "/users", "json": 7},
        {"method": "GET", "url": "/districts", "json": 2},
    )
    http = client(adapter)
    bodies = [http.get(f"{BASE}/districts", what="districts", read=whole).body for _ in range(2)]
    assert bodies == [b"1", b"2"]
    assert adapter.unasked() == 1
    with pytest.raises(StoppedError) as caught:
        http.get(f"{BASE}/districts", what="districts", read=whole)
    assert caught.value.for_engineer == "no further answer to GET /districts"
    with pytest.raises(StoppedError) as caught:
        http.get(f"{BASE}/orgs", [("limit", "5"), ("client_secret", "x")], what="orgs", read=whole)
    assert caught.value.for_engineer == "no answer to GET /orgs limit=5"
    with pytest.raises(StoppedError):
        http.post(f"{BASE}/users", [], what="users", read=whole)


@pytest.mark.parametrize(
    ("recorded", "asked", "same"),
    [
        ("/users?limit=5&offset=0", "/users?offset=0&limit=5", True),
        ("/users?a=x%20y", "/users?a=x+y", True),
        ("/users?filter=a%3E'1'", "/users?filter=a%3E%271%27", True),
        ("/token?client_id=removed-1&scope=a", "/token?client_id=replay&scope=a", True),
        ("/%2Fapp%3D/orgs", "/%2Fapp%3D/orgs", True),
        ("/%2Fapp%3D/orgs", "//app=/orgs", False),
        ("/%2Fapp%3D/orgs", "/%252Fapp%253D/orgs", False),
        ("/users?limit=5", "/users?limit=6", False),
        ("/users?limit=5", "/users", False),
        ("/users?a=", "/users", False),
    ],
)
def test_which_requests_are_the_same(tmp_path: Path, recorded: str, asked: str, same: bool) -> None:
    adapter = written(tmp_path / "night.jsonl", {"method": "GET", "url": recorded, "json": 1})
    request = requests.Request("GET", BASE + asked).prepare()
    if same:
        assert adapter.send(request).status_code == 200
    else:
        with pytest.raises(StoppedError):
            adapter.send(request)


def test_statuses_and_failures_take_the_clients_own_way(tmp_path: Path) -> None:
    slept: list[float] = []
    adapter = written(
        tmp_path / "night.jsonl",
        {"method": "GET", "url": "/a", "failure": "timeout"},
        {"method": "GET", "url": "/a", "failure": "connection"},
        {"method": "GET", "url": "/a", "status": 429, "headers": {"retry-after": "30"}},
        {"method": "GET", "url": "/a", "status": 502, "text": "<html></html>"},
        {"method": "GET", "url": "/a", "text": "at last"},
        {"method": "GET", "url": "/b", "status": 401},
        *({"method": "GET", "url": "/c", "failure": "connection"} for _ in range(6)),
    )
    http = client(adapter, slept.append)
    assert http.get(f"{BASE}/a", what="a", read=whole).body == b"at last"
    assert sum(slept) >= 30
    with pytest.raises(CredentialsRefusedError):
        http.get(f"{BASE}/b", what="b", read=whole)
    with pytest.raises(SourceUnavailableError):
        http.get(f"{BASE}/c", what="c", read=whole)
    assert adapter.unasked() == 0
    http.close()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("night.jsonl", b"{}\n"),
        ("night.jsonl", b'{"method": "GET", "url": "/a"}\nnot json\n'),
        ("night.jsonl", b'{"method": "GET", "url": "/a", "failure": "fire"}'),
        ("night.jsonl.gz", b"not gzipped"),
        ("night.jsonl.gz", gzip.compress(b'{"method": "GET", "url": "/a"}\n', mtime=0)[:-9]),
    ],
)
def test_a_file_that_holds_something_else(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SettingsError):
        ReplayAdapter(tmp_path / name)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError):
        ReplayAdapter(tmp_path / "night.jsonl")


def test_an_exchange_without_a_body_has_an_empty_one() -> None:
    assert Exchange("GET", "/a").body == b""
