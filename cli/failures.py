"""How a command ends: every exception becomes one plain sentence and an exit code.

    0    done                                       65  what the district sent or shares cannot be used
    1    unexpected; the details are in the log     70  the run stopped itself before it changed anything
    2    a setting or argument is wrong             75  busy: nothing is wrong, try again later
    3    the plan is stale: make a new one          130 interrupted from the keyboard
    4    done in part: something is held and waits for a person
    5    a replay came to something else than what is expected

The codes 2, 3, 65, 70 and 75 stand with the errors themselves, in ``models.errors``.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from typer.exceptions import TyperException

from cli import logs
from cli.console import stderr, write_json
from models.errors import CredentialsRefusedError, RosterSyncError

EXIT_DONE = 0
EXIT_UNEXPECTED = 1
EXIT_HELD = 4
EXIT_DIFFERENT = 5
EXIT_INTERRUPTED = 130


#: What typer says of a wrong argument, where it is no sentence for people.
_REWORDED = {
    "Value error, ": "",
    "Input should be a valid integer, unable to parse string as an integer": "it takes a whole number",
    "Input should be greater than or equal to": "it takes a number of at least",
    "Input should be less than or equal to": "it takes a number of at most",
}


@dataclass(frozen=True)
class Failure:
    """What is told of an error: a stable code for machines, a sentence for people, and where to look next."""

    code: str
    message: str
    exit_code: int
    hint: str = ""


def report_failure(error: Exception, as_json: bool) -> int:
    """Tell the person or machine what went wrong; returns the exit code. Re-raises when ROSTERSYNC_DEBUG is set."""
    failure = describe(error)
    if failure.exit_code == EXIT_UNEXPECTED and os.environ.get("ROSTERSYNC_DEBUG", "") not in {"", "0"}:
        raise error
    return _report(failure, as_json)


@contextmanager
def other_credentials_told(tenant: str, connection: str) -> Iterator[None]:
    """Where the source refuses a connection's credentials, say with the error how to give others."""
    try:
        yield
    except CredentialsRefusedError as error:
        error.add_note(f"To give others: rostersync connection set {tenant} {connection} --credentials")
        raise


def report_interruption(as_json: bool) -> int:
    """Tell that a command was stopped from the keyboard; returns the exit code."""
    if not as_json:
        stderr().print()  # the cursor stands behind a question, or behind ^C
    sentence = "Interrupted. What a run changes it changes all at once, or not at all."
    return _report(Failure("interrupted", sentence, EXIT_INTERRUPTED, "See: rostersync runs"), as_json)


def _report(failure: Failure, as_json: bool) -> int:
    if as_json:
        write_json({"error": {"code": failure.code, "message": failure.message, "hint": failure.hint}})
    elif failure.message:
        _tell(failure)
    return failure.exit_code


def _tell(failure: Failure) -> None:
    from rich.text import Text

    from cli.show.words import clean

    console = stderr()
    begins = "" if failure.exit_code == EXIT_INTERRUPTED else "Error: "
    console.print(Text.assemble((begins, "bold red"), clean(failure.message)), soft_wrap=True)
    for line in failure.hint.splitlines():
        console.print(clean(line, "dim"), soft_wrap=True)


def describe(error: Exception) -> Failure:
    """The failure that stands for an exception. An unexpected one is logged."""
    if isinstance(error, RosterSyncError):
        return Failure(error.code, error.for_admin, error.exit_code, "\n".join(getattr(error, "__notes__", ())))
    if isinstance(error, TyperException):
        return _usage(error)
    path, reference = logs.write_crash(error)
    where = f"the details are in {path} under {reference}" if path else "and the log could not be written"
    if isinstance(error, OSError) and error.strerror:
        place = f" ({error.filename})" if error.filename else ""
        return Failure("system", f"The system refused: {error.strerror}{place}; {where}.", EXIT_UNEXPECTED)
    return Failure("unexpected", f"Something went wrong that should not have; {where}.", EXIT_UNEXPECTED)


def _usage(error: TyperException) -> Failure:
    """A wrong argument, with the place to look up the right one."""
    context = getattr(error, "ctx", None)
    hint = f"See: {context.command_path} --help" if context else ""
    message = error.format_message().strip()
    for theirs, ours in _REWORDED.items():
        message = message.replace(theirs, ours)
    return Failure("usage", message, error.exit_code, hint)
