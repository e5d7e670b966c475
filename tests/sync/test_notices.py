"""People are told once for each change, each once however many workers there are, and as often as it takes to arrive."""

import logging
import re
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
import typer.main
from pydantic import SecretStr
from sqlalchemy import text
from structlog.testing import capture_logs

import sync.notices
from cli.main import app
from models.errors import NotFoundError, SettingsError
from models.health import EVENTS, Event, Outcome, OutcomeKind
from models.notices import Told
from store import notices as store
from store import schedules
from store.database import reading, writing
from sync import connections, contacts, notices, secrets
from sync.attempt import settle_job
from sync.clock import now
from sync.notice_words import messages
from sync.schedule import text_of
from sync.service import Service
from sync.tenants import add_tenant, tenant_and_settings
from tests.servers.mail import MailServer, Webhook
from tests.sync.fake_source import use_keys

SECRET = "very-secret-4711"


class Clock:
    """A clock that stands still until it is set on, from when it was made."""

    def __init__(self) -> None:
        self.at = datetime.fromisoformat(now())

    def __call__(self) -> str:
        return text_of(self.at)

    def pass_by(self, **time: float) -> None:
        self.at += timedelta(**time)


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with Webhook() as server:
        yield server


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


def webhook(hook: Webhook, path: str = "ops") -> str:
    return f"json://robot:{SECRET}@{hook.host}/{path}"


def tell(
    service: Service, event: Event = "held", *, tenant: str = "springfield", run: int | None = 12, reason: str = "Why."
) -> None:
    tenant_id, _ = tenant_and_settings(service, tenant)
    with writing(service.engine) as connection:
        query = text("SELECT min(id) FROM connection WHERE tenant_id = :t AND connector <> 'manual'")
        connection_id = connection.execute(query, {"t": tenant_id}).scalar()
        store.add(connection, tenant_id, connection_id, run, event, "a_code", reason, now())


def states(service: Service) -> Counter[str]:
    return Counter(delivery.state for notice in notices.recent(service, limit=100) for delivery in notice.deliveries)


# --- one message for each change --------------------------------------------------------------------------------------


def test_people_are_told_of_changes_and_not_of_retries(place: Service, hook: Webhook) -> None:
    contacts.add_contact(place, None, "ops", webhook(hook))
    tenant_id, _ = tenant_and_settings(place, "springfield")
    with reading(place.engine) as connection:
        connection_id = connection.execute(text("SELECT id FROM connection WHERE name = 'sis'")).scalar_one()
    schedules.save(place.engine, connection_id, tenant_id, {"timetable": '{"cron": "0 * * * *"}', "health": "ok"})
    night: list[OutcomeKind] = ["unavailable"] * 3 + [
        "parked",
        "busy",
        "held",
        "held",
        "unavailable",
        "refused",
        "refused",
    ]
    for number, kind in enumerate([*night, "applied", "applied"]):
        window = {"job": f"j{number}", "slot": f"s{number}", "window_ends_at": "2099-01-01T00:00:00+00:00"}
        schedules.save(place.engine, connection_id, tenant_id, window)
        assert settle_job(
            place, connection_id, f"j{number}", f"s{number}", Outcome(kind, kind, f"Said {kind}.", 7), None
        )
        notices.deliver(place)
    assert [post.title.rpartition(": ")[2] for post in hook.posts] == ["held", "refused", "recovered"]
    assert hook.posts[1].title.startswith("[rostersync] springfield / sis: ")
    assert hook.posts[1].text.startswith("Said refused.\n\nWhen: ")


# --- who is told ------------------------------------------------------------------------------------------------------


def test_contacts_are_told_of_their_own_tenant_and_of_what_they_want(here: Service, hook: Webhook) -> None:
    add_tenant(here, "shelby")
    contacts.add_contact(here, None, "ops", webhook(hook, "ops"))
    contacts.add_contact(here, None, "night", webhook(hook, "night"), ["stale", "failed"])
    contacts.add_contact(here, "springfield", "registrar", webhook(hook, "registrar"), ["held"])
    contacts.add_contact(here, "shelby", "registrar", webhook(hook, "shelby"))
    tell(here, "held")
    tell(here, "stale")
    assert notices.deliver(here) == 4
    told = sorted((post.path, post.title.rpartition(" ")[2]) for post in hook.posts)
    assert told == [("/night", "stale"), ("/ops", "held"), ("/ops", "stale"), ("/registrar", "held")]
    assert [contact.name for contact in contacts.list_contacts(here, "shelby")] == ["night", "ops", "registrar"]


def test_what_nobody_wants_is_kept_to_be_looked_up(here: Service) -> None:
    tell(here, reason="310 of 400 enrollments would go; held.")
    assert notices.deliver(here) == 0
    (notice,) = notices.recent(here, "springfield")
    assert (notice.event, notice.tenant, notice.connection, notice.run_id) == ("held", "springfield", "sis", 12)
    assert (notice.reason, notice.deliveries) == ("310 of 400 enrollments would go; held.", [])


def test_a_transaction_that_fails_tells_nobody(here: Service, hook: Webhook) -> None:
    contacts.add_contact(here, None, "ops", webhook(hook))

    def fails() -> None:
        with writing(here.engine) as connection:
            store.add(connection, 1, None, None, "held", "", "", now())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert (notices.deliver(here), notices.recent(here)) == (0, [])


# --- once, however many workers ---------------------------------------------------------------------------------------


def test_workers_that_send_at_the_same_time_send_each_notice_once(place: Service, hook: Webhook) -> None:
    for number in range(4):
        contacts.add_contact(place, None, f"ops{number}", webhook(hook, f"ops{number}"))
    for event in ("held", "failed"):
        tell(place, event)  # type: ignore[arg-type]
    with ThreadPoolExecutor(4) as workers:
        arrived = sum(workers.map(lambda _number: notices.deliver(place), range(4)))
    assert arrived == 8
    assert Counter((post.path, post.title[-4:]) for post in hook.posts) == Counter(
        {(f"/ops{number}", event): 1 for number in range(4) for event in ("held", "iled")}
    )
    assert states(place) == {"sent": 8}


def test_what_a_worker_took_and_did_not_send_is_sent_when_its_lease_is_over(place: Service, hook: Webhook) -> None:
    contacts.add_contact(place, None, "ops", webhook(hook))
    tell(place)
    clock = Clock()
    assert store.take_due(place.engine, clock(), text_of(clock.at + timedelta(minutes=5)))  # and then it dies
    assert notices.deliver(place, clock) == 0
    clock.pass_by(minutes=6)
    assert notices.deliver(place, clock) == 1
    assert len(hook.posts) == 1


# --- what does not arrive ---------------------------------------------------------------------------------------------


def test_an_address_that_does_not_answer_is_tried_for_a_day_and_given_up(
    here: Service, hook: Webhook, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3").setLevel(logging.WARNING)  # as a worker has it
    hook.refuses = {"/dead-" + SECRET}
    contacts.add_contact(here, None, "dead", webhook(hook, "dead-" + SECRET))
    contacts.add_contact(here, None, "ops", webhook(hook))
    tell(here)
    clock = Clock()
    with capture_logs() as logged:
        assert notices.deliver(here, clock) == 1
        for _ in range(24 * 4):
            clock.pass_by(minutes=15)
            notices.deliver(here, clock)
    assert [post.path for post in hook.posts] == ["/ops"]
    tries = hook.tried.count("/dead-" + SECRET)
    assert 10 < tries < 24
    (dead, _) = notices.recent(here)[0].deliveries
    assert (dead.state, dead.attempts, dead.next_at) == ("given_up", tries, None)
    assert len([line for line in logged if line["event"] == "message was not taken"]) == tries
    out = capfd.readouterr()
    for said in (repr(logged), caplog.text, out.out, out.err):
        assert SECRET not in said
        assert hook.host not in said


def test_what_did_not_arrive_at_first_arrives_later(here: Service, hook: Webhook) -> None:
    hook.refuses = {"/ops"}
    contacts.add_contact(here, None, "ops", webhook(hook))
    tell(here)
    clock = Clock()
    assert notices.deliver(here, clock) == 0
    assert notices.recent(here)[0].deliveries[0].attempts == 1
    clock.pass_by(seconds=59)
    assert notices.deliver(here, clock) == 0
    assert hook.tried == ["/ops"]
    hook.refuses = set()
    clock.pass_by(seconds=1)
    assert notices.deliver(here, clock) == 1
    assert states(here) == {"sent": 1}


def test_nobody_waits_behind_a_server_that_does_not_answer(
    here: Service, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync.notices, "_SLOW", -1.0)
    hook.refuses = {"/one", "/two"}
    contacts.add_contact(here, None, "one", webhook(hook, "one"))
    contacts.add_contact(here, None, "two", webhook(hook, "two"))
    tell(here)
    clock = Clock()
    notices.deliver(here, clock)
    assert hook.tried == ["/one"]
    assert sorted(each.attempts for each in notices.recent(here)[0].deliveries) == [0, 1]
    hook.refuses = set()
    clock.pass_by(minutes=5)
    assert notices.deliver(here, clock) == 2


def test_whatever_one_service_comes_to_the_others_are_told(
    here: Service, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = sync.notices.send

    def torn(settings: Any, address: str, title: str, body: str) -> bool:
        if "torn" in address:
            raise ValueError(address)
        return send(settings, address, title, body)

    monkeypatch.setattr(sync.notices, "send", torn)
    contacts.add_contact(here, None, "a", webhook(hook, "torn"))
    contacts.add_contact(here, None, "b", webhook(hook))
    tell(here)
    with capture_logs() as logged:
        assert notices.deliver(here) == 1
    assert [(line["event"], line["why"]) for line in logged] == [("message cannot be sent", "ValueError")]
    assert SECRET not in repr(logged)


def test_a_key_that_is_gone_does_not_stop_others(here: Service, hook: Webhook) -> None:
    use_keys(here, secrets.new_key())
    contacts.add_contact(here, None, "old", webhook(hook, "old"))
    use_keys(here, secrets.new_key())
    contacts.add_contact(here, None, "ops", webhook(hook))
    tell(here)
    with capture_logs() as logged:
        assert notices.deliver(here) == 1
    assert [post.path for post in hook.posts] == ["/ops"]
    assert [line["event"] for line in logged] == ["message cannot be sent"]


def test_many_notices_at_once_are_one_message(here: Service, hook: Webhook) -> None:
    contacts.add_contact(here, None, "ops", webhook(hook))
    for number in range(60):
        tell(here, "failed", reason=f"Reason {number}.")
    assert notices.deliver(here) == 60
    (post,) = hook.posts
    assert post.title == "[rostersync] 60 notices"
    lines = post.text.splitlines()
    assert lines[0] == "springfield / sis: failed. Reason 0."
    assert lines[49:51] == ["springfield / sis: failed. Reason 49.", "… and 10 more."]
    assert states(here) == {"sent": 60}
    assert notices.deliver(here) == 0


# --- e-mail -----------------------------------------------------------------------------------------------------------


def test_e_mail_comes_with_what_to_do(here: Service, mail: MailServer) -> None:
    address = f"mailto://sync:{SECRET}@{mail.host}?from=sync@example.org&to=ann@springfield.example&mode=insecure"
    contacts.add_contact(here, "springfield", "registrar", address)
    tell(here, "held", reason="310 of 400 enrollments would go; held.")
    assert notices.deliver(here) == 1
    (found,) = mail.mails
    assert (found.to, found.login) == (["ann@springfield.example"], "sync")
    assert found.subject == "[rostersync] springfield / sis: held"
    assert found.text.startswith("310 of 400 enrollments would go; held.")
    assert "\n    rostersync plan show 12\n    rostersync plan approve 12\n" in found.text.replace("\r", "")
    assert "Whose turn it is: the district's" in found.text


def test_plain_e_mail_addresses_go_through_the_operators_server(here: Service, mail: MailServer) -> None:
    with pytest.raises(SettingsError, match="ROSTERSYNC_MAIL_URL"):
        contacts.add_contact(here, "springfield", "registrar", "ann@springfield.example")
    here.settings.mail_url = SecretStr(f"mailto://sync:{SECRET}@{mail.host}?from=sync@example.org&mode=insecure")
    contacts.add_contact(here, "springfield", "registrar", "ann@springfield.example")
    tell(here)
    assert notices.deliver(here) == 1
    assert [found.to for found in mail.mails] == [["ann@springfield.example"]]


def test_a_mail_server_that_refuses_the_recipient_is_told_again(here: Service, mail: MailServer) -> None:
    contacts.add_contact(here, None, "ops", f"mailto://{mail.host}?from=sync@example.org&to=ann@example.org")
    tell(here)
    clock = Clock()
    mail.refuses = True
    assert notices.deliver(here, clock) == 0
    mail.refuses = False
    clock.pass_by(minutes=1)
    assert notices.deliver(here, clock) == 1


# --- contacts and their addresses -------------------------------------------------------------------------------------


def test_addresses_are_stored_encrypted_and_bound_to_their_contact(here: Service, hook: Webhook) -> None:
    contacts.add_contact(here, None, "ops", webhook(hook))
    view = contacts.add_contact(here, "springfield", "ops", webhook(hook, "other"), ["held", "failed"])
    assert (view.tenant, view.shown, view.events) == ("springfield", "json://127.0.0.1", ["failed", "held"])
    with reading(here.engine) as connection:
        rows = connection.execute(text("SELECT * FROM contact ORDER BY id")).mappings().all()
    assert SECRET not in repr(rows)
    with writing(here.engine) as connection:
        query = text("UPDATE contact SET address = :a WHERE id = :i")
        connection.execute(query, {"a": rows[0]["address"], "i": rows[1]["id"]})
    with pytest.raises(SettingsError, match="for another contact"):
        contacts.prove_contact(here, "springfield", "ops")
    contacts.prove_contact(here, None, "ops")
    (post,) = hook.posts
    assert (post.title, post.text.partition(" of ")[0]) == (
        "[rostersync] test", "This is a test: the operator's contact ops is told",
    )  # fmt: skip


def test_keys_are_exchanged_for_addresses_as_well(here: Service, hook: Webhook) -> None:
    first, second = secrets.new_key(), secrets.new_key()
    use_keys(here, first)
    contacts.add_contact(here, None, "ops", webhook(hook))
    connections.set_credentials(here, "springfield", "sis", {"client_id": "a", "client_secret": "b"})
    use_keys(here, f"{second},{first}")
    assert connections.renew_all_secrets(here) == 2
    use_keys(here, second)
    contacts.prove_contact(here, None, "ops")


@pytest.mark.parametrize(
    "address",
    ["", "nonsense", "foo://bar", "json://", "ann smith@example.org", "https://example.org/hook", "mailtos://x"],
)
def test_what_is_no_address_is_refused_without_quoting_it(here: Service, address: str) -> None:
    with pytest.raises(SettingsError, match="This is no address") as raised:
        contacts.add_contact(here, None, "ops", address)
    assert not address or address not in raised.value.for_admin.replace("jsons://host", "")
    assert contacts.list_contacts(here) == []


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("jsons://robot:se@cr/et@hooks.example.org/x", "written as %40, %2F and %3F"),
        ("json://hooks.example.org/@ann", "in a path @ is %40"),
        ("json://one.example.org/x,json://two.example.org/y", "several addresses"),
        ("ann@example.org,bob@example.org", "This is no address"),
    ],
)
def test_an_address_of_which_a_secret_would_be_shown_or_not_all_is_refused(
    here: Service, address: str, says: str
) -> None:
    """Of the first one "cr" would be taken for the host, which lists show."""
    with pytest.raises(SettingsError, match=says):
        contacts.add_contact(here, None, "ops", address)
    assert contacts.list_contacts(here) == []


def test_whoever_adds_a_contact_is_told_of_a_missing_key_before_being_asked_for_the_address(here: Service) -> None:
    here.settings = here.settings.model_copy(update={"secret_keys_file": "/nowhere/keys"})
    with pytest.raises(SettingsError, match="ROSTERSYNC_SECRET_KEYS_FILE"):
        contacts.check_new(here, None, "ops", [])


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("mailtos://user:pass@smtp.example.org:587?to=ann@example.org", "mailtos://smtp.example.org"),
        ("ann@springfield.example", "mailto://springfield.example"),
        ("JSONS://user:pass@hooks.example.org/secret?x=1", "jsons://hooks.example.org"),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", "slack://…"),
        ("https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/x", "https://hooks.slack.com"),
        ("tgram://123456789:token/5", "tgram://…"),
        ("json://[secret", "json://…"),
    ],
)
def test_nothing_secret_of_an_address_is_shown(address: str, shown: str) -> None:
    assert contacts.shown_address(address) == shown


def test_contacts_are_found_by_whose_they_are(here: Service, hook: Webhook) -> None:
    contacts.add_contact(here, None, "ops", webhook(hook))
    with pytest.raises(SettingsError, match="a contact 'ops' already"):
        contacts.add_contact(here, None, "ops", webhook(hook))
    with pytest.raises(NotFoundError, match="springfield has no contact 'ops'"):
        contacts.remove_contact(here, "springfield", "ops")
    with pytest.raises(NotFoundError, match="no tenant 'shelby'"):
        contacts.add_contact(here, "shelby", "ops", webhook(hook))
    with pytest.raises(SettingsError, match="no event 'exploded'; choose from failed, held"):
        contacts.check_new(here, None, "x", ["held", "exploded"])
    with pytest.raises(SettingsError, match="may hold letters"):
        contacts.check_new(here, None, "Ann Smith", [])


def test_a_contact_may_be_removed_as_a_notice_is_written(place: Service, hook: Webhook) -> None:
    """Either waits for the other. Else the notice, and the end of the job that it tells of, would not be written."""
    contacts.add_contact(place, None, "ops", webhook(hook))
    removing = threading.Thread(target=contacts.remove_contact, args=(place, None, "ops"))
    with writing(place.engine) as connection:
        store.add(connection, None, None, None, "held", "a_code", "Why.", now())
        removing.start()
        removing.join(timeout=0.3)
        assert removing.is_alive()
    removing.join(timeout=10)
    assert states(place) == Counter()
    assert contacts.list_contacts(place) == []


def test_a_contact_that_is_removed_gets_nothing_more(place: Service, hook: Webhook) -> None:
    contacts.add_contact(place, None, "ops", webhook(hook))
    tell(place)
    contacts.remove_contact(place, None, "ops")
    assert (notices.deliver(place), hook.posts, contacts.list_contacts(place)) == (0, [], [])
    assert notices.recent(place)[0].deliveries == []


def test_a_test_message_that_is_not_taken_is_said_so_without_the_address(here: Service, hook: Webhook) -> None:
    hook.refuses = {"/ops"}
    contacts.add_contact(here, None, "ops", webhook(hook))
    with pytest.raises(SettingsError, match=r"not taken at json://127\.0\.0\.1\.") as raised:
        contacts.prove_contact(here, None, "ops")
    assert SECRET not in raised.value.for_admin + raised.value.for_engineer


# --- words ------------------------------------------------------------------------------------------------------------


def told(event: Event, **more: Any) -> Told:
    known: dict[str, Any] = {
        "notice_id": 1, "code": "source_unavailable", "reason": "The source did not\nanswer.", "tenant": "pine",
        "at": "2026-11-03T05:40:12+00:00", "connection": "clever", "run_id": 12,
        "last_good_at": "2026-11-02T05:20:00+00:00",
    }  # fmt: skip
    return Told(event=event, **known | more)


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_says_what_happened_and_names_commands_that_exist(event: Event) -> None:
    ((_, title, body),) = messages([told(event)])
    assert title == f"[rostersync] pine / clever: {event}"
    assert body.startswith("The source did not answer.\n\nWhen: 2026-11-03 05:40 UTC\nRun: 12\n")
    assert "Last sync applied: 2026-11-02 05:20 UTC" in body
    group: Any = typer.main.get_command(app)
    for line in re.findall(r"^    rostersync (.*)$", body, re.MULTILINE):
        words, command = line.split(), group
        while getattr(command, "commands", None):
            command = command.commands[words.pop(0)]
        needed = [item for item in command.params if item.param_type_name == "argument" and item.required]
        assert len([word for word in words if not word.startswith("--")]) >= len(needed), line


def test_without_a_run_nothing_is_said_of_one() -> None:
    ((_, _, body),) = messages([told("failed", run_id=None, last_good_at=None)])
    assert "None" not in body
    assert "run show" not in body
    assert "Last sync applied: none yet" in body
    assert "Whose turn it is: the vendor's of the district's system" in body


def test_up_to_three_notices_are_told_one_by_one() -> None:
    assert len(messages([told("held")] * 3)) == 3
    assert len(messages([told("held")] * 4)) == 1
