"""`rostersync serve` on SQLite, the one process that does it all: killed, doubled, and on a full disk."""

import resource
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from sync.service import Service, open_service
from tests.jobs.conftest import settings_for
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


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


def answer(port: str, path: str) -> tuple[int, str]:
    """Status 0 when nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def test_serve_that_was_killed_goes_on_at_once_and_is_the_only_one(
    single_service: Service, server: OneRosterServer, tmp_path: Path
) -> None:
    made = add_tenants(single_service, server, 6)
    slow = Fault("/", drip(2, 0.3), times=None)
    server.faults.append(slow)
    port = free_port()
    with fleet(single_service, tmp_path, lost_seconds="600") as workforce:
        first = workforce.start("serve", "--port", port)
        wait_until(lambda: answer(port, "/readyz") == (200, "ok\n"), 60, "the start")
        assert answer(port, "/healthz") == (200, "ok\n")
        for other in (workforce.run("worker"), workforce.run("serve", "--port", "0")):
            assert (other.returncode, other.stdout) == (2, "")
            assert other.stderr.startswith("Error: Another `rostersync serve` runs on this database.")
        make_due(single_service, made, "night 1")
        taken = "SELECT 1 FROM schedule WHERE worker IS NOT NULL"
        wait_until(lambda: asked(single_service, taken), 60, "the first job")
        workforce.kill(first)
        assert asked(single_service, taken)
        server.faults.remove(slow)
        workforce.start("serve", "--port", port)
        wait_until(lambda: workforce.written("worker is gone"), 60, "the look at what was left behind")
        wait_until(lambda: settled(single_service), 60, "the rest of the night")
        assert applied_runs(single_service, "night 1") == dict.fromkeys(made, 1)
        assert_like(single_service, "t000", [f"t{number:03d}" for number in range(1, 6)])
        assert len(asked(single_service, "SELECT 1 FROM worker")) == 1
        assert workforce.kill(workforce.running[0], signal.SIGTERM) == 0


# --- a full disk ------------------------------------------------------------------------------------------------------


@contextmanager
def files_cannot_grow(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """No byte more can be written to any file, as on a full disk."""
    before = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1, before[1]))
    try:
        yield
    finally:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, before)


def goes_on_when_there_is_room(
    service: Service, server: OneRosterServer, workforce: Fleet, made: list[int], full: Callable[[], None]
) -> None:
    """``full`` fills the disk, and makes room again while something wants to be written."""
    make_due(service, made, "night 1")
    wait_until(lambda: settled(service), 60, "the first night")
    roster = asked(service, "SELECT id, family_name, status FROM person ORDER BY 1")
    server.provider.roster["users"] = [user | {"familyName": "Changed"} for user in server.provider.roster["users"]]
    server.faults.append(Fault("/", drip(2, 0.3), times=None))
    make_due(service, made, "night 2")
    before = len(server.requests)
    wait_until(lambda: len(server.requests) > before, 60, "the second night")
    full()
    assert asked(service, "SELECT id, family_name, status FROM person ORDER BY 1") == roster
    assert applied_runs(service, "night 2") == {}
    server.faults.clear()

    def over() -> bool:
        hurry(service)
        return settled(service)

    wait_until(over, 120, "the second night once there is room")
    assert applied_runs(service, "night 2") == dict.fromkeys(made, 1)
    assert asked(service, "SELECT DISTINCT family_name FROM person WHERE status = 'active'") == [("Changed",)]
    told = [line for line in workforce.written("attempt ends") if line["outcome"] == "unavailable"]
    assert told
    assert {line["code"] for line in told} == {"retry_later"}
    assert not asked(service, "SELECT 1 FROM notice")


@pytest.mark.slow
def test_a_process_that_cannot_write_fails_its_runs_and_goes_on_when_it_can(
    single_service: Service, server: OneRosterServer, tmp_path: Path
) -> None:
    made = add_tenants(single_service, server, 3)
    with fleet(single_service, tmp_path) as workforce:
        process = workforce.start("serve", "--port", "0")

        def full() -> None:
            # Logged is nothing meanwhile: the log is a file, too.
            with files_cannot_grow(process):
                time.sleep(8.0)
                assert process.poll() is None

        goes_on_when_there_is_room(single_service, server, workforce, made, full)


def fill(disk: Path) -> Path:
    """Returns the file that takes all the room."""
    filler = disk / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4_096))
    return filler


@pytest.mark.slow
def test_a_full_disk_loses_nothing(server: OneRosterServer, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", small], capture_output=True, check=False
    ).returncode:
        pytest.skip("only root can mount a small disk")
    try:
        with open_service(settings_for(server, small, "")) as service, fleet(service, tmp_path) as workforce:
            made = add_tenants(service, server, 3)
            process = workforce.start("serve", "--port", "0")

            def full() -> None:
                filler = fill(small)
                wait_until(
                    lambda: workforce.written("waiting for the database"), 30, "the first that cannot be written"
                )
                assert process.poll() is None
                filler.unlink()

            goes_on_when_there_is_room(service, server, workforce, made, full)
    finally:
        subprocess.run(["umount", "--lazy", small], check=True)
