"""Keys from a command, and keys that are exchanged while a worker reads credentials all the time."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog

from models.connections import OneRosterCredentials
from models.errors import SettingsError
from sync import connections, contacts, master_keys, secrets
from sync.master_keys import KeyCommand
from sync.service import Service
from sync.settings import Settings
from tests.sync.fake_source import CREDENTIALS as CREDENTIALS_GIVEN
from tests.sync.fake_source import SECRET, Shared, add, prepared, use_keys

CREDENTIALS = OneRosterCredentials("the-id", SECRET)


def settings_of(folder: Path, **sources: str) -> Settings:
    """Settings of a database of one's own, to which nobody connects."""
    return Settings(data_dir=folder, database_url="postgresql://db.example.org/rostersync", **sources)  # type: ignore[arg-type]


def put(file: Path, *keys: str) -> Path:
    """Put keys into a file, in one step."""
    beside = file.with_suffix(".new")
    beside.write_text("\n".join(keys))
    return beside.replace(file)


# --- a command --------------------------------------------------------------------------------------------------------


def test_command_prints_the_keys(tmp_path: Path) -> None:
    old, new = secrets.new_key(), secrets.new_key()
    before = settings_of(tmp_path, secret_keys_command=f"echo {old}")
    sealed = secrets.seal(before, 1, 2, CREDENTIALS)
    after = settings_of(tmp_path, secret_keys_command=f'echo "{new},{old}"')
    assert secrets.unseal(after, 1, 2, sealed)["client_secret"] == SECRET
    renewed = secrets.renewing(after)(sealed)
    assert renewed
    alone = settings_of(tmp_path, secret_keys_command=f"echo {new}")
    assert secrets.unseal(alone, 1, 2, renewed)["client_id"] == "the-id"


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("no-such-program --keys", "cannot be started"),
        ("'unbalanced", "cannot be started"),
        (" ", "cannot be started"),
        ("sh -c 'echo hush-4711; echo hush-4711 >&2; exit 3'", r"failed \(exit code 3\)"),
        ("sleep 60", "did not end within 0.2 seconds"),
        ("true", "printed nothing"),
        ("echo hush-4711", "is not a key; make one with: rostersync keys new"),
        ("printf '\\303\\251'", "is not a key"),
        ("echo ,,", "There is no key in the answer of the command"),
    ],
)
def test_command_that_gives_no_key_is_one_plain_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, sentence: str
) -> None:
    monkeypatch.setattr(master_keys, "_PATIENCE", 0.2)
    settings = settings_of(tmp_path, secret_keys_command=command)
    with structlog.testing.capture_logs() as lines, pytest.raises(SettingsError, match=sentence) as caught:
        secrets.seal(settings, 1, 2, CREDENTIALS)
    assert "ROSTERSYNC_SECRET_KEYS_COMMAND" in caught.value.for_admin
    assert "hush" not in f"{caught.value.for_admin} {caught.value.for_engineer} {lines}"


def test_no_shell_reads_the_command(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, secret_keys_command=f"echo keys; touch {tmp_path}/made")
    with pytest.raises(SettingsError, match="is not a key"):
        secrets.seal(settings, 1, 2, CREDENTIALS)
    assert list(tmp_path.iterdir()) == []


def test_nothing_of_a_command_that_takes_too_long_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not what it started either, which still has its output open."""
    monkeypatch.setattr(master_keys, "_PATIENCE", 0.3)
    settings = settings_of(tmp_path, secret_keys_command=f"sh -c 'sleep 60 & echo $! > {tmp_path}/pid; wait'")
    with pytest.raises(SettingsError, match="did not end within"):
        secrets.seal(settings, 1, 2, CREDENTIALS)
    started = Path("/proc", (tmp_path / "pid").read_text().strip(), "stat")
    for _ in range(100):
        if not started.exists() or started.read_text().split()[2] == "Z":
            return
        time.sleep(0.02)
    raise AssertionError("it goes on")


def test_a_command_is_told_none_of_our_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROSTERSYNC_DATABASE_URL", "postgresql://rostersync:hush-4711@db.example.org/rostersync")
    monkeypatch.setenv("VAULT_TOKEN", secrets.new_key())
    settings = settings_of(tmp_path, secret_keys_command="sh -c 'echo ${ROSTERSYNC_DATABASE_URL-$VAULT_TOKEN}'")
    assert secrets.seal(settings, 1, 2, CREDENTIALS)


@pytest.mark.parametrize(
    "sources", [("keys", "file"), ("keys", "command"), ("file", "command"), ("keys", "file", "command")]
)
def test_keys_come_from_one_place_only(tmp_path: Path, sources: tuple[str, ...]) -> None:
    file = put(tmp_path / "keys", secrets.new_key())
    every = {
        "keys": {"secret_keys": "x"},
        "file": {"secret_keys_file": str(file)},
        "command": {"secret_keys_command": "true"},
    }
    settings = settings_of(tmp_path, **{key: text for source in sources for key, text in every[source].items()})
    with pytest.raises(SettingsError) as caught:
        secrets.seal(settings, 1, 2, CREDENTIALS)
    assert caught.value.for_admin == (
        "Set only one of ROSTERSYNC_SECRET_KEYS, ROSTERSYNC_SECRET_KEYS_FILE and ROSTERSYNC_SECRET_KEYS_COMMAND."
    )


@pytest.mark.parametrize("source", ["keys", "file", "command"])
def test_wrong_key_names_its_place_and_no_secret(tmp_path: Path, source: str) -> None:
    right, wrong = secrets.new_key(), secrets.new_key()
    sealed = secrets.seal(settings_of(tmp_path, secret_keys=right), 1, 2, CREDENTIALS)
    file = put(tmp_path / "keys", wrong)
    settings = {
        "keys": settings_of(tmp_path, secret_keys=wrong),
        "file": settings_of(tmp_path, secret_keys_file=str(file)),
        "command": settings_of(tmp_path, secret_keys_command=f"cat {file}"),
    }[source]
    assert secrets.renewing(settings)(sealed) is None
    with pytest.raises(SettingsError, match="were encrypted with another key than those in") as caught:
        secrets.unseal(settings, 1, 2, sealed)
    told = f"{caught.value.for_admin} {caught.value.for_engineer} {caught.value!r} {settings!r}"
    assert not [secret for secret in (right, wrong, SECRET, sealed) if secret in told]


class Asked:
    """A command that leaves a line for each time that it was run, with a clock that the test moves."""

    def __init__(self, folder: Path) -> None:
        self._runs = folder / "runs"
        self.keys = folder / "keys"
        self.now = 1_000.0
        self.command = KeyCommand(f"sh -c 'echo >> {self._runs}; cat {self.keys}'", lambda: self.now)

    @property
    def runs(self) -> int:
        return len(self._runs.read_text().splitlines())


def test_answer_is_kept_for_a_minute(tmp_path: Path) -> None:
    asked = Asked(tmp_path)
    put(asked.keys, "first")
    assert asked.command.answer() == "first"
    put(asked.keys, "second")
    asked.now += 59
    assert (asked.command.answer(), asked.runs) == ("first", 1)
    asked.now += 1
    assert (asked.command.answer(), asked.runs) == ("second", 2)
    put(asked.keys, "third")
    assert (asked.command.answer(anew=True), asked.runs) == ("third", 3)


def test_command_that_fails_later_changes_nothing_until_its_keys_do_not_fit(tmp_path: Path) -> None:
    asked = Asked(tmp_path)
    put(asked.keys, "first")
    asked.command.answer()
    asked.keys.unlink()
    asked.now += 61
    assert (asked.command.answer(), asked.runs) == ("first", 2)
    assert (asked.command.answer(), asked.runs) == ("first", 2)
    with pytest.raises(SettingsError, match="failed"):
        asked.command.answer(anew=True)
    put(asked.keys, "second")
    asked.now += 61
    assert asked.command.answer() == "second"


def test_threads_that_ask_at_once_ask_once(tmp_path: Path) -> None:
    file = put(tmp_path / "keys", "first")
    command = KeyCommand(f"sh -c 'echo >> {tmp_path}/runs; sleep 0.2; cat {file}'")
    threads = [threading.Thread(target=command.answer, kwargs={"anew": True}) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len((tmp_path / "runs").read_text().splitlines()) <= 2


# --- rotation ---------------------------------------------------------------------------------------------------------


@contextmanager
def worker(service: Service) -> Iterator[list[str]]:
    """A thread that opens a connection again and again; yields what it came to: "" where it went well."""
    ended, came_to = threading.Event(), [""]

    def work() -> None:
        while not ended.is_set():
            try:
                opened = connections.open_connection(service, "springfield", "sis")
                came_to.append("" if opened.credentials.client_secret == SECRET else "another secret")  # type: ignore[union-attr]
            except Exception as error:
                came_to.append(repr(error))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield came_to
    finally:
        ended.set()
        thread.join()


@pytest.mark.parametrize("source", ["file", "command"])
def test_keys_are_exchanged_while_a_worker_goes_on(
    service: Service, shared: Shared, tmp_path: Path, source: str
) -> None:
    old = secrets.new_key()
    file = put(tmp_path / "keys", old)
    name = {"file": {"secret_keys_file": str(file)}, "command": {"secret_keys_command": f"cat {file}"}}[source]
    service.settings = service.settings.model_copy(update=name)
    prepared(service)
    # Whoever rotates is another process, which asks for the keys itself.
    of_operator = service.settings.model_copy(update={"secret_keys_command": "", "secret_keys_file": str(file)})
    operator = Service(of_operator, service.engine)
    with worker(service) as came_to:
        for _ in range(3):
            new = secrets.new_key()
            put(file, new, old)
            assert connections.renew_all_secrets(operator) == 1
            put(file, new)
            seen, old = len(came_to), new
            while len(came_to) < seen + 3:
                time.sleep(0.005)
    assert set(came_to) == {""}


def test_what_no_key_opens_is_named_and_nothing_is_changed(place: Service, shared: Shared) -> None:
    lost, old, new = (secrets.new_key() for _ in range(3))
    use_keys(place, lost)
    add(place, "second")
    contacts.add_contact(place, None, "ops", "json://127.0.0.1/hush-4711")
    use_keys(place, old)
    connections.set_credentials(place, "springfield", "sis", CREDENTIALS_GIVEN)
    use_keys(place, f"{new},{old}")
    with pytest.raises(
        SettingsError, match=r"encrypted springfield/second, contact ops\. Put their key back"
    ) as caught:
        connections.renew_all_secrets(place)
    assert "hush" not in caught.value.for_admin
    use_keys(place, old)
    assert connections.open_connection(place, "springfield", "sis").credentials == CREDENTIALS
    use_keys(place, f"{new},{old},{lost}")
    assert connections.renew_all_secrets(place) == 3
    use_keys(place, new)
    assert connections.open_connection(place, "springfield", "second").credentials == CREDENTIALS
