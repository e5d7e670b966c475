"""Recording real pulls from servers on loopback: the case becomes the same roster under other names, and tells nobody's."""

import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.recording.pseudonyms import Pseudonyms
from fixtures.api import render
from fixtures.clever import DISTRICT as CLEVER_DISTRICT
from fixtures.layout import Spec
from fixtures.oneroster import DISTRICT_ID
from fixtures.oneroster_api import BIRTH_DATE, SECRET
from models.connections import ConnectorName, SourceCredentials, SourceSettings
from models.errors import RosterSyncError, SettingsError
from sync import tenants
from sync.cases import load_case
from sync.connections import add_connection
from sync.pull import sync
from sync.record import Recording, record
from sync.replay import replay
from sync.service import Service, open_service
from sync.settings import Settings
from sync.snapshot import Snapshot, snapshot
from tests.servers import ClassLinkServer, CleverServer, OneRosterServer

SPEC = Spec(people=50, seed=3, schools=2, change=0.2)
KEY = "6b" * 32
PSEUDONYMS = Pseudonyms(bytes.fromhex(KEY))


@pytest.fixture
def open_to_loopback(tmp_path: Path) -> Iterator[Service]:
    settings = Settings(data_dir=tmp_path / "data", database_url="", allow_hosts="127.0.0.1")
    with open_service(settings) as service, service.engine.connect():
        yield service


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text(KEY)
    return path


def connect(
    service: Service,
    connector: ConnectorName,
    district_id: str,
    settings: SourceSettings,
    credentials: SourceCredentials,
) -> None:
    tenants.add_tenant(service, "forest", district_id=district_id)
    tenants.set_setting(service, "forest", "create_schools", "true")
    texts = {
        name: str(value)
        for name, value in msgspec.to_builtins(settings).items()
        if value is not None and value != getattr(type(settings)(**_needed(settings)), name)
    }
    add_connection(service, "forest", connector, settings=texts, credentials=msgspec.to_builtins(credentials))


def _needed(settings: SourceSettings) -> dict[str, Any]:
    return {"base_url": ""} if "base_url" in type(settings).__struct_fields__ else {}


def written(folder: Path) -> bytes:
    """All that lies in a case's folder, unpacked."""
    return b"\n".join(
        gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        for path in sorted(folder.iterdir())
    )


def tells_nothing(folder: Path, *secrets: str) -> None:
    content = written(folder).decode().lower()
    words = set(re.findall(r"[^\W_]+", content))
    for spec in (SPEC, msgspec.structs.replace(SPEC, day=1)):
        people = render(spec, "clever")["users"] + render(spec, "oneroster11")["users"]
        for person in people:
            name = person.get("name", {})
            told = [person.get("email"), person.get("id"), person.get("sourcedId"), person.get("username")]
            told += [name.get("last"), name.get("first"), person.get("givenName"), person.get("familyName")]
            for text in filter(None, told):
                # Short words, and numbers that are mostly zeros, are those of others too.
                long = {word.lower() for word in re.findall(r"[^\W_]{6,}", text) if len(word.lstrip("0")) >= 5}
                assert not (long - {"example"}) & words, text
    for secret in (SECRET, BIRTH_DATE, "127.0.0.1", '"password":', "forest", *secrets):
        assert secret.lower() not in content, secret


def same_roster_under_other_names(real: Snapshot, replayed: Snapshot) -> None:
    """Ids, names, addresses and grades of people, and who is in which class and whose guardian."""
    word = PSEUDONYMS.text

    def people(roster: Snapshot, of: Any) -> list[tuple[Any, ...]]:
        texts = ("id", "given_name", "family_name", "username", "email")
        return sorted(
            (*(of(person.get(name, "")) for name in texts), person.get("grades"), person.get("enabled"))
            for person in roster["person"]
        )

    def pairs(roster: Snapshot, of: Any) -> list[tuple[str, ...]]:
        return sorted(
            [(of(row["class"]), of(row["person"]), row["role"]) for row in roster["enrollment"]]
            + [(of(row["student"]), of(row["guardian"]), row.get("relationship", "")) for row in roster["guardianship"]]
            + [(of(row["person"]), of(row["school"]), row["role"]) for row in roster["affiliation"]]
        )

    assert people(real, word) == people(replayed, str)
    assert pairs(real, word) == pairs(replayed, str)
    assert {kind: len(rows) for kind, rows in real.items()} == {kind: len(rows) for kind, rows in replayed.items()}


def expected_roster(folder: Path) -> Snapshot:
    return msgspec.json.decode((folder / "expected.json").read_bytes())["roster"]  # type: ignore[no-any-return]


def recorded(service: Service, folder: Path, key_file: Path | None, **more: Any) -> Recording:
    return record(service, "forest", folder, key_file=key_file, started_by="tests", **more)


def check(service: Service, folder: Path, key_file: Path, *secrets: str) -> None:
    recording = recorded(service, folder, key_file, title="A night")
    assert (recording.state, recording.error, recording.faithful) == ("planned", "", True)
    assert recording.replay.steps[0].unasked == 0
    sync(service, "forest", started_by="tests")
    same_roster_under_other_names(snapshot(service, "forest"), expected_roster(folder))
    tells_nothing(folder, *secrets)
    assert replay(folder).as_expected


def test_clever(open_to_loopback: Service, tmp_path: Path, key_file: Path) -> None:
    with CleverServer(render(SPEC, "clever")) as server:
        settings, credentials = server.settings(page_size=20), server.credentials()
        connect(open_to_loopback, "clever", CLEVER_DISTRICT, settings, credentials)
        check(open_to_loopback, tmp_path / "case", key_file, server.token, credentials.client_secret, CLEVER_DISTRICT)
    case = load_case(tmp_path / "case")
    assert case.settings["district_id"] == case.tenant.district_id == PSEUDONYMS.text(CLEVER_DISTRICT)
    assert case.credentials == ("client_id", "client_secret")


def test_oneroster_with_secrets_in_the_address(open_to_loopback: Service, tmp_path: Path, key_file: Path) -> None:
    with OneRosterServer(render(SPEC, "oneroster12"), version="1.2") as server:
        settings, credentials = server.settings(page_size=20), server.credentials()
        server.tokens.style = "query"
        settings = msgspec.structs.replace(settings, token_request="query")
        connect(open_to_loopback, "oneroster", DISTRICT_ID, settings, credentials)
        check(open_to_loopback, tmp_path / "case", key_file, credentials.client_secret, credentials.client_id)


@pytest.mark.parametrize("mode", ["proxy", "direct"])
def test_classlink(mode: Any, open_to_loopback: Service, tmp_path: Path, key_file: Path) -> None:
    with ClassLinkServer(render(SPEC, "classlink")) as server:
        connect(open_to_loopback, "classlink", DISTRICT_ID, server.settings(mode, page_size=20), server.credentials())
        own = server.own_credentials()
        assert server.tenant
        secrets = (str(server.tenant.bearer), server.tenant.application_id, own.client_id, own.client_secret)
        check(open_to_loopback, tmp_path / "case", key_file, *secrets)


def test_a_further_night_goes_on_with_the_ids_of_the_first(
    open_to_loopback: Service, tmp_path: Path, key_file: Path
) -> None:
    service, case = open_to_loopback, tmp_path / "case"
    with CleverServer(render(SPEC, "clever")) as server:
        connect(service, "clever", CLEVER_DISTRICT, server.settings(), server.credentials())
        recorded(service, case, key_file)
        sync(service, "forest", started_by="tests")
        server.roster = render(msgspec.structs.replace(SPEC, day=1), "clever")
        recording = recorded(service, case, key_file, further=True)
        real = sync(service, "forest", started_by="tests")
    assert (recording.step, recording.faithful) == ("night 2", True)
    counts = {kind.kind: kind for kind in real.kinds}
    replayed = recording.replay.steps[1].outcome.counts["person"]
    assert replayed["updated"] == counts["person"].updated > 0
    assert (
        replayed.get("archived", 0) + replayed.get("held", 0) == counts["person"].archived + counts["person"].held > 0
    )
    same_roster_under_other_names(snapshot(service, "forest"), expected_roster(case))
    tells_nothing(case)


def test_a_failing_night_is_kept_and_fails_the_same_way(
    open_to_loopback: Service, tmp_path: Path, key_file: Path
) -> None:
    with CleverServer(render(SPEC, "clever")) as server:
        connect(open_to_loopback, "clever", CLEVER_DISTRICT, server.settings(), server.credentials())
        server.connected = False
        recording = recorded(open_to_loopback, tmp_path / "case", None)
    assert (recording.state, recording.error, recording.faithful) == ("failed", "disconnected", True)
    assert replay(tmp_path / "case").steps[0].outcome.error == "disconnected"


def test_an_error_in_rostersync_is_kept_too(
    open_to_loopback: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_district: object) -> list[str]:
        raise KeyError("Ann Lee")

    monkeypatch.setattr("connectors.clever.source.notes_of", broken)
    with CleverServer(render(SPEC, "clever")) as server:
        connect(open_to_loopback, "clever", CLEVER_DISTRICT, server.settings(), server.credentials())
        recording = recorded(open_to_loopback, tmp_path / "case", None)
    assert (recording.state, recording.error, recording.faithful) == ("failed", "unexpected", True)
    assert recording.replay.steps[0].where.startswith("KeyError in ")
    monkeypatch.undo()
    mended = replay(tmp_path / "case").steps[0]
    assert mended.outcome.error == "stopped"  # it asks for more than was recorded before it broke


def test_a_source_that_never_answered_leaves_no_case(open_to_loopback: Service, tmp_path: Path) -> None:
    with OneRosterServer(render(SPEC, "oneroster11")) as server:
        settings = msgspec.structs.replace(
            server.settings(), base_url="https://127.0.0.2/ims/oneroster/v1p1", token_url=None
        )
        settings = msgspec.structs.replace(settings, auth="oauth1")
        connect(open_to_loopback, "oneroster", DISTRICT_ID, settings, server.credentials())
        with pytest.raises(RosterSyncError):
            recorded(open_to_loopback, tmp_path / "case", None)
    assert list((tmp_path / "case").iterdir()) == []


def test_keys(open_to_loopback: Service, tmp_path: Path) -> None:
    service = open_to_loopback
    with CleverServer(render(SPEC, "clever")) as server:
        connect(service, "clever", CLEVER_DISTRICT, server.settings(), server.credentials())
        made = tmp_path / "made"
        recorded(service, tmp_path / "one", made)
        assert re.fullmatch(r"[0-9a-f]{64}\n", made.read_text())
        assert made.stat().st_mode & 0o777 == 0o600
        # Without a key file two recordings cannot be joined.
        recorded(service, tmp_path / "two", None)
        ids = {load_case(tmp_path / name).tenant.district_id for name in ("one", "two")}
        assert len(ids) == 2
        with pytest.raises(SettingsError, match="--key-file"):
            recorded(service, tmp_path / "one", None, further=True)
        with pytest.raises(SettingsError, match="another key"):
            recorded(service, tmp_path / "two", made, further=True)
        with pytest.raises(SettingsError, match="not empty"):
            recorded(service, tmp_path / "one", made)
        with pytest.raises(SettingsError, match="cannot be used"):
            recorded(service, tmp_path / "one", tmp_path / "none", further=True)
        for wrong in ("ab", "z" * 64, ""):
            made.write_text(wrong)
            with pytest.raises(SettingsError, match="does not hold a key"):
                recorded(service, tmp_path / "three", made)


def test_which_connection_must_be_said_where_there_are_several(open_to_loopback: Service, tmp_path: Path) -> None:
    with CleverServer(render(SPEC, "clever")) as server:
        connect(open_to_loopback, "clever", CLEVER_DISTRICT, server.settings(), server.credentials())
        texts = {"district_id": CLEVER_DISTRICT, "api_url": server.url, "login_url": server.url}
        credentials = msgspec.to_builtins(server.credentials())
        add_connection(open_to_loopback, "forest", "clever", "second", settings=texts, credentials=credentials)
        with pytest.raises(SettingsError, match="clever, second"):
            recorded(open_to_loopback, tmp_path / "case", None)
        assert recorded(open_to_loopback, tmp_path / "case", None, connection="second").faithful
