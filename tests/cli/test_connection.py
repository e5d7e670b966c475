"""The commands about connections: credentials come in by ways that nobody sees, and are never shown again."""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

import cli.commands.connection
import cli.credentials
import connectors
from connectors import classlink
from connectors.classlink import District
from models.connections import CREDENTIALS_OF, ConnectorName
from models.errors import CredentialsRefusedError
from sync.secrets import new_key
from tests.sync import fake_source
from tests.sync.fake_source import BASE_URL, SECRET, Shared

REAL = dict(connectors.CONNECTORS)
Command = Callable[..., tuple[int, str, str]]
Answers = Callable[..., Any]
ADD = ("connection", "add", "oneroster", "springfield", "--name", "sis", "--set", f"base_url={BASE_URL}")


@pytest.fixture(autouse=True)
def shared(monkeypatch: pytest.MonkeyPatch) -> Shared:
    for name in [name for name in os.environ if name.startswith(("ROSTERSYNC_CREDENTIALS_", "ROSTERSYNC_SECRET_"))]:
        monkeypatch.delenv(name)
    return fake_source.install(monkeypatch)


@pytest.fixture
def tenant(answers: Answers) -> str:
    answers("tenant", "add", "springfield")
    answers("school", "add", "springfield", "pine", "Pine School")
    return "springfield"


@pytest.fixture
def secrets_file(tmp_path: Path) -> Path:
    file = tmp_path / "secrets.toml"
    file.write_text(f'client_id = "the-id"\nclient_secret = "{SECRET}"\n')
    return file


@pytest.fixture
def sis(tenant: str, secrets_file: Path, answers: Answers) -> str:
    """A connection of the tenant."""
    answers(*ADD, "--credentials-file", secrets_file)
    return "sis"


def types(monkeypatch: pytest.MonkeyPatch, *typed: str) -> list[str]:
    """Put a person at the terminal who types this, one answer after the other; returns the prompts."""
    prompts: list[str] = []
    left = list(typed)

    def getpass(prompt: str) -> str:
        prompts.append(prompt)
        return left.pop(0)

    monkeypatch.setattr(cli.credentials, "person_is_present", lambda: True)
    monkeypatch.setattr("getpass.getpass", getpass)
    return prompts


# --- where credentials come from ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        f'client_id = "the-id"\nclient_secret = "{SECRET}"\n',
        f'\n{{"client_id": "the-id", "client_secret": "{SECRET}"}}',
    ],
    ids=["toml", "json"],
)
def test_credentials_from_a_file(tenant: str, command: Command, tmp_path: Path, content: str) -> None:
    file = tmp_path / "secrets"
    file.write_text(content)
    code, out, err = command(*ADD, "--credentials-file", file)
    assert (code, err) == (0, "")
    assert "Added connection sis to springfield." in out
    assert "client_id, client_secret (stored encrypted)" in out
    for step in (
        "connection test springfield sis",
        "tenant set springfield create_schools true",
        "sync springfield --connection sis --dry-run",
    ):
        assert f"rostersync {step}" in out


def test_credentials_from_standard_input(tenant: str, answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f'client_id = "x"\nclient_secret = "{SECRET}"'))
    assert answers(*ADD, "--credentials-file", "-")["credentials"] == ["client_id", "client_secret"]


def test_credentials_from_the_environment(tenant: str, answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROSTERSYNC_CREDENTIALS_CLIENT_ID", "the-id")
    monkeypatch.setenv("ROSTERSYNC_CREDENTIALS_CLIENT_SECRET", SECRET)
    assert answers(*ADD)["credentials"] == ["client_id", "client_secret"]


def test_credentials_are_asked_for_without_being_shown(
    tenant: str, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = types(monkeypatch, "the-id", SECRET)
    code, out, err = command(*ADD)
    assert code == 0
    # Once the two are enough, the token is not asked for.
    assert prompts == ["client_id (Client id (OAuth 1: consumer key)): ", "client_secret (Client secret): "]
    assert "What you type is not shown" in err
    assert SECRET not in out + err


def test_wrong_setting_is_told_before_anybody_is_asked(
    tenant: str, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = types(monkeypatch)
    code, _, err = command(*ADD, "--set", "page_size=0")
    assert (code, prompts) == (2, [])
    assert "page_size cannot be '0'" in err


def test_nobody_is_asked_for_what_cannot_be_stored(
    tenant: str, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = types(monkeypatch)
    assert "no tenant 'shelbyville'" in command("connection", "add", "clever", "shelbyville")[2]
    assert "has no connection 'other'" in command("connection", "set", tenant, "other", "--credentials")[2]
    assert prompts == []


def test_nobody_to_ask_is_told_the_other_ways(tenant: str, command: Command) -> None:
    code, _, err = command(*ADD)
    assert code == 2
    assert "--credentials-file" in err
    assert "ROSTERSYNC_CREDENTIALS_CLIENT_SECRET" in err


@pytest.mark.parametrize(
    ("connector", "settings", "asked"),
    [
        ("clever", (), ["client_id", "client_secret", "token"]),
        ("oneroster", (f"base_url={BASE_URL}", "auth=bearer"), ["token"]),
        ("classlink", ("tenant_id=1",), ["partner_key"]),
        ("classlink", ("mode=direct", "base_url=https://sis.example.org"), ["client_id", "client_secret"]),
        ("classlink", (), []),  # nothing would be enough: tenant_id is missing
    ],
)
def test_only_what_is_of_use_is_asked_for(
    tenant: str,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    connector: ConnectorName,
    settings: tuple[str, ...],
    asked: list[str],
) -> None:
    monkeypatch.setitem(connectors.CONNECTORS, "oneroster", REAL["oneroster"])
    prompts = types(monkeypatch, *[""] * 3)
    code, _, err = command(
        "connection", "add", connector, tenant, *[part for text in settings for part in ("--set", text)]
    )
    assert (code, [prompt.split()[0] for prompt in prompts]) == (2, asked)
    assert "Error: " in err


def test_end_of_input_at_a_prompt_is_no_crash(tenant: str, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def getpass(prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr(cli.credentials, "person_is_present", lambda: True)
    monkeypatch.setattr("getpass.getpass", getpass)
    code, _, err = command(*ADD)
    assert code == 2
    assert "Error: No credentials were given; nothing was changed." in err


@pytest.mark.parametrize(
    "content",
    [f"client_secret = {SECRET}", f'{{"client_secret": "{SECRET}"', f'["{SECRET}"]', f'{SECRET} = "x"', "x=1"],
)
def test_file_that_cannot_be_used_is_not_quoted(
    tenant: str, command: Command, answers: Answers, tmp_path: Path, content: str
) -> None:
    file = tmp_path / "secrets"
    file.write_text(content)
    code, out, err = command(*ADD, "--credentials-file", file)
    assert code == 2
    assert err.startswith("Error: ")
    assert SECRET not in out + err
    assert answers("connection", "list", tenant) == []


@pytest.mark.parametrize("name", sorted({name for kind in CREDENTIALS_OF.values() for name in kind.__struct_fields__}))
def test_no_option_takes_a_credential(tenant: str, command: Command, name: str) -> None:
    connector = next(c for c, kind in CREDENTIALS_OF.items() if name in kind.__struct_fields__)
    code, out, err = command("connection", "add", connector, tenant, "--set", f"{name}={SECRET}")
    assert code == 2
    assert f"{name} is a credential and is never given on the command line" in err
    assert SECRET not in out + err
    assert command("connection", "add", "--help")[1].count(name.replace("_", "-")) == 0


def test_set_that_is_no_pair_is_not_quoted(tenant: str, command: Command) -> None:
    code, _, err = command(*ADD, "--set", SECRET)
    assert code == 2
    assert "--set takes KEY=VALUE" in err
    assert SECRET not in err


# --- looking and changing -------------------------------------------------------------------------------------------


def test_secrets_are_shown_nowhere(sis: str, tenant: str, command: Command, data_dir: Path, shared: Shared) -> None:
    shared.error = CredentialsRefusedError("The source refuses the client id and secret.")
    seen = ""
    for arguments in (
        ("connection", "show", tenant, sis), ("connection", "list", tenant), ("sync", tenant, "--yes"),
        ("connection", "test", tenant, sis), ("connection", "pause", tenant, sis), ("runs", tenant),
        ("connection", "resume", tenant, sis), ("run", "show", 1), ("tenant", "show", tenant),
        ("connection", "remove", tenant, sis),
    ):  # fmt: skip
        for option in ((), ("--json",)):
            _, out, err = command(*arguments, *option)
            seen += out + err
    assert "The source refuses the client id and secret." in seen
    assert SECRET not in seen
    assert [path for path in data_dir.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()] == []


def test_show_explains_every_setting(sis: str, tenant: str, command: Command, answers: Answers) -> None:
    shown = answers("connection", "show", tenant, sis)
    assert shown["credentials"] == ["client_id", "client_secret"]
    assert {setting["name"]: setting["value"] for setting in shown["settings"]}["base_url"] == BASE_URL
    out = " ".join(command("connection", "show", tenant, sis)[1].split())
    assert "Connection sis of springfield: active" in out
    assert "Records asked for at a time." in out
    assert "No runs yet." in out


def test_settings_and_credentials_are_changed(
    sis: str, tenant: str, command: Command, answers: Answers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = answers("connection", "set", tenant, sis, "page_size", 50)
    assert {setting["name"]: setting["value"] for setting in changed["settings"]}["page_size"] == 50
    file = tmp_path / "new.json"
    file.write_bytes(msgspec.json.encode({"client_id": "a", "client_secret": "b", "token": "c"}))
    changed = answers("connection", "set", tenant, sis, "--credentials-file", file)
    assert changed["credentials"] == ["client_id", "client_secret", "token"]
    prompts = types(monkeypatch, "x", "y")
    assert command("connection", "set", tenant, sis, "--credentials")[0] == 0
    assert len(prompts) == 2
    assert answers("connection", "show", tenant, sis)["credentials"] == ["client_id", "client_secret"]


@pytest.mark.parametrize(
    "arguments",
    [(), ("page_size",), ("page_size", "5", "--credentials"), ("page_size", "5", "--credentials-file", "x")],
)
def test_set_takes_a_setting_or_credentials(
    sis: str, tenant: str, command: Command, arguments: tuple[str, ...]
) -> None:
    code, _, err = command("connection", "set", tenant, sis, *arguments)
    assert code == 2
    assert "Give either KEY and VALUE of a setting, or --credentials" in err


def test_states(sis: str, tenant: str, command: Command, answers: Answers) -> None:
    assert answers("connection", "pause", tenant, sis, "--reason", "summer")["reason"].endswith(": summer")
    code, out, err = command("sync", tenant, "--yes")
    assert (code, out) == (2, "")
    assert "was paused by" in err
    assert "rostersync connection resume springfield sis" in err
    assert "paused" in command("connection", "list", tenant)[1]
    assert "rostersync connection resume springfield sis" in command("connection", "show", tenant, sis)[1]
    assert answers("connection", "resume", tenant, sis)["state"] == "active"
    assert answers("connection", "remove", tenant, sis)["state"] == "removed"
    again = f"rostersync connection add oneroster springfield --name sis --set base_url={BASE_URL}"
    assert again in command("connection", "show", tenant, sis)[1]
    assert [entry["state"] for entry in answers("connection", "list", tenant)] == ["removed"]
    assert answers("connection", "show", tenant, "other", exit_code=2)["error"]["code"] == "not_found"


@pytest.mark.parametrize(("says", "state"), [(True, "removed"), (False, "active")])
def test_person_is_asked_before_a_connection_is_removed(
    sis: str, tenant: str, command: Command, answers: Answers, monkeypatch: pytest.MonkeyPatch, says: bool, state: str
) -> None:
    asked: list[str] = []

    def ask(question: str) -> bool:
        asked.append(question)
        return says

    monkeypatch.setattr(cli.commands.connection, "person_is_present", lambda: True)
    monkeypatch.setattr(cli.commands.connection, "ask", ask)
    assert command("connection", "remove", tenant, sis)[0] == 0
    assert asked == ["Remove the connection sis of springfield and forget its credentials?"]
    assert [entry["state"] for entry in answers("connection", "list", tenant)] == [state]


def test_no_connections_yet(tenant: str, command: Command) -> None:
    assert "No connections yet" in command("connection", "list", tenant)[1]


# --- the test of a connection ---------------------------------------------------------------------------------------


def test_test_tells_what_is_shared_in_words(sis: str, tenant: str, command: Command, shared: Shared) -> None:
    shared.schools["elm"] = "Elm School"
    shared.people["x1"] = ("student", ("elm",))
    shared.coverage["class"] = "the count moved"
    shared.facts.missing.append("Guardians are not shared.")
    code, out, err = command("connection", "test", tenant, sis)
    text = " ".join(out.split())
    assert code == 0
    for said in (
        "the credentials work; nothing was changed",
        "district Springfield (d-1)",
        "may read roster-core.readonly",
        "• Guardians are not shared.",
        "people 7 1",
        "student 6",
        "elm Elm School 1 - not known: would be left out",
        "pine Pine School 6 2 known",
        "classes classes 2 no: the count moved",
        "[unknown_school] (person x1)",
        "rostersync tenant set springfield create_schools true",
        "rostersync school add springfield elm 'Elm School'",
        "rostersync sync springfield --connection sis --dry-run",
    ):
        assert said in text
    assert err.splitlines() == ["reading: 6 of 6 records, page 2 (users)"]
    assert command("runs", tenant)[1].strip() == "No runs yet."


def test_test_answers_machines_and_says_who_must_act(sis: str, tenant: str, answers: Answers, shared: Shared) -> None:
    assert answers("connection", "test", tenant, sis)["roles"] == {"student": 5, "teacher": 1}
    shared.error = CredentialsRefusedError("The client secret is wrong.")
    error = answers("connection", "test", tenant, sis, exit_code=65)["error"]
    assert error["message"] == "The client secret is wrong."
    assert error["hint"] == "To give others: rostersync connection set springfield sis --credentials"
    shared.error = CredentialsRefusedError("The client secret is still wrong.")
    error = answers("sync", tenant, exit_code=65)["error"]
    assert error["hint"].splitlines() == [
        "See: rostersync run show 1", "To give others: rostersync connection set springfield sis --credentials",
    ]  # fmt: skip


def test_test_of_a_paused_connection_says_that_it_is(sis: str, tenant: str, command: Command) -> None:
    command("connection", "pause", tenant, sis)
    out = command("connection", "test", tenant, sis)[1]
    assert "paused: no sync asks it" in out
    assert "rostersync connection resume springfield sis" in out


# --- keys and partners ----------------------------------------------------------------------------------------------


def test_keys(sis: str, tenant: str, command: Command, answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = command("keys", "new")
    assert (code, len(out.split())) == (0, 1)
    old = answers("keys", "new")["key"]
    assert old != out.strip()
    monkeypatch.setenv("ROSTERSYNC_SECRET_KEYS", new_key())
    assert "Nothing was encrypted anew" in answers("keys", "rotate", exit_code=2)["error"]["message"]
    monkeypatch.delenv("ROSTERSYNC_SECRET_KEYS")
    assert answers("keys", "rotate")["renewed"] == 1


def test_own_database_without_a_key(
    postgresql_url: str, command: Command, answers: Answers, secrets_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROSTERSYNC_DATABASE_URL", postgresql_url)
    answers("tenant", "add", "springfield")
    error = answers(*ADD, "--credentials-file", secrets_file, exit_code=2)["error"]["message"]
    assert "rostersync keys new" in error
    assert answers("connection", "list", "springfield") == []
    monkeypatch.setenv("ROSTERSYNC_SECRET_KEYS", answers("keys", "new")["key"])
    assert answers(*ADD, "--credentials-file", secrets_file)["state"] == "active"


def test_discover_lists_and_adds(
    command: Command, answers: Answers, monkeypatch: pytest.MonkeyPatch, data_dir: Path
) -> None:
    districts = [
        District("2222", "Springfield", True, "", "Roster app"),
        District("3333", "Shelbyville", False, "not switched on", "Roster app"),
    ]
    monkeypatch.setattr(classlink, "districts", lambda *_: districts)
    assert "environment: ROSTERSYNC_CREDENTIALS_PARTNER_KEY." in command("classlink", "discover")[2]
    prompts = types(monkeypatch, SECRET)
    code, out, _ = command("classlink", "discover")
    assert (code, prompts) == (0, ["partner_key (Your partner API key at ClassLink): "])
    assert "2 districts, 1 of them can be read" in out
    assert "not switched on" in out
    assert "rostersync classlink discover --add TENANT_ID=TENANT" in out
    monkeypatch.setenv("ROSTERSYNC_CREDENTIALS_PARTNER_KEY", SECRET)
    found = answers("classlink", "discover", "--add", "2222=springfield")
    assert (found["added"], found["districts"][0]["tenants"]) == (["springfield"], ["springfield"])
    assert answers("connection", "show", "springfield", "classlink")["credentials"] == ["partner_key"]
    assert "connection test springfield classlink" not in command("classlink", "discover")[1]
    assert "--add takes" in command("classlink", "discover", "--add", "2222")[2]
    assert SECRET.encode() not in (data_dir / "rostersync.db").read_bytes()
