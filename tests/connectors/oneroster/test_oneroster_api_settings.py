"""Settings and credentials: what does not fit is one plain sentence; how requests are then authorized."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
import requests

from connectors import check, open_source
from connectors.http.client import HttpClient, HttpRules
from connectors.oneroster import OneRosterSource
from connectors.source import Access, Source
from connectors.watch import Watch
from models.connections import Memory, OneRosterCredentials, OneRosterSettings
from models.errors import SettingsError
from models.pages import PullEvent
from tests.connectors.oneroster.oneroster_cases import BASE, NOW, FakeProvider, Reply, roster

TOKEN_URL = "https://sis.example.org/token"
KEYS = OneRosterCredentials(client_id="our-id", client_secret="s3cr+t/=&~ x")
STATIC = OneRosterCredentials(token="static-token")


def settings(**changes: Any) -> OneRosterSettings:
    known: dict[str, Any] = {"base_url": BASE, "token_url": TOKEN_URL, "page_size": 100}
    return OneRosterSettings(**(known | changes))


@pytest.mark.parametrize(
    ("given", "credentials", "named"),
    [
        ({"base_url": ""}, KEYS, "base_url"),
        ({"base_url": "sis.example.org/ims/oneroster/v1p1"}, KEYS, "base_url"),
        ({"base_url": "ftp://sis.example.org"}, KEYS, "base_url"),
        ({"base_url": BASE + "?key=1"}, KEYS, "base_url"),
        ({"base_url": "https://user:word@sis.example.org/v1p1"}, KEYS, "base_url"),
        ({"base_url": "https://[sis/v1p1"}, KEYS, "base_url"),
        ({"token_url": None}, KEYS, "token_url"),
        ({"token_url": "/token"}, KEYS, "token_url"),
        ({}, OneRosterCredentials(client_secret="s"), "client_id"),
        ({}, OneRosterCredentials(client_id="i"), "client_secret"),
        ({"auth": "oauth1"}, OneRosterCredentials(), "client_id and client_secret"),
        ({"auth": "oauth1"}, STATIC, "client_id and client_secret"),
        ({"auth": "bearer"}, KEYS, "token"),
    ],
)
def test_what_does_not_fit_is_named(given: dict[str, Any], credentials: OneRosterCredentials, named: str) -> None:
    with pytest.raises(SettingsError, match=named) as wrong:
        check("oneroster", settings(**given), credentials)
    assert "word" not in wrong.value.for_admin
    assert KEYS.client_secret not in wrong.value.for_admin + wrong.value.for_engineer


@pytest.mark.parametrize(
    ("given", "credentials"),
    [({}, KEYS), ({"auth": "oauth1", "token_url": None}, KEYS), ({"auth": "bearer", "token_url": None}, STATIC),
     ({"base_url": "http://127.0.0.1:8080/ims/oneroster/v1p1"}, KEYS)],
)  # fmt: skip
def test_what_fits(given: dict[str, Any], credentials: OneRosterCredentials) -> None:
    """These credentials are what makes it fit: without them the same settings are refused."""
    check("oneroster", settings(**given), credentials)
    with pytest.raises(SettingsError):
        check("oneroster", settings(**given), OneRosterCredentials())


class Authorized(FakeProvider):
    """A provider that keeps how each request was authorized, and hands out tokens."""

    def __init__(self) -> None:
        super().__init__(roster())
        self.tokens: list[requests.PreparedRequest] = []
        self.gets: list[requests.PreparedRequest] = []

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        if request.method == "POST":
            self.tokens.append(request)
            token = {"access_token": "fresh-token", "token_type": "bearer", "expires_in": 3600}
            return self.respond(request, Reply(200, token))
        self.gets.append(request)
        return super().send(request, *args, **options)

    @property
    def authorizations(self) -> list[str]:
        return [str(request.headers.get("Authorization")) for request in self.gets]


def read(
    provider: FakeProvider, scratch: Path, given: OneRosterSettings, credentials: OneRosterCredentials
) -> tuple[Source, list[PullEvent]]:
    http = HttpClient(HttpRules(), Watch(), adapter=provider, sleep=lambda _seconds: None)
    source = open_source("oneroster", given, credentials, Access(http, scratch, Watch(), lambda: NOW))
    assert isinstance(source, OneRosterSource)
    return source, list(source.pull())


@pytest.mark.parametrize("method", ["HMAC-SHA256", "HMAC-SHA1"])
def test_oauth1_signs_every_request_afresh(tmp_path: Path, method: str) -> None:
    provider = Authorized()
    source, events = read(provider, tmp_path, settings(auth="oauth1", signature_method=method), KEYS)
    assert len(events) > 10
    assert all(f'oauth_signature_method="{method}"' in header for header in provider.authorizations)
    assert len(set(provider.authorizations)) == len(provider.gets) == 6
    assert source.facts.scopes == ()
    assert source.memory.full_at


@pytest.mark.parametrize(
    ("given", "scope"),
    [
        ({}, "https://purl.imsglobal.org/spec/or/v1p1/scope/roster-core.readonly"),
        ({"version": "1.2"}, "https://purl.imsglobal.org/spec/or/v1p2/scope/roster-core.readonly"),
        ({"scopes": ("http://example.org/a", "b")}, "http://example.org/a b"),
        ({"scopes": ()}, None),
    ],
)
def test_oauth2_asks_for_the_least_scope_of_the_version(
    tmp_path: Path, given: dict[str, Any], scope: str | None
) -> None:
    provider = Authorized()
    source, _ = read(provider, tmp_path, settings(**given), KEYS)
    (request,) = provider.tokens
    assert request.url == TOKEN_URL
    form = dict(parse_qsl(str(request.body if isinstance(request.body, str) else (request.body or b"").decode())))
    assert form.get("scope") == scope
    assert form["grant_type"] == "client_credentials"
    assert set(provider.authorizations) == {"Bearer fresh-token"}
    assert " ".join(source.facts.scopes) == (scope or "")


@pytest.mark.parametrize(("style", "place"), [("basic", "header"), ("post", "body"), ("query", "address")])
def test_oauth2_puts_id_and_secret_where_the_settings_say(tmp_path: Path, style: str, place: str) -> None:
    provider = Authorized()
    read(provider, tmp_path, settings(token_request=style), KEYS)
    (request,) = provider.tokens
    where = {
        "header": "Authorization" in request.headers,
        "body": "client_secret" in str(request.body),
        "address": "client_secret" in str(request.url),
    }
    assert [name for name, there in where.items() if there] == [place]


def test_a_static_token_and_a_base_url_that_ends_in_a_slash(tmp_path: Path) -> None:
    provider = Authorized()
    source, _ = read(provider, tmp_path, settings(auth="bearer", base_url=BASE + "/"), STATIC)
    assert set(provider.authorizations) == {"Bearer static-token"}
    assert provider.gets[0].url == f"{BASE}/orgs?limit=100&offset=0&sort=sourcedId&orderBy=asc"
    assert source.facts.district_name == "Springfield"
    assert "static-token" not in repr(vars(source))


def test_settings_reach_the_pull(tmp_path: Path) -> None:
    provider = Authorized()
    http = HttpClient(HttpRules(), Watch(), adapter=provider, sleep=lambda _seconds: None)
    memory = Memory(full_at="2026-08-31T00:00:00Z", read_at="2026-08-31T00:00:00Z")
    access = Access(http, tmp_path, Watch(), lambda: NOW, memory)
    given = settings(auth="bearer", page_size=7, sort=False, delta=True, overlap_hours=1, full_every_days=3)
    list(OneRosterSource(given, STATIC, access).pull())
    assert provider.asked[0].query == {
        "limit": "7", "offset": "0", "filter": "dateLastModified>'2026-08-30T23:00:00.000Z'",
    }  # fmt: skip


def test_what_does_not_fit_is_found_before_anything_is_asked(tmp_path: Path) -> None:
    provider = Authorized()
    with pytest.raises(SettingsError):
        read(provider, tmp_path, settings(auth="bearer"), KEYS)
    assert provider.gets == []
