"""Progress of a run, on stderr: a moving line at a terminal, else a line per file and step, nothing with ``--json``."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cli.console import stderr
from models.progress import Progress, ProgressCallback
from models.vocabulary import PLURALS

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

#: Seconds between two updates of the moving line.
UPDATE_EVERY = 0.1
#: Seconds from which on a wait is told of: shorter ones are the usual pace of a source with a limit.
WORTH_TELLING = 1.0
_BAR_WIDTH = 24
#: What a person calls the six verbs, and the fetching of files, while they go on. Comparing goes on while files are read, so
#: it gets no line.
_DOING = {
    "fetch": "fetching", "pull": "reading", "check": "checking", "compare": "comparing", "guard": "checking the limits",
    "apply": "finishing", "report": "reporting",
}  # fmt: skip
_PLURALS: dict[str, str] = dict(PLURALS.items())


@contextmanager
def progress_shown(quiet: bool) -> Iterator[ProgressCallback | None]:
    """A callback for the verbs of ``sync``, or None where nobody watches."""
    console = stderr()
    if console.is_terminal:
        with console.status("starting") as status:
            yield Throttled(status.update)
    elif quiet:
        yield None
    else:
        steps = Steps(console)
        try:
            yield steps
        finally:
            steps.finish()


def progress_text(progress: Progress) -> "Text":
    """``comparing: 12,000 people (users.csv)``, ``reading: 10,000 of 52,310 records, page 2 (users)``,
    ``waiting 12 s: the source allows 1,200 requests a minute``."""
    from rich.text import Text

    from cli.show.words import clean

    if progress.waiting:
        return Text.assemble((f"waiting {progress.waiting:,.0f} s", "bold"), ": ", clean(progress.why))
    storing = progress.step == "apply" and progress.records
    text = Text("storing" if storing else _DOING.get(progress.step, progress.step), style="bold")
    if progress.step != "fetch" and (progress.records or progress.file):
        of_all = f" of {progress.expected:,}" if progress.expected else ""
        text.append(f": {progress.records:,}{of_all} {_words(progress)}", style="not bold")
    if progress.pages:
        text.append(f", page {progress.pages:,}", style="not bold")
    if progress.file:
        text.append_text(Text.assemble(" (", clean(progress.file), ")", style="not bold"))
    return text


def _words(progress: Progress) -> str:
    """``people``, ``records``, ``record``: what was counted."""
    one = (progress.expected or progress.records) == 1
    if progress.kind:
        return progress.kind if one else _PLURALS[progress.kind]
    return "record" if one else "records"


def progress_line(progress: Progress) -> "RenderableType":
    """The text, with a bar behind it where it is known how much there is."""
    if not progress.expected or progress.waiting:
        return progress_text(progress)
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    line = Table.grid(padding=(0, 1, 0, 0))
    done = min(progress.records, progress.expected)
    line.add_row(progress_text(progress), ProgressBar(total=progress.expected, completed=done, width=_BAR_WIDTH))
    return line


class Throttled:
    """Passes on an update only as often as an eye can follow; at once what may stay for a while: a wait, another step or
    listing."""

    def __init__(self, update: "Callable[[RenderableType], None]", clock: Callable[[], float] = time.monotonic) -> None:
        self._update = update
        self._clock = clock
        self._next = 0.0
        self._about = ("", "")

    def __call__(self, progress: Progress) -> None:
        if 0 < progress.waiting < WORTH_TELLING:
            return
        now, about = self._clock(), (progress.step, progress.file)
        if now >= self._next or progress.waiting or about != self._about:
            self._next, self._about = now + UPDATE_EVERY, about
            self._update(progress_line(progress))


class Steps:
    """Writes a line for every file that was read, every listing when its last page has come, and every other step, once."""

    def __init__(self, console: "Console") -> None:
        self._console = console
        self._told: set[tuple[str, str]] = set()
        self._going_on: Progress | None = None

    def __call__(self, progress: Progress) -> None:
        if progress.waiting:
            if progress.waiting >= WORTH_TELLING:
                self._console.print(progress_text(progress))
        elif progress.pages:
            if self._going_on and self._going_on.file != progress.file:
                self.finish()
            self._going_on = progress
        else:
            self.finish()
            self._tell(progress)

    def finish(self) -> None:
        """Nothing more comes of the listing that was read last."""
        if self._going_on:
            self._tell(self._going_on)
            self._going_on = None

    def _tell(self, progress: Progress) -> None:
        about = (progress.step, progress.file)
        if progress.step != "compare" and about not in self._told:
            self._told.add(about)
            self._console.print(progress_text(progress))
