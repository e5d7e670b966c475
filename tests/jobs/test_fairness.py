"""One run at a time for each tenant, and nobody waits for a district that is large and slow."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from models.report import KindCounts
from store import schedules
from store.database import writing
from store.runs import begin_run, save_report
from sync import requests
from sync.clock import now
from sync.run import stored_report
from sync.scheduler import LARGE
from sync.service import Service
from tests.jobs.fleet import (
    ROOT,
    Fleet,
    add_connection,
    add_tenants,
    applied_runs,
    asked,
    fleet,
    hurry,
    make_due,
    settled,
    wait_until,
)
from tests.servers.faults import Fault, drip
from tests.servers.oneroster import OneRosterServer

GOING_ON = "SELECT tenant_id FROM run WHERE state NOT IN ('applied', 'held', 'planned', 'failed', 'discarded')"


@contextmanager
def never_two_at_once(service: Service) -> Iterator[None]:
    """Looks at the runs all the time."""
    ended, doubled = threading.Event(), []

    def look() -> None:
        while not ended.wait(0.03):
            doubled.extend(asked(service, f"{GOING_ON} GROUP BY 1 HAVING count(*) > 1"))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    assert doubled == []


@pytest.mark.slow
def test_connections_of_one_tenant_and_people_in_a_terminal_take_turns(
    shared_service: Service, server: OneRosterServer, tmp_path: Path
) -> None:
    made = add_tenants(shared_service, server, 1)
    made.append(add_connection(shared_service, "t000", server, "second"))
    server.faults.append(Fault("/", drip(2, 3.0), times=None))
    with fleet(shared_service, tmp_path) as workforce, never_two_at_once(shared_service):
        for _ in range(2):
            workforce.start()
        make_due(shared_service, made, "night 1")
        wait_until(lambda: asked(shared_service, GOING_ON), 60, "the first run")
        # The worker was first.
        refused = workforce.run("sync", "t000", "--connection", "oneroster", "--yes")
        assert refused.returncode == 75
        assert "Another run of t000 is going on; one at a time." in refused.stderr
        server.faults.clear()
        wait_until(lambda: settled(shared_service), 60, "both connections")
        assert applied_runs(shared_service, "night 1") == dict.fromkeys(made, 1)

        # A person was first.
        server.faults.append(Fault("/", drip(2, 1.0), times=None))
        terminal = by_hand(workforce)
        wait_until(lambda: asked(shared_service, GOING_ON), 60, "the run by hand")
        make_due(shared_service, made[:1], "night 2")
        wait_until(lambda: workforce.written("attempt ends")[-1]["outcome"] == "busy", 60, "the attempt of a worker")
        row = schedules.find(shared_service.engine, made[0])
        assert row
        assert (row.attempt, row.health, row.slot, row.failures) == (0, "ok", "night 2", 0)
        assert row.next_at
        assert row.next_at > now()
        assert terminal.wait(60) == 0
        hurry(shared_service)
        wait_until(lambda: settled(shared_service), 60, "the second night")
        assert applied_runs(shared_service, "night 2") == {made[0]: 1}
    assert not asked(shared_service, "SELECT 1 FROM notice")


def by_hand(workforce: Fleet) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "cli.main", "sync", "t000", "--connection", "oneroster", "--yes"],
        cwd=ROOT, env=workforce.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip


def remember_a_large_run(service: Service, connection_id: int) -> None:
    """As if the connection's last sync had brought as many records as a large district's does."""
    (tenant_id,) = asked(service, "SELECT tenant_id FROM connection WHERE id = :id", id=connection_id)[0]
    run_id, _ = begin_run(
        service.engine, tenant_id, connection_id, dry_run=False, started_by="tests", slot="before", now=now()
    )
    (stored,) = asked(service, "SELECT report FROM run WHERE state = 'applied' LIMIT 1")[0]
    kinds = [KindCounts("person", received=LARGE // 2), KindCounts("enrollment", received=LARGE // 2)]
    report = msgspec.structs.replace(stored_report(stored), run_id=run_id, kinds=kinds)
    with writing(service.engine) as connection:
        save_report(connection, run_id, report, base_revision=0)


@pytest.mark.slow
def test_a_large_district_does_not_take_the_place_of_small_ones(
    shared_service: Service, server: OneRosterServer, tmp_path: Path
) -> None:
    """One worker with one place: a hundred small ones go on beside three large ones, which take turns."""
    small = add_tenants(shared_service, server, 100)
    with OneRosterServer(server.provider.roster, auth="bearer") as heavy, fleet(
        shared_service, tmp_path, slots="1", allow_hosts=f"{server.host},{heavy.host}"
    ) as workforce:  # fmt: skip
        large = add_tenants(shared_service, heavy, 3, first=100)
        workforce.start()
        make_due(shared_service, small[:1], "first")
        wait_until(lambda: settled(shared_service), 60, "the first run")
        for each in large:
            remember_a_large_run(shared_service, each)
        heavy.faults.append(Fault("/", drip(600, 1.0), times=None))
        make_due(shared_service, large, "night 1")
        wait_until(lambda: heavy.requests, 60, "the first large one")
        make_due(shared_service, small, "night 1")
        wait_until(lambda: len(applied_runs(shared_service, "night 1")) == 100, 120, "the small ones")
        assert applied_runs(shared_service, "night 1") == dict.fromkeys(small, 1)
        assert len(asked(shared_service, GOING_ON)) == 1
        assert len(asked(shared_service, "SELECT 1 FROM schedule WHERE job IS NOT NULL")) == 3


@pytest.mark.slow
@pytest.mark.parametrize("queued", [True, False])
def test_what_a_person_asks_for_goes_before_what_is_scheduled(
    shared_service: Service, server: OneRosterServer, tmp_path: Path, queued: bool
) -> None:
    """Whether it is asked for after it was queued as scheduled, or was not due at all."""
    made = add_tenants(shared_service, server, 8)
    server.faults.append(Fault("/", drip(2, 0.1), times=None))
    with fleet(shared_service, tmp_path, slots="1") as workforce:
        workforce.start()
        make_due(shared_service, made if queued else made[:-1], "night 1", "scheduled")
        waiting = "SELECT 1 FROM schedule WHERE job IS NOT NULL AND worker IS NULL"
        wait_until(lambda: len(asked(shared_service, waiting)) >= 6, 60, "the queue")
        before = len(asked(shared_service, "SELECT 1 FROM run"))
        assert before < 3
        requests.ask_for_sync(shared_service, "t007", by="ann")
        wait_until(lambda: settled(shared_service), 90, "the night")
    runs = [connection_id for (connection_id,) in asked(shared_service, "SELECT connection_id FROM run ORDER BY id")]
    assert sorted(runs) == sorted(made)
    assert runs.index(made[-1]) <= before + 2, "one may have begun before it was queued, and one as it was asked for"
