"""``rostersync upload``: a district's files in, the roster brought up to them."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.console import ask, deliver, person_is_present, stderr
from cli.failures import EXIT_HELD
from cli.options import JsonOption, TenantArgument, YesOption
from cli.progress import progress_shown
from cli.session import open_service, whoami
from models.settings import ResultsPolicy

if TYPE_CHECKING:
    from models.report import RunReport
    from sync.service import Service


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
        str, typer.Option(help="The way in that these files belong to; each manages its own rows.")
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
    from cli.show.report import show_report

    asks = not (dry_run or yes or as_json) and person_is_present()
    with open_service() as service:

        def start(*, dry: bool) -> "RunReport":
            from sync.upload import upload as run_upload

            with progress_shown(quiet=as_json) as progress:
                return run_upload(
                    service, tenant, paths, connection=connection, school=school, dry_run=dry, results=results,
                    started_by=whoami(), progress=progress,
                )  # fmt: skip

        report = start(dry=dry_run or asks)
        if asks:
            deliver(report, False, show_report)
            if not ask(_question(report)):
                stderr().print("Nothing was changed; the plan still waits.")
                return
            report = _go_on(service, report, start)
        deliver(report, as_json, show_report)
    if report.state == "held":
        raise typer.Exit(EXIT_HELD)


def _question(report: "RunReport") -> str:
    return "Apply what is safe, and hold the rest?" if report.holds else "Apply exactly this?"


def _go_on(service: "Service", plan: "RunReport", start: Callable[..., "RunReport"]) -> "RunReport":
    """Apply the plan that was shown. One with holds is made again: a real run applies a part and holds the rest."""
    from sync import plans

    if not plan.holds:
        return plans.approve_plan(service, plan.run_id, decided_by=whoami())
    plans.discard_plan(service, plan.run_id, decided_by=whoami())
    return start(dry=False)
