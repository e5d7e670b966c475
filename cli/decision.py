"""A run that somebody at a terminal sees before it happens: first the plan, then the question, then exactly that."""

from typing import TYPE_CHECKING

import msgspec

from cli.console import ask, deliver, person_is_present, stderr
from cli.session import whoami
from models.errors import RosterSyncError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

    from models.report import RunReport
    from sync.service import Service

    #: Makes the run: a dry run if so told.
    Start = Callable[[bool], RunReport]


def carry_out(service: "Service", start: "Start", *, dry_run: bool, yes: bool, as_json: bool) -> "RunReport | None":
    """Run it, at a terminal after having asked; None if the person said no. Raises RosterSyncError, after the report of a
    run that failed was shown."""
    asks = not (dry_run or yes or as_json) and person_is_present()
    try:
        return _ask_then_apply(service, start) if asks else start(dry_run)
    except RosterSyncError as error:
        _explain_failure(service, error, as_json)
        raise


def outcome(report: "RunReport") -> "RenderableType":
    """What is told in the end: the whole report, or only what came of a plan that was shown before."""
    from cli.show.report import show_decision, show_report

    return show_decision(report) if report.dry_run and report.state == "applied" else show_report(report)


def _ask_then_apply(service: "Service", start: "Start") -> "RunReport | None":
    """Show the plan and apply it if the person agrees.

    A plan with holds is made again by a real run: only that applies the safe part and holds the rest.
    """
    from cli.show.report import show_question
    from sync import plans

    plan = start(True)
    if not any(kind.created or kind.updated or kind.archived or kind.restored or kind.held for kind in plan.kinds):
        return start(False)
    deliver(plan, False, show_question)
    if not ask("Apply what is safe, and hold the rest?" if plan.holds else "Apply exactly this?"):
        stderr().print(f"Nothing was changed; the plan still waits. See: rostersync plan show {plan.run_id}")
        return None
    return start(False) if plan.holds else plans.approve_plan(service, plan.run_id, decided_by=whoami())


def _explain_failure(service: "Service", error: RosterSyncError, as_json: bool) -> None:
    """A run that began and failed has a report of its own: show it to a person, name it to a machine. Why it failed is told
    once, with the error itself."""
    from cli.show.report import show_report
    from sync import history

    if error.run_id is not None:
        error.add_note(f"See: rostersync run show {error.run_id}")
        if not as_json:
            report = history.get_run(service, error.run_id)
            stderr().print(show_report(msgspec.structs.replace(report, error="")), "")
