"""The two streams: answers go to stdout, everything else (progress, questions, errors) to stderr.

Rich is imported only when something is printed: ``--help`` needs none of it.
"""

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

T = TypeVar("T")

#: Columns of an answer that goes into a pipe or file, where there is no window to ask for its width.
PIPED_WIDTH = 100


def stdout() -> "Console":
    """The console for answers; colors and width follow the terminal, NO_COLOR and COLUMNS."""
    return _console(stderr=False)


def stderr() -> "Console":
    """The console for all that is not the answer."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> "Console":
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    if hasattr(stream, "reconfigure"):
        # A terminal that cannot show a character gets a "?" for it, not an error in the middle of a report.
        stream.reconfigure(errors="replace")
    width = None if stream.isatty() or os.environ.get("COLUMNS") else PIPED_WIDTH

    class Deaf(Console):
        """A run goes on when nobody reads its progress any more (``rostersync … 2>&1 | head``); rich would end it."""

        def on_broken_pipe(self) -> None:
            self.quiet = True

    return (Deaf if stderr else Console)(stderr=stderr, width=width, highlight=False, emoji=False)


def deliver(value: T, as_json: bool, show: "Callable[[T], RenderableType]") -> None:
    """Print a command's one answer: as a JSON document, or as ``show`` renders it for a person."""
    if as_json:
        write_json(value)
    else:
        console = stdout()
        with console.capture() as shown:
            console.print(show(value), crop=False)  # a command that is longer than a line can still be copied
        # Tables fill their last column with blanks; nobody wants those in a file or a paste.
        print("\n".join(line.rstrip() for line in shown.get().splitlines()), flush=True)


def write_json(value: object) -> None:
    """One JSON document on stdout. Structs become objects with the fields' names."""
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode(), flush=True)


def ask(question: str) -> bool:
    """Ask a person who sits at a terminal; anything but a clear yes is no."""
    stderr().print(f"{question} [y/N] ", end="", markup=False)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def person_is_present() -> bool:
    """Whether somebody can see a question and answer it."""
    return sys.stdin.isatty() and sys.stderr.isatty()
