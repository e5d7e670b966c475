"""What Prometheus and a load balancer are told: counted right, also when the database is gone, and never a name of a person."""

import http.client
import re
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from connectors import CONNECTORS
from models.errors import SettingsError
from models.health import Outcome
from models.report import KindCounts, ProblemCount, RunReport
from models.tables import Schedule
from store.schedules import Scheduled
from sync import connections
from sync.health_server import HealthServer
from sync.metrics import DatabaseFigures, Metrics
from sync.patient import NO_ANSWER, Patient
from sync.pull import sync
from sync.schedule import text_of
from sync.service import Service
from sync.settings import Settings
from tests.sync import fake_source
from tests.sync.test_status import ago, finished, register, stand

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def scheduled(**values: Any) -> Scheduled:
    row = Schedule(connection_id=3, tenant_id=1, **values)
    return Scheduled(row, "springfield", "{}", "sis", "oneroster", "active", "", "2026-11-01T00:00:00+00:00")


def report(**values: Any) -> RunReport:
    known: dict[str, Any] = {
        "run_id": 7, "tenant": "springfield", "connection": "sis", "connector": "oneroster", "state": "applied",
        "dry_run": False, "started_by": "schedule", "started_at": "2026-11-22T02:00:00+00:00",
    }  # fmt: skip
    return RunReport(**(known | values))


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


@pytest.fixture
def metrics(sqlite_service: Service) -> Metrics:
    return Metrics(sqlite_service)


# --- what a process counts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "state", "cause"),
    [
        (Outcome("applied"), "applied", ""),
        (Outcome("held", "enrollment:removals:Ada Lovelace School"), "held", ""),
        (Outcome("nothing_new", "nothing_new"), "nothing_new", "nothing_new"),
        (Outcome("not_ready", "drop_not_ready"), "not_ready", "drop_not_ready"),
        (Outcome("refused", "credentials_refused"), "failed", "credentials_refused"),
        (Outcome("unavailable", "source_unavailable"), "failed", "source_unavailable"),
        (Outcome("cancelled", "cancelled"), "cancelled", "cancelled"),
        (Outcome("parked", "parked"), "parked", "parked"),
        (Outcome("broken", "unexpected"), "failed", "unexpected"),
        (Outcome("interrupted", "interrupted"), "failed", "interrupted"),
    ],
)
def test_runs_by_state_and_cause(metrics: Metrics, outcome: Outcome, state: str, cause: str) -> None:
    metrics.observe(scheduled(), outcome, None, 0.0)
    assert value(metrics, "rostersync_runs_total", connector="oneroster", state=state, cause=cause) == 1
    assert b"Ada" not in generate_latest(metrics.registry)


def test_a_report_is_counted(metrics: Metrics) -> None:
    counts = KindCounts("person", received=12, created=4, updated=3, unchanged=5)
    problems = [ProblemCount("bad_email", "warning", name, 2, "The e-mail …") for name in ("users", "guardians")]
    told = report(kinds=[counts], problem_counts=problems, steps={"pull": 1.5, "apply": 0.2}, waited=9.0)
    for _ in range(2):
        metrics.observe(scheduled(), Outcome("applied"), told, 0.0)
    assert value(metrics, "rostersync_records_total", kind="person", action="created") == 8
    assert value(metrics, "rostersync_records_total", kind="person", action="unchanged") == 10
    assert value(metrics, "rostersync_problems_total", code="bad_email") == 8
    assert value(metrics, "rostersync_step_seconds_sum", step="pull") == 3.0
    assert value(metrics, "rostersync_step_seconds_count", step="apply") == 2
    assert value(metrics, "rostersync_rate_limit_wait_seconds_total", connector="oneroster") == 18


def test_lag_is_from_due_to_begun(metrics: Metrics) -> None:
    due = datetime(2026, 11, 22, 2, tzinfo=UTC)
    metrics.observe(scheduled(next_at=text_of(due)), Outcome("applied"), None, due.timestamp() + 42)
    assert value(metrics, "rostersync_scheduler_lag_seconds_sum") == 42
    taken_over = scheduled(next_at=text_of(due), worker="gone")
    metrics.observe(taken_over, Outcome("applied"), None, due.timestamp() + 500)
    assert value(metrics, "rostersync_scheduler_lag_seconds_count") == 1


def test_processes_share_no_numbers(sqlite_service: Service) -> None:
    one, other = Metrics(sqlite_service), Metrics(sqlite_service)
    one.observe(scheduled(), Outcome("applied"), None, 0.0)
    assert value(one, "rostersync_runs_total", connector="oneroster", state="applied", cause="") == 1
    assert value(other, "rostersync_runs_total", connector="oneroster", state="applied", cause="") is None


def test_what_the_documented_alerts_ask_for_is_there_from_the_start(here: Service) -> None:
    """Of a counter, at 0: what begins with 1 has not increased."""
    metrics = Metrics(here)
    samples = [sample for family in metrics.registry.collect() for sample in family.samples]
    _, alerts = PAGE.read_text(encoding="utf-8").split("```yaml\n", 1)
    asked = re.findall(r"(rostersync_\w+)(?:\{(.*?)\})?", alerts.split("```")[0])
    assert len(asked) > 3
    for name, selector in asked:
        labels = {label: values.split("|") for label, values in re.findall(r'(\w+)=~?"(.*?)"', selector)}
        for values in product(*labels.values()):
            wanted = dict(zip(labels, values, strict=True))
            found = [each for each in samples if each.name == name and wanted.items() <= each.labels.items()]
            assert found, (name, wanted)
            if name.endswith("_total"):
                assert {each.labels["connector"] for each in found} == set(CONNECTORS)
                assert {each.value for each in found} == {0}


@pytest.mark.parametrize(
    "outcome", [Outcome("broken", "unexpected"), Outcome("interrupted", "interrupted"), Outcome("broken", "settings")]
)
def test_the_first_failure_is_an_increase(metrics: Metrics, outcome: Outcome) -> None:
    labels = {"connector": "oneroster", "state": "failed", "cause": outcome.code}
    assert value(metrics, "rostersync_runs_total", **labels) == 0
    metrics.observe(scheduled(), outcome, None, 0.0)
    assert value(metrics, "rostersync_runs_total", **labels) == 1


# --- what the database knows ------------------------------------------------------------------------------------------


def test_figures_of_the_database(place: Service) -> None:
    for name in ("paused", "queued", "running"):
        fake_source.add(place, name)
    run = sync(place, "springfield", "sis", started_by="schedule").run_id
    finished(place, run, ago(hours=2))
    stand(place, next_at=ago(minutes=1), health="ok")
    stand(place, name="queued", next_at=ago(minutes=1), health="ok")
    sync(place, "springfield", "paused", started_by="ann")
    connections.pause_connection(place, "springfield", "paused", "", by="ann")
    register(place, "w")
    metrics = Metrics(place)
    fresh = value(metrics, "rostersync_tenant_freshness_seconds", tenant="springfield", connection="sis")
    assert fresh == pytest.approx(7_200, abs=60)
    assert value(metrics, "rostersync_tenant_freshness_seconds", tenant="springfield", connection="paused") is None
    assert value(metrics, "rostersync_connections", state="ok") == 2
    assert value(metrics, "rostersync_connections", state="paused") == 1
    assert value(metrics, "rostersync_queue", what="due") == 2
    assert value(metrics, "rostersync_queue", what="running") == 0
    assert value(metrics, "rostersync_workers_alive") == 1
    assert value(metrics, "rostersync_notices_waiting") == 0
    assert value(metrics, "rostersync_database_up") == 1


def test_files_that_came_again_are_fresh(here: Service) -> None:
    run = sync(here, "springfield", started_by="schedule").run_id
    finished(here, run, ago(days=60))
    stand(here, health="ok", last_good_at=ago(hours=3))
    fresh = value(Metrics(here), "rostersync_tenant_freshness_seconds", tenant="springfield", connection="sis")
    assert fresh == pytest.approx(3 * 3_600, abs=60)


def test_queued_and_running_are_told_apart(here: Service) -> None:
    stand(here, next_at=ago(minutes=1), job="1/a")
    assert value(Metrics(here), "rostersync_queue", what="queued") == 1
    register(here, "w")
    stand(here, next_at=ago(minutes=1), job="1/a", worker="w")
    found = Metrics(here)
    assert [value(found, "rostersync_queue", what=what) for what in ("due", "queued", "running")] == [0, 0, 1]


def test_scrape_without_a_database_has_the_process_s_own_numbers(metrics: Metrics, sqlite_service: Service) -> None:
    database = sqlite_service.settings.data_dir / "rostersync.db"
    database.write_bytes(b"this is no database " * 100)
    metrics.observe(scheduled(), Outcome("applied"), None, 0.0)
    assert value(metrics, "rostersync_runs_total", connector="oneroster", state="applied", cause="") == 1
    assert value(metrics, "rostersync_database_up") == 0
    assert value(metrics, "rostersync_workers_alive") is None


class Ask:
    """Stands for the database: answers ``number``, fails, or does not answer until it is let."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: Exception | None = None
        self.answers = threading.Event()
        self.answers.set()

    def __call__(self) -> list[Metric]:
        self.asked += 1
        self.answers.wait(10)
        if self.error:
            raise self.error
        return [GaugeMetricFamily("asked", "How often.", value=self.asked)]


def told(asked: Patient[list[Metric]]) -> dict[str, float]:
    return {sample.name: sample.value for family in DatabaseFigures(asked).collect() for sample in family.samples}


def test_answers_are_kept_for_some_seconds() -> None:
    ask, now = Ask(), [0.0]
    asked = Patient(ask, keep=15.0, clock=lambda: now[0])
    assert told(asked) == told(asked) == {"rostersync_database_up": 1, "asked": 1}
    now[0] = 15.0
    assert told(asked)["asked"] == 2


def test_a_database_that_fails_is_asked_again_at_the_next_scrape() -> None:
    ask = Ask()
    ask.error = OSError("Ada")
    asked = Patient(ask, keep=15.0, clock=lambda: 0.0)
    assert told(asked) == {"rostersync_database_up": 0}
    ask.error = None
    assert told(asked) == {"rostersync_database_up": 1, "asked": 2}


def test_a_database_that_does_not_answer_is_asked_once() -> None:
    ask = Ask()
    ask.answers.clear()
    asked = Patient(ask, keep=15.0, patience=0.01)
    assert told(asked) == told(asked) == {"rostersync_database_up": 0}
    ask.answers.set()
    asked._patience = 5.0
    assert told(asked) == {"rostersync_database_up": 1, "asked": 1}


# --- the port ---------------------------------------------------------------------------------------------------------


class Told:
    """A server on a free port, and what it is told to answer."""

    def __init__(self, metrics: Metrics) -> None:
        self.alive = True
        self.lacks: str | None = None
        self.error: Exception | None = None
        settings = Settings(health_port=_free_port())
        self.answers = threading.Event()
        self.answers.set()
        self.server = HealthServer(settings, metrics, self._alive, self._ready, patience=0.2)

    def _ready(self) -> str | None:
        self.answers.wait(10)
        return self.lacks

    def _alive(self) -> bool:
        if self.error:
            raise self.error
        return self.alive

    def get(self, path: str, method: str = "GET") -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=5)
        connection.request(method, path)
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return answer.status, body


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def asked(metrics: Metrics) -> Iterator[Told]:
    told = Told(metrics)
    with told.server:
        yield told


def test_health(asked: Told) -> None:
    assert asked.get("/healthz") == (200, "ok\n")
    asked.alive = False
    assert asked.get("/healthz")[0] == 503


def test_readiness_says_what_is_missing(asked: Told) -> None:
    assert asked.get("/readyz") == (200, "ok\n")
    asked.lacks = "The worker is stopping."
    assert asked.get("/readyz") == (503, "The worker is stopping.\n")


def test_a_database_that_refuses_at_once_is_no_reason_to_restart(asked: Told) -> None:
    """As one that has too many sessions does, while the tick waits in an old one."""
    asked.alive, asked.lacks = False, NO_ANSWER
    assert asked.get("/healthz") == (200, "ok\n")
    assert asked.get("/readyz") == (503, f"{NO_ANSWER}\n")
    asked.lacks = "The database is older than this version."
    assert asked.get("/healthz")[0] == 503


def test_a_database_that_never_answers_is_no_reason_to_restart(asked: Told) -> None:
    asked.alive = False
    asked.answers.clear()
    before = threading.active_count()
    assert [asked.get("/healthz") for _ in range(3)] == [(200, "ok\n")] * 3
    assert asked.get("/readyz") == (503, f"{NO_ANSWER}\n")
    assert threading.active_count() <= before + 2  # the one that asks, and one that answers us
    asked.answers.set()
    assert asked.get("/healthz")[0] == 503


def test_metrics_are_text(asked: Told) -> None:
    status, body = asked.get("/metrics")
    assert status == 200
    assert "rostersync_database_up 1.0" in body
    assert asked.get("/metrics", "HEAD") == (200, "")


def test_nothing_else_is_answered(asked: Told) -> None:
    assert asked.get("/")[0] == 404
    assert asked.get("/metrics/../etc/passwd")[0] == 404
    assert asked.get("/metrics", "POST")[0] == 405
    assert asked.get("/healthz", "DELETE")[0] == 405


def test_an_error_tells_nothing_of_itself(asked: Told, capfd: pytest.CaptureFixture[str]) -> None:
    asked.error = ValueError("Ada Lovelace")
    status, body = asked.get("/healthz")
    assert status == 500
    assert "Ada" not in body
    assert capfd.readouterr() == ("", "")


def test_who_hangs_up_is_no_news(asked: Told, capfd: pytest.CaptureFixture[str]) -> None:
    for sent in (b"", b"GET /metr", b"nonsense\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", asked.server.port), timeout=5) as client:
            client.sendall(sent)
    assert asked.get("/healthz")[0] == 200
    assert capfd.readouterr() == ("", "")


def test_port_that_is_taken_is_named(metrics: Metrics, asked: Told) -> None:
    second = HealthServer(Settings(health_port=asked.server.port), metrics, lambda: True, lambda: None)
    with pytest.raises(SettingsError, match="ROSTERSYNC_HEALTH_PORT"):
        second.start()


def test_address_of_another_machine_is_named(metrics: Metrics) -> None:
    settings = Settings(health_host="192.0.2.1", health_port=_free_port())
    with pytest.raises(SettingsError, match="ROSTERSYNC_HEALTH_HOST"):
        HealthServer(settings, metrics, lambda: True, lambda: None).start()


def test_no_port_no_server(metrics: Metrics) -> None:
    with HealthServer(Settings(health_port=0), metrics, lambda: True, lambda: None) as server:
        assert server.port == 0


def test_stopped_server_gives_the_port_back(metrics: Metrics) -> None:
    settings = Settings(health_port=_free_port())
    for _ in range(2):
        with HealthServer(settings, metrics, lambda: True, lambda: None) as server:
            assert server.port == settings.health_port


def test_every_metric_is_documented(here: Service) -> None:
    metrics = Metrics(here)
    metrics.observe(scheduled(), Outcome("applied"), report(steps={"pull": 1.0}), 0.0)
    page = PAGE.read_text(encoding="utf-8")
    names = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in metrics.registry.collect()
        if family.name.startswith("rostersync_")
    }
    assert len(names) > 10
    assert [name for name in names if f"| `{name}" not in page] == []
