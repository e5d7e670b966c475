"""``rostersync upload``: a district's files in, the roster brought up to them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.console import deliver
from cli.decision import carry_out, outcome
from cli.failures import EXIT_HELD
from cli.options import JsonOption, TenantArgument, YesOption
from cli.progress import progress_shown
from cli.session import open_service, whoami
from models.settings import ResultsPolicy

if TYPE_CHECKING:
    from models.report import RunReport


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

        report = carry_out(service, start, dry_run=dry_run, yes=yes, as_json=as_json)
    if report:
        deliver(report, as_json, outcome)
        if report.state == "held":
            raise typer.Exit(EXIT_HELD)
