"""What is deployed fits the program: variables, commands, packages, times to stop; not root, no secret, no registry."""

import json
import re
import shlex
import subprocess
import threading
import tomllib
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from cryptography.fernet import Fernet

from cli.main import app
from sync.settings import Settings
from sync.worker import _PARKING

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
FILES = sorted(path for path in DEPLOY.iterdir() if path.is_file())
UNITS = ["rostersync.service", "rostersync-worker@.service"]
#: What a worker that stops needs after ROSTERSYNC_STOP_SECONDS: for syncs to reach the end of a page, and for its own end.
PARKING_AND_GOODBYE = _PARKING + 20


def _text(name: str) -> str:
    return (DEPLOY / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(_text("compose.yaml"))
    return loaded


@pytest.fixture(scope="module")
def ours(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The services that run our image."""
    found = {name: each for name, each in compose["services"].items() if each["image"].startswith("rostersync:")}
    assert set(found) == {"migrate", "serve", "worker"}
    return found


def _instructions() -> list[tuple[str, str]]:
    """The Dockerfile's lines as (instruction, rest), continued lines joined."""
    whole = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", _text("Dockerfile"), flags=re.MULTILINE))
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in whole.splitlines() if line)]


def _last(instruction: str) -> str:
    return [rest for word, rest in _instructions() if word == instruction][-1]


def _unit(name: str) -> list[tuple[str, str]]:
    lines = [line for line in _text(name).splitlines() if line and line[0] not in "#["]
    return [(key, value) for key, _, value in (line.partition("=") for line in lines)]


def _is_command(words: list[str]) -> bool:
    """Whether rostersync takes these words: a command, and options that it has."""
    command: Any = typer.main.get_command(app)
    while words and hasattr(command, "commands"):
        command, words = command.commands.get(words[0]), words[1:]
        if command is None:
            return False
    options = {name for item in command.params for name in item.opts}
    return not hasattr(command, "commands") and all(word in options for word in words if word.startswith("-"))


def test_commands_are_recognized() -> None:
    assert _is_command(["db", "upgrade"])
    assert not _is_command(["db"])
    assert not _is_command(["serv"])
    assert not _is_command(["serve", "--prot", "1"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_variable_is_a_setting(path: Path) -> None:
    known = {f"ROSTERSYNC_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"ROSTERSYNC_[A-Z_]+", path.read_text(encoding="utf-8"))) <= known


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_secret_and_no_registry(path: Path) -> None:
    assert list(_given_away(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "line",
    [
        "pip install --index-url https://packages.example.org/simple x",
        "image: registry.example.org:5000/rostersync",
        "FROM ghcr.io/example/python:3.11",
        "ROSTERSYNC_DATABASE_URL: postgresql://rostersync:hunter2@database/rostersync",
        "      POSTGRES_PASSWORD: hunter2",
        f"ROSTERSYNC_SECRET_KEYS={urlsafe_b64encode(bytes(range(32))).decode()}",
    ],
)
def test_secrets_and_registries_are_recognized(line: str) -> None:
    assert list(_given_away(f"before\n{line}\nafter\n"))


def _given_away(text: str) -> Iterator[str]:
    """Addresses of registries, passwords and keys in a text."""
    yield from re.findall(r"--(?:extra-)?index-url|--trusted-host|--find-links|pypi", text)
    # The name of an image that begins with a host.
    yield from re.findall(r"(?m)^\s*(?:FROM|image:) (?:[\w-]+\.)+\w+(?::\d+)?/.*", text)
    yield from re.findall(r"://[^/\s\"'@]*:[^/\s\"'@]*@", text)
    yield from re.findall(r"(?im)^\s*-?\s*\w*password\"?\s*[:=]\s*[^\s$%.]+$", text)
    yield from filter(_is_key, re.findall(r"[\w-]{43}=", text))


def _is_key(word: str) -> bool:
    try:
        Fernet(word)
    except ValueError:
        return False
    return True


def test_every_file_is_documented() -> None:
    page = _text("README.md")
    operators = (ROOT / "docs/operators.md").read_text(encoding="utf-8")
    listed = [path.name for path in FILES if path.name not in ("README.md", ".gitignore")]
    assert [name for name in listed if f"]({name})" not in page] == []
    for name in ("README.md", "compose.yaml", "Dockerfile", *UNITS):
        assert f"](../deploy/{name})" in operators, name


# --- the image --------------------------------------------------------------------------------------------------------


def test_image_is_not_root_and_stops_gently() -> None:
    account = re.search(r"useradd --uid (\d+) --gid (\d+)", _text("Dockerfile"))
    assert account is not None
    assert int(account[1]) > 999
    assert _last("USER") == f"{account[1]}:{account[2]}"
    assert _last("STOPSIGNAL") == "SIGTERM"
    after_user = [word for word, _ in _instructions()]
    assert "RUN" not in after_user[after_user.index("USER") :]


def test_image_runs_a_command_on_its_volume() -> None:
    words = [*json.loads(_last("ENTRYPOINT")), *json.loads(_last("CMD"))]
    assert words[0] == "rostersync"
    assert _is_command(words[1:])
    environment = dict(pair.split("=", 1) for pair in shlex.split(_last("ENV")))
    assert environment["ROSTERSYNC_DATA_DIR"] == _last("VOLUME")
    assert environment["ROSTERSYNC_HEALTH_HOST"] == "0.0.0.0"
    assert environment["ROSTERSYNC_HEALTH_PORT"] == _last("EXPOSE")


def test_image_is_installed_from_the_locked_requirements_only() -> None:
    installs = [rest for word, rest in _instructions() if word == "RUN" and "pip install" in rest]
    assert len(installs) == 2
    assert "--require-hashes --requirement requirements.txt" in installs[0]
    assert {"--no-deps", "--no-index", "--no-build-isolation", "."} <= set(shlex.split(installs[1]))
    assert "--editable" not in installs[1]


def test_image_has_the_python_that_the_requirements_are_locked_for() -> None:
    locked = re.search(r"with Python (\d+\.\d+)\n", (ROOT / "requirements.txt").read_text(encoding="utf-8"))
    assert locked is not None
    assert _last("ARG").startswith(f"PYTHON={locked[1]}-slim")
    assert {rest.split()[0] for word, rest in _instructions() if word == "FROM"} == {"python:${PYTHON}"}


def test_image_holds_every_package_and_no_other_folder() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = {name.rstrip("*") for name in project["tool"]["setuptools"]["packages"]["find"]["include"]}
    copied = [rest.split() for word, rest in _instructions() if word == "COPY" and not rest.startswith("--from")]
    folders = {words[0] for words in copied if words[-1] == words[0]}
    files = {name for words in copied if words[-1] == "./" for name in words[:-1]}
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert folders == packages
    assert allowed == folders | files
    assert all((ROOT / name).exists() for name in allowed)


@pytest.mark.parametrize(("status", "exit_code"), [(200, 0), (503, 1)])
def test_image_asks_whether_it_is_well(status: int, exit_code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    command = json.loads(_last("HEALTHCHECK").split("CMD ", 1)[1])
    with _answering(status) as port:
        monkeypatch.setenv("ROSTERSYNC_HEALTH_PORT", str(port))
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")  # of the container, and not meant for itself
        assert subprocess.run(command, check=False, timeout=30).returncode == exit_code


@contextmanager
def _answering(status: int) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


# --- compose ----------------------------------------------------------------------------------------------------------


def test_compose_runs_commands_that_exist(ours: dict[str, dict[str, Any]]) -> None:
    for each in ours.values():
        assert _is_command(each["command"]), each["command"]
    assert ours["worker"]["deploy"] == {"replicas": 2}
    build = ours["migrate"]["build"]
    assert (DEPLOY / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).exists()


def test_compose_gives_syncs_time_to_stop(ours: dict[str, dict[str, Any]]) -> None:
    for each in ours.values():
        stop = float(each["environment"]["ROSTERSYNC_STOP_SECONDS"])
        assert stop >= Settings.model_fields["stop_seconds"].default
        assert float(each["stop_grace_period"].removesuffix("s")) > stop + PARKING_AND_GOODBYE


def test_compose_lets_every_signal_through(ours: dict[str, dict[str, Any]]) -> None:
    """To the first process of a container the kernel gives none that it does not handle."""
    assert [each["init"] for each in ours.values()] == [True] * 3
    assert [line for line in re.findall(r"docker run --detach.*", _text("README.md")) if " --init " not in line] == []


def test_examples_name_services_and_the_image_as_compose_does(
    compose: dict[str, Any], ours: dict[str, dict[str, Any]]
) -> None:
    page = _text("README.md") + (ROOT / "docs/operators.md").read_text(encoding="utf-8")
    named = re.findall(r"docker compose exec (?:-T )?(\w+)", page)
    for stopped in re.findall(r"docker compose stop (.+)", page):
        named += stopped.split()
    assert {"database", "serve", "worker"} <= set(named) <= set(compose["services"])
    assert f'"{ours["serve"]["image"]}" keys new' in page


def test_compose_checks_the_health_of_what_stays(compose: dict[str, Any], ours: dict[str, dict[str, Any]]) -> None:
    assert "pg_isready" in compose["services"]["database"]["healthcheck"]["test"]
    assert ours["migrate"]["healthcheck"] == {"disable": True}
    # The image's own check asks a port, which `worker` does not have unless it is told to.
    port = _last("EXPOSE")
    assert ours["worker"]["command"] == ["worker", "--port", port]
    assert ours["serve"]["ports"] == [f"127.0.0.1:${{PORT:-{port}}}:{port}"]


def test_compose_starts_in_order(ours: dict[str, dict[str, Any]]) -> None:
    assert ours["migrate"]["depends_on"] == {"database": {"condition": "service_healthy"}}
    assert ours["migrate"]["restart"] == "no"
    for name in ("serve", "worker"):
        assert ours[name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
        assert ours[name]["restart"] == "unless-stopped"


def test_compose_gives_away_little(compose: dict[str, Any], ours: dict[str, dict[str, Any]]) -> None:
    for each in ours.values():
        assert each["read_only"] is True
        assert each["cap_drop"] == ["ALL"]
        assert not {"privileged", "cap_add", "user"} & set(each)
    for each in compose["services"].values():
        assert each["security_opt"] == ["no-new-privileges:true"]
        assert each["logging"]["options"].keys() == {"max-size", "max-file"}
    database = compose["services"]["database"]
    assert "ports" not in database
    assert database["networks"] == ["database"]
    assert compose["networks"]["database"] == {"internal": True}
    assert re.fullmatch(r"postgres:\d+", database["image"])


def test_compose_secrets_are_files_that_git_and_docker_leave_out(
    compose: dict[str, Any], ours: dict[str, dict[str, Any]]
) -> None:
    for name, secret in compose["secrets"].items():
        assert secret == {"file": f"./secrets/{name}"}
        assert f"> secrets/{name}\n" in _text("README.md")
    for each in ours.values():
        named = re.findall(r"/run/secrets/(\w+)", str(each["environment"]))
        assert sorted(named) == sorted(each["secrets"])
    assert {"/secrets/", "/.env"} <= set(_text(".gitignore").splitlines())
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"


def test_compose_example_names_what_compose_asks_for() -> None:
    asked = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", _text("compose.yaml")))
    given = dict(
        line.split("=", 1) for line in _text("compose.env.example").splitlines() if "=" in line and line[0] != "#"
    )
    assert given == asked


# --- systemd ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", UNITS)
def test_unit_runs_a_command_and_gives_it_time_to_stop(name: str) -> None:
    unit = dict(_unit(name))
    words = shlex.split(unit["ExecStart"])
    assert words[0] == "/opt/rostersync/bin/rostersync"
    assert _is_command(words[1:])
    assert unit["KillSignal"] == "SIGTERM"
    assert float(unit["TimeoutStopSec"]) > Settings.model_fields["stop_seconds"].default + PARKING_AND_GOODBYE
    assert unit["Restart"] == "on-failure"


@pytest.mark.parametrize("name", UNITS)
def test_unit_is_not_root_and_finds_its_keys(name: str) -> None:
    unit = _unit(name)
    assert dict(unit)["User"] not in ("", "root", "0")
    credential, source = dict(unit)["LoadCredential"].split(":")
    assert ("Environment", f"ROSTERSYNC_SECRET_KEYS_FILE=%d/{credential}") in unit
    assert ("Environment", f"ROSTERSYNC_DATA_DIR=%S/{dict(unit)['StateDirectory']}") in unit
    for line in (f"> {source})", f"/etc/rostersync/{Path(dict(unit)['EnvironmentFile']).name}"):
        assert line in _text("README.md")
    # What the file of settings names would go before what the unit says.
    assert not re.search(r"^ROSTERSYNC_(DATA_DIR|SECRET_KEYS\w*)=", _text("rostersync.env.example"), re.MULTILINE)


def test_units_are_equally_hardened() -> None:
    differing = {"Description", "ExecStart"}
    one, other = ([line for line in _unit(name) if line[0] not in differing] for name in UNITS)
    assert one == other
    assert {("NoNewPrivileges", "yes"), ("ProtectSystem", "strict"), ("CapabilityBoundingSet", "")} <= set(one)


def test_command_of_the_administrator_uses_what_the_unit_uses(tmp_path: Path) -> None:
    """rostersync.sh, in folders of its own and without changing the account."""
    unit = dict(_unit("rostersync.service"))
    script = _text("rostersync.sh")
    for real in (unit["EnvironmentFile"], unit["LoadCredential"].split(":")[1], unit["ExecStart"].split()[0]):
        assert real in script
    assert f"runuser --user={unit['User']} --" in script
    (tmp_path / "rostersync.env").write_text(_text("rostersync.env.example") + 'PGSERVICE="a b"\n', encoding="utf-8")
    (tmp_path / "secret_keys").write_text("new\nold\n", encoding="utf-8")
    script = script.replace("/etc/rostersync/", f"{tmp_path}/").replace("runuser --user=rostersync -- ", "")
    script = script.replace("/opt/rostersync/bin/rostersync", "/usr/bin/env")
    asked = 'echo "$PGSERVICE|$ROSTERSYNC_SECRET_KEYS|$ROSTERSYNC_SLOTS|$1"'
    command = ["/bin/sh", "-c", script, "rostersync", "sh", "-c", asked, "sh", "y z"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout
    assert shown == f"a b|new\nold|{Settings.model_fields['slots'].default}|y z\n"
