"""The commands against each source over real HTTP: added, tested, planned, synced, switched off, and nothing secret left."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cli.show.connections import setting_text
from fixtures.api import render
from fixtures.layout import Spec
from models.connections import ConnectorName, SourceCredentials, SourceSettings
from sync.connection_fields import stored_settings
from tests.servers import ClassLinkServer, CleverServer, OneRosterServer

Answers = Callable[..., Any]
TENANT = "springfield"
SPEC = Spec(people=60)
Server = ClassLinkServer | CleverServer | OneRosterServer


def serve(connector: ConnectorName) -> Server:
    match connector:
        case "clever":
            return CleverServer(render(SPEC, "clever"))
        case "classlink":
            return ClassLinkServer(render(SPEC, "classlink"))
        case _:
            return OneRosterServer(render(SPEC, "oneroster12"), version="1.2")


def switch_off(server: Server) -> None:
    """The district switches the app off; a plain OneRoster provider can only refuse the secret."""
    match server:
        case CleverServer():
            server.connected = False
        case ClassLinkServer():
            server.tenant = None
        case OneRosterServer():
            server.tokens.client_secret = "another"
            server.revoke()


@pytest.fixture(params=["clever", "classlink", "oneroster"])
def connector(request: pytest.FixtureRequest) -> ConnectorName:
    name: ConnectorName = request.param
    return name


@pytest.fixture
def server(connector: ConnectorName, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serve(connector) as running:
        monkeypatch.setenv("ROSTERSYNC_ALLOW_HOSTS", running.host)
        yield running


@pytest.fixture
def connected(server: Server, connector: ConnectorName, answers: Answers, tmp_path: Path) -> Server:
    """The server, with a connection to it."""
    answers("tenant", "add", TENANT)
    add(answers, connector, server.settings(), server.credentials(), tmp_path)
    return server


def add(
    answers: Answers, connector: str, settings: SourceSettings, credentials: SourceCredentials, folder: Path
) -> None:
    """``connection add`` as one would type it."""
    file = folder / "credentials.json"
    file.write_bytes(msgspec.json.encode(credentials))
    chosen = msgspec.json.decode(stored_settings(settings), type=dict[str, Any])
    options = [word for name, value in chosen.items() for word in ("--set", f"{name}={setting_text(value)}")]
    answers("connection", "add", connector, TENANT, *options, "--credentials-file", file)


def counts(answers: Answers) -> dict[str, int]:
    answer: dict[str, int] = answers("tenant", "show", TENANT)["counts"]
    return answer


def test_from_adding_to_syncing(
    connected: Server, connector: ConnectorName, answers: Answers, command: Callable[..., tuple[int, str, str]]
) -> None:
    before = counts(answers)
    found = answers("connection", "test", TENANT, connector)
    assert counts(answers) == before
    assert {school["standing"] for school in found["schools"] if school["type"] != "district"} == {"unknown"}
    assert "unknown_school" in {finding["code"] for finding in found["findings"]}
    assert found["roles"]["student"] > 20
    answers("tenant", "set", TENANT, "create_schools", "true")
    found = answers("connection", "test", TENANT, connector)
    assert "unknown" not in {school["standing"] for school in found["schools"]}
    shared = {kind["kind"]: kind["received"] for kind in found["kinds"]}

    plan = answers("sync", TENANT, "--dry-run")
    assert (plan["state"], counts(answers)["person"]) == ("planned", 0)
    assert answers("sync", TENANT)["state"] == "applied"
    assert counts(answers)["person"] == shared["person"]
    assert counts(answers)["enrollment"] > 0
    code, out, err = command("sync", TENANT)
    assert code == 0
    assert "Nothing to do" in out
    assert any(line.startswith("reading: ") and "page" in line for line in err.splitlines())


def test_district_that_switches_off_loses_nothing(
    connected: Server, connector: ConnectorName, answers: Answers, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROSTERSYNC_LOG_LEVEL", "debug")
    answers("tenant", "set", TENANT, "create_schools", "true")
    answers("sync", TENANT)
    before = counts(answers)
    switch_off(connected)
    error = answers("sync", TENANT, exit_code=65)["error"]
    assert error["code"] in {"disconnected", "credentials_refused"}
    assert answers("connection", "test", TENANT, connector, exit_code=65)["error"]["code"] == error["code"]
    state = answers("connection", "show", TENANT, connector)["state"]
    assert state == ("disconnected" if error["code"] == "disconnected" else "active")
    assert counts(answers) == before
    assert b'"answer"' in (data_dir / "log" / "rostersync.log").read_bytes()
    secrets = [secret.encode() for secret in msgspec.structs.astuple(connected.credentials()) if len(secret) > 8]
    written = [path.read_bytes() for path in data_dir.rglob("*") if path.is_file()]
    assert secrets
    assert not [secret for secret in secrets for content in written if secret in content]


def test_clever_comes_back_by_itself(
    data_dir: Path, answers: Answers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with CleverServer(render(SPEC, "clever")) as server:
        monkeypatch.setenv("ROSTERSYNC_ALLOW_HOSTS", server.host)
        answers("tenant", "add", TENANT)
        add(answers, "clever", server.settings(), server.credentials(), tmp_path)
        server.connected = False
        answers("sync", TENANT, exit_code=65)
        assert answers("connection", "list", TENANT)[0]["state"] == "disconnected"
        server.connected = True
        answers("tenant", "set", TENANT, "create_schools", "true")
        answers("sync", TENANT)
        assert answers("connection", "list", TENANT)[0]["state"] == "active"


def test_host_that_is_not_allowed_is_never_asked(
    server: Server, connector: ConnectorName, answers: Answers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ROSTERSYNC_ALLOW_HOSTS")
    answers("tenant", "add", TENANT)
    add(answers, connector, server.settings(), server.credentials(), tmp_path)
    error = answers("connection", "test", TENANT, connector, exit_code=2)["error"]["message"]
    assert "ROSTERSYNC_ALLOW_HOSTS" in error
    assert server.requests == []


def test_classlink_discover(data_dir: Path, answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    with ClassLinkServer(render(SPEC, "classlink")) as server:
        monkeypatch.setenv("ROSTERSYNC_ALLOW_HOSTS", server.host)
        monkeypatch.setenv("ROSTERSYNC_CREDENTIALS_PARTNER_KEY", server.credentials().partner_key)
        district = server.settings().tenant_id
        proxy = ("--set", f"proxy_url={server.url}")
        found = answers("classlink", "discover", *proxy)["districts"]
        assert len(found) == len(server.others) + 1
        assert answers("classlink", "discover", *proxy, "--add", f"{district}={TENANT}")["added"] == [TENANT]
        answers("tenant", "set", TENANT, "create_schools", "true")
        assert answers("sync", TENANT)["state"] == "applied"
        monkeypatch.setenv("ROSTERSYNC_CREDENTIALS_PARTNER_KEY", "another-key")
        assert answers("classlink", "discover", *proxy, exit_code=65)["error"]["code"] == "credentials_refused"
