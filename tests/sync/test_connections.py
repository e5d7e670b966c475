"""Connections: settings and credentials are checked one by one, states stand in the way, what is secret stays so."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text

import connectors
from models.connections import OneRosterCredentials, OneRosterSettings
from models.errors import NotFoundError, SettingsError
from models.sources import ConnectionView
from store.database import reading, writing
from store.tenants import ensure_connection
from sync import connections, secrets, tenants
from sync.service import Service
from sync.settings import Settings
from tests.sync.fake_source import BASE_URL, CREDENTIALS, SECRET, Shared, add, use_keys


@pytest.fixture
def place(service: Service, shared: Shared) -> Service:
    """A service with a tenant, and a key where the database is not the built-in one."""
    if service.settings.database_url:
        use_keys(service, secrets.new_key())
    tenants.add_tenant(service, "springfield")
    return service


@pytest.fixture
def here(sqlite_service: Service, shared: Shared) -> Service:
    """For what does not depend on the database."""
    tenants.add_tenant(sqlite_service, "springfield")
    return sqlite_service


def values(view: ConnectionView) -> dict[str, object]:
    return {setting.name: setting.value for setting in view.settings}


def row(service: Service, name: str = "oneroster") -> dict[str, Any]:
    with reading(service.engine) as connection:
        query = text("SELECT * FROM connection WHERE name = :name")
        return dict(connection.execute(query, {"name": name}).mappings().one())


def put(service: Service, **columns: str) -> None:
    """Change the stored row behind the program's back."""
    with writing(service.engine) as connection:
        for column, value in columns.items():
            connection.execute(text(f"UPDATE connection SET {column} = :v WHERE name = 'oneroster'"), {"v": value})


# --- adding and changing --------------------------------------------------------------------------------------------


def test_added_connection_shows_settings_and_names_of_credentials(place: Service) -> None:
    view = add(place, page_size="250", scopes="a, b ,", sort="false", token_url="null")
    assert (view.name, view.connector, view.state) == ("oneroster", "oneroster", "active")
    assert view.credentials == ("client_id", "client_secret")
    assert values(view)["base_url"] == BASE_URL
    chosen = {name: values(view)[name] for name in ("page_size", "scopes", "sort", "token_url", "version")}
    assert chosen == {"page_size": 250, "scopes": ("a", "b"), "sort": False, "token_url": None, "version": "1.1"}
    assert SECRET not in repr(view)


def test_only_what_differs_from_the_defaults_is_stored(place: Service) -> None:
    add(place, page_size="250", version="1.1")
    assert row(place)["settings"] == f'{{"base_url":"{BASE_URL}","page_size":250}}'


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"page_size": "20000"}, "page_size cannot be '20000': it takes a number from 1 to 10,000"),
        ({"page_size": "many"}, "page_size cannot be 'many'"),
        ({"overlap_hours": "-1"}, "overlap_hours cannot be '-1': it takes a number from 0 to 8,784"),
        ({"overlap_hours": "8785"}, "overlap_hours cannot be '8785'"),
        (
            {"full_every_days": "100000000000"},
            "full_every_days cannot be '100000000000': it takes a number from 1 to 366",
        ),
        ({"requests_per_minute": f"{10**20}"}, "it takes a number from 0 to 1,000,000"),
        ({"sort": "perhaps"}, "sort cannot be 'perhaps': it takes true or false"),
        ({"version": "2.0"}, "version cannot be '2.0': it takes 1.1 or 1.2"),
        ({"pagesize": "5"}, "no setting 'pagesize'; it has: base_url, version"),
        ({"base_url": ""}, "The setting base_url is needed: Full address"),
        ({"base_url": "http://x"}, "base_url must begin with https://"),
    ],
)
def test_wrong_setting_is_named_with_what_it_takes(here: Service, settings: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        add(here, **settings)
    assert said in caught.value.for_admin
    assert connections.list_connections(here, "springfield") == []


@pytest.mark.parametrize("name", ["client_secret", "token"])
def test_credential_among_settings_is_refused_without_being_quoted(here: Service, name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        add(here, **{name: SECRET})
    assert f"ROSTERSYNC_CREDENTIALS_{name.upper()}" in caught.value.for_admin
    assert SECRET not in caught.value.for_admin + caught.value.for_engineer


@pytest.mark.parametrize("credentials", [{}, {"client_id": "x"}, {SECRET: "x"}, {"client_secret": 4711}])
def test_wrong_credentials_are_refused_without_being_quoted(here: Service, credentials: dict[str, object]) -> None:
    with pytest.raises(SettingsError) as caught:
        connections.add_connection(
            here, "springfield", "oneroster", settings={"base_url": BASE_URL}, credentials=credentials
        )
    assert "client_id" in caught.value.for_admin or "client_secret" in caught.value.for_admin
    assert SECRET not in str(vars(caught.value))
    assert "4711" not in str(vars(caught.value))


def test_unknown_connector_tenant_name_and_connection(here: Service) -> None:
    with pytest.raises(SettingsError, match="clever, classlink, oneroster"):
        connections.add_connection(here, "springfield", "sis", settings={}, credentials={})
    with pytest.raises(NotFoundError, match="no tenant 'shelbyville'"):
        connections.add_connection(
            here, "shelbyville", "oneroster", settings={"base_url": BASE_URL}, credentials=CREDENTIALS
        )
    with pytest.raises(SettingsError, match="name may hold letters"):
        add(here, "two words")
    with pytest.raises(NotFoundError, match="no connection 'other'"):
        connections.show_connection(here, "springfield", "other")
    with pytest.raises(NotFoundError):  # what people set by hand is no connection to look after
        connections.show_connection(here, "springfield", "manual")


def test_name_is_taken_once(place: Service) -> None:
    add(place)
    with pytest.raises(SettingsError, match="'oneroster' exists already"):
        add(place)
    add(place, "second")
    assert [entry.name for entry in connections.list_connections(place, "springfield")] == ["oneroster", "second"]


def test_setting_is_changed_and_what_was_learned_forgotten(place: Service) -> None:
    add(place)
    put(place, memory='{"full_at":"2026-09-01T00:00:00+00:00"}')
    view = connections.set_setting(place, "springfield", "oneroster", "page_size", "100")
    assert values(view)["page_size"] == 100
    assert row(place)["memory"] == "{}"
    with pytest.raises(SettingsError, match="page_size cannot be '0'"):
        connections.set_setting(place, "springfield", "oneroster", "page_size", "0")
    with pytest.raises(SettingsError, match="never given on the command line"):
        connections.set_setting(place, "springfield", "oneroster", "client_secret", SECRET)
    assert connections.open_connection(place, "springfield", "oneroster").settings.page_size == 100


def test_new_credentials_take_the_place_of_all(place: Service) -> None:
    add(place)
    view = connections.set_credentials(
        place, "springfield", "oneroster", {"client_id": "new", "client_secret": "newer", "token": ""}
    )
    assert view.credentials == ("client_id", "client_secret")
    opened = connections.open_connection(place, "springfield", "oneroster").credentials
    assert opened == OneRosterCredentials("new", "newer")
    with pytest.raises(SettingsError, match="client_secret are needed"):
        connections.set_credentials(place, "springfield", "oneroster", {"client_id": "alone"})


# --- what another version has stored --------------------------------------------------------------------------------


def test_fields_that_this_version_does_not_have_are_left_out(here: Service) -> None:
    add(here)
    put(here, settings=f'{{"base_url":"{BASE_URL}","page_size":7,"gone":[1]}}', memory='{"gone":1,"read_at":"x"}')
    opened = connections.open_connection(here, "springfield", "oneroster")
    assert (opened.settings.page_size, opened.memory.read_at) == (7, "x")


def test_stored_value_that_this_version_does_not_take_is_named_and_can_be_mended(here: Service) -> None:
    add(here)
    put(here, settings=f'{{"base_url":"{BASE_URL}","version":"0.9"}}', memory='{"full_at":1}')
    with pytest.raises(SettingsError, match="The stored setting version is not one"):
        connections.open_connection(here, "springfield", "oneroster")
    connections.set_setting(here, "springfield", "oneroster", "version", "1.2")
    opened = connections.open_connection(here, "springfield", "oneroster")
    assert opened.settings == OneRosterSettings(base_url=BASE_URL, version="1.2")


def test_memory_that_cannot_be_read_is_learned_again(here: Service) -> None:
    add(here)
    put(here, memory='{"full_at":1}')
    assert connections.open_connection(here, "springfield", "oneroster").memory.full_at is None


# --- states ---------------------------------------------------------------------------------------------------------


def test_pause_and_resume(place: Service) -> None:
    add(place)
    paused = connections.pause_connection(place, "springfield", "oneroster", "summer", by="ann")
    assert (paused.state, paused.reason) == ("paused", "paused by ann: summer")
    assert paused.since
    resumed = connections.resume_connection(place, "springfield", "oneroster")
    assert (resumed.state, resumed.reason) == ("active", "")


def test_removed_connection_forgets_its_credentials_and_can_be_revived(place: Service) -> None:
    add(place, page_size="9")
    before = row(place)["id"]
    removed = connections.remove_connection(place, "springfield", "oneroster", by="ann")
    assert (removed.state, removed.reason, removed.credentials) == ("removed", "removed by ann", ())
    assert row(place)["credentials"] is None
    for attempt in (connections.open_connection, connections.resume_connection):
        with pytest.raises(SettingsError, match=r"was removed; .*: rostersync connection show springfield oneroster"):
            attempt(place, "springfield", "oneroster")
    revived = add(place)
    assert (revived.state, values(revived)["page_size"], row(place)["id"]) == ("active", 1000, before)


def test_removed_name_is_not_given_to_another_connector(here: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    add(here)
    connections.remove_connection(here, "springfield", "oneroster", by="ann")
    monkeypatch.setattr(connectors, "check", lambda *_: None)
    with pytest.raises(SettingsError, match="was for oneroster before it was removed"):
        connections.add_connection(here, "springfield", "clever", "oneroster", settings={}, credentials={})


def test_connection_of_uploaded_files_is_shown_and_has_nothing_to_set(here: Service) -> None:
    tenant_id, _ = tenants.tenant_and_settings(here, "springfield")
    ensure_connection(here.engine, tenant_id, "csv", "csv", "2026-09-01T00:00:00+00:00")
    shown = connections.show_connection(here, "springfield", "csv")
    assert (shown.connector, shown.state, shown.settings, shown.since) == (
        "csv",
        "active",
        [],
        "2026-09-01T00:00:00+00:00",
    )
    assert [entry.name for entry in connections.list_connections(here, "springfield")] == ["csv"]
    for attempt in (connections.open_connection, connections.resume_connection):
        with pytest.raises(SettingsError, match="is for uploaded files"):
            attempt(here, "springfield", "csv")


# --- secrets --------------------------------------------------------------------------------------------------------


def test_credentials_are_nowhere_in_the_data_directory(sqlite_service: Service, shared: Shared) -> None:
    tenants.add_tenant(sqlite_service, "springfield")
    add(sqlite_service)
    folder = sqlite_service.settings.data_dir
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert folder / "rostersync.db" in files
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []
    assert (folder / "secret.key").stat().st_mode & 0o777 == 0o600
    assert list(folder.glob("secret-*")) == []


def test_row_copied_to_another_tenant_opens_nothing(place: Service) -> None:
    add(place)
    tenants.add_tenant(place, "shelbyville")
    connections.add_connection(
        place, "shelbyville", "oneroster", "stolen", settings={"base_url": BASE_URL}, credentials=CREDENTIALS
    )
    with writing(place.engine) as connection:
        connection.execute(
            text("UPDATE connection SET credentials = :c WHERE name = 'stolen'"), {"c": row(place)["credentials"]}
        )
    with pytest.raises(SettingsError, match="stored for another one, and are not used"):
        connections.open_connection(place, "shelbyville", "stolen")


def test_wrong_key_is_one_plain_sentence_and_show_tells_it(here: Service) -> None:
    add(here)
    use_keys(here, secrets.new_key())
    with pytest.raises(SettingsError) as caught:
        connections.open_connection(here, "springfield", "oneroster")
    assert "encrypted with another key than those in ROSTERSYNC_SECRET_KEYS" in caught.value.for_admin
    assert caught.value.__cause__ is None
    shown = connections.show_connection(here, "springfield", "oneroster")
    assert shown.credentials == ()
    assert "encrypted with another key" in shown.credentials_problem


def test_keys_are_exchanged_without_a_gap(place: Service) -> None:
    first, second = secrets.new_key(), secrets.new_key()
    use_keys(place, first)
    add(place)
    before = row(place)["credentials"]
    use_keys(place, f"{second},{first}")
    assert connections.show_connection(place, "springfield", "oneroster").credentials
    assert connections.renew_all_secrets(place) == 1
    assert row(place)["credentials"] != before
    use_keys(place, second)
    assert connections.show_connection(place, "springfield", "oneroster").credentials
    use_keys(place, first)
    with pytest.raises(SettingsError, match="Nothing was encrypted anew: other keys"):
        connections.renew_all_secrets(place)


@pytest.fixture
def own_database(tmp_path: Path) -> Settings:
    """Settings of a database of one's own; nobody connects to it."""
    return Settings(data_dir=tmp_path, database_url="postgresql://db.example.org/rostersync")


def test_own_database_needs_a_key_of_its_own(own_database: Settings) -> None:
    with pytest.raises(SettingsError, match="there is no key: make one with `rostersync keys new`"):
        secrets.seal(own_database, 1, 1, OneRosterCredentials("a", "b"))
    assert list(own_database.data_dir.iterdir()) == []


def test_keys_may_come_from_a_file(own_database: Settings, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    settings = own_database.model_copy(update={"secret_keys_file": str(file)})
    with pytest.raises(SettingsError, match="ROSTERSYNC_SECRET_KEYS_FILE names a file that cannot be read"):
        secrets.seal(settings, 1, 1, OneRosterCredentials("a", "b"))
    file.write_text(f"{secrets.new_key()}\n{secrets.new_key()}\n")
    sealed = secrets.seal(settings, 1, 2, OneRosterCredentials("a", "b"))
    assert secrets.unseal(settings, 1, 2, sealed)["client_secret"] == "b"
    with pytest.raises(SettingsError, match="Set only one of ROSTERSYNC_SECRET_KEYS"):
        secrets.unseal(settings.model_copy(update={"secret_keys": SecretStr("x")}), 1, 2, sealed)


@pytest.mark.parametrize("keys", ["short", "é" * 44, ",,"])
def test_what_is_no_key_is_not_quoted(own_database: Settings, keys: str) -> None:
    settings = own_database.model_copy(update={"secret_keys": SecretStr(keys)})
    with pytest.raises(SettingsError, match=r"key.*make one with: rostersync keys new") as caught:
        secrets.seal(settings, 1, 1, OneRosterCredentials("a", "b"))
    assert keys not in caught.value.for_admin
    assert keys not in repr(settings)


def test_lost_key_file_is_told_and_never_made_anew_by_reading(sqlite_service: Service, shared: Shared) -> None:
    tenants.add_tenant(sqlite_service, "springfield")
    add(sqlite_service)
    key = sqlite_service.settings.data_dir / "secret.key"
    key.unlink()
    with pytest.raises(SettingsError, match=r"is missing or cannot be read: put .*secret.key back"):
        connections.open_connection(sqlite_service, "springfield", "oneroster")
    assert not key.exists()


def test_key_file_that_somebody_made_meanwhile_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(data_dir=tmp_path, database_url="")
    theirs = secrets.new_key()

    def new_key() -> str:
        (tmp_path / "secret.key").write_text(theirs)
        return "ours, too late"

    monkeypatch.setattr(secrets, "new_key", new_key)
    sealed = secrets.seal(settings, 1, 1, OneRosterCredentials("a", "b"))
    assert (tmp_path / "secret.key").read_text() == theirs
    assert secrets.unseal(settings, 1, 1, sealed)["client_id"] == "a"


def test_allowed_hosts() -> None:
    assert Settings(allow_hosts=" SIS.internal, 10.0.0.1:8443,").allowed_hosts == {"sis.internal", "10.0.0.1:8443"}
    with pytest.raises(SettingsError, match="'http://sis' is none"):
        _ = Settings(allow_hosts="http://sis").allowed_hosts
