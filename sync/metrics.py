"""What Prometheus is told: what this process did, and, at each scrape, how all connections stand (docs/metrics.md).

No label ever names a person, and none has a value that a source chooses: causes are codes of ``models.errors``. Freshness
names tenants and connections, which operators choose.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final, get_args

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from models import errors
from models.connections import ConnectorName
from models.health import Outcome, ServiceStatus
from models.report import RunReport
from store.database import reading
from store.schedules import Scheduled
from store.status import waiting_deliveries
from sync.patient import Patient
from sync.service import Service
from sync.status import status

#: Seconds: from a small district's check to the first load of a million people.
_STEP_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600)
_LAG_BUCKETS: Final = (1, 2, 5, 10, 30, 60, 120, 300, 900, 1_800, 3_600, 7_200, 14_400)
#: Seconds for which what the database knows is kept.
_KEPT: Final = 15.0
#: Outcomes that are told as they are; all others are failed runs, as in the run history.
_TOLD: Final = frozenset({"applied", "held", "nothing_new", "not_ready", "busy", "cancelled", "parked"})
_ACTIONS: Final = ("received", "created", "updated", "unchanged", "archived", "restored", "refused", "held")
#: All that a run can fail of.
_CAUSES: Final = frozenset(
    {"unexpected", "interrupted"}
    | {
        each.code
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, errors.RosterSyncError)
    }
)
#: What the documented alert is about (docs/metrics.md).
_OURS_TO_MEND: Final = ("unexpected", "interrupted", "settings")


class Metrics:
    """The numbers of one worker process; ``registry`` has them all."""

    def __init__(self, service: Service) -> None:
        self.registry = registry = CollectorRegistry()
        self._runs = Counter(
            "rostersync_runs_total", "Attempts of syncs, by what they came to.", ("connector", "state", "cause"),
            registry=registry,
        )  # fmt: skip
        # From 0 on: a series that begins with its first failure has not increased, and would wake nobody.
        for connector in get_args(ConnectorName):
            for cause in _OURS_TO_MEND:
                self._runs.labels(connector, "failed", cause)
        self._steps = Histogram(
            "rostersync_step_seconds", "How long the steps of runs took.", ("step",), buckets=_STEP_BUCKETS,
            registry=registry,
        )  # fmt: skip
        self._records = Counter(
            "rostersync_records_total",
            "Records of runs, by what became of them.",
            ("kind", "action"),
            registry=registry,
        )
        self._problems = Counter(
            "rostersync_problems_total", "Problems found in records and files (docs/problems.md).", ("code",),
            registry=registry,
        )  # fmt: skip
        self._waited = Counter(
            "rostersync_rate_limit_wait_seconds_total", "Time waited because of sources' limits of requests.",
            ("connector",), registry=registry,
        )  # fmt: skip
        self._lag = Histogram(
            "rostersync_scheduler_lag_seconds", "From when a sync was due to when it began.", buckets=_LAG_BUCKETS,
            registry=registry,
        )  # fmt: skip
        ProcessCollector(registry=registry)
        registry.register(DatabaseFigures(Patient(lambda: figures(service), keep=_KEPT)))

    def observe(self, scheduled: Scheduled, outcome: Outcome, report: RunReport | None, began: float) -> None:
        """Count an attempt that has ended: ``scheduled`` as it was when the attempt was taken, ``began`` is Unix time."""
        state = outcome.kind if outcome.kind in _TOLD else "failed"
        cause = outcome.code if outcome.code in _CAUSES else ""
        self._runs.labels(scheduled.connector, state, cause).inc()
        due = scheduled.row.next_at
        if due and scheduled.row.worker is None:  # what another worker had begun was not late because of the scheduler
            self._lag.observe(max(0.0, began - datetime.fromisoformat(due).timestamp()))
        if report:
            self._observe_report(report)

    def _observe_report(self, report: RunReport) -> None:
        for step, seconds in report.steps.items():
            self._steps.labels(step).observe(seconds)
        for counts in report.kinds:
            for action in _ACTIONS:
                self._records.labels(counts.kind, action).inc(getattr(counts, action))
        for problem in report.problem_counts:
            self._problems.labels(problem.code).inc(problem.count)
        self._waited.labels(report.connector).inc(report.waited)


def figures(service: Service) -> list[Metric]:
    """How all connections stand, by the database."""
    found = status(service)
    with reading(service.engine) as connection:
        waiting = waiting_deliveries(connection)
    return list(_families(found, waiting))


def _families(found: ServiceStatus, waiting: int) -> Iterator[Metric]:
    at = datetime.fromisoformat(found.at)
    fresh = GaugeMetricFamily(
        "rostersync_tenant_freshness_seconds", "Time since the last good sync, but of paused connections.",
        labels=("tenant", "connection"),
    )  # fmt: skip
    for line in found.connections:
        if line.last_good_at and line.state != "paused":
            age = (at - datetime.fromisoformat(line.last_good_at)).total_seconds()
            fresh.add_metric((line.tenant, line.connection), age)
    yield fresh
    states = GaugeMetricFamily("rostersync_connections", "Connections, by state.", labels=("state",))
    for state, count in sorted(found.states.items()):
        states.add_metric((state,), count)
    yield states
    queued = found.states.get("queued", 0)
    queue = GaugeMetricFamily("rostersync_queue", "Syncs that are due, queued, or running.", labels=("what",))
    for what, count in (("due", found.due - queued), ("queued", queued), ("running", found.running)):
        queue.add_metric((what,), count)
    yield queue
    alive = sum(worker.alive for worker in found.workers)
    yield GaugeMetricFamily("rostersync_workers_alive", "Workers that were heard of lately.", value=alive)
    yield GaugeMetricFamily("rostersync_notices_waiting", "Notices on their way to somebody.", value=waiting)


class DatabaseFigures(Collector):
    """What ``asked`` finds; nothing but a 0 for the database where it does not answer."""

    def __init__(self, asked: Patient[list[Metric]]) -> None:
        self._asked = asked

    def collect(self) -> Iterable[Metric]:
        found = self._asked.answer()
        yield GaugeMetricFamily(
            "rostersync_database_up", "Whether the database answers in time.", value=found is not None
        )
        yield from found or ()
