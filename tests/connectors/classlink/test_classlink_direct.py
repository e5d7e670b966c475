"""At a district's own roster server: with its own key, or with the one that ClassLink hands out; judged by oauthlib."""

from itertools import count
from pathlib import Path

import pytest

from connectors.classlink.direct import Server
from models.connections import ClassLinkCredentials
from models.errors import (
    CredentialsRefusedError,
    DisconnectedError,
    RosterSyncError,
    SettingsError,
    SourceProtocolError,
)
from tests.connectors.classlink.classlink_cases import (
    BEARER,
    PARTNER,
    PARTNER_KEY,
    PROXY,
    SERVER,
    VERBATIM,
    Asked,
    FakeClassLink,
    Reply,
    application,
    client_of,
    host_of,
    over_the_wire,
    records,
    settings,
    signed_by,
    source_of,
)

BASE = "/ims/oneroster/v1p1"
SECRET = "s3cr+t/=&~ x"
OWN = ClassLinkCredentials(client_id="abc123", client_secret=SECRET)


def served(secrets: dict[str, str], *rows: dict[str, object], endpoint: str = SERVER) -> FakeClassLink:
    """A roster server that wants signatures, and ClassLink, which hands its key out."""
    fake = FakeClassLink(*rows, students=5)
    fake.mounts[BASE] = signed_by(secrets)
    fake.servers[VERBATIM] = {"client_id": "abc123", "client_secret": SECRET, "endpoint_url": endpoint}
    return fake


@pytest.mark.parametrize("method", ["HMAC-SHA256", "HMAC-SHA1"])
def test_its_own_key_signs_every_request_on_the_wire(method: str, tmp_path: Path) -> None:
    fake = served({OWN.client_id: OWN.client_secret})
    with over_the_wire(fake) as (client, address):
        direct = settings(mode="direct", tenant_id=None, base_url=f"{address}/", signature_method=method, page_size=2)
        source = source_of(client, tmp_path, direct, OWN)
        assert len(records(list(source.pull()), "person")) == 6
    assert all(f'oauth_signature_method="{method}"' in asked.authorization for asked in fake.asked)
    assert not [target for target in fake.targets if target.startswith("/applications")]
    assert source.facts.district_id == ""


def test_a_wrong_secret_of_its_own_is_refused(tmp_path: Path) -> None:
    fake = served({OWN.client_id: "another"})
    direct = settings(mode="direct", tenant_id=None, base_url=SERVER)
    with pytest.raises(CredentialsRefusedError):
        list(source_of(client_of(fake), tmp_path, direct, OWN).pull())
    assert len(fake.asked) == 1


def test_the_partner_key_finds_server_and_key(tmp_path: Path) -> None:
    fake = served({"abc123": SECRET})
    with over_the_wire(fake) as (client, address):
        fake.servers[VERBATIM]["endpoint_url"] = address
        source = source_of(client, tmp_path, settings(mode="direct", proxy_url=address, page_size=2))
        assert len(records(list(source.pull()), "person")) == 6
    assert fake.targets[:2] == ["/applications?limit=10000&offset=0", f"/applications/{VERBATIM}/server"]
    assert [asked.authorization for asked in fake.asked[:2]] == [f"Bearer {PARTNER_KEY}"] * 2
    assert not [
        asked for asked in fake.asked[2:] if PARTNER_KEY in asked.authorization or BEARER in asked.authorization
    ]
    assert source.facts.district_name == "Springfield Schools"
    assert source.memory.proxy_path is None


def test_server_and_proxy_are_asked_at_their_own_hosts(tmp_path: Path) -> None:
    fake = served({"abc123": SECRET}, endpoint=f"{SERVER}/")
    list(source_of(client_of(fake), tmp_path, settings(mode="direct")).pull())
    assert [f"https://{host_of(asked)}" for asked in fake.asked[:3]] == [PROXY, PROXY, SERVER]
    assert all(asked.target.startswith(f"{BASE}/") for asked in fake.asked[2:])


def key_changes(fake: FakeClassLink, secrets: dict[str, str], **changes: str | None) -> None:
    """The server's secret is another just before the second page of users; ClassLink hands out the ``changes``."""
    pages = count(1)

    def on_page(asked: Asked) -> None:
        if "/users?" in asked.target and next(pages) == 2:
            secrets["abc123"] = "another"
            fake.servers[VERBATIM] |= changes

    fake.on_page = on_page


def test_a_new_key_is_fetched_once(tmp_path: Path) -> None:
    secrets = {"abc123": SECRET}
    fake = served(secrets)
    key_changes(fake, secrets, client_secret="another")
    events = list(source_of(client_of(fake), tmp_path, settings(mode="direct", page_size=2)).pull())
    assert len(records(events, "person")) == 6
    assert fake.pages_asked("users")[1].target == fake.pages_asked("users")[2].target
    assert len([target for target in fake.targets if target.endswith("/server")]) == 2


def test_the_same_key_is_not_tried_again(tmp_path: Path) -> None:
    secrets = {"abc123": SECRET}
    fake = served(secrets)
    key_changes(fake, secrets)
    with pytest.raises(CredentialsRefusedError, match="signature_method"):
        list(source_of(client_of(fake), tmp_path, settings(mode="direct", page_size=2)).pull())
    assert len(fake.pages_asked("users")) == 2
    assert len([target for target in fake.targets if target.endswith("/server")]) == 2


def test_a_server_that_is_not_handed_out_is_disconnected(tmp_path: Path) -> None:
    fake = served({"abc123": SECRET})
    fake.servers.clear()
    with pytest.raises(DisconnectedError, match="mode to proxy"):
        list(source_of(client_of(fake), tmp_path, settings(mode="direct")).pull())


def test_a_district_that_is_not_listed_has_no_server(tmp_path: Path) -> None:
    fake = served({"abc123": SECRET}, application(3333))
    with pytest.raises(DisconnectedError, match="2222"):
        list(source_of(client_of(fake), tmp_path, settings(mode="direct")).pull())
    assert len(fake.asked) == 1


@pytest.mark.parametrize(
    "server",
    [
        {"client_id": "", "client_secret": SECRET, "endpoint_url": SERVER},
        {"client_id": "abc123", "client_secret": None, "endpoint_url": SERVER},
        {"client_id": "abc123", "client_secret": SECRET},
        {"error": "?"},
    ],
    ids=lambda server: ",".join(server),
)
def test_a_server_without_all_it_needs_is_not_used(server: dict[str, object], tmp_path: Path) -> None:
    fake = served({"abc123": SECRET})
    fake.servers[VERBATIM] = server
    with pytest.raises(SourceProtocolError) as caught:
        list(source_of(client_of(fake), tmp_path, settings(mode="direct")).pull())
    assert SECRET not in caught.value.for_engineer + caught.value.for_admin


@pytest.mark.parametrize("body", [b'{"server": {"client_id": "\xff"}}', b'{"server":' + b"[" * 100_000])
def test_a_server_that_cannot_be_read_is_not_used(body: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = served({"abc123": SECRET})
    answer = fake.reply
    monkeypatch.setattr(fake, "reply", lambda asked: Reply(200, body) if "/server" in asked.target else answer(asked))
    with pytest.raises(SourceProtocolError):
        list(source_of(client_of(fake), tmp_path, settings(mode="direct")).pull())


@pytest.mark.parametrize(
    ("address", "error"),
    [
        ("http://springfield.example.org", SourceProtocolError),
        ("https://springfield.example.org:x", SourceProtocolError),
        ("https://me:secret@springfield.example.org", SourceProtocolError),
        ("https://10.0.0.1", SettingsError),
    ],
)
def test_an_unsafe_server_is_not_asked(address: str, error: type[RosterSyncError], tmp_path: Path) -> None:
    fake = served({"abc123": SECRET}, endpoint=address)
    with over_the_wire(fake) as (client, proxy), pytest.raises(error) as caught:
        list(source_of(client, tmp_path, settings(mode="direct", proxy_url=proxy)).pull())
    assert "secret" not in caught.value.for_engineer
    assert len(fake.asked) == 2


def test_a_refused_partner_key_is_named_in_direct_mode_too(tmp_path: Path) -> None:
    fake = served({"abc123": SECRET})
    wrong = ClassLinkCredentials(partner_key="another")
    with pytest.raises(CredentialsRefusedError, match="partner_key"):
        list(source_of(client_of(fake), tmp_path, settings(mode="direct"), wrong).pull())


def test_no_secret_is_shown() -> None:
    assert SECRET not in repr(Server("abc123", SECRET, SERVER))
    assert PARTNER_KEY not in repr(PARTNER)
