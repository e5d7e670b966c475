"""Whether a run is to stop: because whoever started it says so, or because a person asked for it in the run's row."""

import time
from collections.abc import Callable
from typing import Final

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from models.errors import CancelledError
from store import runs

log = structlog.get_logger("rostersync.stopping")

#: Seconds between two looks at the run's row.
_LOOK_EVERY: Final = 1.0


class Stopping:
    """Asked between pages, by the connector and by the engine: True when ``cancelled`` says so. Raises CancelledError that
    names who asked for it in the run's row (``run.cancel_by``); what ``cancelled`` raises goes through.

    A database that does not answer stops nothing. ``clock`` gives seconds.
    """

    def __init__(
        self, engine: Engine, cancelled: Callable[[], bool], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._engine = engine
        self._cancelled = cancelled
        self._clock = clock
        self._run_id: int | None = None
        self._looked = 0.0

    def begins(self, run_id: int) -> None:
        """From now on the row of this run is looked at, once a second at most."""
        self._run_id = run_id
        self._looked = self._clock()

    def __call__(self) -> bool:
        if self._cancelled():
            return True
        if self._run_id is None or self._clock() < self._looked + _LOOK_EVERY:
            return False
        self._looked = self._clock()
        try:
            by = runs.asked_to_stop(self._engine, self._run_id)
        except DBAPIError as error:
            log.warning("nobody can say whether to stop", run=self._run_id, error=type(error).__name__)
            return False
        if by:
            raise stopped_by(by)
        return False


def stopped_by(person: str) -> CancelledError:
    return CancelledError(f"The run was stopped by {person}; nothing was changed.", "run.cancel_by is set")
