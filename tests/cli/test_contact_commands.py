"""The commands about contacts: addresses come in by ways that nobody sees, and are never shown again."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import cli.commands.contact
import cli.credentials
from cli.show.contact import show_contacts, show_notices
from models.notices import ContactView, DeliveryView, NoticeView
from store import notices as store
from store.database import writing
from sync.clock import now
from sync.notices import deliver
from sync.service import open_service
from tests.servers.mail import Webhook

Command = Callable[..., tuple[int, str, str]]
Answers = Callable[..., Any]
SECRET = "very-secret-4711"
VARIABLE = "ROSTERSYNC_CONTACT_ADDRESS"


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with Webhook() as server:
        yield server


@pytest.fixture
def address(hook: Webhook, answers: Answers, monkeypatch: pytest.MonkeyPatch) -> str:
    """A webhook's address; there is a tenant springfield, and nothing in the environment."""
    for name in (VARIABLE, "ROSTERSYNC_MAIL_URL", "ROSTERSYNC_SECRET_KEYS", "ROSTERSYNC_SECRET_KEYS_FILE"):
        monkeypatch.delenv(name, raising=False)
    answers("tenant", "add", "springfield")
    return f"json://robot:{SECRET}@{hook.host}/{SECRET}"


@pytest.fixture
def ops(address: str, answers: Answers, monkeypatch: pytest.MonkeyPatch) -> str:
    """A contact of the operator's."""
    monkeypatch.setenv(VARIABLE, address)
    answers("contact", "add", "ops", "--operator")
    monkeypatch.delenv(VARIABLE)
    return "ops"


def person(monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    """Put a person at the terminal, who types this where it is hidden and where it is not."""
    for module in (cli.credentials, cli.commands.contact):
        monkeypatch.setattr(module, "person_is_present", lambda: True)
    monkeypatch.setattr("getpass.getpass", lambda _prompt: typed)
    monkeypatch.setattr("sys.stdin", io.StringIO(typed + "\n"))


# --- adding -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["file", "standard input", "environment", "prompt"])
def test_addresses_come_in_by_ways_that_nobody_sees(
    way: str, address: str, hook: Webhook, command: Command, answers: Answers, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    options: list[object] = []
    if way == "file":
        (tmp_path / "address").write_text(address + "\n")
        options = ["--address-file", tmp_path / "address"]
    elif way == "standard input":
        monkeypatch.setattr("sys.stdin", io.StringIO(address + "\n"))
        options = ["--address-file", "-"]
    elif way == "environment":
        monkeypatch.setenv(VARIABLE, address)
    else:
        person(monkeypatch, address)
    code, out, err = command(
        "contact", "add", "registrar", "--tenant", "springfield", "--events", "held, stale", *options
    )
    assert code == 0
    assert SECRET not in out + err
    assert "json://127.0.0.1 (stored encrypted)" in out
    assert "rostersync contact test registrar --tenant springfield" in out
    answers("contact", "test", "registrar", "--tenant", "springfield")
    assert [post.path for post in hook.posts] == [f"/{SECRET}"]
    (listed,) = answers("contact", "list")
    del listed["created_at"]
    assert listed == {
        "name": "registrar", "tenant": "springfield", "shown": "json://127.0.0.1", "events": ["held", "stale"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add", "ops"), "--tenant TENANT, or --operator"),
        (("add", "ops", "--operator", "--tenant", "springfield"), "--tenant TENANT, or --operator"),
        (("add", "ops", "--operator"), "ROSTERSYNC_CONTACT_ADDRESS"),
        (("add", "ops", "--operator", "--events", "held,boom"), "no event 'boom'"),
        (("add", "ops", "--operator", "--address-file", "not-there"), "The file with the address cannot be read"),
        (("add", "ops", "--tenant", "shelby"), "no tenant 'shelby'"),
        (("remove", "nobody", "--operator"), "The operator has no contact 'nobody'"),
        (("test", "nobody", "--tenant", "springfield"), "springfield has no contact 'nobody'"),
        (("list", "--tenant", "shelby"), "no tenant 'shelby'"),
    ],
)
def test_what_is_wrong_is_said(address: str, answers: Answers, arguments: tuple[str, ...], said: str) -> None:
    assert said in answers("contact", *arguments, exit_code=2)["error"]["message"]


def test_an_address_that_is_none_is_not_quoted(address: str, answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, f"nonsense://{SECRET}")
    error = answers("contact", "add", "ops", "--operator", exit_code=2)["error"]
    assert "This is no address" in error["message"]
    assert SECRET not in repr(error)
    assert answers("contact", "list") == []


def test_an_answer_that_does_not_come_changes_nothing(
    address: str, command: Command, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    person(monkeypatch, "")

    def ends(_prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr("getpass.getpass", ends)
    code, _, err = command("contact", "add", "ops", "--operator")
    assert (code, "No address was given; nothing was changed." in err) == (2, True)
    assert answers("contact", "list") == []


# --- removing, testing ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("typed", "left"), [("n", 1), ("y", 0)])
def test_a_person_is_asked_before_a_contact_is_forgotten(
    ops: str, command: Command, answers: Answers, monkeypatch: pytest.MonkeyPatch, typed: str, left: int
) -> None:
    person(monkeypatch, typed)
    code, _, err = command("contact", "remove", ops, "--operator")
    assert (code, "Forget the contact ops at json://127.0.0.1?" in err) == (0, True)
    assert len(answers("contact", "list")) == left


def test_a_machine_is_not_asked(ops: str, answers: Answers) -> None:
    assert answers("contact", "remove", ops, "--operator")["name"] == "ops"
    assert answers("contact", "list") == []


def test_a_message_that_is_not_taken_is_said_so(ops: str, hook: Webhook, command: Command) -> None:
    hook.refuses = {f"/{SECRET}"}
    code, out, err = command("contact", "test", ops, "--operator")
    assert code == 2
    assert "was not taken at json://127.0.0.1" in err
    assert SECRET not in out + err


# --- what was told ----------------------------------------------------------------------------------------------------


def test_notices_say_what_was_told_to_whom(ops: str, hook: Webhook, answers: Answers, command: Command) -> None:
    with open_service() as service:
        with writing(service.engine) as connection:
            store.add(connection, 1, None, 12, "held", "a", "310 of 400 enrollments would go; held.", now())
        deliver(service)
    (notice,) = answers("notices", "--tenant", "springfield")
    assert (notice["event"], notice["tenant"], notice["run_id"]) == ("held", "springfield", 12)
    (told,) = notice["deliveries"]
    assert (told["contact"], told["state"], told["shown"]) == ("ops", "sent", "json://127.0.0.1")
    _, out, _ = command("notices")
    assert "310 of 400 enrollments would go; held." in out
    assert "ops (sent " in out
    assert [post.title for post in hook.posts] == ["[rostersync] springfield: held"]


def test_pictures(rendered: Callable[..., str]) -> None:
    assert "Nobody is told" in rendered(show_contacts([]))
    assert "Nothing was told" in rendered(show_notices([]))
    contacts = [
        ContactView("ops", None, "slack://…", [], "2026-11-01T00:00:00+00:00"),
        ContactView("registrar", "springfield", "mailto://springfield.example", ["held"], "2026-11-01T00:00:00+00:00"),
    ]
    lines = [line.split() for line in rendered(show_contacts(contacts)).splitlines()[2:]]
    assert lines == [
        ["ops", "the", "operator", "slack://…", "everything"],
        ["registrar", "springfield", "mailto://springfield.example", "held"],
    ]


@pytest.mark.parametrize(
    ("state", "attempts", "sentence"),
    [
        ("waiting", 0, "ops (on its way)"),
        ("waiting", 1, "ops (did not arrive yet, 1 try)"),
        ("sent", 3, "ops (sent 2026-11-03 05:41)"),
        ("given_up", 16, "ops (did not arrive, given up after 16 tries)"),
    ],
)
def test_what_became_of_a_delivery(rendered: Callable[..., str], state: Any, attempts: int, sentence: str) -> None:
    sent_at = "2026-11-03T05:41:00+00:00" if state == "sent" else None
    delivery = DeliveryView("ops", None, "slack://…", state, attempts, None, sent_at)
    notice = NoticeView(3, "2026-11-03T05:40:00+00:00", "pine", "clever", "stale", "stale", "Why.", None, [delivery])
    shown = rendered(show_notices([notice, notice]))
    assert shown.count(sentence) == 2
    assert "2026-11-03 05:40  stale  pine / clever" in shown
