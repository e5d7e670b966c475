"""``rostersync record`` and ``replay``, as they are typed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from cli.commands import replay as commands
from cli.failures import EXIT_DIFFERENT
from cli.main import execute
from fixtures.api import render
from fixtures.clever import DISTRICT
from fixtures.layout import Spec
from fixtures.make_cases import CASES
from sync import tenants
from sync.connections import add_connection
from sync.record import Recording
from sync.replay import replay
from sync.service import load_settings, open_service
from tests.servers import CleverServer

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command; returns (exit code, stdout, stderr)."""
    monkeypatch.setenv("ROSTERSYNC_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("ROSTERSYNC_ALLOW_HOSTS", "127.0.0.1")
    for name in ("ROSTERSYNC_DATABASE_URL", "ROSTERSYNC_DEBUG", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: object) -> tuple[int, str, str]:
        code = execute([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_a_case_that_comes_out_as_expected(command: Command) -> None:
    code, out, _ = command("replay", CASES / "clever-disconnected")
    assert code == 0
    assert "clever-disconnected: The district has disconnected the app — as expected" in out
    assert "first night: applied" in out
    assert "no token any more: failed (disconnected)" in out
    assert out.endswith("1 of 1 case as expected.\n")


def test_a_case_that_differs(command: Command, tmp_path: Path) -> None:
    case = shutil.copytree(CASES / "clever-rotated-token", tmp_path / "case")
    night = case / "night-1.jsonl"
    night.write_text(night.read_text(encoding="utf-8").replace("Brook-Hill", "Brook[/]Hull"), encoding="utf-8")
    code, out, _ = command("replay", case, CASES / "csv-truncated-export")
    assert code == EXIT_DIFFERENT
    assert 'family_name is "Brook[/]Hull", expected "Brook-Hill"' in " ".join(out.split())
    assert "1 of 2 cases as expected." in out
    code, out, _ = command("replay", case, "--json")
    answer = json.loads(out)
    assert code == EXIT_DIFFERENT
    assert answer[0]["as_expected"] is False
    assert len(answer[0]["differences"]) == 1
    code, out, _ = command("replay", case, "--update")
    assert code == 0
    assert "written down" in out
    assert command("replay", case)[0] == 0


def test_where_a_step_fails_only_the_first_differences_are_shown(command: Command, tmp_path: Path) -> None:
    case = shutil.copytree(CASES / "clever-rotated-token", tmp_path / "case")
    night = case / "night-1.jsonl"
    night.write_text(night.read_text(encoding="utf-8").replace("/v3.1/terms?", "/v3.1/term?"), encoding="utf-8")
    code, out, _ = command("replay", case)
    assert code == EXIT_DIFFERENT
    assert "For engineers: no answer to GET /v3.1/terms count=true" in out
    assert "more differences" in out
    assert len(out.splitlines()) < 40


def test_what_to_replay_must_be_said(command: Command, tmp_path: Path) -> None:
    code, _, err = command("replay")
    assert code == 2
    assert "--all" in err
    assert command("replay", tmp_path)[0] == 2


def test_all_cases_are_those_that_come_along(command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert commands.CASES == CASES
    shutil.copytree(CASES / "clever-rotated-token", tmp_path / "some" / "one")
    monkeypatch.setattr(commands, "CASES", tmp_path / "some")
    code, out, _ = command("replay", "--all")
    assert code == 0
    assert "1 of 1 case as expected." in out


def test_recording_and_replaying(command: Command, tmp_path: Path) -> None:
    with CleverServer(render(Spec(people=50, schools=1), "clever")) as server:
        with open_service(load_settings()) as service:
            tenants.add_tenant(service, "forest", district_id=DISTRICT)
            tenants.set_setting(service, "forest", "create_schools", "true")
            texts = {"district_id": DISTRICT, "api_url": server.url, "login_url": server.url}
            credentials = msgspec.to_builtins(server.credentials())
            add_connection(service, "forest", "clever", settings=texts, credentials=credentials)
        case = tmp_path / "a case"
        code, out, _ = command("record", "forest", case, "--title", "Last night", "--key-file", tmp_path / "key")
        assert code == 0
        assert "The real dry run: planned; a replay into an empty roster: applied." in " ".join(out.split())
        assert f"rostersync replay '{case}'" in out
        code, out, _ = command("record", "forest", case, "--key-file", tmp_path / "key", "--step", "--json")
        assert code == 0
        assert json.loads(out)["step"] == "night 2"
        code, _, err = command("record", "forest", case)
        assert code == 2
        assert "not empty" in err
        stopped = tmp_path / "stopped"

        def stop(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("sync.pull.sync", stop)
            assert command("record", "forest", stopped)[0] == 130
        assert command("record", "forest", stopped)[0] == 0
    code, out, _ = command("replay", case)
    assert code == 0
    assert "a case: Last night — as expected" in out


def test_a_recording_that_a_replay_does_not_follow_is_told(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    replayed = replay(CASES / "clever-rotated-token")
    recording = Recording("case", "night 1", 7, "failed", "source_protocol", False, replayed)
    monkeypatch.setattr("sync.record.record", lambda *_args, **_more: recording)
    code, out, _ = command("record", "forest", "case")
    assert code == EXIT_DIFFERENT
    assert "dry run: failed (source_protocol); but a replay into an empty roster: applied" in " ".join(out.split())
