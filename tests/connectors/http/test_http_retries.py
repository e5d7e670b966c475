"""Which answers are tried again, how long is waited, and which error comes of it in the end."""

import itertools

import pytest
import requests
import responses
from hypothesis import given
from hypothesis import strategies as st
from requests import PreparedRequest

from connectors.http.client import Answer, HttpClient, HttpRules, Torn
from connectors.http.times import requests_left, retry_after, window_left
from connectors.watch import Watch
from models.errors import (
    CancelledError,
    CredentialsRefusedError,
    RosterSyncError,
    SettingsError,
    SourceProtocolError,
    SourceUnavailableError,
)
from tests.connectors.http.http_cases import BASE, HOST, FakeClock, Say, Script, Scripted, body_of, http_date, scripted


def ask(case: Scripted, accept: frozenset[int] = frozenset()) -> bytes:
    return case.client.get(f"{BASE}/users", (("limit", "5"),), what="users", read=body_of, accept=accept)


class Renewable:
    """An Auth that counts; ``able`` says whether renewing gets it something new."""

    def __init__(self, able: bool = True) -> None:
        self.able = able
        self.signed = self.renewed = 0

    def sign(self, request: PreparedRequest) -> None:
        self.signed += 1
        request.headers["Authorization"] = f"Bearer {self.signed}"

    def renew(self) -> bool:
        self.renewed += 1
        return self.able


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_passes_is_tried_again(status: int) -> None:
    case = scripted(Say(status), Say(status), Say(body=b"here"))
    assert ask(case) == b"here"
    assert len(case.script.asked) == 3
    assert 0 < case.clock.waited <= 2 + 4


@pytest.mark.parametrize(
    "failure",
    [
        requests.ConnectionError("refused"),
        requests.ReadTimeout("slow"),
        requests.ConnectTimeout("slow"),
        requests.exceptions.ChunkedEncodingError("torn"),
    ],
)
def test_no_answer_is_tried_again_and_then_the_source_is_unavailable(failure: Exception) -> None:
    assert ask(scripted(failure, Say(body=b"here"))) == b"here"
    case = scripted(failure, tries=4)
    with pytest.raises(SourceUnavailableError) as raised:
        ask(case)
    assert len(case.script.asked) == 4
    assert "users" in raised.value.for_admin
    assert HOST in raised.value.for_admin
    assert "tries: 4" in raised.value.for_engineer


def test_waits_grow_stay_below_their_cap_and_are_random() -> None:
    waits: list[list[float]] = []
    for _ in range(20):
        case = scripted(Say(503), tries=9, patience=10_000)
        with pytest.raises(SourceUnavailableError):
            ask(case)
        waits.append([progress.waiting for progress in case.told.waits])
    assert max(map(max, waits)) <= 60
    assert max(map(max, waits)) > 30
    assert len({tuple(run) for run in waits}) > 1


def test_sleeping_is_sliced_and_a_stopped_run_does_not_wait_to_the_end() -> None:
    case = scripted(Say(503, {"Retry-After": "100"}))
    case.told.stop_after = 5
    with pytest.raises(CancelledError):
        ask(case)
    assert case.clock.slept == [1.0] * 5
    assert len(case.script.asked) == 1
    (told,) = case.told.waits
    assert 100 <= told.waiting <= 101
    assert told.why == "users: it answered with status 503"


def test_a_run_that_is_stopped_at_the_end_of_a_wait_asks_no_more() -> None:
    case = scripted(Say(503, {"Retry-After": "1"}))
    case.told.stop_after = 2
    with pytest.raises(CancelledError):
        ask(case)
    assert len(case.script.asked) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_kept_even_beyond_the_cap(status: int) -> None:
    case = scripted(Say(status, {"retry-after": "130"}), Say())
    ask(case)
    assert 130 <= case.clock.waited <= 131


def test_retry_after_may_be_a_date_by_the_sources_clock() -> None:
    clock = FakeClock()
    theirs = clock.now - 5_000  # or ours is wrong
    headers = {"Retry-After": http_date(theirs + 40), "Date": http_date(theirs)}
    case = scripted(Say(503, headers), Say())
    ask(case)
    assert 40 <= case.clock.waited <= 41


@pytest.mark.parametrize("also", [{}, {"x-ratelimit-remaining": "0"}])
def test_429_without_retry_after_waits_for_the_window_to_end(also: dict[str, str]) -> None:
    reset = int(FakeClock().now) + 25
    case = scripted(Say(429, {"x-ratelimit-reset": str(reset), **also}, b""), Say())
    ask(case)
    assert 25 <= case.clock.waited <= 28
    assert case.told.waits[0].why == "users: it answered with status 429"


@pytest.mark.parametrize("value", ["", "soon", "-5", "nan", "1e400", "Thu, 99 Foo 2026", "0"])
def test_a_retry_after_that_makes_no_sense_is_as_none(value: str) -> None:
    case = scripted(Say(429, {"Retry-After": value, "X-RateLimit-Reset": value}), Say())
    ask(case)
    assert case.clock.waited <= 2


@given(
    st.text() | st.floats().map(str) | st.integers().map(str), st.text() | st.datetimes().map(str), st.floats(0, 1e12)
)
def test_no_header_breaks_the_arithmetic(value: str, date: str, now: float) -> None:
    headers = {"Retry-After": value, "X-RateLimit-Reset": value, "X-RateLimit-Remaining": value, "Date": date}
    for seconds in (retry_after(headers, now), window_left(headers, now)):
        assert seconds is None or seconds > 0
    assert requests_left(headers) is None or value


def test_a_wait_beyond_patience_is_not_begun_and_the_error_says_when() -> None:
    case = scripted(Say(429, {"Retry-After": "3600"}), patience=900)
    with pytest.raises(SourceUnavailableError, match=r"until 2023-11-14 23:13 UTC") as raised:
        ask(case)
    assert case.clock.slept == []
    assert (raised.value.exit_code, raised.value.retry_after) == (75, 3600)


def test_an_absurd_wait_is_still_a_date() -> None:
    with pytest.raises(SourceUnavailableError, match="UTC"):
        ask(scripted(Say(429, {"Retry-After": "9" * 40})))


def test_patience_is_for_all_requests_of_a_client_together() -> None:
    case = scripted(Say(503, {"Retry-After": "50"}), Say(), Say(503, {"Retry-After": "50"}), patience=90)
    ask(case)
    with pytest.raises(SourceUnavailableError):
        ask(case)
    assert case.clock.waited <= 90
    assert len(case.script.asked) == 3


def test_each_try_is_signed_anew() -> None:
    auth = Renewable()
    case = scripted(Say(503), Say(500), Say())
    case.client.get(BASE, what="users", read=body_of, auth=auth)
    assert [asked.headers["Authorization"] for asked in case.script.asked] == ["Bearer 1", "Bearer 2", "Bearer 3"]


def test_401_is_renewed_once_and_that_is_no_retry() -> None:
    auth = Renewable()
    case = scripted(Say(401), Say(body=b"here"), tries=1)
    assert case.client.get(BASE, what="users", read=body_of, auth=auth) == b"here"
    assert (auth.renewed, auth.signed, case.clock.slept) == (1, 2, [])


@pytest.mark.parametrize(
    ("able", "script", "asked"),
    [
        (True, [Say(401)], 2),
        (False, [Say(401)], 1),
        (True, [Say(401), Say(503), Say(401)], 3),
        (True, [Say(503), Say(401), Say(500), Say(401)], 4),
    ],
)
def test_a_second_401_is_final(able: bool, script: list[Say], asked: int) -> None:
    auth = Renewable(able)
    case = scripted(*script)
    with pytest.raises(CredentialsRefusedError, match="users"):
        case.client.get(BASE, what="users", read=body_of, auth=auth)
    assert auth.renewed == 1
    assert len(case.script.asked) == asked


def test_an_accepted_401_is_not_renewed() -> None:
    auth = Renewable()
    case = scripted(Say(401, body=b"no"))
    accept = frozenset({401})
    assert case.client.get(BASE, what="users", read=body_of, auth=auth, accept=accept) == b"no"
    assert auth.renewed == 0


def test_a_refusal_says_what_the_auth_knows_of_it() -> None:
    class Hinting(Renewable):
        hint = "Look at the clock."

    case = scripted(Say(401, {"Date": http_date(FakeClock().now + 300)}))
    with pytest.raises(CredentialsRefusedError, match=r"Look at the clock\.") as raised:
        case.client.get(BASE, what="users", read=body_of, auth=Hinting(able=False))
    assert "+300 s" in raised.value.for_engineer


@pytest.mark.parametrize("status", [302, 400, 404, 429, 502, 503])
def test_accepted_statuses_are_read_at_once(status: int) -> None:
    case = scripted(Say(status, body=b"mine"))
    assert ask(case, frozenset({status})) == b"mine"
    assert len(case.script.asked) == 1
    assert case.clock.slept == []


@pytest.mark.parametrize(
    ("status", "error", "says"),
    [
        (301, SettingsError, "redirect"),
        (302, SettingsError, HOST),
        (307, SettingsError, "base_url"),
        (403, CredentialsRefusedError, "share"),
        (400, SourceProtocolError, "400"),
        (404, SourceProtocolError, "address"),
        (413, SourceProtocolError, "413"),
        (418, SourceProtocolError, "418"),
        (204, SourceProtocolError, "204"),
        (206, SourceProtocolError, "206"),
        (501, SourceUnavailableError, "later"),
    ],
)
def test_other_statuses_are_errors_at_once(status: int, error: type[RosterSyncError], says: str) -> None:
    body = b"" if status == 204 else b"secret body"
    case = scripted(Say(status, {"Location": "https://elsewhere.example/secret-path"}, body))
    with pytest.raises(error, match="users") as raised:
        ask(case)
    assert type(raised.value) is error
    assert len(case.script.asked) == 1
    texts = raised.value.for_admin + raised.value.for_engineer
    assert says in texts
    assert "secret" not in texts
    assert str(status) in raised.value.for_engineer


@pytest.mark.parametrize(("torn", "asked"), [(1, 2), (2, 3)])
def test_a_torn_body_is_asked_for_again(torn: int, asked: int) -> None:
    left = itertools.count(torn, -1)

    def read(answer: Answer) -> bytes:
        if next(left) > 0:
            raise Torn("not JSON")
        return answer.body

    case = scripted(Say(body=b"whole"))
    assert case.client.get(BASE, what="users", read=read) == b"whole"
    assert len(case.script.asked) == asked


def test_a_body_that_stays_torn_is_a_protocol_error_after_three_tries() -> None:
    def read(answer: Answer) -> bytes:
        raise Torn("no list under users")

    case = scripted(Say(), Say(503), Say(), Say(503), Say())
    with pytest.raises(SourceProtocolError, match="no list under users"):
        case.client.get(BASE, what="users", read=read)
    assert len(case.script.asked) == 5


def test_a_form_is_posted_and_tried_again_alike() -> None:
    case = scripted(Say(502), Say(body=b"token"))
    form = (("grant_type", "client_credentials"), ("scope", "a b"))
    assert case.client.post(f"{BASE}/token", form, what="a token", read=body_of) == b"token"
    assert [asked.body for asked in case.script.asked] == ["grant_type=client_credentials&scope=a+b"] * 2
    assert {asked.method for asked in case.script.asked} == {"POST"}


def test_queries_are_percent_encoded() -> None:
    case = scripted(Say())
    case.client.get(f"{BASE}/users?x=1", (("filter", "a='b c' AND d>'é'"),), what="users", read=body_of)
    assert case.script.asked[0].url == f"{BASE}/users?x=1&filter=a%3D%27b%20c%27%20AND%20d%3E%27%C3%A9%27"


@pytest.mark.parametrize(
    "url", ["", "sis.example.org/x", "https://", "https:///x", "https://[::1", "https://a b/", "::"]
)
def test_an_address_that_is_none_is_a_settings_error(url: str) -> None:
    case = scripted(Say())
    with pytest.raises(SettingsError, match="address"):
        case.client.get(url, what="users", read=body_of)
    assert case.script.asked == []


def test_observers_get_every_whole_answer() -> None:
    seen: list[tuple[str | None, int, bytes]] = []
    script = Script(Say(401, body=b"a"), requests.ConnectionError(), Say(500, body=b"b"), Say(body=b"c"))
    clock = FakeClock()
    client = HttpClient(
        HttpRules(),
        Watch(),
        adapter=script,
        observe=lambda request, answer: seen.append((request.url, answer.status, answer.body)),
        sleep=clock.sleep,
        clock=clock,
    )
    client.get(BASE, what="users", read=body_of, auth=Renewable())
    assert seen == [(BASE, 401, b"a"), (BASE, 500, b"b"), (BASE, 200, b"c")]


@responses.activate
def test_answers_may_be_mocked() -> None:
    responses.get(f"{BASE}/users", status=500)
    responses.get(f"{BASE}/users", json={"users": []}, headers={"X-Total-Count": "0"})
    client = HttpClient(HttpRules(), Watch(), sleep=lambda _seconds: None)
    assert client.get(f"{BASE}/users", what="users", read=lambda answer: answer) == Answer(
        200, {"content-type": "application/json", "x-total-count": "0"}, b'{"users": []}'
    )


def test_closing_ends_the_connections_and_may_be_done_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    case, closed = scripted(Say()), []
    monkeypatch.setattr(case.script, "close", lambda: closed.append("script"))
    ask(case)
    case.client.close()
    assert closed
    case.client.close()
