"""``rostersync sync``: the roster is pulled from a district's sources, and what is stored brought up to it."""

from typing import TYPE_CHECKING, Annotated

import typer

from cli.console import deliver, stderr, write_json
from cli.decision import carry_out, outcome
from cli.failures import EXIT_DONE, EXIT_HELD, describe, other_credentials_told, report_failure
from cli.options import JsonOption, TenantArgument, YesOption
from cli.progress import progress_shown
from cli.session import open_service, whoami
from models.errors import RosterSyncError

if TYPE_CHECKING:
    from collections.abc import Callable

    from models.report import RunReport
    from sync.service import Service

    Run = Callable[[str], RunReport | None]

#: Exit codes from the one that most needs a person to the one that needs none.
WORST_FIRST = (1, 70, 2, 65, 3, 75, EXIT_HELD, EXIT_DONE)


def sync(
    tenant: TenantArgument,
    connection: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Only this connection; by default all that are neither paused nor in a blackout.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Stop at the plan: show what would happen, change nothing.")
    ] = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Pull the roster from Clever, ClassLink, a OneRoster provider or dropped files, and bring the stored one up to it.

    Plan, limits and report are those of an upload: creates and updates are applied; removals beyond the tenant's limits
    are held until someone approves them. Someone who sits at a terminal sees the plan and is asked first; --yes skips that.
    Of several connections each is synced in turn, and the exit code is the worst of theirs.
    """
    from sync.pull import connections_to_sync
    from sync.pull import sync as run_sync

    with open_service() as service:

        def run(name: str) -> "RunReport | None":
            def start(dry: bool) -> "RunReport":
                with progress_shown(quiet=as_json) as progress:
                    return run_sync(
                        service, tenant, name, dry_run=dry, again=True, started_by=whoami(), progress=progress
                    )

            with other_credentials_told(tenant, name):
                return carry_out(service, start, dry_run=dry_run, yes=yes, as_json=as_json)

        names = [connection] if connection else connections_to_sync(service, tenant)
        if connection is None and not as_json:
            _tell_left_out(service, tenant)
        exit_code = _one(names[0], run, as_json) if len(names) == 1 else _each(names, run, as_json)
    raise typer.Exit(exit_code)


def _tell_left_out(service: "Service", tenant: str) -> None:
    from sync.rest import rests

    for name, rest in rests(service, tenant).items():
        if rest:
            stderr().print(f"{name} is left out: {rest.why}.", markup=False)


def _one(name: str, run: "Run", as_json: bool) -> int:
    report = run(name)
    if report:
        deliver(report, as_json, outcome)
    return _exit_code(report)


def _exit_code(report: "RunReport | None") -> int:
    return EXIT_HELD if report and report.state == "held" else EXIT_DONE


def _each(names: list[str], run: "Run", as_json: bool) -> int:
    """One after the other, as the trouble of one source is not the next one's. Returns the worst exit code."""
    answers: list[dict[str, object]] = []
    codes: list[int] = []
    for name in names:
        if not as_json:
            stderr().print(f"\nConnection {name}", style="bold", markup=False)
        report, error = None, None
        try:
            report = run(name)
            codes.append(_exit_code(report))
            if report and not as_json:
                deliver(report, False, outcome)
        except RosterSyncError as failed:
            failure = describe(failed)
            error = {"code": failure.code, "message": failure.message, "hint": failure.hint}
            codes.append(failure.exit_code if as_json else report_failure(failed, as_json=False))
        answers.append({"connection": name, "exit_code": codes[-1], "report": report, "error": error})
    if as_json:
        write_json(answers)
    return next(code for code in WORST_FIRST if code in codes)
