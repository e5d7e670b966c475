"""The console script ``rostersync``: all commands in one place, and the one place where a command's errors end."""

import os
import sys
from collections.abc import Sequence

import typer

from cli.commands import (
    classlink,
    connection,
    contact,
    db,
    demo,
    keys,
    plan,
    replay,
    roster,
    run,
    schedule,
    school,
    serve,
    status,
    sync,
    tenant,
    upload,
)
from cli.failures import EXIT_DONE, EXIT_INTERRUPTED, report_failure, report_interruption

app = typer.Typer(
    name="rostersync",
    help="Keeps a stored school roster true to what a district's own systems say.",
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(tenant.app, name="tenant")
app.add_typer(school.app, name="school")
app.add_typer(connection.app, name="connection")
app.add_typer(classlink.app, name="classlink")
app.command()(sync.sync)
app.add_typer(schedule.app, name="schedule")
app.command()(schedule.cancel)
app.command()(status.status)
app.add_typer(contact.app, name="contact")
app.command()(contact.notices)
app.command()(serve.serve)
app.command()(serve.worker)
app.command()(upload.upload)
app.command()(run.runs)
app.add_typer(run.app, name="run")
app.add_typer(plan.app, name="plan")
app.command()(roster.explain)
app.command()(roster.export)
app.command()(roster.template)
app.add_typer(db.app, name="db")
app.add_typer(keys.app, name="keys")
app.command()(replay.record)
app.command()(replay.replay)
app.command()(demo.demo)


def main() -> None:
    """Run the command of this process and leave with its exit code."""
    exit_code = execute(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            # Nobody reads any more. What is left in the buffer would fail once more when Python ends, and change the code.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(exit_code)


def execute(arguments: Sequence[str]) -> int:
    """Run one command, tell its errors in plain words, and return its exit code (listed in ``cli.failures``)."""
    try:
        result = app(args=list(arguments) or ["--help"], prog_name="rostersync", standalone_mode=False)
    except Exception as error:
        return report_failure(error, "--json" in arguments)
    if result == EXIT_INTERRUPTED:
        return report_interruption("--json" in arguments)
    return result if isinstance(result, int) else EXIT_DONE


if __name__ == "__main__":
    main()
