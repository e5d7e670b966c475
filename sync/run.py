"""One run, from a source to the stored roster: pull → check → compare → guard → apply → report.

The only place that changes a roster from a source. Pages stream through pull, check and compare; nothing is written
until the plan is whole, and then one transaction writes it all.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import msgspec
import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, OperationalError
from structlog.contextvars import bound_contextvars

from models.errors import CancelledError, DistrictActionError, RetryLaterError, RosterSyncError, StalePlanError
from models.pages import Arrival, Coverage, PullEvent
from models.progress import Progress, ProgressCallback
from models.report import RunReport
from models.settings import TenantSettings
from store import runs
from store.database import reading, writing
from store.lock import tenant_lock
from store.reader import RosterReader
from store.state import load_school_names
from store.writer import RosterWriter
from sync.clock import now
from sync.compare import Comparison
from sync.context import Context
from sync.earlier_plans import take_their_place
from sync.outcomes import Outcomes
from sync.plan import Plan, Planner
from sync.problems import ProblemLog
from sync.report import counts_told, describe, describe_failure, end
from sync.service import Service
from sync.spool import Spools
from sync.steps import Step, Steps
from sync.stopping import stopped_by
from sync.unshared import keep_unshared
from sync.windows import Windows, windows_at

log = structlog.get_logger("rostersync.run")


@dataclass
class Order:
    """What to run: for which tenant and connection, by whom, and whether to stop after the plan.

    ``tenant`` and ``connection`` are names, the ids are theirs; ``results_path`` says where a run's result files will lie.
    """

    tenant_id: int
    tenant: str
    settings: TenantSettings
    connection_id: int
    connection: str
    started_by: str
    connector: str = "csv"
    dry_run: bool = False
    #: The scheduled time that the run is for; None for one that a person started.
    slot: str | None = None
    results_path: Callable[[int], Path | None] = lambda _run_id: None
    #: Called with the run's id as soon as its row is there.
    began: Callable[[int], None] = lambda _run_id: None
    progress: ProgressCallback = lambda _progress: None
    #: Asked between pages, until the plan is about to be applied: a run that is stopped has changed nothing. It may raise
    #: what the run is to end with.
    cancelled: Callable[[], bool] = lambda: False
    #: What the source says of itself, asked when the pull has ended; these sentences go into the report's notes.
    notes: Callable[[], Sequence[str]] = tuple
    #: Seconds waited so far because the source's limit of requests was reached.
    waited: Callable[[], float] = lambda: 0.0
    #: Asked in the transaction that applies; raises when what was pulled is no longer wanted.
    check: Callable[[Connection], None] = lambda _connection: None


@dataclass
class Run:
    """A run that is going on: what it knows so far."""

    id: int
    order: Order
    base_revision: int
    context: Context
    started_at: str
    windows: Windows
    steps: Steps = field(default_factory=Steps)
    arrivals: list[Arrival] = field(default_factory=list)
    first_sync: bool = False


#: Returns sentences on what did not work, for the report's notes.
Finish = Callable[[Run, Plan], Sequence[str]]


def run(
    service: Service, order: Order, pull: Callable[[Path], Iterator[PullEvent]], finish: Finish | None = None
) -> RunReport:
    """Run ``pull`` through all six verbs and return the report.

    ``pull`` is given an empty scratch directory. ``finish`` is called when the run has ended well, with the plan still
    at hand (for result files); it cannot undo the run any more. Raises RosterSyncError; then the roster is as it was, and
    the run row says why.
    """
    with (
        tenant_lock(service.engine, order.tenant_id, order.tenant),
        service.scratch() as scratch,
        ExitStack() as files,
    ):
        spools = Spools(scratch, files)
        with storage_errors_translated():
            this = _begin(service, order, spools)
        files.enter_context(bound_contextvars(run=this.id, tenant=order.tenant, connection=order.connection))
        try:
            order.began(this.id)
            comparison = _pull_check_compare(service, this, pull(scratch))
            _refuse_nothing_usable(this)
            plan = _guard(service, this, comparison, spools)
            report = describe(this, plan)
            _apply(service, this, plan, report)
        except RosterSyncError as error:
            _fail(service, this, error)
            raise
        except (OperationalError, OSError) as error:
            _fail(service, this, busy := storage_error(error))
            raise busy from error
        except BaseException as error:
            _fail(service, this, error)
            raise
        if finish and (said := finish(this, plan)):
            add_notes(service, report, said)
        return report


def add_notes(service: Service, report: RunReport, said: Sequence[str]) -> None:
    """Add sentences to the report of a run that has ended, and to the stored one. Whoever waits for the report gets them in
    any case; the run is over, so a database that is gone now is no error."""
    report.notes += said
    try:
        runs.save_notes(service.engine, report.run_id, report.notes)
    except DBAPIError as error:
        log.warning("notes could not be stored", error=type(error).__name__)


def _begin(service: Service, order: Order, spools: Spools) -> Run:
    at = now()
    windows = windows_at(service, order.connection_id, order.settings, datetime.fromisoformat(at))
    run_id, revision = runs.begin_run(
        service.engine, order.tenant_id, order.connection_id, dry_run=order.dry_run, started_by=order.started_by,
        slot=order.slot, now=at,
    )  # fmt: skip
    reader = RosterReader(service.engine, order.tenant_id, order.connection_id)
    outcomes = Outcomes(enabled=order.results_path(run_id) is not None)
    add_only = windows.add_only is not None
    context = Context(reader, windows.settings, ProblemLog(), outcomes, spools.chunk_file(), add_only)
    log.info("run begins", run=run_id, tenant=order.tenant, connection=order.connection, dry_run=order.dry_run)
    return Run(run_id, order, revision, context, at, windows)


def _pull_check_compare(service: Service, this: Run, events: Iterator[PullEvent]) -> Comparison:
    """Pull, check and compare, page by page."""
    runs.set_state(service.engine, this.id, "pulling")
    comparison = Comparison(this.context)
    records = 0
    for event in events:
        this.steps.enter("compare")
        _stop_if_asked(this)
        if isinstance(event, Arrival):
            this.arrivals.append(event)
            this.context.problems.extend(event.problems)
            this.order.progress(Progress("pull", event.file, records=event.rows))
        elif isinstance(event, Coverage):
            comparison.take_coverage(event)
        else:
            comparison.take_page(event)
            records += len(event.records)
            this.order.progress(Progress("compare", event.file, event.kind, records))
        this.steps.enter("pull")
    this.steps.enter("compare")
    comparison.finish()
    _log_step(this, "pull", listings=len(this.arrivals))
    _log_step(this, "compare", records=records)
    return comparison


def _log_step(this: Run, step: Step, **counts: int) -> None:
    log.info("step ends", step=step, seconds=this.steps.seconds().get(step, 0.0), **counts)


def _stop_if_asked(this: Run) -> None:
    if this.order.cancelled():
        raise CancelledError("The run was stopped before it changed anything.")


def _refuse_nothing_usable(this: Run) -> None:
    """A run that took nothing of all that came must not look like one that had nothing to do."""
    this.steps.enter("check")
    counts = this.context.counts.values()
    refused, received = sum(c.refused for c in counts), sum(c.received for c in counts)
    taken = this.context.tombstones + sum(c.created + c.updated + c.unchanged + c.restored for c in counts)
    if refused and not taken:
        main = this.context.problems.main_error([arrival.file for arrival in this.arrivals])
        why = f" In {main.file}, {main.count} times: {main.sentence}" if main else ""
        raise DistrictActionError(
            f"None of the records could be taken.{why}", f"{received} received, {refused} refused"
        )
    if not received and not any(statement.delta for statement in this.context.coverage):
        raise DistrictActionError(
            "The source lists no records at all; check the export's filters, or what the district shares.",
            "no record received",
        )


def storage_error(error: Exception) -> RetryLaterError:
    """Busy, unreachable or full: the roster is as it was, and the same run may go through later."""
    return RetryLaterError(
        "The database or the disk could not be written (busy, unreachable or full); the roster is as it was. Try again.",
        type(getattr(error, "orig", error)).__name__,
    )


@contextmanager
def storage_errors_translated() -> Iterator[None]:
    """Raises RetryLaterError for a database or a disk that cannot be written."""
    try:
        yield
    except (OperationalError, OSError) as error:
        raise storage_error(error) from error


def _guard(service: Service, this: Run, comparison: Comparison, spools: Spools) -> Plan:
    """Measure the plan and decide what waits."""
    this.steps.enter("guard")
    runs.set_state(service.engine, this.id, "checking")
    this.order.progress(Progress("guard"))
    this.first_sync = comparison.first_sync
    with reading(service.engine) as connection:
        names = load_school_names(connection, this.order.tenant_id)
    keep_unshared(this.context, spools.chunk_file())
    planner = Planner(this.context, comparison.removals, this.first_sync)
    plan = planner.plan(spools.chunk_file(), spools.chunk_file(), names)
    _log_step(this, "guard", operations=plan.go.operations, held=plan.held.operations)
    return plan


def _apply(service: Service, this: Run, plan: Plan, report: RunReport) -> None:
    """One transaction: the plan's safe part (or the kept plan of a dry run), the findings, and the report.

    Raises StalePlanError when the stored roster has moved since the plan was made.
    """
    order, context = this.order, this.context
    _stop_if_asked(this)
    this.steps.enter("apply")
    if plan.go.operations and not order.dry_run:
        runs.set_state(service.engine, this.id, "applying")
    order.progress(Progress("apply", records=0 if order.dry_run else plan.go.operations))
    with writing(service.engine) as connection:
        revision = runs.revision_of(connection, order.tenant_id, lock=True)
        if revision != this.base_revision:
            raise StalePlanError("The roster was changed while the run was going on; start it again.", "revision moved")
        if by := runs.stop_asked_by(connection, this.id):
            raise stopped_by(by)
        order.check(connection)
        take_their_place(connection, this, plan, report)
        if order.dry_run:
            runs.save_plan(connection, this.id, plan.chunks())
        else:
            writer = RosterWriter(connection, order.tenant_id, order.connection_id, this.id, now())
            for chunk in plan.go:
                writer.write(chunk)
            if plan.go.operations:
                revision = runs.bump_revision(connection, order.tenant_id)
            runs.save_plan(connection, this.id, plan.held)
        runs.save_findings(connection, this.id, order.tenant_id, context.coverage, context.problems.kept)
        end(this, report)
        runs.save_report(connection, this.id, report, base_revision=revision)
    _log_step(this, "apply", operations=plan.go.operations)
    log.info("run ends", state=report.state, counts=counts_told(report))


def _fail(service: Service, this: Run, error: BaseException) -> None:
    """Write down why; the roster was not touched, as the transaction (if there was one) is rolled back."""
    report = describe_failure(this, error)
    if isinstance(error, RosterSyncError):
        error.run_id = this.id
    code = error.code if isinstance(error, RosterSyncError) else "unexpected"
    log.warning("run failed", step=report.step, code=code, error=type(error).__name__)
    try:
        runs.save_failure(
            service.engine,
            this.id,
            this.order.tenant_id,
            report,
            code,
            this.context.coverage,
            this.context.problems.kept,
        )
    except DBAPIError:  # the database is the trouble: the tenant's next run will mark this one as interrupted
        log.warning("the failure could not be stored")


def stored_report(row_report: str) -> RunReport:
    """The report of a run row."""
    return msgspec.json.decode(row_report, type=RunReport)
