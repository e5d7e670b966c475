"""A connection's requests per minute, shared by processes: never more in any minute, and nearly as many."""

import heapq
import multiprocessing
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from requests import PreparedRequest, Response
from requests.adapters import BaseAdapter
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from connectors.http.client import Answer, HttpClient, HttpRules
from connectors.watch import Watch
from models.budget import Grant
from store import budgets
from store.database import create, reading, writing
from sync import connections
from sync.probe import probe
from sync.pull import sync
from sync.service import Service
from tests.connectors.http.http_cases import BASE, FakeClock, Handler, Loopback, Say, Script, body_of, loopback
from tests.sync.fake_source import Shared

#: Where the database is, and whose budget it is.
Budget = tuple[Engine, int]

#: A fork server: each process starts at once, without the threads and connections of the process that runs the tests.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["connectors.http.client", "store.budgets"])
#: Seconds for which a granted request may wait for its turn, and a little for a machine that is busy.
LATE = 2.0


class Together:
    """A clock for clients in threads, which moves when all of them sleep, to the first that wakes up."""

    def __init__(self, clients: int) -> None:
        self.now = 1_700_000_000.0
        self._awake = clients
        self._wakes: list[float] = []
        self._moved = threading.Condition()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self._moved:
            until = self.now + seconds
            heapq.heappush(self._wakes, until)
            self.leave()
            assert self._moved.wait_for(lambda: self.now >= until, timeout=60)

    def leave(self) -> None:
        """One client less is awake."""
        with self._moved:
            self._awake -= 1
            if not self._awake and self._wakes:
                self.now = self._wakes[0]
                while self._wakes and self._wakes[0] <= self.now:
                    heapq.heappop(self._wakes)
                    self._awake += 1
                self._moved.notify_all()


class Counting(BaseAdapter):
    """A source that writes down when each request reached it."""

    def __init__(self, clock: Together, latency: float) -> None:
        super().__init__()
        self.clock = clock
        self.latency = latency
        self.taken: list[float] = []

    def send(self, request: PreparedRequest, *_args: Any, **_options: Any) -> Response:
        self.clock.sleep(self.latency)
        self.taken.append(self.clock.now)
        return Script(Say()).send(request)

    def close(self) -> None:
        return


def most_in(seconds: float, taken: list[float]) -> int:
    """The most requests in any stretch of so many seconds."""
    most = first = 0
    for last, at in enumerate(taken):
        while at - taken[first] >= seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


def budget_of(service: Service) -> Budget:
    return service.engine, connections.open_connection(service, "springfield", "sis").id


def ask_in_turn(
    budget: Budget, monkeypatch: pytest.MonkeyPatch, limit: int, *clients: tuple[float, float]
) -> list[float]:
    """Clients, each from a second to a second, that ask as fast as they may; returns when the source was asked."""
    engine, connection_id = budget
    clock = Together(len(clients))
    source = Counting(clock, 0.05)
    begins = clock.now
    monkeypatch.setattr("store.budgets.clock", lambda _connection: clock.now)

    def ask(since: float, until: float) -> None:
        clock.sleep(since)
        http = HttpClient(
            HttpRules(requests_per_minute=limit), Watch(), adapter=source, sleep=clock.sleep, clock=clock,
            permits=lambda: budgets.take(engine, connection_id, limit),
        )  # fmt: skip
        while clock.now < begins + until:
            http.get(f"{BASE}/users", what="users", read=body_of)
        clock.leave()

    threads = [threading.Thread(target=ask, args=client) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return source.taken


def test_no_bucket_lets_more_through_in_a_minute_than_the_limit() -> None:
    for limit in (*range(1, 2_000), 5_000, 1_000_000):
        bucket = budgets.bucket_for(limit)
        assert int(bucket.size + bucket.rate * (60 + LATE)) <= limit
        assert bucket.rate * 60 >= limit * (0.9 if limit > 1 else 0.85)


@pytest.mark.parametrize("limit", [7, 60])
def test_one_client_uses_what_is_allowed(here: Service, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    taken = ask_in_turn(budget_of(here), monkeypatch, limit, (0, 150))
    assert most_in(60, taken) <= limit
    assert len(taken) >= 0.9 * limit * 2.5


def test_clients_beside_each_other_never_ask_more_than_one_may(place: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sync, a test of the connection beside it, and the successor of a worker that was killed."""
    limit = 60
    taken = ask_in_turn(budget_of(place), monkeypatch, limit, (0, 50), (20, 100), (50, 150))
    assert most_in(60, taken) <= limit
    assert len(taken) >= 0.9 * limit * 2.5


def test_clever_is_asked_for_a_second_at_a_time(here: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    take = budgets.take

    def counted(*arguments: Any) -> Grant:
        asked.append(arguments)
        return take(*arguments)

    monkeypatch.setattr(budgets, "take", counted)
    taken = ask_in_turn(budget_of(here), monkeypatch, 1_200, (0, 60), (0, 60))
    assert most_in(60, taken) <= 1_200
    assert len(taken) >= 0.9 * 1_200
    assert len(asked) <= 130


def test_database_whose_clock_is_set_back_gives_again(place: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, connection_id = budget_of(place)
    at = [10_000.0]
    monkeypatch.setattr("store.budgets.clock", lambda _connection: at[0])
    assert budgets.take(engine, connection_id, 60).requests == 1
    at[0] = 5_000.0
    assert budgets.take(engine, connection_id, 60).requests == 0
    at[0] = 5_002.0
    assert budgets.take(engine, connection_id, 60).requests == 1


# --- processes --------------------------------------------------------------------------------------------------------


def _ask(database: str, connection_id: int, limit: int, url: str) -> None:
    """Runs in a process of its own, until it is killed."""
    engine = create(database)
    rules = HttpRules(requests_per_minute=limit, allowed_hosts=frozenset({"127.0.0.1"}))
    http = HttpClient(rules, Watch(), permits=lambda: budgets.take(engine, connection_id, limit))
    while True:
        http.get(url, what="users", read=body_of)


@pytest.mark.slow
def test_processes_share_a_budget_and_a_killed_ones_successor_keeps_it(place: Service) -> None:
    engine, connection_id = budget_of(place)
    limit = 1_200
    bucket = budgets.bucket_for(limit)
    taken: list[float] = []

    def answer(handler: Handler) -> None:
        taken.append(time.monotonic())
        handler.say()

    def started(server: Loopback) -> Any:
        database = engine.url.render_as_string(hide_password=False)
        process = PROCESSES.Process(target=_ask, args=(database, connection_id, limit, server.url), daemon=True)
        process.start()
        return process

    with loopback(answer) as server:
        first, second = started(server), started(server)
        _until(lambda: len(taken) > bucket.size)
        first.kill()
        third = started(server)
        time.sleep(1.5)
        for process in (second, third):
            process.kill()
        for process in (first, second, third):
            process.join()
    assert len(taken) > bucket.size + 0.5 * bucket.rate
    for seconds in (0.2, 0.5, 1.0, taken[-1] - taken[0] + 0.1):
        assert most_in(seconds, taken) <= bucket.size + bucket.rate * (seconds + LATE)


def _until(come: Callable[[], bool]) -> None:
    for _ in range(1_000):
        if come():
            return
        time.sleep(0.02)
    raise AssertionError("it never came")


# --- what a client makes of it ----------------------------------------------------------------------------------------


def client(clock: FakeClock, *grants: Grant | None) -> tuple[HttpClient, list[float]]:
    """A client that is granted one part after the other, and when it asked for them."""
    asked: list[float] = []
    left = list(grants)

    def permits() -> Grant | None:
        asked.append(clock.now)
        return left.pop(0)

    rules = HttpRules(requests_per_minute=1_000)
    return HttpClient(rules, Watch(), adapter=Script(Say()), permits=permits, sleep=clock.sleep, clock=clock), asked


def get(http: HttpClient, times: int) -> None:
    for _ in range(times):
        http.get(f"{BASE}/users", what="users", read=body_of)


def test_budget_is_asked_once_a_second_at_most() -> None:
    clock = FakeClock()
    http, asked = client(clock, Grant(3, 0.1), Grant(2, 0.1), Grant(0, 4.0), Grant(1, 0.1))
    get(http, 6)
    assert [at - asked[0] for at in asked] == [0, 1, 2, 6]
    assert http.waited == 6


def test_what_is_granted_and_not_used_soon_is_lost() -> None:
    clock = FakeClock()
    http, asked = client(clock, Grant(10, 0.1), Grant(10, 0.1))
    get(http, 1)
    clock.now += 2
    get(http, 10)
    assert [at - asked[0] for at in asked] == [0, 2]


def test_budget_that_cannot_be_asked_holds_nobody_up_and_is_left_alone() -> None:
    clock = FakeClock()
    http, asked = client(clock, None, Grant(1, 0.1))
    get(http, 50)
    clock.now += 11
    get(http, 1)
    assert clock.slept == []
    assert [at - asked[0] for at in asked] == [0, 11]


def test_budget_that_was_long_in_failing_is_left_alone_from_then_on() -> None:
    """Else each request would wait for it: a busy SQLite says so after half a minute."""
    clock, asked = FakeClock(), []

    def permits() -> Grant | None:
        asked.append(clock.now)
        clock.now += 30
        return None

    rules = HttpRules(requests_per_minute=1_000)
    http = HttpClient(rules, Watch(), adapter=Script(Say()), permits=permits, sleep=clock.sleep, clock=clock)
    get(http, 5)
    clock.now += 9.5
    get(http, 1)
    assert len(asked) == 1
    clock.now += 1
    get(http, 1)
    assert [at - asked[0] for at in asked] == [0, 40.5]


def test_what_was_long_in_being_granted_is_lost_sooner() -> None:
    """Nobody knows when it was granted; to count from the asking on is the safe side."""
    clock = FakeClock()
    asked: list[float] = []

    def permits() -> Grant | None:
        asked.append(clock.now)
        clock.now += 1
        return Grant(10, 0.1)

    rules = HttpRules(requests_per_minute=1_000)
    http = HttpClient(rules, Watch(), adapter=Script(Say()), permits=permits, sleep=clock.sleep, clock=clock)
    get(http, 1)
    clock.now += 0.6
    get(http, 1)
    assert len(asked) == 2


def test_clock_that_is_set_back_asks_anew() -> None:
    clock = FakeClock()
    http, asked = client(clock, Grant(1, 0.1), Grant(1, 0.1))
    get(http, 1)
    clock.now -= 3_600
    get(http, 1)
    assert clock.slept == []
    assert len(asked) == 2


# --- who has one ------------------------------------------------------------------------------------------------------


def rows(service: Service) -> int:
    with reading(service.engine) as connection:
        return int(connection.execute(text("SELECT count(*) FROM budget")).scalar_one())


def asks_once(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    """The source makes one request of its HTTP client."""
    monkeypatch.setattr(HttpClient, "_send", lambda *_: Answer(200, {}, b"{}"))
    shared.while_pulled = lambda access: access.http.get(f"{BASE}/users", what="users", read=body_of)


def test_only_a_limit_has_a_budget_and_tests_of_a_connection_count(
    here: Service, shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks_once(shared, monkeypatch)
    sync(here, "springfield", "sis", started_by="tests")
    assert rows(here) == 0
    connections.set_setting(here, "springfield", "sis", "requests_per_minute", "100")
    probe(here, "springfield", "sis")
    assert rows(here) == 1


def test_database_that_is_away_for_a_moment_stops_no_pull(
    here: Service, shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        raise OperationalError(None, None, Exception("gone"))

    asks_once(shared, monkeypatch)
    connections.set_setting(here, "springfield", "sis", "requests_per_minute", "100")
    monkeypatch.setattr(budgets, "take", gone)
    assert sync(here, "springfield", "sis", started_by="tests").state == "applied"


def test_budget_of_a_smaller_limit_is_smaller_at_once(here: Service) -> None:
    engine, connection_id = budget_of(here)
    assert budgets.take(engine, connection_id, 6_000).requests == 120
    with writing(engine) as connection:
        connection.execute(text("UPDATE budget SET remaining = 120"))
    assert budgets.take(engine, connection_id, 100).requests == 2
