"""Plans that wait when a newer run of their connection ends: it takes their place, as it has found again whatever is still so
(docs/adr/stored-plans.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store import runs

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from models.report import RunReport
    from store.runs import WaitingPlan
    from sync.plan import Plan
    from sync.run import Run


def take_their_place(connection: Connection, this: Run, plan: Plan, report: RunReport) -> None:
    """Discard them in the transaction that ends ``this``; a dry run takes the place of dry runs only.

    While nothing may be removed, a run finds no removals again. So a held plan goes on waiting as long as it can still be
    approved; when it cannot, because the roster moves on, it is discarded all the same. ``report`` tells both.
    """
    add_only = this.windows.add_only is not None
    for earlier in runs.waiting_plans(connection, this.order.connection_id, before=this.id):
        if earlier.state == "held" and this.order.dry_run:
            continue
        if earlier.state == "held" and add_only and _can_still_be_approved(earlier, this, plan):
            report.waits_on, report.holds = earlier.run_id, runs.report_of(connection, earlier.run_id).holds
            report.notes.append(f"The plan of run {earlier.run_id} still waits for a decision.")
            continue
        runs.discard(connection, earlier.run_id, by=f"run {this.id}")
        if earlier.state == "held" and add_only:
            report.notes.append(
                f"The plan of run {earlier.run_id} waited for a decision and is discarded, because the roster moves on; what "
                f"it would have removed comes up again when nothing is add-only any more."
            )


def _can_still_be_approved(earlier: WaitingPlan, this: Run, plan: Plan) -> bool:
    return plan.empty and earlier.base_revision == this.base_revision
