"""``rostersync runs`` and ``rostersync run``: the history, and all that one run can tell."""

from typing import Annotated, Literal

import typer

from cli.console import deliver
from cli.options import JsonOption, LimitOption, RunArgument, command_group
from cli.session import open_service
from models.vocabulary import Kind

app = command_group("What one run did, what was wrong with what it read, what it changed.")

#: What a run can do to a record.
ChangeAction = Literal["create", "update", "restore", "archive"]


def runs(
    tenant: Annotated[
        str | None, typer.Argument(metavar="[TENANT]", help="Only this tenant's runs.", show_default=False)
    ] = None,
    limit: LimitOption = 20,
    as_json: JsonOption = False,
) -> None:
    """List the latest runs, newest first."""
    from cli.show.history import show_runs
    from sync import history

    with open_service() as service:
        deliver(history.list_runs(service, tenant, limit=limit), as_json, show_runs)


@app.command()
def show(run: RunArgument, as_json: JsonOption = False) -> None:
    """Show a run's report again."""
    from cli.show.report import show_report
    from sync import history

    with open_service() as service:
        deliver(history.get_run(service, run), as_json, show_report)


@app.command()
def problems(
    run: RunArgument,
    code: Annotated[
        str | None, typer.Option(metavar="CODE", help="Only problems of this code, e.g. unknown_school.")
    ] = None,
    file: Annotated[str | None, typer.Option(metavar="FILE", help="Only problems of this file or listing.")] = None,
    limit: LimitOption = 100,
    as_json: JsonOption = False,
) -> None:
    """List what was wrong with what a run read: place, sentence, advice."""
    from cli.show.history import show_problems
    from sync import history

    with open_service() as service:
        connector = history.get_run(service, run).connector
        found = history.list_problems(service, run, limit=limit, code=code, file=file)
        deliver(found, as_json, lambda problems: show_problems(problems, connector))


@app.command()
def changes(
    run: RunArgument,
    kind: Annotated[Kind | None, typer.Option(help="Only changes of this kind.")] = None,
    action: Annotated[ChangeAction | None, typer.Option(help="Only changes of this sort.")] = None,
    limit: LimitOption = 100,
    as_json: JsonOption = False,
) -> None:
    """List what a run changed, record by record: which fields from what to what, and why something went."""
    from cli.show.history import show_changes
    from sync import history

    with open_service() as service:
        deliver(history.list_changes(service, run, limit=limit, kind=kind, action=action), as_json, show_changes)
