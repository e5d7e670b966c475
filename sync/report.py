"""The report of a run: what came, what was refused and why, what changed, what waits and for whom. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.errors import RosterSyncError
from models.report import CoverageView, FileReport, RunReport
from models.vocabulary import PLURALS, RunState
from sync.clock import now
from sync.windows import notes_on

if TYPE_CHECKING:
    from sync.plan import Plan
    from sync.run import Run

_FIRST_PROBLEMS = 20


def describe(this: Run, plan: Plan) -> RunReport:
    """The report of a run whose plan is made (``end`` says when it has ended)."""
    report = _base(this, _state(this, plan))
    report.kinds = plan.counts
    report.holds = plan.holds
    report.consequences = plan.consequences
    report.waits_for = "district admin" if report.state == "held" else ""
    report.notes = [*this.order.notes(), *_notes(this, plan)]
    return report


def describe_failure(this: Run, error: BaseException) -> RunReport:
    """The report of a run that ended with an error; the roster is as it was."""
    report = _base(this, "failed")
    if isinstance(error, RosterSyncError):
        report.error, report.error_for_engineer = error.for_admin, error.for_engineer
    elif isinstance(error, KeyboardInterrupt):
        report.error, report.error_for_engineer = "The run was canceled; the roster is as it was.", "interrupt"
    else:
        report.error = "The run stopped because of an error in rostersync; the roster is as it was."
        report.error_for_engineer = type(error).__name__
    report.step = this.steps.current
    end(this, report)
    return report


def end(this: Run, report: RunReport) -> None:
    """Write down that the run ends now, and how long what took."""
    report.finished_at, report.seconds = now(), this.steps.total()
    report.steps, report.waited = this.steps.seconds(), round(this.order.waited(), 3)


def counts_told(report: RunReport) -> dict[str, dict[str, int]]:
    """What was done, by kind, for the log; what was not is left out."""
    done = ("created", "updated", "restored", "archived", "refused", "held")
    return {
        counts.kind: told
        for counts in report.kinds
        if (told := {action: number for action in done if (number := getattr(counts, action))})
    }


def _state(this: Run, plan: Plan) -> RunState:
    if this.order.dry_run:
        return "planned"
    return "held" if plan.held.operations else "applied"


def _base(this: Run, state: RunState) -> RunReport:
    order, problems = this.order, this.context.problems
    path = order.results_path(this.id)
    return RunReport(
        run_id=this.id,
        tenant=order.tenant,
        connection=order.connection,
        connector=order.connector,
        state=state,
        dry_run=order.dry_run,
        started_by=order.started_by,
        started_at=this.started_at,
        first_sync=this.first_sync,
        files=[
            FileReport(
                arrival.file,
                arrival.role,
                arrival.rows,
                refused=problems.count("error", arrival.file),
                warnings=problems.count("warning", arrival.file),
                note=arrival.note,
            )
            for arrival in this.arrivals
        ],
        problem_counts=problems.counted(),
        first_problems=problems.first(_FIRST_PROBLEMS),
        coverage=[
            CoverageView(seq, c.kind, c.listing, c.verdict, c.received, c.refused, c.reason, c.scope)
            for seq, c in enumerate(this.context.coverage)
        ],
        results_path=str(path) if path else None,
    )


def _notes(this: Run, plan: Plan) -> list[str]:
    """What a person should know beside the counts."""
    notes = []
    if this.first_sync and plan.go.operations:
        notes.append("First sync of this connection: there was nothing to compare with, so no limit applied.")
    notes += notes_on(this.windows, plan.counts, first_sync=this.first_sync)
    for statement in this.context.coverage:
        if statement.verdict != "complete":
            what = PLURALS[statement.kind]
            notes.append(f"No {what} are removed for not being in {statement.file}: {statement.reason}.")
    kept = any(counts.kept for counts in plan.counts)
    if plan.empty and not kept and not this.context.problems.count("error"):
        whole = all(statement.verdict == "complete" for statement in this.context.coverage)
        same = "the stored roster already says what the source says"
        notes.append(f"Nothing to do: {same if whole else 'nothing that came differs from what is stored'}.")
    return notes
