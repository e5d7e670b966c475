"""Names, contact data and secrets stay where they belong: not in what is printed, logged, sent, measured, or stored for jobs.

Districts whose people have unmistakable names are synced by a real worker process, through whatever can go wrong; then
everything that came of it is searched. Source ids may be told (docs/problems.md); nothing else about a person may.
"""

import hashlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest
from prometheus_client import generate_latest
from pydantic import SecretStr
from sqlalchemy import MetaData, create_engine, inspect, select, text

from cli.logs import logging_to_stderr
from cli.main import execute
from fixtures.api import render
from fixtures.layout import Spec
from fixtures.oneroster_api import NEVER_KEPT
from store import schedules
from store.database import reading, writing
from sync import connections, contacts, notices, tenants
from sync.attempt import attempt
from sync.clock import now
from sync.metrics import Metrics
from sync.service import Service, open_service
from sync.status import status
from sync.tenants import tenant_and_settings
from tests.servers import CleverServer, Fault, faults
from tests.servers.clever import CLIENT_ID, CLIENT_SECRET
from tests.servers.mail import Webhook
from tests.servers.sftp import PASSWORD, USER, SftpServer
from tests.sync.district import Files, clazz, user

Records = dict[str, list[dict[str, Any]]]

#: Stands in all names, addresses, user names and passwords.
MARK: Final = "qqzleak"
PHONE: Final = "917555"
WRONG_SECRET: Final = "wrong-secret-4711"
CONTACT_SECRET: Final = "contact-secret-0815"
#: The same in every process, as the tests are named after it.
KEY: Final = urlsafe_b64encode(hashlib.sha256(b"a key of this test").digest()).decode()
NEEDLES: Final = (MARK, PHONE, CLIENT_SECRET, WRONG_SECRET, CONTACT_SECRET, PASSWORD, KEY, f"{1:040x}", *NEVER_KEPT)

#: Fields of a vendor's record that are about a person.
PERSONAL: Final = frozenset(
    {"first", "middle", "last", "email", "phone", "district_username", "district_password", "address", "principal"}
)
#: Tables that hold the roster, what became of it, and plans for it: people's data belongs there.
ROSTER: Final = frozenset(
    {"school", "term", "class", "person", "affiliation", "enrollment", "guardianship", "link", "change", "plan_chunk"}
)


# --- the search -------------------------------------------------------------------------------------------------------


def found_in(content: str) -> list[str]:
    """The needles that a text holds, in whatever case, telephone numbers however they are written."""
    low, digits = content.lower(), content.translate(str.maketrans("", "", " ()-."))
    return [needle for needle in NEEDLES if needle.lower() in (digits if needle == PHONE else low)]


def tables(url: str, *, without: frozenset[str] = frozenset()) -> dict[str, str]:
    """Everything in a database, by table."""
    engine = create_engine(url)
    metadata = MetaData()
    for schema in set(inspect(engine).get_schema_names()) - {"information_schema"}:
        metadata.reflect(engine, schema=schema)
    with engine.connect() as connection:
        found = {
            table.name: "\n".join(str(tuple(row)) for row in connection.execute(select(table)))
            for table in metadata.sorted_tables
            if table.name not in without
        }
    engine.dispose()
    return found


@dataclass
class Evidence:
    """All that is searched, by where it was found."""

    texts: dict[str, str] = field(default_factory=dict)

    def add_files(self, folder: Path) -> None:
        """The log and whatever else lies there, but the roster itself, the result files, which hold what a district dropped, and
        the key to the credentials."""
        for path in folder.rglob("*"):
            apart = path.name.startswith("rostersync.db") or path.name == "secret.key" or "results" in path.parts
            if path.is_file() and not apart:
                self.texts[f"file {path.relative_to(folder)}"] = path.read_bytes().decode(errors="replace")

    def add_database(self, name: str, url: str, *, without: frozenset[str] = frozenset()) -> None:
        for table, content in tables(url, without=without).items():
            self.texts[f"{name}.{table}"] = content

    def leaks(self) -> list[tuple[str, list[str]]]:
        return [(place, needles) for place, content in self.texts.items() if (needles := found_in(content))]


# --- districts --------------------------------------------------------------------------------------------------------


def marked(value: Any, numbers: Iterator[int], name: str = "") -> Any:
    """A vendor's document with an unmistakable text in the place of everything that is about a person."""
    match value:
        case dict():
            return {key: marked(item, numbers, key) for key, item in value.items()}
        case list():
            return [marked(item, numbers, name) for item in value]
        case str() if value and name in PERSONAL:
            number = next(numbers)
            texts = {"email": f"{MARK}{number}@example.org", "phone": f"(917) 555-{number % 10_000:04d}"}
            return texts.get(name, f"{MARK.title()}{number}")
        case _:
            return value


def roster(people: int = 60) -> Records:
    found: Records = marked(render(Spec(people=people), "clever"), count(1_000))
    return found


def fewer(records: Records) -> Records:
    """Without most of the people."""
    return records | {"users": records["users"][:8]}


def names_where_objects_belong(document: Any) -> Any:
    for entry in document.get("data", []):
        if isinstance(entry, dict) and "roles" in entry["data"]:
            entry["data"]["name"] = f"{MARK} is no object"
    return document


#: What a provider answers in the middle of a listing.
BAD_BODY: Final = f"<html>{MARK} was not found, ask {MARK}@example.org, (917) 555-0000</html>".encode()


def districts() -> dict[str, CleverServer]:
    """A server for each district, named by what will happen to it."""
    made = {
        name: CleverServer(roster())
        for name in ("well", "held", "refused", "protocol", "torn", "away", "malformed", "unexpected")
    }
    made["protocol"].faults.append(Fault("/users", faults.status(400, BAD_BODY), times=None))
    made["torn"].faults.append(Fault("/users", faults.torn(), times=1))
    made["away"].faults.append(Fault("/users", faults.status(503, BAD_BODY, Retry_After="86400"), times=None))
    made["malformed"].faults.append(Fault("/users", faults.edit(names_where_objects_belong), times=None))
    return made


def connect(service: Service, tenant: str, server: CleverServer) -> None:
    tenants.add_tenant(service, tenant)
    tenants.set_setting(service, tenant, "create_schools", "true")
    settings = server.settings()
    chosen = {name: str(getattr(settings, name)) for name in ("district_id", "api_url", "login_url", "page_size")}
    secret = WRONG_SECRET if tenant == "refused" else CLIENT_SECRET
    credentials = {"client_id": CLIENT_ID, "client_secret": secret}
    connections.add_connection(service, tenant, "clever", settings=chosen, credentials=credentials)


def drop(folder: Path) -> None:
    """Files that a district drops, with some rows that cannot be taken."""
    people = {
        f"s{number}": user(givenName=f"{MARK}{number}", familyName=MARK.title(), email=f"{MARK}{number}@example.org")
        for number in range(20)
    }
    people["s1"] |= {"email": f"{MARK} has none", "phone": "(917) 555-12", "sms": f"ask {MARK}"}
    people["s2"] |= {"role": "parent", "language": "xx-no-language", "phone": "917.555.0000"}
    people["s3"] |= {"orgSourcedIds": "elsewhere", "grades": "no grade"}
    people["s4"] |= {"role": "captain"}
    Files(users=people, classes={"c1": clazz()}, enrollments=[("c1", "s0", "student"), ("c9", "s1", "student")]).write(
        folder
    )
    with (folder / "users.csv").open("a", encoding="utf-8") as file:
        file.write(f'"torn","pine","student","{MARK}" and {MARK},"{MARK}\n')


def connect_drop(service: Service, tenant: str, server: SftpServer, password: str) -> None:
    tenants.add_tenant(service, tenant)
    tenants.add_school(service, tenant, "pine", "Pine School")
    settings = {
        "host": "127.0.0.1", "port": str(server.port), "user": USER, "host_key": server.fingerprint, "stable_seconds": "0",
    }  # fmt: skip
    connections.add_connection(service, tenant, "sftp", settings=settings, credentials={"password": password})


def break_database(service: Service, tenant: str) -> None:
    """Let the database refuse a tenant's people, with an error that quotes one."""
    tenant_id, _ = tenant_and_settings(service, tenant)
    with writing(service.engine) as connection:
        if service.settings.database_url:
            rule = f"tenant_id <> {tenant_id} OR family_name NOT LIKE '%%{MARK.title()}%%'"
            connection.exec_driver_sql(f"ALTER TABLE person ADD CONSTRAINT unlucky CHECK ({rule})")
        else:
            connection.exec_driver_sql(
                f"CREATE TRIGGER unlucky BEFORE INSERT ON person WHEN NEW.tenant_id = {tenant_id} "
                f"BEGIN SELECT RAISE(ABORT, 'the row of {MARK.title()} is unlucky'); END"
            )


# --- a worker ---------------------------------------------------------------------------------------------------------


class Scene:
    """Districts at their servers, a webhook that is told, and a worker process that syncs them."""

    def __init__(
        self, service: Service, servers: dict[str, CleverServer], drops: SftpServer, hook: Webhook, folder: Path
    ) -> None:
        self.service, self.servers, self.hook = service, servers, hook
        self.output = folder / "worker.out"
        self.port = free_port()
        self._ended: Callable[[], int | None] = lambda: None
        for tenant, server in servers.items():
            connect(service, tenant, server)
        connect_drop(service, "dropped", drops, PASSWORD)
        connect_drop(service, "locked", drops, WRONG_SECRET)
        contacts.add_contact(service, None, "operator", f"json://ann:{CONTACT_SECRET}@{hook.host}/in")
        contacts.add_contact(service, None, "gone", f"json://127.0.0.1:{free_port()}/{CONTACT_SECRET}")

    @contextmanager
    def worker(self) -> Iterator[None]:
        environment = os.environ | {"ROSTERSYNC_HEALTH_PORT": str(self.port), "ROSTERSYNC_LOG_LEVEL": "debug"}
        command = [sys.executable, "-m", "cli.main", "serve"]
        with self.output.open("wb") as output:
            process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                       cwd=Path(__file__).parents[1])  # fmt: skip
            self._ended = process.poll
            try:
                yield
                process.send_signal(signal.SIGTERM)
                assert process.wait(30) == 0
            finally:
                process.kill()
                process.wait(10)

    def sync_all(self) -> None:
        for each in connections_of_all(self.service):
            schedules.ask(self.service.engine, *each, f"asked {now()}", "ann", now())
        self.wait_until(
            lambda: all(
                each.row.job is None and each.row.next_why != "asked"
                for each in schedules.all_scheduled(self.service.engine)
            )
        )

    def wait_until(self, true: Callable[[], bool], seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while not true():
            assert self._ended() is None, self.output.read_text(encoding="utf-8")[-1_000:]
            assert time.monotonic() < end
            time.sleep(0.1)

    def told(self) -> bool:
        """Whether every notice was sent to where it can be sent."""
        with reading(self.service.engine) as connection:
            waiting = text("SELECT count(*) FROM delivery WHERE state = 'waiting' AND attempts = 0")
            return bool(connection.execute(waiting).scalar_one() == 0)

    def look_into(self, evidence: Evidence) -> None:
        """What was stored and sent."""
        url = url_of(self.service)
        evidence.texts["messages"] = "\n".join(f"{post.title}\n{post.text}" for post in self.hook.posts)
        evidence.add_files(self.service.settings.data_dir)
        evidence.add_database("roster", url, without=ROSTER)
        if Path(f"{self.service.engine.url.database}-jobs").exists():
            evidence.add_database("jobs", f"{url}-jobs")

    def get(self, path: str) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", path)
        body = connection.getresponse().read().decode()
        connection.close()
        return body


def connections_of_all(service: Service) -> list[tuple[int, int]]:
    """(connection, tenant) of each connection to a source."""
    with reading(service.engine) as connection:
        rows = connection.execute(text("SELECT id, tenant_id FROM connection WHERE connector <> 'manual' ORDER BY id"))
        return [(row.id, row.tenant_id) for row in rows]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def scene(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    url = request.getfixturevalue("postgresql_url") if request.param == "postgresql" else ""
    with ExitStack() as running:
        servers = {name: running.enter_context(server) for name, server in districts().items()}
        hook = running.enter_context(Webhook())
        drop(tmp_path / "drops")
        drops = running.enter_context(SftpServer(tmp_path / "drops"))
        hosts = [*(server.host for server in servers.values()), f"127.0.0.1:{drops.port}"]
        for name, value in {
            "DATA_DIR": str(tmp_path / "data"), "DATABASE_URL": url, "SECRET_KEYS": KEY,
            "ALLOW_HOSTS": ",".join(hosts),
        }.items():  # fmt: skip
            monkeypatch.setenv(f"ROSTERSYNC_{name}", value)
        service = running.enter_context(open_service())
        yield Scene(service, servers, drops, hook, tmp_path)


OUTCOMES: Final = {
    "well": "ok", "held": "held", "refused": "refused", "protocol": "broken", "torn": "ok", "away": "failing",
    "malformed": "ok", "unexpected": "broken", "dropped": "ok", "locked": "refused",
}  # fmt: skip


def test_nothing_leaks_from_attempts(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    """As below, but in this process."""
    evidence = Evidence()
    metrics = Metrics(scene.service)
    break_database(scene.service, "unexpected")
    with logging_to_stderr(scene.service.settings.model_copy(update={"log_level": "debug"})):
        for _ in range(2):
            for connection_id, tenant_id in connections_of_all(scene.service):
                due = {"job": "1/a", "slot": f"asked {time.monotonic()}", "next_at": now()}
                schedules.save(scene.service.engine, connection_id, tenant_id, due)
                done = attempt(scene.service, connection_id, "1/a", "worker")
                assert done
                metrics.observe(done.scheduled, done.outcome, done.report, time.time())
            scene.servers["held"].roster = fewer(scene.servers["held"].roster)
        notices.deliver(scene.service)
    evidence.texts["output"] = "".join(capfd.readouterr())
    evidence.texts["metrics"] = generate_latest(metrics.registry).decode()
    scene.look_into(evidence)
    assert {line.tenant: line.health for line in status(scene.service).connections} == OUTCOMES
    assert evidence.leaks() == []
    results = list((scene.service.settings.results_dir / "dropped").rglob("*.csv"))
    assert any(MARK in path.read_text(encoding="utf-8") for path in results)
    assert {path.stat().st_mode & 0o777 for path in results} == {0o600}


@pytest.mark.slow
def test_nothing_leaks_from_a_worker(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    evidence = Evidence()
    break_database(scene.service, "unexpected")
    with scene.worker():
        scene.sync_all()
        scene.servers["held"].roster = fewer(scene.servers["held"].roster)
        scene.sync_all()
        scene.wait_until(scene.told)
        for path in ("/metrics", "/healthz", "/readyz", "/other"):
            evidence.texts[f"port {path}"] = scene.get(path)
    assert {line.tenant: line.health for line in status(scene.service).connections} == OUTCOMES
    evidence.texts["output of the worker"] = scene.output.read_text(encoding="utf-8")
    evidence.texts["commands"] = said_by_commands(scene, capfd)
    scene.look_into(evidence)
    assert evidence.leaks() == []
    # All that was searched was there, and the search would have found it.
    assert len([content for content in evidence.texts.values() if content]) > 15
    assert '"run ends"' in evidence.texts["output of the worker"]
    assert "rostersync_records_total" in evidence.texts["port /metrics"]
    assert "held" in evidence.texts["messages"]
    assert [content for place, content in evidence.texts.items() if place.endswith("workflow_status")]
    assert set(found_in(tables(url_of(scene.service))["person"])) == {MARK, PHONE}


def said_by_commands(scene: Scene, capfd: pytest.CaptureFixture[str]) -> str:
    """What people are shown who look at all of it; not where they ask for people (``run changes``, ``explain``)."""
    lines = status(scene.service).connections
    runs = [str(line.last_run_id) for line in lines]
    held = next(str(line.last_run_id) for line in lines if line.tenant == "held")
    capfd.readouterr()
    for command in (
        ["status"], ["status", "--json"], ["runs", "--json"], ["schedule", "list"], ["notices"], ["contact", "list"],
        ["plan", "show", held], *(["run", "show", run] for run in runs), *(["run", "problems", run] for run in runs),
        *([what, "show", tenant, "clever"] for what in ("connection", "schedule") for tenant in ("held", "refused")),
        ["sync", "refused"], ["sync", "unexpected"], ["sync", "unexpected", "--json"],
    ):  # fmt: skip
        execute(command)
    return "".join(capfd.readouterr())


# --- unexpected errors, on both databases ------------------------------------------------------------------------------


def breaks(*_: object) -> None:
    try:
        raise ValueError(f"row of {MARK}")
    except ValueError as error:
        raise KeyError(f"{MARK}@example.org") from error


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize("broken", ["code", "database"])
def test_unexpected_errors_quote_nobody(
    service: Service, broken: str, log_format: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    evidence = Evidence()
    with CleverServer(roster()) as server:
        known = {
            "secret_keys": SecretStr(KEY),
            "allow_hosts": server.host,
            "log_format": log_format,
            "log_level": "debug",
        }
        service.settings = service.settings.model_copy(update=known)
        connect(service, "unexpected", server)
        if broken == "code":
            monkeypatch.setattr("sync.run._guard", breaks)
        else:
            break_database(service, "unexpected")
        ((connection_id, tenant_id),) = connections_of_all(service)
        schedules.save(service.engine, connection_id, tenant_id, {"job": "1/a", "slot": "asked", "next_at": now()})
        with logging_to_stderr(service.settings):
            done = attempt(service, connection_id, "1/a", "worker")
    assert done
    assert (done.outcome.kind, done.outcome.code) == ("broken", "unexpected")
    metrics = Metrics(service)
    metrics.observe(done.scheduled, done.outcome, done.report, time.time())
    evidence.texts["metrics"] = generate_latest(metrics.registry).decode()
    evidence.texts["output"] = "".join(capfd.readouterr())
    evidence.add_database("roster", url_of(service), without=ROSTER)
    assert evidence.leaks() == []
    assert "unexpected error" in evidence.texts["output"]
    assert "frames" in evidence.texts["output"]
    assert done.outcome.run_id is not None


def url_of(service: Service) -> str:
    return service.engine.url.render_as_string(hide_password=False)


# --- the search itself -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("needle", NEEDLES)
def test_the_search_finds_whatever_is_planted_in_a_text(needle: str) -> None:
    assert found_in(f'{{"event": "x", "error": "row of {needle.upper()}"}}') == [needle] or needle in found_in(needle)
    assert found_in("run ends, run=7") == []


@pytest.mark.parametrize("written", ["(917) 555-0042", "917.555.0042", "+19175550042", "917 555 0042"])
def test_the_search_finds_telephone_numbers(written: str) -> None:
    assert found_in(f"call {written}") == [PHONE]


def test_the_search_finds_what_is_planted_in_files_and_tables(sqlite_service: Service) -> None:
    folder = sqlite_service.settings.data_dir
    tenants.add_tenant(sqlite_service, "springfield")
    evidence = Evidence()
    evidence.add_database("roster", url_of(sqlite_service), without=ROSTER)
    assert evidence.leaks() == []
    tenant_id, _ = tenant_and_settings(sqlite_service, "springfield")
    schedules.save(sqlite_service.engine, 1, tenant_id, {"health_reason": f"row of {MARK}"})
    (folder / "log").mkdir()
    (folder / "log" / "rostersync.log").write_text(f"{CONTACT_SECRET}\n")
    evidence.add_database("roster", url_of(sqlite_service), without=ROSTER)
    evidence.add_files(folder)
    assert evidence.leaks() == [("roster.schedule", [MARK]), ("file log/rostersync.log", [CONTACT_SECRET])]
