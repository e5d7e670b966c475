"""Drops on the command line: added, tested, pinned, synced; nobody is asked for what there is not."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncssh
import pytest

import cli.credentials
from cli.main import execute
from tests.connectors.drops.ways import FILES
from tests.servers.sftp import PASSWORD, USER, SftpServer

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in a place of its own; returns (exit code, stdout, stderr)."""
    for name in [name for name in os.environ if name.startswith("ROSTERSYNC_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ROSTERSYNC_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("ROSTERSYNC_ALLOW_HOSTS", "127.0.0.1")
    monkeypatch.setenv("COLUMNS", "200")

    def command(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = execute([str(word) for word in words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    assert command("tenant", "add", "test")[0] == 0
    assert command("school", "add", "test", "pine", "Pine School")[0] == 0
    return command


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SftpServer]:
    (folder := tmp_path / "drops").mkdir()
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    with SftpServer(folder) as started:
        yield started


def adding(server: SftpServer, *more: str) -> list[str]:
    chosen = {"host": "127.0.0.1", "port": server.port, "user": USER, "stable_seconds": 0}
    options = [word for name, value in chosen.items() for word in ("--set", f"{name}={value}")]
    return ["connection", "add", "sftp", "test", *options, *more]


def types(monkeypatch: pytest.MonkeyPatch, *typed: str) -> list[str]:
    """Put a person at the terminal who types this; returns the prompts."""
    prompts: list[str] = []
    left = list(typed)

    def getpass(prompt: str) -> str:
        prompts.append(prompt)
        return left.pop(0)

    monkeypatch.setattr(cli.credentials, "person_is_present", lambda: True)
    monkeypatch.setattr("getpass.getpass", getpass)
    return prompts


def test_sftp_from_the_first_command_to_the_roster(
    run: Run, server: SftpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = types(monkeypatch, PASSWORD)
    code, out, _ = run(*adding(server))
    assert code == 0, out
    # A key has several lines: nobody can type one at a prompt, so nobody is asked for it.
    assert prompts == ["password (The password): "]
    code, _, err = run("connection", "test", "test", "sftp")
    assert code == 2
    command = err.split("rostersync ", 1)[1].split("\n")[0]
    assert run(*command.split())[0] == 0
    code, out, err = run("connection", "test", "test", "sftp")
    assert code == 0, err
    assert "a whole drop is there; nothing was changed" in out
    assert "district" not in out
    code, out, err = run("sync", "test", "--yes")
    assert code == 0, err
    assert "users.csv" in out
    assert "fetching (users.csv)" in err
    assert run("sync", "test", "--yes")[0] == 0
    assert PASSWORD not in out + err


def test_key_from_a_file(run: Run, server: SftpServer, tmp_path: Path) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    server.authorized = key
    file = tmp_path / "credentials.toml"
    file.write_text(f'private_key = """\n{key.export_private_key().decode()}"""\n')
    assert run(*adding(server, "--set", f"host_key={server.fingerprint}", "--credentials-file", str(file)))[0] == 0
    assert "private_key" in run("connection", "show", "test", "sftp")[1]
    assert run("sync", "test", "--yes")[0] == 0
    assert set(server.logins) == {"key"}


def test_key_that_cannot_be_read_is_refused_before_anything_is_stored(
    run: Run, server: SftpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROSTERSYNC_CREDENTIALS_PRIVATE_KEY", "-----BEGIN something\nhush\n")
    code, out, err = run(*adding(server))
    assert code == 2
    assert "private_key must be a whole private key" in err
    assert "hush" not in out + err
    assert run("connection", "show", "test", "sftp")[0] == 2


def test_wrong_password_says_how_to_give_another(run: Run, server: SftpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROSTERSYNC_CREDENTIALS_PASSWORD", "wrong")
    assert run(*adding(server, "--set", f"host_key={server.fingerprint}"))[0] == 0
    code, _, err = run("sync", "test", "--yes")
    assert code == 65
    assert "rostersync connection set test sftp --credentials" in err


def test_folder_asks_for_nothing(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = types(monkeypatch)
    folder = tmp_path / "drops"
    folder.mkdir()
    code, out, err = run("connection", "add", "folder", "test", "--set", f"path={folder}", "--set", "stable_seconds=0")
    assert (code, err, prompts) == (0, "", [])
    assert "Added connection folder to test." in out
    assert not (tmp_path / "data" / "secret.key").exists()
    code, _, err = run("connection", "set", "test", "folder", "--credentials")
    assert code == 2
    assert "needs no credentials" in err
    code, _, err = run("sync", "test", "--yes")
    assert code == 75
    assert "There is no CSV or ZIP file in the folder" in err
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    assert run("sync", "test", "--yes")[0] == 0
    code, out, _ = run("runs", "test")
    assert (code, out.count("applied")) == (0, 1)


def test_setting_that_is_missing_is_named(run: Run) -> None:
    code, _, err = run("connection", "add", "folder", "test")
    assert code == 2
    assert "The setting path is needed" in err
    code, _, err = run("connection", "add", "sftp", "test", "--set", "host=sftp.example.org")
    assert code == 2
    assert "The setting user is needed" in err


def test_report_speaks_of_files_and_lines(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "drops"
    folder.mkdir()
    (folder / "users.csv").write_bytes(FILES["users.csv"] + b"s2,pine,astronaut,A,B\n")
    run("connection", "add", "folder", "test", "--set", f"path={folder}", "--set", "stable_seconds=0")
    out = run("sync", "test", "--yes")[1]
    assert "users.csv line 3" in out
    assert "What the source listed" not in out
