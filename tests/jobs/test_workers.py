"""Real worker processes on a real PostgreSQL, killed as they work: each due run is applied once."""

import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from fixtures.api import render
from fixtures.layout import Spec
from store import schedules, workers
from sync.service import Service, open_service
from sync.settings import Settings
from sync.snapshot import Snapshot, difference, snapshot
from tests.jobs.fleet import KEY, Fleet, add_tenants, applied_runs, fleet, make_due, settled, wait_until
from tests.servers.faults import Fault, drip
from tests.servers.oneroster import OneRosterServer


@pytest.fixture
def server() -> Iterator[OneRosterServer]:
    with OneRosterServer(render(Spec(people=50), "oneroster11"), auth="bearer") as server:
        yield server


@pytest.fixture
def shared_service(postgresql_url: str, server: OneRosterServer, tmp_path: Path) -> Iterator[Service]:
    settings = Settings(
        data_dir=tmp_path / "data", database_url=postgresql_url, allow_hosts=server.host, secret_keys=SecretStr(KEY)
    )
    with open_service(settings) as service:
        yield service


def assert_like(service: Service, tenant: str, others: list[str]) -> None:
    """All tenants have the same roster, but for the district's own name."""
    expected = _roster(service, tenant)
    assert expected["person"]
    for other in others:
        assert not difference(expected, _roster(service, other)), other


def _roster(service: Service, tenant: str) -> Snapshot:
    picture = snapshot(service, tenant)
    return picture | {"school": [school for school in picture["school"] if school["id"] != "district"]}


def kill_at_random(workforce: Fleet, service: Service, dice: random.Random, seconds: float) -> int:
    """Kill and replace workers until nothing is left to do; returns how many were killed."""
    kills, end = 0, time.monotonic() + seconds
    while not settled(service):
        assert time.monotonic() < end, workforce.written()[-3_000:]
        time.sleep(dice.uniform(0.5, 4.0))
        if kills < 12:
            workforce.kill(dice.choice(workforce.running))
            kills += 1
        while len(workforce.running) < 3:
            workforce.start()
    return kills


def nights(
    service: Service, server: OneRosterServer, workforce: Fleet, tenants: int, dice: random.Random, seconds: float
) -> int:
    """Two nights of all tenants, under fire."""
    made = add_tenants(service, server, tenants)
    names = [f"t{number:03d}" for number in range(tenants)]
    kills = 0
    for _ in range(3):
        workforce.start()
    for night in (1, 2):
        server.provider.roster = render(Spec(people=50, day=night - 1, change=0.2), "oneroster11")
        make_due(service, made, f"night {night}")
        kills += kill_at_random(workforce, service, dice, seconds)
        assert applied_runs(service, f"night {night}") == dict.fromkeys(made, 1)
        assert_like(service, names[0], names[1 :: max(1, tenants // 20)])
    return kills


def test_each_due_run_is_applied_once_though_workers_are_killed(
    shared_service: Service, server: OneRosterServer, tmp_path: Path
) -> None:
    with fleet(shared_service, tmp_path) as workforce:
        assert nights(shared_service, server, workforce, 20, random.Random(4), 120.0) >= 2


@pytest.mark.slow
def test_two_hundred_tenants_and_three_workers_under_fire(
    shared_service: Service, server: OneRosterServer, tmp_path: Path
) -> None:
    with fleet(shared_service, tmp_path) as workforce:
        assert nights(shared_service, server, workforce, 200, random.Random(5), 600.0) >= 10


def test_a_worker_that_is_told_to_stop_parks_what_it_runs_and_another_one_does_it(
    shared_service: Service, server: OneRosterServer, tmp_path: Path
) -> None:
    made = add_tenants(shared_service, server, 2)
    server.faults.append(Fault("/", drip(2, 0.5), times=None))
    with fleet(shared_service, tmp_path, stop_seconds="0") as workforce:
        first = workforce.start()
        make_due(shared_service, made, "night 1")
        wait_until(lambda: bool(server.requests), 60, "the first request")
        assert workforce.kill(first, signal.SIGTERM) == 0
        assert applied_runs(shared_service, "night 1") == {}
        assert [schedules.find(shared_service.engine, each).health for each in made] == ["new", "new"]
        server.faults.clear()
        workforce.start()
        wait_until(lambda: settled(shared_service), 60, "the takeover")
        assert applied_runs(shared_service, "night 1") == dict.fromkeys(made, 1)
    assert [worker.stopping for worker, _ in workers.workers(shared_service.engine)] == [False]
