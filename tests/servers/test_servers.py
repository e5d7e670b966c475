"""The servers of the tests keep to what the vendors do: tokens, signatures, paging, limits, and faults as ordered."""

import time
from collections.abc import Iterator
from typing import Any, Literal

import oauthlib.oauth1
import pytest
import requests

from fixtures.api import prepare, render
from fixtures.classlink import other_tenants
from fixtures.clever import DISTRICT, clever_id
from fixtures.layout import Spec
from tests.servers import ClassLinkServer, CleverServer, Fault, OneRosterServer, PreparedPages
from tests.servers import classlink as classlink_server
from tests.servers import clever as clever_server
from tests.servers import oneroster as oneroster_server
from tests.servers.faults import (
    count_off,
    cut,
    drip,
    drop_row,
    empty_body,
    expire_token,
    hang_up,
    headers,
    html,
    no_envelope,
    no_rows,
    repeat_page,
    repeat_row,
    reverse_rows,
    set_fields,
    status,
    too_many,
    torn,
)

SPEC = Spec(people=120)
CLEVER_BASIC = (clever_server.CLIENT_ID, clever_server.CLIENT_SECRET)


@pytest.fixture(scope="module")
def rosters() -> dict[str, Any]:
    return {form: render(SPEC, form) for form in ("clever", "oneroster11", "oneroster12", "classlink")}


@pytest.fixture
def clever(rosters: dict[str, Any]) -> Iterator[CleverServer]:
    with CleverServer(rosters["clever"]) as server:
        yield server


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


@pytest.fixture
def data(clever: CleverServer, session: requests.Session) -> Any:
    """Asks Clever's Data API with the good token."""
    session.headers["Authorization"] = f"Bearer {clever.token}"
    return lambda path, **query: session.get(f"{clever.url}/v3.1/{path}", params=query, timeout=5)


# --- Clever -----------------------------------------------------------------------------------------------------------


def test_clever_hands_out_tokens_for_connected_districts_only(clever: CleverServer, session: requests.Session) -> None:
    url = f"{clever.url}/oauth/tokens"
    assert session.get(url, params={"owner_type": "district"}, timeout=5).status_code == 401
    clever.other_districts = ["f" * 24]
    found = session.get(url, params={"owner_type": "district"}, auth=CLEVER_BASIC, timeout=5).json()["data"]
    assert [entry["owner"]["id"] for entry in found] == [DISTRICT, "f" * 24]
    assert found[0]["access_token"] == clever.token
    clever.connected = False
    wanted = {"owner_type": "district", "district": DISTRICT}
    assert session.get(url, params=wanted, auth=CLEVER_BASIC, timeout=5).json()["data"] == []


def test_clever_pages_in_the_order_of_ids_by_links(clever: CleverServer, data: Any) -> None:
    expected = [record["id"] for record in clever.roster["users"]]
    assert expected == sorted(expected)
    seen, path = [], "users?limit=50"
    while path:
        body = data(path).json()
        seen += [row["data"]["id"] for row in body["data"]]
        assert [row["uri"] for row in body["data"]] == [f"/v3.1/users/{row['data']['id']}" for row in body["data"]]
        following = [link["uri"] for link in body["links"] if link["rel"] == "next"]
        path = following[0].removeprefix("/v3.1/") if following else ""
    assert seen == expected
    assert len(data("users").json()["data"]) == 100
    before = data("users", ending_before=expected[10], limit=3).json()["data"]
    assert [row["data"]["id"] for row in before] == expected[7:10]
    assert data("users", ending_before="last", limit=1).json()["data"][0]["data"]["id"] == expected[-1]


def test_clever_counts_and_refuses(clever: CleverServer, data: Any) -> None:
    assert data("users", count="true").json()["count"] == len(clever.roster["users"])
    assert data("users", limit=10_000).status_code == 200
    assert data("users", limit=10_001).status_code == 413
    assert data("nothing").status_code == 404
    students = data("users", role="student", limit=1_000).json()["data"]
    assert {"student"} == {role for row in students for role in row["data"]["roles"]}
    clever.revoke()
    refused = data("users")
    assert (refused.status_code, refused.headers["WWW-Authenticate"], refused.json()["code"]) == (401, "Bearer", 101)
    assert [recorded.status for recorded in clever.requests] == [200, 200, 413, 404, 200, 401]


def test_clever_shows_what_the_token_may_read(clever: CleverServer, data: Any) -> None:
    clever.scopes = ("read:students_basic", "read:schools")
    assert data("sections").status_code == 403
    assert data("schools").status_code == 200
    roles = {role for row in data("users", limit=1_000).json()["data"] for role in row["data"]["roles"]}
    assert roles == {"student"}


def test_clever_limits_requests_per_window(clever: CleverServer, data: Any) -> None:
    now = 1_000.0
    clever.clock, clever.rate_limit = lambda: now, 2
    answers = [data("districts") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].content == b""
    assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == ["1", "0", "0"]
    assert answers[2].headers["X-RateLimit-Reset"] == "1060"
    now = 1_060.0
    assert data("districts").status_code == 200


def test_older_versions_lack_newer_fields(clever: CleverServer, session: requests.Session, data: Any) -> None:
    student = next(record for record in clever.roster["users"] if "student" in record["roles"])
    older = session.get(f"{clever.url}/v3.0/users/{student['id']}", timeout=5).json()["data"]["roles"]["student"]
    newer = data(f"users/{student['id']}").json()["data"]["roles"]["student"]
    assert newer == student["roles"]["student"]
    assert newer.keys() - older.keys() >= {"home_language", "home_language_code"}


def test_ids_can_be_told_from_source_ids(rosters: dict[str, Any]) -> None:
    users = {record["id"] for record in rosters["clever"]["users"]}
    assert users == {clever_id("user", record["sourcedId"]) for record in rosters["oneroster11"]["users"]}
    assert all(len(found) == 24 and int(found, 16) for found in users)


# --- OneRoster --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", ["basic", "post", "query"])
def test_one_style_of_asking_for_a_token_is_understood(
    rosters: dict[str, Any], session: requests.Session, style: Literal["basic", "post", "query"]
) -> None:
    secret = {"client_id": oneroster_server.CLIENT_ID, "client_secret": oneroster_server.CLIENT_SECRET}
    grant = {"grant_type": "client_credentials", "scope": "roster"}
    ways: dict[str, dict[str, Any]] = {
        "basic": {"data": grant, "auth": (secret["client_id"], "s3cr%2Bt%2F%3D%26~+x")},
        "post": {"data": grant | secret},
        "query": {"params": grant | secret},
    }
    with OneRosterServer(rosters["oneroster12"], version="1.2", style=style) as server:
        answers = {way: session.post(f"{server.url}/token", timeout=5, **asked) for way, asked in ways.items()}
        assert {way for way, answer in answers.items() if answer.status_code == 200} == {style}
        session.headers["Authorization"] = f"Bearer {answers[style].json()['access_token']}"
        assert session.get(f"{server.url}{server.place}/users", timeout=5).status_code == 200
        assert server.tokens.asked == ["roster"]
        server.revoke()
        assert session.get(f"{server.url}{server.place}/users", timeout=5).status_code == 401


@pytest.fixture
def open_server(rosters: dict[str, Any], session: requests.Session) -> Iterator[OneRosterServer]:
    with OneRosterServer(rosters["oneroster11"], auth="bearer") as server:
        session.headers["Authorization"] = f"Bearer {oneroster_server.STATIC_TOKEN}"
        yield server


def _ask(server: OneRosterServer, session: requests.Session, resource: str, **query: Any) -> requests.Response:
    return session.get(f"{server.url}{server.place}/{resource}", params=query, timeout=5)


def test_oneroster_pages_by_offset(open_server: OneRosterServer, session: requests.Session) -> None:
    users = open_server.provider.roster["users"]
    first = _ask(open_server, session, "users", limit=70, offset=0)
    second = _ask(open_server, session, "users", limit=70, offset=70)
    assert first.json()["users"] + second.json()["users"] == users
    assert first.headers["x-total-count"] == str(len(users))
    assert len(_ask(open_server, session, "users").json()["users"]) == 100
    open_server.provider.totals, open_server.provider.clamp, open_server.provider.links = False, 30, True
    clamped = _ask(open_server, session, "users", limit=70)
    assert clamped.json()["users"] == users[:30]
    assert "x-total-count" not in clamped.headers
    assert clamped.links["next"]["url"].endswith("limit=30&offset=30")
    assert _ask(open_server, session, "users", limit=0).status_code == 400
    assert _ask(open_server, session, "guardians").status_code == 404


def test_oneroster_filters_and_sorts_or_refuses(open_server: OneRosterServer, session: requests.Session) -> None:
    users = open_server.provider.roster["users"]
    wanted = "role='teacher' AND dateLastModified>'2026-01-01T00:00:00.000Z'"
    found = _ask(open_server, session, "users", filter=wanted, sort="sourcedId", orderBy="desc").json()["users"]
    assert [user["sourcedId"] for user in found] == sorted(
        (user["sourcedId"] for user in users if user["role"] == "teacher"), reverse=True
    )
    assert found == _ask(open_server, session, "teachers", sort="sourcedId", orderBy="desc").json()["users"]
    later = "dateLastModified>='2026-08-21T00:00:00.000Z'"
    assert _ask(open_server, session, "users", filter=later).json()["users"] == []
    assert _ask(open_server, session, "users", filter="nonsense").status_code == 400
    class_id = open_server.provider.roster["classes"][0]["sourcedId"]
    assert _ask(open_server, session, f"classes/{class_id}").json()["class"]["sourcedId"] == class_id
    open_server.provider.sort = open_server.provider.filter = "refused"
    assert _ask(open_server, session, "users", sort="sourcedId").status_code == 400
    assert _ask(open_server, session, "users", filter=later).status_code == 400
    open_server.provider.filter = "ignored"
    assert len(_ask(open_server, session, "users", filter=later, limit=500).json()["users"]) == len(users)


def _signed(server: OneRosterServer, url: str, **changes: Any) -> dict[str, str]:
    client = oauthlib.oauth1.Client(
        oneroster_server.CLIENT_ID,
        **({"client_secret": oneroster_server.CLIENT_SECRET, "signature_method": server.method} | changes),
    )
    _, headers, _ = client.sign(url)
    return dict(headers)


@pytest.mark.parametrize("method", ["HMAC-SHA256", "HMAC-SHA1"])
def test_signed_requests_pass_once(
    rosters: dict[str, Any], session: requests.Session, method: Literal["HMAC-SHA256", "HMAC-SHA1"]
) -> None:
    with OneRosterServer(rosters["oneroster11"], auth="oauth1", method=method) as server:
        url = f"{server.url}{server.place}/users?filter=status%3D%27active%27%20AND%20role%3D%27student%27&limit=5"
        good = _signed(server, url)
        assert session.get(url, headers=good, timeout=5).status_code == 200
        assert session.get(url, headers=good, timeout=5).status_code == 401, "a nonce is good once"
        assert session.get(url, headers=_signed(server, url), timeout=5).status_code == 200
        assert session.get(url + "0", headers=_signed(server, url), timeout=5).status_code == 401
        assert session.get(url, headers=_signed(server, url, client_secret="other"), timeout=5).status_code == 401
        other = "HMAC-SHA1" if method == "HMAC-SHA256" else "HMAC-SHA256"
        assert session.get(url, headers=_signed(server, url, signature_method=other), timeout=5).status_code == 401
        old = _signed(server, url, timestamp=str(int(time.time()) - 3_600))
        assert session.get(url, headers=old, timeout=5).status_code == 401
        assert session.get(url, timeout=5).status_code == 401


def test_tombstones_and_dates_of_change(session: requests.Session) -> None:
    spec = Spec(people=120, day=1, change=0.3)
    day_0 = {user["sourcedId"]: user for user in render(Spec(people=120), "oneroster11")["users"]}
    with_tombstones = render(spec, "oneroster11", tombstones=True)["users"]
    today = {user["sourcedId"]: user for user in render(spec, "oneroster11")["users"]}
    gone = {user["sourcedId"] for user in with_tombstones if user["status"] == "tobedeleted"}
    assert gone == day_0.keys() - today.keys() != set()
    kept = [source_id for source_id in today.keys() & day_0.keys() if today[source_id] == day_0[source_id]]
    assert kept
    moved = {source_id for source_id, user in today.items() if user["dateLastModified"].startswith("2026-08-21")}
    assert moved == today.keys() - set(kept)


# --- ClassLink --------------------------------------------------------------------------------------------------------


def test_classlink_takes_the_application_id_as_it_is(rosters: dict[str, Any], session: requests.Session) -> None:
    with ClassLinkServer(rosters["classlink"]) as server:
        key = {"Authorization": f"Bearer {classlink_server.PARTNER_KEY}"}
        assert session.get(f"{server.url}/applications", timeout=5).status_code == 401
        found = session.get(f"{server.url}/applications", headers=key, timeout=5).json()["applications"]
        ours = next(entry for entry in found if entry["tenant_id"] == 2222)
        encoded = ours["oneroster_application_id"]
        token = {"Authorization": f"Bearer {ours['bearer']}"}

        def statuses() -> list[int]:
            starts = (f"/{encoded}", f"/proxy/v1p0/{encoded}", f"/{encoded.replace('%', '%25')}")
            urls = [f"{server.url}{start}/ims/oneroster/v1p1/orgs" for start in starts]
            return [session.get(url, headers=token, timeout=5).status_code for url in urls]

        assert statuses() == [200, 200, 404]
        server.variants = {"v1p0"}
        assert statuses() == [404, 200, 404]
        server.revoke()
        assert statuses() == [401, 401, 401]
        server.others, server.tenant = [], None
        assert session.get(f"{server.url}/applications", headers=key, timeout=5).json()["applications"] == []


def test_classlink_lists_districts_in_pages(session: requests.Session) -> None:
    with ClassLinkServer() as server:
        server.others = other_tenants(150)
        session.headers["Authorization"] = f"Bearer {classlink_server.PARTNER_KEY}"
        sizes = [
            len(session.get(f"{server.url}/applications", params=page, timeout=5).json()["applications"])
            for page in ({}, {"limit": "100", "offset": "100"}, {"limit": "10000"})
        ]
        assert sizes == [100, 51, 151]


def test_the_roster_server_wants_a_signature(rosters: dict[str, Any], session: requests.Session) -> None:
    with ClassLinkServer(rosters["classlink"]) as server:
        key = {"Authorization": f"Bearer {classlink_server.PARTNER_KEY}"}
        path = f"/applications/{server.tenant.application_id}/server" if server.tenant else ""
        own = session.get(server.url + path, headers=key, timeout=5).json()["server"]
        url = f"{own['endpoint_url']}/ims/oneroster/v1p1/enrollments?limit=10&offset=10"
        client = oauthlib.oauth1.Client(own["client_id"], own["client_secret"], signature_method="HMAC-SHA256")
        _, signed, _ = client.sign(url)
        answer = session.get(url, headers=dict(signed), timeout=5)
        assert answer.json()["enrollments"] == rosters["classlink"]["enrollments"][10:20]
        assert (answer.headers["x-count"], answer.headers["x-perm-rev"]) == ("10", "41")
        assert session.get(url, timeout=5).status_code == 401


# --- large districts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["clever", "oneroster11"])
def test_prepared_pages_hold_the_same_records(tmp_path: Any, session: requests.Session, form: str) -> None:
    prepare(tmp_path, SPEC, form, 50)
    pages, roster = PreparedPages(tmp_path), render(SPEC, form)
    found: list[Any] = []
    if form == "clever":
        with CleverServer(prepared=pages) as server:
            session.headers["Authorization"] = f"Bearer {server.token}"
            path = "/v3.1/users?limit=50"
            while path:
                body = session.get(server.url + path, timeout=5).json()
                found += [row["data"] for row in body["data"]]
                path = next((link["uri"] for link in body["links"] if link["rel"] == "next"), "")
            count = session.get(f"{server.url}/v3.1/users?count=true", timeout=5).json()["count"]
    else:
        with OneRosterServer(prepared=pages, auth="bearer") as provider:
            session.headers["Authorization"] = f"Bearer {oneroster_server.STATIC_TOKEN}"
            for offset in range(0, 1_000, 50):
                answer = _ask(provider, session, "users", limit=50, offset=offset)
                found += answer.json()["users"]
            count = int(answer.headers["X-Total-Count"])
    assert found == roster["users"]
    assert count == len(found)


# --- faults -----------------------------------------------------------------------------------------------------------


def test_faults_strike_the_requests_that_they_are_for(clever: CleverServer, data: Any) -> None:
    clever.faults.append(Fault(r"/users\?limit=5$", status(502), first=2, times=2))
    clever.faults.append(Fault("/schools", too_many(3), times=None))
    assert [data("users", limit=5).status_code for _ in range(5)] == [200, 502, 502, 200, 200]
    assert data("users", limit=6).status_code == 200
    assert [data("schools").headers.get("Retry-After") for _ in range(2)] == ["3", "3"]


def test_bodies_can_be_anything(clever: CleverServer, data: Any) -> None:
    whole = data("users", limit=10).content
    clever.faults = [Fault("limit=10", torn())]
    assert data("users", limit=10).content == whole[: len(whole) // 2]
    clever.faults = [Fault("limit=10", html())]
    page = data("users", limit=10)
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    clever.faults = [Fault("limit=10", empty_body())]
    assert data("users", limit=10).content == b""
    clever.faults = [Fault("limit=10", drip(4, 0.001))]
    assert data("users", limit=10).content == whole
    clever.faults = [Fault("limit=10", cut())]
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        data("users", limit=10)
    clever.faults = [Fault("limit=10", hang_up())]
    with pytest.raises(requests.exceptions.ConnectionError):
        data("users", limit=10)
    assert clever.requests[-1].status == 0
    assert data("users", limit=10).content == whole


def test_lists_can_be_changed(clever: CleverServer, data: Any) -> None:
    def ids(body: Any) -> list[str]:
        return [row["data"]["id"] for row in body["data"]]

    expected = ids(data("users", limit=4).json())
    second = data("users", limit=4, starting_after=expected[-1]).json()
    changes = [
        (no_rows(), []),
        (drop_row(1), [expected[0], *expected[2:]]),
        (repeat_row(0), [*expected, expected[0]]),
        (reverse_rows(), expected[::-1]),
    ]
    for action, result in changes:
        clever.faults = [Fault("limit=4$", action)]
        assert ids(data("users", limit=4).json()) == result
    clever.faults = [Fault("limit=4$", no_envelope())]
    assert "data" not in data("users", limit=4).json()
    clever.faults = [Fault("starting_after", repeat_page())]
    data("users", limit=4)
    assert ids(data("users", limit=4, starting_after=expected[-1]).json()) == expected
    assert ids(data("users", limit=4, starting_after=expected[-1]).json()) == ids(second)
    clever.faults = [Fault("districts", set_fields(last_sync="2026-10-01T00:00:00.000Z", surprise=1), first=2)]
    stamps = [data("districts").json()["data"][0]["data"]["last_sync"] for _ in range(3)]
    assert stamps[0] == stamps[2] != stamps[1]


def test_counts_headers_and_tokens_can_be_wrong(
    clever: CleverServer, open_server: OneRosterServer, session: requests.Session
) -> None:
    total = len(open_server.provider.roster["orgs"])
    open_server.faults = [Fault("orgs", count_off(2)), Fault("orgs", headers(x_perm_rev="9", Content_Type=None))]
    answer = _ask(open_server, session, "orgs")
    assert (answer.headers["X-Total-Count"], answer.headers["x-perm-rev"]) == (str(total + 2), "9")
    clever.faults = [Fault("count=true", count_off(-1)), Fault("limit=7", expire_token())]
    old = {"Authorization": f"Bearer {clever.token}"}
    url = f"{clever.url}/v3.1/users"
    assert session.get(f"{url}?count=true", headers=old, timeout=5).json()["count"] == len(clever.roster["users"]) - 1
    assert [session.get(f"{url}?limit=7", headers=old, timeout=5).status_code for _ in range(2)] == [401, 401]
    new = {"Authorization": f"Bearer {clever.token}"}
    assert session.get(f"{url}?limit=7", headers=new, timeout=5).status_code == 200


def test_requests_after_the_end_are_told(clever: CleverServer, data: Any) -> None:
    data("districts")
    clever.no_more()
    assert clever.late == []
    assert data("districts").status_code == 503
    assert [request.path for request in clever.late] == ["/v3.1/districts"]
    assert [request.path for request in clever.requests] == ["/v3.1/districts"]
