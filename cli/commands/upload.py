"""``rostersync upload``: a district's files in, the roster brought up to them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.console import ask, deliver, person_is_present, stderr
from cli.failures import EXIT_HELD
from cli.options import JsonOption, TenantArgument, YesOption
from cli.progress import progress_shown
from cli.session import open_service, whoami
from models.errors import RosterSyncError
from models.settings import ResultsPolicy

if TYPE_CHECKING:
    from collections.abc import Callable

    from models.report import RunReport
    from sync.service import Service

    Start = Callable[[bool], RunReport]


def upload(
    tenant: TenantArgument,
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="Folders, CSV files or ZIPs, together one upload.", exists=True),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Stop at the plan: show what would happen, change nothing.")
    ] = False,
    connection: Annotated[
        str,
        typer.Option(metavar="NAME", help="The way in that these files belong to; each manages its own rows."),
    ] = "csv",
    school: Annotated[
        str | None, typer.Option(metavar="ID", help="The files are for this one school only (its source id).")
    ] = None,
    results: Annotated[
        ResultsPolicy, typer.Option(help="Result files: every row, only rows with problems, or none.")
    ] = "full",
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Read a district's files and bring the stored roster up to them.

    Creates and updates are applied; removals beyond the tenant's limits are held until someone approves them. Someone
    who sits at a terminal sees the plan and is asked first; --yes skips that.
    """
    from cli.show.report import show_decision, show_report

    asks = not (dry_run or yes or as_json) and person_is_present()
    with open_service() as service:

        def start(dry: bool) -> "RunReport":
            from sync.upload import upload as run_upload

            with progress_shown(quiet=as_json) as progress:
                return run_upload(
                    service,
                    tenant,
                    paths,
                    connection=connection,
                    school=school,
                    dry_run=dry,
                    results=results,
                    started_by=whoami(),
                    progress=progress,
                )

        try:
            report = _ask_then_apply(service, start) if asks else start(dry_run)
        except RosterSyncError as error:
            _explain_failure(service, error, as_json)
            raise
        deliver(report, as_json, show_decision if asks and report.dry_run else show_report)
    if report.state == "held":
        raise typer.Exit(EXIT_HELD)


def _ask_then_apply(service: "Service", start: "Start") -> "RunReport":
    """Show the plan and apply it if the person agrees; else the plan is what is reported.

    A plan with holds is made again by a real run: only that applies the safe part and holds the rest.
    """
    from cli.show.report import show_report
    from sync import plans

    plan = start(True)
    if not any(kind.created or kind.updated or kind.archived or kind.restored or kind.held for kind in plan.kinds):
        return start(False)
    deliver(plan, False, show_report)
    if not ask("Apply what is safe, and hold the rest?" if plan.holds else "Apply exactly this?"):
        stderr().print("Nothing was changed; the plan still waits.")
        raise typer.Exit
    return start(False) if plan.holds else plans.approve_plan(service, plan.run_id, decided_by=whoami())


def _explain_failure(service: "Service", error: RosterSyncError, as_json: bool) -> None:
    """A run that began and failed has a report of its own: show it to a person, name it to a machine."""
    from cli.show.report import show_report
    from sync import history

    if error.run_id is not None:
        error.add_note(f"See: rostersync run show {error.run_id}")
        if not as_json:
            stderr().print(show_report(history.get_run(service, error.run_id)), "")
