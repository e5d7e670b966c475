"""Real worker processes on a real PostgreSQL, killed, stopped and put to sleep as they work: each due run is applied once."""

import random
import signal
import time
from pathlib import Path

import pytest

from fixtures.api import render
from fixtures.layout import Spec
from store import schedules, workers
from sync import requests
from sync.service import Service
from tests.jobs.fleet import (
    Fleet,
    add_tenants,
    applied_runs,
    asked,
    assert_like,
    fleet,
    hurry,
    make_due,
    settled,
    wait_until,
)
from tests.servers.faults import Fault, drip
from tests.servers.oneroster import OneRosterServer


def names(count: int) -> list[str]:
    return [f"t{number:03d}" for number in range(count)]


def kill_at_random(
    workforce: Fleet, service: Service, server: OneRosterServer, dice: random.Random, kills: int, seconds: float
) -> None:
    """Kill workers, and replace them, until nothing is left to do.

    The source is slow as long as kills are to come, so that they come before all is done.
    """
    slow = Fault("/", drip(2, 1.0), times=None)
    server.faults.append(slow)
    end = time.monotonic() + seconds
    while not settled(service):
        assert time.monotonic() < end, workforce.written()[-20:]
        time.sleep(dice.uniform(0.5, 2.5))
        if kills:
            workforce.kill(dice.choice(workforce.running))
            kills -= 1
        elif slow in server.faults:
            server.faults.remove(slow)
        while len(workforce.running) < 3:
            workforce.start()
    assert kills == 0, "it was over before all had been killed"


def nights(
    service: Service, server: OneRosterServer, workforce: Fleet, tenants: int, dice: random.Random, kills: int
) -> None:
    """Two nights of all tenants, under fire."""
    made = add_tenants(service, server, tenants)
    for _ in range(3):
        workforce.start()
    wait_until(lambda: len(workers.workers(service.engine)) == 3, 60, "the start of three workers")
    for night in (1, 2):
        server.provider.roster = render(Spec(people=50, day=night - 1, change=0.2), "oneroster11")
        make_due(service, made, f"night {night}")
        kill_at_random(workforce, service, server, dice, kills, 120.0 + 3.0 * tenants)
        assert applied_runs(service, f"night {night}") == dict.fromkeys(made, 1)
        assert_like(service, "t000", names(tenants)[1 :: max(1, tenants // 20)])


def test_each_due_run_is_applied_once_though_workers_are_killed(
    shared_service: Service, server: OneRosterServer, tmp_path: Path
) -> None:
    with fleet(shared_service, tmp_path) as workforce:
        nights(shared_service, server, workforce, 20, random.Random(4), 2)


@pytest.mark.slow
def test_two_hundred_tenants_and_three_workers_under_fire(
    shared_service: Service, server: OneRosterServer, tmp_path: Path
) -> None:
    with fleet(shared_service, tmp_path) as workforce:
        nights(shared_service, server, workforce, 200, random.Random(5), 12)


@pytest.mark.slow
def test_all_workers_are_killed_at_once_and_nobody_comes_for_a_while(
    shared_service: Service, server: OneRosterServer, tmp_path: Path
) -> None:
    made = add_tenants(shared_service, server, 20)
    server.faults.append(Fault("/", drip(2, 0.1), times=None))
    with fleet(shared_service, tmp_path) as workforce:
        for _ in range(3):
            workforce.start()
        make_due(shared_service, made, "night 1")
        wait_until(lambda: applied_runs(shared_service, "night 1"), 60, "the first run")
        for process in list(workforce.running):
            process.kill()
        for process in list(workforce.running):
            workforce.kill(process)
        assert asked(shared_service, "SELECT 1 FROM schedule WHERE worker IS NOT NULL")
        time.sleep(5.0)
        for _ in range(2):
            workforce.start()
        wait_until(lambda: settled(shared_service), 120, "the rest of the night")
        assert applied_runs(shared_service, "night 1") == dict.fromkeys(made, 1)
        assert_like(shared_service, "t000", names(20)[1:])


def test_a_worker_that_is_told_to_stop_parks_what_it_runs_and_another_one_does_it(
    shared_service: Service, server: OneRosterServer, tmp_path: Path
) -> None:
    made = add_tenants(shared_service, server, 2)
    server.faults.append(Fault("/", drip(2, 0.5), times=None))
    with fleet(shared_service, tmp_path, stop_seconds="0") as workforce:
        first = workforce.start()
        make_due(shared_service, made, "night 1")
        wait_until(lambda: server.requests, 60, "the first request")
        began = time.monotonic()
        assert workforce.kill(first, signal.SIGTERM) == 0
        assert time.monotonic() - began < 15
        assert applied_runs(shared_service, "night 1") == {}
        parked = asked(shared_service, "SELECT state, error_code FROM run")
        assert parked
        assert set(parked) == {("failed", "parked")}
        for each in made:
            row = schedules.find(shared_service.engine, each)
            assert row
            assert (row.health, row.job, row.attempt, row.failures, row.slot) == ("new", None, 0, 0, "night 1")
        assert not asked(shared_service, "SELECT 1 FROM notice")
        server.faults.clear()
        workforce.start()
        wait_until(lambda: settled(shared_service), 60, "the takeover")
        assert applied_runs(shared_service, "night 1") == dict.fromkeys(made, 1)
        wait_until(lambda: len(workers.workers(shared_service.engine)) == 1, 10, "the end of who had left")


@pytest.mark.slow
def test_a_second_signal_stops_at_once_and_nothing_is_lost(
    shared_service: Service, server: OneRosterServer, tmp_path: Path
) -> None:
    made = add_tenants(shared_service, server, 1)
    server.faults.append(Fault("/", drip(20, 0.5), times=None))
    with fleet(shared_service, tmp_path, stop_seconds="60") as workforce:
        first = workforce.start()
        make_due(shared_service, made, "night 1")
        wait_until(lambda: server.requests, 60, "the first request")
        first.send_signal(signal.SIGTERM)
        wait_until(lambda: workforce.written("worker stops"), 10, "the answer to the signal")
        assert first.poll() is None
        began = time.monotonic()
        assert workforce.kill(first, signal.SIGTERM) == -signal.SIGTERM
        assert time.monotonic() - began < 5
        server.faults.clear()
        workforce.start()
        wait_until(lambda: settled(shared_service), 60, "the takeover")
        assert applied_runs(shared_service, "night 1") == dict.fromkeys(made, 1)


@pytest.mark.slow
def test_a_sync_that_never_gets_to_the_end_of_a_page_does_not_keep_its_worker(
    shared_service: Service, server: OneRosterServer, tmp_path: Path
) -> None:
    made = add_tenants(shared_service, server, 1)
    server.faults.append(Fault("/", drip(200, 1.0), times=None))
    with fleet(shared_service, tmp_path, stop_seconds="0") as workforce:
        first = workforce.start()
        make_due(shared_service, made, "night 1")
        wait_until(lambda: server.requests, 60, "the first request")
        began = time.monotonic()
        assert workforce.kill(first, signal.SIGTERM) == 0
        assert time.monotonic() - began < 45
        server.faults.clear()
        workforce.start()
        wait_until(lambda: settled(shared_service), 60, "the takeover")
        assert applied_runs(shared_service, "night 1") == dict.fromkeys(made, 1)


def test_a_worker_that_sleeps_is_given_up_and_applies_nothing_when_it_wakes(
    shared_service: Service, server: OneRosterServer, tmp_path: Path
) -> None:
    """Its sessions hold the tenant's lock; they end when it is given up, or nobody could take over as long as it sleeps."""
    made = add_tenants(shared_service, server, 2)
    slow = Fault("/", drip(4, 0.5), times=None)
    server.faults.append(slow)
    with fleet(shared_service, tmp_path) as workforce:
        sleeper = workforce.start()
        make_due(shared_service, made, "night 1")
        wait_until(lambda: len(asked(shared_service, "SELECT 1 FROM run")) == 2, 60, "the runs")
        sleeper.send_signal(signal.SIGSTOP)
        server.faults.remove(slow)
        workforce.start()
        wait_until(lambda: settled(shared_service), 60, "the takeover")
        assert applied_runs(shared_service, "night 1") == dict.fromkeys(made, 1)
        sleeper.send_signal(signal.SIGCONT)
        wait_until(
            lambda: len(workforce.written("another worker has the job")) == 2, 60, "the end of what it had begun"
        )
        wait_until(lambda: len(workers.workers(shared_service.engine)) == 2, 60, "its return")
        make_due(shared_service, made, "night 2")
        wait_until(lambda: settled(shared_service), 60, "the next night")
    assert applied_runs(shared_service, "night 1") == dict.fromkeys(made, 1)
    assert applied_runs(shared_service, "night 2") == dict.fromkeys(made, 1)
    assert asked(shared_service, "SELECT DISTINCT failures, health FROM schedule") == [(0, "ok")]


def test_a_person_stops_a_run_that_goes_on(shared_service: Service, server: OneRosterServer, tmp_path: Path) -> None:
    (made,) = add_tenants(shared_service, server, 1)
    server.faults.append(Fault("/", drip(2, 0.5), times=None))
    schedules.save(shared_service.engine, made, 1, {"timetable": '{"cron":"0 3 29 2 *"}'})
    with fleet(shared_service, tmp_path) as workforce:
        workforce.start()
        make_due(shared_service, [made], "night 1")
        wait_until(lambda: asked(shared_service, "SELECT 1 FROM run"), 60, "the run")
        assert requests.cancel_sync(shared_service, "t000", by="ann").what == "run"
        began = time.monotonic()
        wait_until(lambda: not asked(shared_service, "SELECT 1 FROM schedule WHERE job IS NOT NULL"), 15, "its end")
        assert time.monotonic() - began < 15
    row = schedules.find(shared_service.engine, made)
    assert row
    assert row.next_at
    assert row.next_at[5:] == "02-29T03:00:00+00:00"
    assert (row.health, row.next_why) == ("new", "scheduled")
    assert asked(shared_service, "SELECT state, error_code, cancel_by FROM run") == [("failed", "cancelled", "ann")]
    assert not asked(shared_service, "SELECT 1 FROM person")
    assert not asked(shared_service, "SELECT 1 FROM notice")


@pytest.mark.slow
def test_a_job_that_ends_its_worker_again_and_again_is_taken_for_the_cause(
    shared_service: Service, server: OneRosterServer, tmp_path: Path
) -> None:
    made = add_tenants(shared_service, server, 2)
    deadly, harmless = made
    server.faults.append(Fault("/", drip(10, 1.0), times=None))
    with fleet(shared_service, tmp_path) as workforce:
        make_due(shared_service, [deadly], "night 1")
        for number in range(1, 6):
            workforce.start()
            count = "SELECT 1 FROM run WHERE state NOT IN ('applied', 'failed') AND id >= :number"
            wait_until(lambda: asked(shared_service, count, number=number), 60, f"run {number}")  # noqa: B023
            workforce.kill(workforce.running[0])
        server.faults.clear()
        make_due(shared_service, [harmless], "night 1")
        workforce.start()
        wait_until(lambda: settled(shared_service), 60, "the end")
        hurry(shared_service)
    row = schedules.find(shared_service.engine, deadly)
    assert row
    assert (row.health, row.health_code, row.next_at) == ("broken", "interrupted", None)
    assert applied_runs(shared_service, "night 1") == {harmless: 1}
    assert asked(shared_service, "SELECT connection_id, event FROM notice") == [(deadly, "failed")]
