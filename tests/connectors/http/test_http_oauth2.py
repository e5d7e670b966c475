"""OAuth 2 client credentials: how a token is asked for, how long it is used, and what is said when there is none."""

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests import PreparedRequest

from connectors.http.client import HttpClient
from connectors.http.oauth2 import ClientCredentials, TokenRequest
from models.errors import (
    CredentialsRefusedError,
    RosterSyncError,
    SettingsError,
    SourceProtocolError,
    SourceUnavailableError,
)
from tests.connectors.http.http_cases import BASE, FakeClock, Say, Scripted, body_of, loopback, real_client, scripted

TOKEN_URL = "https://login.example.org/oauth/token"
ID, SECRET = "cl+ient:1", "s3cr%t&= ü"
SCOPES = ("https://purl.imsglobal.org/spec/or/v1p1/scope/roster-core.readonly", "roster.readonly")
LETTERS = st.characters(exclude_categories=["Cs"])
ASKED = [("grant_type", "client_credentials"), ("scope", " ".join(SCOPES))]


def granting(**fields: Any) -> Say:
    return Say(200, {"Content-Type": "application/json"}, json.dumps({"access_token": "tok-1", **fields}).encode())


def refusing(status: int, error: object = None, **fields: Any) -> Say:
    return Say(status, {}, json.dumps(fields if error is None else {"error": error, **fields}).encode())


def credentials(
    client: HttpClient, style: TokenRequest = "basic", clock: Callable[[], float] | None = None, scopes: Any = SCOPES
) -> ClientCredentials:
    return ClientCredentials(client, TOKEN_URL, ID, SECRET, scopes, style, clock=clock or FakeClock())


def ask(case: Scripted, auth: ClientCredentials) -> bytes:
    return case.client.get(f"{BASE}/users", what="users", read=body_of, auth=auth)


def token_request(case: Scripted) -> PreparedRequest:
    first = case.script.asked[0]
    assert first.method == "POST"
    assert first.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert str(first.headers["Content-Length"]) == str(len(first.body or ""))
    return first


# --- asking -----------------------------------------------------------------------------------------------------------


def test_basic_encodes_id_and_secret_as_a_form_does() -> None:
    case = scripted(granting(), Say(body=b"here"))
    assert ask(case, credentials(case.client)) == b"here"
    asked = token_request(case)
    scheme, _, encoded = str(asked.headers["Authorization"]).partition(" ")
    assert (scheme, base64.b64decode(encoded).decode()) == ("Basic", "cl%2Bient%3A1:s3cr%25t%26%3D+%C3%BC")
    assert asked.url == TOKEN_URL
    assert parse_qsl(str(asked.body)) == ASKED
    assert case.script.asked[1].headers["Authorization"] == "Bearer tok-1"


@given(st.text(LETTERS, min_size=1), st.text(LETTERS))
def test_any_id_and_secret_can_be_told_apart_again(client_id: str, secret: str) -> None:
    case = scripted(granting())
    auth = ClientCredentials(case.client, TOKEN_URL, client_id, secret, (), "basic")
    ask(case, auth)
    encoded = str(case.script.asked[0].headers["Authorization"]).removeprefix("Basic ")
    assert [unquote_plus(part) for part in base64.b64decode(encoded).decode().split(":")] == [client_id, secret]


def test_post_has_all_in_the_form() -> None:
    case = scripted(granting(), Say())
    ask(case, credentials(case.client, "post"))
    asked = token_request(case)
    assert "Authorization" not in asked.headers
    assert asked.url == TOKEN_URL
    assert parse_qsl(str(asked.body)) == [*ASKED, ("client_id", ID), ("client_secret", SECRET)]


def test_query_has_all_in_the_address_and_an_empty_body() -> None:
    case = scripted(granting(), Say())
    ask(case, credentials(case.client, "query"))
    asked = token_request(case)
    assert not asked.body
    assert "Authorization" not in asked.headers
    query = urlsplit(str(asked.url)).query
    assert parse_qsl(query) == [*ASKED, ("client_id", ID), ("client_secret", SECRET)]
    assert "+" not in query


@pytest.mark.parametrize("style", ["basic", "post", "query"])
def test_without_scopes_none_is_asked_for(style: TokenRequest) -> None:
    case = scripted(granting(), Say())
    ask(case, credentials(case.client, style, scopes=()))
    asked = token_request(case)
    assert "scope" not in str(asked.url) + str(asked.body)


@pytest.mark.parametrize("style", ["basic", "post", "query"])
def test_a_real_server_gets_the_same(style: TokenRequest) -> None:
    got: list[str] = []

    def answer(handler: Any) -> None:
        got.append(handler.rfile.read(int(handler.headers["Content-Length"] or 0)).decode())
        handler.say(200, b'{"access_token": "t"}')

    with loopback(answer) as server:
        client = real_client()
        auth = ClientCredentials(client, f"{server.url}/token", ID, SECRET, SCOPES, style)
        client.get(server.url, what="users", read=body_of, auth=auth)
        asked = server.seen[0]
        sent = parse_qsl(urlsplit(asked.path).query) + parse_qsl(got[0])
        if style == "basic":
            assert sent == ASKED
            assert asked.headers["Authorization"].startswith("Basic ")
        else:
            assert sent == [*ASKED, ("client_id", ID), ("client_secret", SECRET)]
        assert server.seen[1].headers["Authorization"] == "Bearer t"


# --- keeping ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expires_in", "used_for"),
    [(3600, 3540), ("3600", 3540), (3600.0, 3540), (100, 50), (20, 10)],
)
def test_a_token_is_used_until_shortly_before_its_end(expires_in: object, used_for: float) -> None:
    case, clock = scripted(granting(expires_in=expires_in)), FakeClock()
    auth = credentials(case.client, clock=clock)
    ask(case, auth)
    clock.now += used_for - 0.5
    ask(case, auth)
    assert [asked.method for asked in case.script.asked] == ["POST", "GET", "GET"]
    clock.now += 1
    ask(case, auth)
    assert [asked.method for asked in case.script.asked][3:] == ["POST", "GET"]


@pytest.mark.parametrize(
    "fields",
    [{}, {"expires_in": None}, {"expires_in": ""}, {"expires_in": "never"}, {"expires_in": 0}, {"expires_in": 10**309}],
)
def test_a_token_without_an_end_is_used_until_it_is_refused(fields: dict[str, object]) -> None:
    case, clock = (
        scripted(granting(**fields), Say(), Say(), Say(401), granting(access_token="tok-2"), Say()),
        FakeClock(),
    )
    auth = credentials(case.client, clock=clock)
    ask(case, auth)
    clock.now += 1e8
    ask(case, auth)
    ask(case, auth)
    sent = [(asked.method, asked.headers["Authorization"]) for asked in case.script.asked if asked.method == "GET"]
    assert sent == [("GET", "Bearer tok-1")] * 3 + [("GET", "Bearer tok-2")]


def test_a_token_that_is_refused_twice_is_an_error() -> None:
    case = scripted(granting(), Say(401), granting(), Say(401), Say())
    with pytest.raises(CredentialsRefusedError, match="users"):
        ask(case, credentials(case.client))
    assert [asked.method for asked in case.script.asked] == ["POST", "GET", "POST", "GET"]


@pytest.mark.parametrize("token_type", ["bearer", "Bearer", "BEARER", "", None])
def test_a_bearer_by_any_name(token_type: object) -> None:
    case = scripted(granting(token_type=token_type), Say(body=b"here"))
    assert ask(case, credentials(case.client)) == b"here"


def test_a_token_may_come_with_201() -> None:
    case = scripted(granting()._replace(status=201), Say(body=b"here"))
    assert ask(case, credentials(case.client)) == b"here"


# --- getting none -----------------------------------------------------------------------------------------------------

HTML = b"<html><title>Sign in</title>s3cret page</html>"


@pytest.mark.parametrize(
    ("said", "error", "says"),
    [
        (refusing(401, "invalid_client"), CredentialsRefusedError, "client id and client secret"),
        (refusing(400, "invalid_client"), CredentialsRefusedError, "client id and client secret"),
        (refusing(200, "invalid_client"), CredentialsRefusedError, "client id and client secret"),
        (refusing(400, "unauthorized_client"), CredentialsRefusedError, "client id and client secret"),
        (refusing(401), CredentialsRefusedError, "client id and client secret"),
        (Say(401, {}, HTML), CredentialsRefusedError, "client id and client secret"),
        (refusing(403, message="s3cret"), CredentialsRefusedError, "client id and client secret"),
        (refusing(400, "invalid_scope"), SettingsError, "setting scopes"),
        (refusing(400, "invalid_request"), SettingsError, "token_request"),
        (refusing(400, "unsupported_grant_type"), SettingsError, "token_request"),
        (refusing(400, "s3cret of their own"), SettingsError, "token_request"),
        (refusing(400, {"s3cret": [1]}), SettingsError, "token_request"),
        (refusing(415), SettingsError, "token_request"),
        (Say(404, {}, HTML), SettingsError, "token_url"),
        (refusing(404, message="no"), SettingsError, "token_url"),
        (refusing(405), SettingsError, "token_url"),
        (Say(200, {}, HTML), SettingsError, "token_url"),
        (Say(200, {}, b"[" * 100_000), SettingsError, "token_url"),
        (Say(200, {}, b""), SettingsError, "token_url"),
        (Say(200, {}, b'["s3cret"]'), SettingsError, "token_url"),
        (refusing(200, message="s3cret"), SettingsError, "token_url"),
        (granting(access_token=""), SettingsError, "token_url"),
        (granting(access_token=17), SettingsError, "token_url"),
        (granting(access_token="a\nb"), SettingsError, "token_url"),
        (Say(204, {}, b""), SettingsError, "token_url"),
        (Say(302, {"Location": "https://x.example/s3cret"}, b""), SettingsError, "token_url"),
        (granting(token_type="mac"), SourceProtocolError, "bearer"),
        (refusing(429, access_token="s3cret"), SourceUnavailableError, "a token"),
        (Say(503, {}, HTML), SourceUnavailableError, "a token"),
    ],
)
@pytest.mark.parametrize("style", ["basic", "query"])
def test_each_failure_is_one_plain_sentence(
    said: Say, error: type[RosterSyncError], says: str, style: TokenRequest
) -> None:
    case = scripted(said)
    with pytest.raises(error) as raised:
        ask(case, credentials(case.client, style))
    assert type(raised.value) is error
    assert says in raised.value.for_admin
    assert "login.example.org" in raised.value.for_admin
    assert {asked.method for asked in case.script.asked} == {"POST"}
    assert "s3cr" not in raised.value.for_admin + raised.value.for_engineer


def test_a_page_for_people_is_asked_thrice_as_it_may_be_a_gateways() -> None:
    case = scripted(Say(200, {}, HTML), Say(200, {}, HTML), granting(), Say(body=b"here"))
    assert ask(case, credentials(case.client)) == b"here"
    never = scripted(Say(200, {}, HTML))
    with pytest.raises(SettingsError):
        ask(never, credentials(never.client))
    assert len(never.script.asked) == 3


def test_a_token_service_is_given_time() -> None:
    case = scripted(Say(429, {"Retry-After": "7"}, b"{}"), Say(500), granting(), Say(body=b"here"))
    assert ask(case, credentials(case.client)) == b"here"
    assert 7 <= case.clock.waited <= 12
    assert [asked.method for asked in case.script.asked] == ["POST", "POST", "POST", "GET"]


def test_a_failure_leaves_no_token_behind() -> None:
    case = scripted(
        granting(expires_in=100), Say(), refusing(401, "invalid_client"), granting(access_token="tok-2"), Say()
    )
    clock = FakeClock()
    auth = credentials(case.client, clock=clock)
    ask(case, auth)
    clock.now += 200
    with pytest.raises(CredentialsRefusedError):
        ask(case, auth)
    ask(case, auth)
    assert case.script.asked[-1].headers["Authorization"] == "Bearer tok-2"
