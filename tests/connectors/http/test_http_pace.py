"""Going as fast as a source allows, and no faster: against servers that count in a fixed window."""

import random
from collections.abc import Callable
from typing import Any

import pytest
import requests
from requests import PreparedRequest

from connectors.http.client import HttpClient, HttpRules
from connectors.http.oauth2 import ClientCredentials
from connectors.http.pace import Pace
from models.errors import SourceUnavailableError
from tests.connectors.http.http_cases import (
    BASE,
    FakeClock,
    Say,
    Script,
    Scripted,
    Told,
    body_of,
    http_date,
    scripted,
)

TOO_MANY = 429


class Counting:
    """A source that takes ``limit`` requests in a fixed window of a minute, begun by its first request.

    ``tells``: whether it says so in its headers; ``ahead``: how far its clock is from ours; ``others``: how many requests
    somebody else makes with each of ours.
    """

    def __init__(
        self,
        limit: int,
        clock: FakeClock,
        *,
        tells: bool = True,
        ahead: float = 0,
        others: float = 0,
        latency: float = 0.02,
    ) -> None:
        self.limit = limit
        self.clock = clock
        self.tells = tells
        self.ahead = ahead
        self.others = others
        self.latency = latency
        self.ends = 0.0
        self.used = 0.0
        self.taken: list[float] = []
        self.refused = 0
        self.random = random.Random(limit)

    def __call__(self, _request: PreparedRequest) -> Say:
        self.clock.now += self.latency * self.random.uniform(0, 1.5)
        if self.clock.now >= self.ends:
            self.ends, self.used = self.clock.now + 60, 0.0
        self.used += 1 + self.others
        status = 200 if self.used <= self.limit else TOO_MANY
        self.taken.append(self.clock.now)
        self.refused += status == TOO_MANY
        headers = self._headers() if self.tells else {}
        self.clock.now += self.latency * self.random.uniform(0, 1.5)
        return Say(status, headers)

    def _headers(self) -> dict[str, str]:
        return {
            "X-Ratelimit-Limit": str(self.limit),
            "x-ratelimit-remaining": str(max(0, int(self.limit - self.used))),
            "X-RateLimit-Reset": str(int(self.ends + self.ahead)),
            "Date": http_date(self.clock.now + self.ahead),
        }

    def used_of_what_was_allowed(self) -> float:
        windows = (self.taken[-1] - self.taken[0]) / 60
        return len(self.taken) * (1 + self.others) / (self.limit * windows)


def against(make: Callable[[FakeClock], Counting], **rules: Any) -> tuple[HttpClient, Counting]:
    clock = FakeClock(1_700_000_000.7)
    source = make(clock)
    client = HttpClient(HttpRules(**rules), Told().watch, adapter=Script(source), sleep=clock.sleep, clock=clock)
    return client, source


def ask(client: HttpClient, times: int) -> None:
    for _ in range(times):
        client.get(f"{BASE}/users", what="users", read=body_of)


@pytest.mark.parametrize("limit", [10, 50])
@pytest.mark.parametrize("tells", [True, False])
@pytest.mark.parametrize("ahead", [0, 3_600, -45.5])
@pytest.mark.parametrize("latency", [0.0, 0.2])
def test_a_limit_is_used_and_never_overrun(limit: int, tells: bool, ahead: float, latency: float) -> None:
    client, source = against(
        lambda clock: Counting(limit, clock, tells=tells, ahead=ahead, latency=latency), requests_per_minute=limit
    )
    ask(client, limit * 4 + 1)
    assert source.refused == 0
    assert 0.8 <= source.used_of_what_was_allowed() <= 1.1


def test_clevers_limit_is_used_in_full() -> None:
    client, source = against(lambda clock: Counting(1_200, clock), requests_per_minute=1_200)
    ask(client, 2_401)
    assert source.refused == 0
    assert source.used_of_what_was_allowed() >= 0.95


def test_a_limit_that_nobody_set_is_kept_when_the_source_tells_it() -> None:
    client, source = against(lambda clock: Counting(30, clock))
    ask(client, 100)
    assert source.refused == 0


def test_a_window_that_others_use_too_is_believed() -> None:
    client, source = against(lambda clock: Counting(100, clock, others=3), requests_per_minute=100)
    ask(client, 120)
    assert source.refused == 0
    assert source.used_of_what_was_allowed() >= 0.8


def test_a_limit_of_ours_below_the_sources_counts_in_its_window() -> None:
    client, source = against(lambda clock: Counting(1_000, clock), requests_per_minute=20)
    ask(client, 81)
    windows: dict[int, int] = {}
    begins = source.taken[0]
    for at in source.taken:
        if at >= begins + 60:
            begins = at
        windows[int(begins)] = windows.get(int(begins), 0) + 1
    assert list(windows.values()) == [20, 20, 20, 20, 1]


def test_without_headers_never_more_in_any_minute() -> None:
    client, source = against(lambda clock: Counting(10**6, clock, tells=False, latency=0.7), requests_per_minute=25)
    ask(client, 130)
    for first, next_one in zip(source.taken, source.taken[25:], strict=False):
        assert next_one - first >= 60


def test_below_the_limit_nothing_waits() -> None:
    client, source = against(lambda clock: Counting(100, clock, latency=0.7), requests_per_minute=100)
    ask(client, 400)
    assert source.clock.slept == []


def test_waiting_for_a_window_is_told_and_costs_no_patience() -> None:
    clock, told = FakeClock(), Told()
    source = Counting(5, clock)
    rules = HttpRules(requests_per_minute=5, patience=61)
    client = HttpClient(rules, told.watch, adapter=Script(source), sleep=clock.sleep, clock=clock)
    ask(client, 31)
    assert source.refused == 0
    assert clock.waited > 300
    assert {wait.why for wait in told.waits} == {"the source allows 5 requests a minute"}


def spent(seconds: int, clock: FakeClock, **headers: str) -> Say:
    return Say(200, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(clock.now) + seconds), **headers})


def test_a_window_that_lasts_longer_than_a_run_may_wait() -> None:
    clock = FakeClock()
    case = scripted(spent(7_200, clock), patience=900)
    ask(case.client, 1)
    with pytest.raises(SourceUnavailableError, match="UTC"):
        ask(case.client, 1)
    assert case.clock.slept == []


@pytest.mark.parametrize("reset", ["30", "1700000000000", "soon", "", "nan", "1699999000"])
def test_a_reset_that_cannot_be_is_not_believed(reset: str) -> None:
    case: Scripted = scripted(Say(200, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}))
    ask(case.client, 5)
    assert case.clock.slept == []


def test_a_request_that_failed_counts() -> None:
    case = scripted(requests.ConnectionError(), Say(), requests_per_minute=1)
    ask(case.client, 1)
    assert 60 <= case.clock.waited <= 62


def test_a_token_that_signing_asks_for_counts() -> None:
    case = scripted(Say(200, {}, b'{"access_token": "t"}'), Say(), requests_per_minute=1)
    auth = ClientCredentials(case.client, f"{BASE}/token", "id", "secret", (), "basic", clock=case.clock)
    case.client.get(f"{BASE}/users", what="users", read=body_of, auth=auth)
    assert len(case.script.asked) == 2
    assert 60 <= case.clock.waited <= 61


def test_hosts_are_paced_apart() -> None:
    case = scripted(Say(), requests_per_minute=1)
    for host in ("a.example.org", "b.example.org", "c.example.org"):
        case.client.get(f"https://{host}/", what="users", read=body_of)
    assert case.clock.slept == []
    case.client.get("https://a.example.org/", what="users", read=body_of)
    assert 60 <= case.clock.waited <= 61


def test_a_clock_that_is_set_back_costs_a_minute_at_most() -> None:
    pace = Pace(1)
    pace.answered(10_000.0, {})
    assert pace.wait(2_000.0) <= 61


def test_an_answer_without_headers_does_not_lift_the_limit() -> None:
    clock = FakeClock()
    one_left = {"X-RateLimit-Remaining": "1", "X-RateLimit-Reset": str(int(clock.now) + 30)}
    pace = Pace(0)
    pace.answered(clock.now, one_left)
    assert pace.wait(clock.now) == 0
    pace.answered(clock.now, {})
    assert 30 <= pace.wait(clock.now) <= 32
    assert pace.wait(clock.now + 33) == 0
