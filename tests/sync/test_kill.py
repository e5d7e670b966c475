"""A process that is killed at any instant of an apply leaves the old roster or the new one, and nothing in the way."""

import multiprocessing
import random
import signal
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import text

from models.progress import Progress
from store.database import reading
from sync import history
from sync.service import open_service
from sync.settings import Settings
from sync.upload import upload
from tests.sync.district import District, Files, counts, district, user

#: A fork server: each process starts at once, without the threads and connections of the process that runs the tests.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["sync.upload"])


_ROSTER: Final = {
    "people": "SELECT id, given_name, family_name, status FROM person ORDER BY id",
    "affiliations": "SELECT person_id, school_id, role, status FROM affiliation ORDER BY 1, 2, 3",
    "enrollments": "SELECT class_id, person_id, role, status FROM enrollment ORDER BY 1, 2, 3",
    "guardianships": "SELECT student_id, guardian_id, status FROM guardianship ORDER BY 1, 2",
    "links": "SELECT source_id, entity_id, active, fingerprint FROM link ORDER BY kind, entity_id",
}


def yesterday() -> Files:
    return district(students=600, classes=30)


def today() -> Files:
    """Creates, updates, restores and removals of every kind, all below the guard's limits."""
    files = yesterday()
    assert files.users
    assert files.enrollments
    for number in range(20):
        del files.users[f"s{number}"]
        files.users[f"new{number}"] = user(givenName="New")
        files.users[f"s{number + 100}"] = {**files.users[f"s{number + 100}"], "familyName": "Changed"}
        files.enrollments.append((f"c{number}", f"new{number}", "student"))
    files.enrollments = [row for row in files.enrollments if row[1] in files.users]
    return files


def _apply(settings: Settings, folder: Path, told: Connection) -> None:
    """Runs in a process of its own; tells when the apply begins."""

    def tell(progress: Progress) -> None:
        if progress.step == "apply":
            told.send("apply")

    with open_service(settings) as service:
        upload(service, "test", [folder], started_by="tests", results="none", progress=tell)


def apply_until_killed(settings: Settings, folder: Path, delay: float) -> bool:
    """Upload in another process; kill it ``delay`` seconds after the apply began. False when it was too late."""
    ours, theirs = PROCESSES.Pipe(duplex=False)
    child = PROCESSES.Process(target=_apply, args=(settings, folder, theirs))
    child.start()
    theirs.close()
    assert ours.poll(60), "the apply never began"
    ours.recv()
    time.sleep(delay)
    child.kill()
    child.join()
    return child.exitcode == -signal.SIGKILL


@pytest.mark.parametrize("often", [15, pytest.param(50, marks=pytest.mark.slow)])
def test_a_process_killed_while_applying_leaves_the_old_roster_or_the_new_one(pine: District, often: int) -> None:
    """Each kill comes at another moment; now and then the apply is let through, and the other day is the next one."""
    service, dice = pine.service, random.Random(2026)
    days = [pine.write(yesterday()), pine.write(today())]
    pine.upload_paths([days[0]])
    pine.upload_paths([days[1]])
    states = [_roster(pine)]
    pine.upload_paths([days[0]])
    states.insert(0, _roster(pine))
    longest, kills, now = 0.02, 0, 0

    while kills < often:
        target = 1 - now
        killed = apply_until_killed(service.settings, days[target], dice.uniform(0, longest))
        after = _roster(pine)
        assert after in (states[now], states[target]), "half a roster"
        if killed:
            kills += 1
            longest = min(longest * 1.15, 0.5)
        else:
            longest = max(longest * 0.7, 0.005)
        now = states.index(after)

    report = pine.upload_paths([days[1 - now]])
    assert report.state == "applied"
    assert counts(report, "person").created == 0
    assert {run.state for run in history.list_runs(service, limit=1000)} <= {"applied", "failed"}


def _roster(district: District) -> dict[str, list[tuple[object, ...]]]:
    """What the roster says, without the runs that said it. All at one instant: PostgreSQL may be about to commit what the killed
    process had asked for."""
    with reading(district.service.engine) as connection:
        return {name: [tuple(row) for row in connection.execute(text(query))] for name, query in _ROSTER.items()}
