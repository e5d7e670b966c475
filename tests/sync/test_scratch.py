"""What a run keeps on disk beside the database: private, gone with the run, and swept when its process was killed."""

import multiprocessing
import os
import stat
import time
from multiprocessing.connection import Connection
from pathlib import Path

from sync.service import Service, open_service
from sync.settings import Settings

PROCESSES = multiprocessing.get_context("forkserver")


def _keep_something(settings: Settings, told: Connection) -> None:
    """Runs in a process of its own until it is killed."""
    with open_service(settings) as service, service.scratch() as scratch:
        (scratch / "unpacked-00001").write_text("sourcedId,givenName\n", encoding="utf-8")
        told.send(str(scratch))
        time.sleep(600)


def _make_old(folder: Path) -> None:
    os.utime(folder, (0, 0))


def test_scratch_is_private_and_gone_afterwards(sqlite_service: Service) -> None:
    with sqlite_service.scratch() as scratch:
        (scratch / "unpacked-00001").touch()
        assert stat.S_IMODE(scratch.stat().st_mode) == 0o700
    assert not scratch.exists()


def test_files_of_a_killed_process_go_with_the_next_run_those_of_a_living_one_stay(sqlite_service: Service) -> None:
    ours, theirs = PROCESSES.Pipe(duplex=False)
    child = PROCESSES.Process(target=_keep_something, args=(sqlite_service.settings, theirs))
    child.start()
    theirs.close()
    try:
        assert ours.poll(60)
        left = Path(ours.recv())
        _make_old(left)
        with sqlite_service.scratch():
            assert (left / "unpacked-00001").exists()
    finally:
        child.kill()
        child.join()
    assert (left / "unpacked-00001").exists()
    with sqlite_service.scratch() as scratch:
        assert not left.exists()
        assert scratch.exists()


def test_directory_that_was_just_made_is_left_alone(sqlite_service: Service) -> None:
    """Its process may not have locked it yet."""
    young = sqlite_service.settings.data_dir / "rostersync-run-young"
    other = sqlite_service.settings.data_dir / "run-archives"
    young.mkdir()
    other.mkdir()
    with sqlite_service.scratch():
        assert young.exists()
    _make_old(young)
    _make_old(other)
    with sqlite_service.scratch():
        assert not young.exists()
        assert other.exists(), "only what is ours"
