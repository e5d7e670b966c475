"""What only a server can do: prove who it is, let us in or not, break off, take its time."""

import asyncio
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from connectors.drops.listing import Entry
from connectors.drops.sftp import Sftp, Timeouts
from models.connections import SftpCredentials
from models.errors import (
    CredentialsRefusedError,
    DistrictActionError,
    DropNotReadyError,
    RosterSyncError,
    SettingsError,
    SourceProtocolError,
    SourceUnavailableError,
)
from tests.connectors.drops.ways import FILES, SftpWay, way_of
from tests.servers.sftp import PASSWORD, USER, SftpServer

OTHER = asyncssh.generate_private_key("ssh-ed25519")
ENOUGH = Timeouts(connect=10, answer=10)


@pytest.fixture
def drops(tmp_path: Path) -> Path:
    """A folder with a whole drop."""
    (folder := tmp_path / "drops").mkdir()
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def server(drops: Path) -> Iterator[SftpServer]:
    with SftpServer(drops) as started:
        yield started


@pytest.fixture
def way(tmp_path: Path) -> Iterator[SftpWay]:
    """The whole way, with an empty folder."""
    with way_of("sftp", tmp_path) as found:
        assert isinstance(found, SftpWay)
        yield found


def place(
    server: SftpServer, credentials: SftpCredentials | None = None, timeouts: Timeouts = ENOUGH, **settings: Any
) -> Sftp:
    return Sftp(server.settings(**settings), credentials or server.credentials(), server.allowed, timeouts)


def names(place: Sftp) -> list[str]:
    with place.visit() as visit:
        return sorted(entry.name for entry in visit.entries())


def refused(place: Sftp) -> RosterSyncError:
    with pytest.raises(RosterSyncError) as caught:
        names(place)
    return caught.value


# --- the server's key -----------------------------------------------------------------------------------------------


def test_unknown_key_is_shown_with_the_command_that_pins_it_and_nothing_is_sent(server: SftpServer) -> None:
    error = refused(place(server, host_key=None))
    assert type(error) is SettingsError
    assert f"shows the key {server.fingerprint} (ssh-ed25519)" in error.for_admin
    assert error.for_admin.endswith(f"rostersync connection set TENANT NAME host_key {server.fingerprint}")
    assert server.logins == []


def test_changed_key_is_refused_with_both_and_nothing_is_sent(server: SftpServer) -> None:
    pinned = OTHER.get_fingerprint("sha256")
    error = refused(place(server, host_key=pinned))
    assert type(error) is DistrictActionError
    assert f"Pinned is {pinned}, and it shows {server.fingerprint}" in error.for_admin
    assert "Ask the district whether it changed its server's key" in error.for_admin
    assert server.logins == []


def test_key_that_changes_between_two_visits_is_noticed(server: SftpServer) -> None:
    known = place(server)
    assert names(known) == sorted(FILES)
    server.stop()
    server.host_keys = [OTHER]
    server.start()
    assert isinstance(refused(known), DistrictActionError)
    assert server.logins == ["password"]


@pytest.mark.parametrize("sort", ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"])
@pytest.mark.parametrize("written", ["fingerprint", "public key", "known_hosts"])
def test_any_of_the_servers_keys_may_be_pinned_in_any_way_of_writing(drops: Path, sort: str, written: str) -> None:
    keys = {name: asyncssh.generate_private_key(name) for name in ("ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa")}
    public = keys[sort].export_public_key().decode()
    pins = {
        "fingerprint": keys[sort].get_fingerprint("sha256"),
        "public key": public,
        "known_hosts": f"[sftp.example.org]:2222 {public}",
    }
    with SftpServer(drops, host_keys=list(keys.values())) as server:
        assert names(place(server, host_key=pins[written])) == sorted(FILES)
        assert server.logins == ["password"]
        error = refused(place(server, SftpCredentials(password="wrong"), host_key=pins[written]))
        assert isinstance(error, CredentialsRefusedError)


def test_nothing_of_the_accounts_own_set_up_counts(
    server: SftpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "home" / ".ssh"
    own.mkdir(parents=True)
    public = server.host_keys[0].export_public_key().decode()
    (own / "known_hosts").write_text(f"[127.0.0.1]:{server.port} {public}")
    (own / "config").write_text("Host *\n  StrictHostKeyChecking no\n  ProxyCommand false\n")
    (own / "id_ed25519").write_bytes(OTHER.export_private_key())
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
    server.authorized = OTHER
    assert "shows the key" in refused(place(server, host_key=None)).for_admin
    assert isinstance(refused(place(server, SftpCredentials(password="wrong"))), CredentialsRefusedError)
    assert "key" not in server.logins
    assert names(place(server)) == sorted(FILES)


# --- who we are -----------------------------------------------------------------------------------------------------


def test_password_that_is_asked_for_as_a_question(server: SftpServer) -> None:
    server.password_by_question = True
    assert names(place(server)) == sorted(FILES)
    assert server.logins == ["question"]
    error = refused(place(server, SftpCredentials(password="wrong")))
    assert isinstance(error, CredentialsRefusedError)


@pytest.mark.parametrize("sort", ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"])
@pytest.mark.parametrize(
    ("form", "passphrase"), [("openssh", ""), ("openssh", "open sesame"), ("pkcs8-pem", "open sesame")]
)
def test_private_key(drops: Path, sort: str, form: str, passphrase: str) -> None:
    key = asyncssh.generate_private_key(sort)
    exported = key.export_private_key(form, passphrase or None)
    credentials = SftpCredentials(private_key=exported.decode().strip(), passphrase=passphrase)
    with SftpServer(drops, authorized=key) as server:
        assert names(place(server, credentials)) == sorted(FILES)
        assert set(server.logins) == {"key"}


def test_key_and_password_together(drops: Path) -> None:
    credentials = SftpCredentials(password=PASSWORD, private_key=OTHER.export_private_key().decode())
    with SftpServer(drops, authorized=asyncssh.generate_private_key("ssh-ed25519")) as server:
        assert names(place(server, credentials)) == sorted(FILES)


@pytest.mark.parametrize(
    ("credentials", "changes"),
    [
        (SftpCredentials(password="wrong"), {}),
        (SftpCredentials(private_key=OTHER.export_private_key().decode()), {}),
        (SftpCredentials(password=PASSWORD), {"user": "somebody"}),
    ],
    ids=["password", "key", "user"],
)
def test_wrong_credentials(server: SftpServer, credentials: SftpCredentials, changes: dict[str, str]) -> None:
    error = refused(place(server, credentials, **changes))
    assert type(error) is CredentialsRefusedError
    assert changes.get("user", USER) in error.for_admin
    for text in (error.for_admin, error.for_engineer):
        assert "wrong" not in text
        assert PASSWORD not in text


def test_account_without_a_name(server: SftpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr("getpass.getuser", nobody)
    error = refused(place(server))
    assert type(error) is SettingsError
    assert "LOGNAME" in error.for_admin


def test_no_secret_is_in_a_text_of_the_credentials() -> None:
    assert PASSWORD not in repr(SftpCredentials(password=PASSWORD))


# --- where it is ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1"])
def test_address_inside_is_not_knocked_at_unless_the_operator_names_it(server: SftpServer, host: str) -> None:
    for allowed in (frozenset[str](), frozenset({"sftp.example.org", f"{host}:1"})):
        inside = Sftp(server.settings(host=host), server.credentials(), allowed)
        error = refused(inside)
        assert type(error) is SettingsError
        assert f"name {host} in ROSTERSYNC_ALLOW_HOSTS" in error.for_admin
    assert server.connections == set()
    named = Sftp(server.settings(host=host), server.credentials(), frozenset({f"{host}:{server.port}"}))
    assert names(named) == sorted(FILES)


def test_name_that_leads_nowhere(server: SftpServer) -> None:
    error = refused(place(server, host="sftp.invalid"))
    assert type(error) is SourceUnavailableError
    assert "no host of that name was found" in error.for_admin


def test_nothing_listens(server: SftpServer) -> None:
    server.stop()
    error = refused(place(server))
    server.start()
    assert type(error) is SourceUnavailableError
    assert "nothing answers at its port" in error.for_admin


def test_something_else_listens(server: SftpServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as web:
        web.listen()
        port = web.getsockname()[1]
        error = refused(place(server, port=port, timeouts=Timeouts(connect=0.3)))
    assert type(error) is SourceUnavailableError
    assert "it did not answer in time" in error.for_admin


def test_folder_that_may_not_be_read(server: SftpServer) -> None:
    def refuse(_count: int) -> None:
        raise asyncssh.SFTPPermissionDenied("/home/secret")

    server.before_list = refuse
    error = refused(place(server))
    assert type(error) is DistrictActionError
    assert "may not be read by us" in error.for_admin
    assert "secret" not in error.for_admin + error.for_engineer


def test_server_without_sftp(drops: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise asyncssh.ChannelOpenError(1, "administratively prohibited")

    with SftpServer(drops) as server:
        monkeypatch.setattr(asyncssh.SSHClientConnection, "start_sftp_client", refuse)
        error = refused(place(server))
    assert type(error) is SourceProtocolError
    assert "offers no SFTP" in error.for_admin


# --- while it is read -----------------------------------------------------------------------------------------------


def test_connection_that_breaks_in_the_middle_of_a_file(way: SftpWay) -> None:
    way.drop({"users.csv": FILES["users.csv"] * 40_000})
    source = way.source()

    def break_off(_name: str, offset: int) -> None:
        if offset > 1_000_000:
            way.server.break_off()

    way.server.before_read = break_off
    with pytest.raises(SourceUnavailableError, match="the connection broke off"):
        source.arrive()
    way.server.before_read = lambda *_: None
    again = way.source()
    again.arrive()
    assert again.upload().look()[0].name == "users.csv"


def test_server_that_does_not_answer_while_a_file_is_read(server: SftpServer) -> None:
    async def hang(_name: str, _offset: int) -> None:
        await asyncio.sleep(30)

    server.before_read = hang
    with place(server, timeouts=Timeouts(answer=1.0)).visit() as visit:
        entry = next(entry for entry in visit.entries() if entry.name == "users.csv")
        with pytest.raises(SourceUnavailableError, match="it did not answer in time"):
            list(visit.pieces(entry))


def test_slow_server_is_waited_for(server: SftpServer) -> None:
    async def think(*_: object) -> None:
        await asyncio.sleep(0.1)

    server.before_read = server.before_list = think
    with place(server).visit() as visit:
        entry = next(entry for entry in visit.entries() if entry.name == "users.csv")
        assert b"".join(visit.pieces(entry)) == FILES["users.csv"]


def test_large_file_comes_whole(way: SftpWay) -> None:
    content = FILES["users.csv"] * 60_000
    way.drop({"users.csv": content})
    source = way.source()
    source.arrive()
    assert (source._access.scratch / "drop" / "users.csv").read_bytes() == content


def test_file_that_may_not_be_read_is_named(way: SftpWay) -> None:
    way.drop()

    def refuse(name: str) -> None:
        if name == "classes.csv":
            raise asyncssh.SFTPPermissionDenied("no")

    way.before_read = refuse
    with pytest.raises(DistrictActionError, match=r"classes\.csv in the folder \. at 127\.0\.0\.1 may not be read"):
        way.source().arrive()


def test_server_that_fails_at_a_file(way: SftpWay) -> None:
    way.drop()

    def fail(_name: str) -> None:
        raise asyncssh.SFTPFailure("/disk/7 is broken")

    way.before_read = fail
    with pytest.raises(SourceUnavailableError) as caught:
        way.source().arrive()
    assert "/disk" not in caught.value.for_admin + caught.value.for_engineer


def test_read_only_server_is_enough_and_nothing_is_written(way: SftpWay) -> None:
    way.server.writable = False
    way.drop()
    before = way.state()
    source = way.source(done_folder="done")
    list(source.pull())
    assert {operation for operation, _ in way.server.requests} == {"list", "open"}
    assert len(source.put_away()) == 3
    assert way.state() == before


def test_done_folder_of_a_server_that_is_gone(way: SftpWay) -> None:
    way.drop()
    source = way.source(done_folder="done")
    list(source.pull())
    way.server.stop()
    [sentence] = source.put_away()
    way.server.start()
    assert sentence.startswith("The files could not be moved to done: The files at 127.0.0.1 could not be fetched")


def test_only_reading_and_moving_is_ever_asked_for(way: SftpWay) -> None:
    way.drop()
    source = way.source(done_folder="done")
    list(source.pull())
    assert source.put_away() == []
    assert {operation for operation, _ in way.server.requests} == {"list", "open", "mkdir", "rename"}


def test_names_that_are_no_text_go_back_as_they_came(way: SftpWay) -> None:
    (way.folder / "klassen-\udce9.csv").write_bytes(FILES["classes.csv"])
    way.drop({"users.csv": FILES["users.csv"]})
    source = way.source(done_folder="done")
    list(source.pull())
    assert source.put_away() == []
    assert source.memory.files == ("classes", "users")
    assert source.facts.notes[0].endswith("klassen-?.csv, users.csv.")


@pytest.mark.parametrize("name", ["..", "../users.csv", "a/users.csv", "a\\users.csv", "users.csv\0"])
def test_names_that_are_paths_are_no_files(name: str) -> None:
    from connectors.drops.sftp import _entry

    attrs = asyncssh.SFTPAttrs(type=1, size=1, mtime=1)
    assert _entry(asyncssh.SFTPName(name, attrs=attrs)) is None
    assert _entry(asyncssh.SFTPName("users.csv", attrs=attrs)) == Entry("users.csv", 1, 1.0)
    assert _entry(asyncssh.SFTPName("users.csv", attrs=asyncssh.SFTPAttrs(type=3, size=1))) is None


def test_no_connection_is_held_while_files_are_watched(way: SftpWay) -> None:
    way.drop()
    ended: list[bool] = []

    def wait_for_the_end() -> None:
        for _ in range(500):  # the server learns of it a moment later than we
            if not way.server.connections:
                break
            time.sleep(0.01)
        ended.append(not way.server.connections)

    way.while_waiting = wait_for_the_end
    way.source().arrive()
    assert ended == [True]


def test_file_growing_on_the_server_while_it_is_read(way: SftpWay) -> None:
    way.drop()

    def grow(name: str) -> None:
        with (way.folder / name).open("ab") as file:
            file.write(b"s9,pine,student,Half,A R")

    way.before_read = grow
    with pytest.raises(DropNotReadyError, match="still changing"):
        way.source().arrive()
