"""A run that somebody watches, and may stop: progress goes out, the wish to stop comes in, at page boundaries."""

from collections.abc import Callable
from dataclasses import dataclass

from models.errors import CancelledError
from models.progress import Progress, ProgressCallback


@dataclass(frozen=True)
class Watch:
    """``tell`` is given every progress; ``cancelled`` is asked whether to stop, and may raise what the run is to end with."""

    tell: ProgressCallback = lambda _progress: None
    cancelled: Callable[[], bool] = lambda: False

    def page(self, listing: str, pages: int, records: int, expected: int = 0) -> None:
        """Another page of a listing has come. Raises CancelledError if the run is to stop."""
        self.tell(Progress("pull", listing, records=records, pages=pages, expected=expected))
        self.checkpoint()

    def waiting(self, seconds: float, why: str) -> None:
        """Nothing will be asked for so long: "the source allows 1,200 requests a minute"."""
        self.tell(Progress("pull", waiting=seconds, why=why))

    def checkpoint(self) -> None:
        """Raises CancelledError if the run is to stop."""
        if self.cancelled():
            raise CancelledError("The run was stopped before it changed anything.")
