"""The district's token: looked up, chosen, looked up again; and whom to blame if it does not work."""

from typing import Any

import pytest

from connectors.clever.tokens import DistrictToken
from models.connections import CleverCredentials, CleverSettings
from models.errors import (
    CredentialsRefusedError,
    DisconnectedError,
    SettingsError,
    SourceProtocolError,
    SourceUnavailableError,
    StoppedError,
)
from tests.connectors.clever.cases import (
    APP,
    DISTRICT,
    TOKEN,
    Asked,
    FakeClever,
    Reply,
    always,
    make_client,
    once,
    pull,
    small,
    student,
    teacher,
    token_of,
)

OTHER = "e" * 24


def tokens_asked(clever: FakeClever) -> list[Asked]:
    return [asked for asked in clever.asked if asked.path == "/oauth/tokens"]


def test_the_token_is_looked_up_once_with_id_and_secret() -> None:
    clever = small()
    pull(clever)
    (asked,) = tokens_asked(clever)
    assert asked.query == {"owner_type": "district", "district": DISTRICT}
    assert asked.token == "Basic YXBwOnNlY3JldA=="
    assert {request.token for request in clever.asked if request is not asked} == {f"Bearer {TOKEN}"}


def test_a_given_token_is_used_as_it_is() -> None:
    clever = small()
    pulled = pull(clever, credentials=CleverCredentials(token=TOKEN), district_id=None)
    assert tokens_asked(clever) == []
    assert pulled.facts.district_id == DISTRICT


def test_a_given_token_that_is_refused_is_the_admins_to_replace() -> None:
    with pytest.raises(CredentialsRefusedError, match="Replace the token"):
        pull(small(), credentials=CleverCredentials(token="x" * 40))


def test_the_only_connected_district_needs_no_district_id() -> None:
    clever = small()
    assert pull(clever, district_id=None).facts.district_id == DISTRICT
    assert tokens_asked(clever)[0].query == {"owner_type": "district"}


def test_several_districts_are_listed_so_that_one_can_be_chosen() -> None:
    clever = small()
    clever.tokens.append(token_of(OTHER, "o" * 40))
    with pytest.raises(SettingsError, match=f"district_id to one of {DISTRICT}, {OTHER}"):
        pull(clever, district_id=None)
    assert [asked.path for asked in clever.asked] == ["/oauth/tokens"]


@pytest.mark.parametrize("district_id", [DISTRICT, None])
def test_no_token_means_disconnected(district_id: str | None) -> None:
    clever = small()
    clever.tokens = []
    with pytest.raises(DisconnectedError, match="connected to your app"):
        pull(clever, district_id=district_id)


@pytest.mark.parametrize(
    "entry",
    [token_of(DISTRICT, ""), token_of("", TOKEN), {"access_token": TOKEN}, {"owner": {"id": DISTRICT}}, {}],
    ids=["blank token", "blank owner", "no owner", "no token", "nothing"],
)
def test_an_entry_without_token_or_owner_is_no_token(entry: Any) -> None:
    """Khan's tool took "" for a token and went on (reference/clever.md, 1.1)."""
    clever = small()
    clever.faults.append(always("/oauth/tokens", Reply(200, {"data": [entry], "links": []})))
    with pytest.raises(DisconnectedError):
        pull(clever)
    assert len(clever.asked) == 1


@pytest.mark.parametrize("newest", [0, 1])
def test_of_several_tokens_of_a_district_the_newest_counts(newest: int) -> None:
    clever = small()
    clever.tokens = [token_of(DISTRICT, "old" * 10, "2025-08-01T00:00:00.000Z")]
    clever.tokens.insert(newest, token_of(DISTRICT, "new" * 10, "2026-08-01T00:00:00.000Z"))
    pull(clever, district_id=None)
    assert clever.asked[-1].token == f"Bearer {'new' * 10}"


def test_a_token_that_rotates_midway_is_looked_up_and_the_same_page_asked_again() -> None:
    clever = small(users=[student(f"kim{n}") for n in range(5)] + [teacher()])
    pages = 0

    def rotate(asked: Asked) -> None:
        nonlocal pages
        pages += asked.path == "users" and "starting_after" in asked.query
        if pages == 2 and clever.tokens[0]["access_token"] == TOKEN:
            clever.tokens = [token_of(DISTRICT, "n" * 40)]

    clever.faults.append(rotate)
    pulled = pull(clever, page_size=2)
    assert len(pulled.records("person")) == 6
    assert len(tokens_asked(clever)) == 2
    queries = [(asked.query, asked.token) for asked in clever.asked if asked.query.get("starting_after") == "kim3"]
    assert [token for _, token in queries] == [f"Bearer {TOKEN}", f"Bearer {'n' * 40}"]
    assert queries[0][0] == queries[1][0]
    assert pulled.coverage["person", "users"].verdict == "complete"


def test_a_district_that_disconnects_midway_yields_nothing() -> None:
    clever = small()

    def disconnect(asked: Asked) -> None:
        if asked.path == "users":
            clever.tokens = []

    clever.faults.append(disconnect)
    with pytest.raises(DisconnectedError, match="Nothing was removed"):
        pull(clever)


def test_a_token_that_clever_hands_out_and_refuses_is_asked_for_once_more_only() -> None:
    clever = small()
    clever.faults.append(always("users", Reply(401, {"code": 101, "error": "Unrecognized token string"})))
    with pytest.raises(CredentialsRefusedError, match="ask the district"):
        pull(clever)
    assert len(tokens_asked(clever)) == 2
    assert [asked.path for asked in clever.asked].count("users") == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_app_is_about_id_and_secret(status: int) -> None:
    clever = small()
    clever.faults.append(always("/oauth/tokens", Reply(status, {"error": "invalid_client"})))
    with pytest.raises(CredentialsRefusedError, match="client_id and client_secret"):
        pull(clever)


@pytest.mark.parametrize("status", [400, 404])
def test_a_question_that_clever_does_not_take_is_about_the_settings(status: int) -> None:
    clever = small()
    clever.faults.append(always("/oauth/tokens", Reply(status, b"<html>", "text/html")))
    with pytest.raises(SettingsError, match="district_id"):
        pull(clever)


def test_html_for_tokens_is_no_empty_list() -> None:
    clever = small()
    clever.faults.append(always("/oauth/tokens", Reply(200, b"<html>Sign in</html>", "text/html")))
    with pytest.raises(SourceProtocolError, match="HTML"):
        pull(clever)
    assert len(clever.asked) == 3


def test_further_pages_of_tokens_are_followed_and_circles_are_not() -> None:
    clever = small()
    first = {"data": [token_of(OTHER, "o" * 40)], "links": [{"rel": "next", "uri": "/oauth/tokens?page=2"}]}
    clever.faults.append(once("/oauth/tokens", Reply(200, first)))
    assert pull(clever).facts.district_id == DISTRICT
    clever.faults = [always("/oauth/tokens", Reply(200, first))]
    with pytest.raises(SourceProtocolError, match="circle"):
        pull(clever)


def test_tokens_are_never_asked_for_elsewhere() -> None:
    clever = small()
    body = {"data": [], "links": [{"rel": "next", "uri": "https://evil.example.org/oauth/tokens?page=2"}]}
    clever.faults.append(always("/oauth/tokens", Reply(200, body)))
    with pytest.raises(SourceProtocolError, match="another place"):
        pull(clever)
    assert clever.hosts == {"clever.com"}


def test_the_answering_district_must_be_the_one_that_is_meant() -> None:
    clever = small()
    clever.district["id"] = OTHER
    with pytest.raises(StoppedError, match=f"{OTHER} instead of {DISTRICT}"):
        pull(clever)
    with pytest.raises(SettingsError, match="correct district_id"):
        pull(clever, credentials=CleverCredentials(token=TOKEN))


def test_a_district_that_becomes_another_midway_stops_the_run() -> None:
    clever = small()

    def exchange(asked: Asked) -> None:
        if asked.path == "users":
            clever.district = clever.district | {"id": OTHER}

    clever.faults.append(exchange)
    with pytest.raises(SettingsError):
        pull(clever, credentials=CleverCredentials(token=TOKEN), district_id=None)


@pytest.mark.parametrize("records", [[], [{"name": "no id"}], [{"id": DISTRICT}, {"id": OTHER}], ["nothing"]])
def test_a_token_is_for_exactly_one_district(records: list[Any]) -> None:
    clever = small()
    data = [{"data": record} for record in records]
    clever.faults.append(always("districts", Reply(200, {"data": data, "links": []})))
    with pytest.raises(SourceProtocolError, match="which district"):
        pull(clever)


def test_scopes_come_from_tokeninfo_and_else_from_the_token() -> None:
    clever = small()
    assert pull(clever).facts.scopes == clever.scopes
    for reply in (Reply(500, {}), Reply(401, {}), Reply(200, b"<html>", "text/html")):
        clever.faults = [always("/oauth/tokeninfo", reply)]
        assert pull(clever).facts.scopes == ("read:students_basic",)
    clever.tokens[0]["scopes"] = None
    assert pull(clever).facts.scopes == ()


def test_a_source_that_does_not_answer_is_no_fault_of_the_district() -> None:
    clever = small()
    clever.faults.append(always("/oauth/tokens", Reply(503, {})))
    with pytest.raises(SourceUnavailableError):
        pull(clever)


def test_no_secret_shows() -> None:
    clever = small()
    settings = CleverSettings(district_id=DISTRICT)
    token = DistrictToken(settings, APP, make_client(clever))
    for shown in (repr(token), repr(APP), str(vars(token).get("hint"))):
        assert "secret" not in shown
        assert TOKEN not in shown
