"""The one policy of trying again."""

from collections.abc import Callable
from typing import Final

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random, wait_random_exponential

#: A body that is torn three times is what the source really sends.
_TORN_TRIES: Final = 3
#: At most 2, 4, 8, … 60 seconds, and any time below that: whoever failed together must not come back together.
_backoff = wait_random_exponential(multiplier=2, max=60)
_jitter = wait_random(0, 1)


class Transient(Exception):  # noqa: N818 (it never leaves this package)
    """One try failed in a way that another may mend. ``reason`` is a part of a sentence ("it answered with status 503").

    ``asked`` is for how many seconds the source wants to be left alone, if it said so; ``torn`` that an answer came
    whole and could not be read; ``limit`` that a limit of requests was reached.
    """

    def __init__(self, reason: str, *, asked: float | None = None, torn: bool = False, limit: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.asked = asked
        self.torn = torn
        self.limit = limit


class Patience:
    """``left`` is for how many seconds all requests of a client together may still wait because tries failed."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds

    def spend(self, seconds: float) -> None:
        self.left -= seconds


def retrying(tries: int, patience: Patience, rest: Callable[[float, Transient], None]) -> Retrying:
    """Calls a function (for one request) until it raises no Transient; raises the last one when there is no use.

    ``rest`` is called between two tries with the seconds to wait and with what failed; it does the waiting.
    """
    torn = 0

    def is_hopeless(state: RetryCallState) -> bool:
        nonlocal torn
        torn += _failure(state).torn
        return state.attempt_number >= tries or torn >= _TORN_TRIES or state.upcoming_sleep > patience.left

    def wait(state: RetryCallState) -> float:
        asked = _failure(state).asked
        return _backoff(state) if asked is None else asked + _jitter(state)

    def before_sleep(state: RetryCallState) -> None:
        patience.spend(state.upcoming_sleep)
        rest(state.upcoming_sleep, _failure(state))

    return Retrying(
        retry=retry_if_exception_type(Transient),
        wait=wait,
        stop=is_hopeless,
        before_sleep=before_sleep,
        sleep=lambda _seconds: None,  # ``rest`` has waited, in a way that can be cancelled
        reraise=True,
    )


def _failure(state: RetryCallState) -> Transient:
    failure = state.outcome.exception() if state.outcome else None
    assert isinstance(failure, Transient)
    return failure
