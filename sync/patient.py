"""Questions to a database that may fail, or never answer."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Final, Generic, TypeVar

import structlog

T = TypeVar("T")

log = structlog.get_logger("rostersync.patient")

#: What people are told where there is no answer, be it that the database refuses or that it keeps silent.
NO_ANSWER: Final = "The database does not answer."


class Patient(Generic[T]):
    """Asks ``ask`` in a thread, never twice at a time, however many want to know: a database that hangs keeps one thread, and
    not the process from ending. An answer is kept for ``keep`` seconds."""

    def __init__(
        self,
        ask: Callable[[], T],
        *,
        keep: float = 0.0,
        patience: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask, self._keep, self._patience, self._clock = ask, keep, patience, clock
        self._lock = threading.Lock()
        self._asked: Future[T] | None = None
        self._until = 0.0

    def answer(self) -> T | None:
        """The answer, or None where asking fails or takes longer than ``patience`` seconds."""
        with self._lock:
            asked = self._current()
        wait([asked], timeout=self._patience)
        if not asked.done():  # who asks next looks whether the answer has come
            return None
        error = asked.exception()
        if error is None:
            return asked.result()
        log.warning("the database could not be asked", error=type(error).__name__)
        return None

    def _current(self) -> "Future[T]":
        asked = self._asked
        if asked is None or (asked.done() and (asked.exception() is not None or self._clock() >= self._until)):
            asked = self._asked = _in_background(self._ask)
            self._until = self._clock() + self._keep
        return asked


def _in_background(ask: Callable[[], T]) -> "Future[T]":
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(ask())
        except Exception as error:
            future.set_exception(error)

    threading.Thread(target=run, name="patient", daemon=True).start()
    return future
