"""Progress of a run, on stderr: a moving line at a terminal, else a line per step, nothing with ``--json``."""

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
_WORDS: dict[str, str] = dict(PLURALS.items())


@contextmanager
def progress_shown(quiet: bool) -> Iterator[ProgressCallback | None]:
    """A callback for ``sync.upload``, or None where nobody watches."""
    console = stderr()
    if console.is_terminal:
        with console.status("starting") as status:
            yield _Throttled(status.update)
    elif quiet:
        yield None
    else:
        yield _Steps(console)


def progress_text(progress: Progress) -> "Text":
    """``check: 12,000 people (users.csv)``."""
    from rich.text import Text

    from cli.show.words import clean

    text = Text(progress.step, style="bold")
    if progress.records:
        text.append(f": {progress.records:,} {_WORDS.get(progress.kind or '', 'records')}", style="")
    if progress.file:
        text.append_text(Text.assemble(" (", clean(progress.file), ")"))
    return text


class _Throttled:
    """Passes on an update only as often as an eye can follow."""

    def __init__(self, update: "Callable[[Text], None]") -> None:
        self._update = update
        self._next = 0.0

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + UPDATE_EVERY
            self._update(progress_text(progress))


class _Steps:
    """Writes a line when a step begins."""

    def __init__(self, console: "Console") -> None:
        self._console = console
        self._step = ""

    def __call__(self, progress: Progress) -> None:
        if progress.step != self._step:
            self._step = progress.step
            self._console.print(f"{progress.step} …", markup=False)
