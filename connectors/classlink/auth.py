"""Credentials that ClassLink hands out for a district, and may hand out anew while it is read."""

from collections.abc import Callable
from typing import Generic, TypeVar

from requests import PreparedRequest

from connectors.http.auth import Auth

Key = TypeVar("Key")


class HandedOut(Generic[Key]):
    """Authorizes with a key that ClassLink handed out; when it is refused, ClassLink is asked once for the present one.

    ``ask`` gets the present key (and raises if the district has switched us off); ``authorize`` makes of a key what signs;
    ``hint`` is what a person should check where the present key is refused too.
    """

    def __init__(self, key: Key, ask: Callable[[], Key], authorize: Callable[[Key], Auth], hint: str) -> None:
        self.hint = hint
        self._key = key
        self._ask = ask
        self._authorize = authorize
        self._auth = authorize(key)

    def sign(self, request: PreparedRequest) -> None:
        self._auth.sign(request)

    def renew(self) -> bool:
        """True if the key is another one by now: the same would only be refused again. Raises RosterSyncError."""
        key = self._ask()
        if key == self._key:
            return False
        self._key, self._auth = key, self._authorize(key)
        return True
