"""Progress of a run, on stderr: a moving line at a terminal, else a line per file and step, nothing with ``--json``."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cli.console import stderr
from models.progress import Progress, ProgressCallback
from models.vocabulary import PLURALS

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

#: Seconds between two updates of the moving line.
UPDATE_EVERY = 0.1
#: What a person calls the six verbs while they go on. Comparing goes on while files are read, so it gets no line.
_DOING = {
    "pull": "reading", "check": "checking", "compare": "comparing", "guard": "measuring", "apply": "storing",
    "report": "reporting",
}  # fmt: skip
_WORDS: dict[str, str] = dict(PLURALS.items())


@contextmanager
def progress_shown(quiet: bool) -> Iterator[ProgressCallback | None]:
    """A callback for ``sync.upload``, or None where nobody watches."""
    console = stderr()
    if console.is_terminal:
        with console.status("starting") as status:
            yield Throttled(status.update)
    elif quiet:
        yield None
    else:
        yield Steps(console)


def progress_text(progress: Progress) -> "Text":
    """``comparing: 12,000 people (users.csv)``."""
    from rich.text import Text

    from cli.show.words import clean

    text = Text(_DOING.get(progress.step, progress.step), style="bold")
    if progress.records:
        default = "rows" if progress.step == "pull" else "records"
        text.append(f": {progress.records:,} {_WORDS.get(progress.kind or '', default)}", style="not bold")
    if progress.file:
        text.append_text(Text.assemble(" (", clean(progress.file), ")", style="not bold"))
    return text


class Throttled:
    """Passes on an update only as often as an eye can follow."""

    def __init__(self, update: "Callable[[Text], None]", clock: Callable[[], float] = time.monotonic) -> None:
        self._update = update
        self._clock = clock
        self._next = 0.0

    def __call__(self, progress: Progress) -> None:
        now = self._clock()
        if now >= self._next:
            self._next = now + UPDATE_EVERY
            self._update(progress_text(progress))


class Steps:
    """Writes a line for every file that was read and every other step, once."""

    def __init__(self, console: "Console") -> None:
        self._console = console
        self._told: set[tuple[str, str]] = set()

    def __call__(self, progress: Progress) -> None:
        about = (progress.step, progress.file)
        if progress.step != "compare" and about not in self._told:
            self._told.add(about)
            self._console.print(progress_text(progress))
