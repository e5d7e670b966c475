"""How a request is authorized: signed afresh on every try, and renewed once when the source says 401."""

from typing import Protocol

from requests import PreparedRequest


class Auth(Protocol):
    """Authorizes requests. Holds secrets: its repr must not show them.

    One may have an attribute ``hint``: what to check when it is refused, as sentences for an admin.
    """

    def sign(self, request: PreparedRequest) -> None:
        """Add what authorizes this try: called anew for every try, as nonces and tokens must be fresh.

        May itself ask for a token. Raises RosterSyncError.
        """
        ...

    def renew(self) -> bool:
        """The source answered 401: get something newer if there is any. True if the request is worth one more try."""
        ...


def hint_of(auth: Auth) -> str:
    """What to check when ``auth`` is refused; blank if it does not say."""
    return str(getattr(auth, "hint", ""))


class NoAuth:
    """Requests that need no authorization (or bring their own)."""

    def sign(self, request: PreparedRequest) -> None:
        return

    def renew(self) -> bool:
        return False


class Bearer:
    """A token that does not change."""

    def __init__(self, token: str) -> None:
        self._token = token

    def sign(self, request: PreparedRequest) -> None:
        request.headers["Authorization"] = f"Bearer {self._token}"

    def renew(self) -> bool:
        return False
