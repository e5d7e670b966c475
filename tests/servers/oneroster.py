"""A OneRoster 1.1 or 1.2 provider with OAuth 2 client credentials, OAuth 1.0a, or a token that does not change."""

from typing import Any, Final, Literal

from fixtures.oneroster_api import Records
from models.connections import OneRosterCredentials, OneRosterSettings
from tests.servers.base import Loopback
from tests.servers.messages import Reply, Request
from tests.servers.prepared import PreparedPages
from tests.servers.provider import Provider, failure
from tests.servers.tokens import SignedRequests, Style, TokenEndpoint, bearer

CLIENT_ID: Final = "roster-client"
#: With characters that every encoding treats differently.
CLIENT_SECRET: Final = "s3cr+t/=&~ x"
STATIC_TOKEN: Final = "static-token"
PLACES: Final = {"1.1": "/ims/oneroster/v1p1", "1.2": "/ims/oneroster/rostering/v1p2"}


class OneRosterServer(Loopback):
    """``roster`` as ``fixtures.api.render(spec, "oneroster11" or "oneroster12")`` makes it.

    ``provider`` holds the roster and the manners (totals, clamp, sort, filter …), ``tokens`` the OAuth 2 endpoint (lifetime, the
    scopes that were asked for). ``place`` is the path of the API.
    """

    def __init__(
        self,
        roster: Records | None = None,
        *,
        version: Literal["1.1", "1.2"] = "1.1",
        auth: Literal["oauth1", "oauth2", "bearer"] = "oauth2",
        style: Style = "basic",
        method: Literal["HMAC-SHA256", "HMAC-SHA1"] = "HMAC-SHA256",
        place: str | None = None,
        prepared: PreparedPages | None = None,
    ) -> None:
        super().__init__()
        self.provider = Provider(roster or {}, prepared)
        self.version, self.auth, self.method = version, auth, method
        self.place = place or PLACES[version]
        self.tokens = TokenEndpoint(CLIENT_ID, CLIENT_SECRET, style)
        self._signed = SignedRequests(CLIENT_ID, CLIENT_SECRET, (method,))
        self._refused = False

    def settings(self, **changes: Any) -> OneRosterSettings:
        known: dict[str, Any] = {
            "base_url": self.url + self.place,
            "version": self.version,
            "auth": self.auth,
            "signature_method": self.method,
            "token_url": f"{self.url}/token" if self.auth == "oauth2" else None,
            "token_request": self.tokens.style,
            "page_size": 100,
        }
        return OneRosterSettings(**(known | changes))

    def credentials(self) -> OneRosterCredentials:
        if self.auth == "bearer":
            return OneRosterCredentials(token=STATIC_TOKEN)
        return OneRosterCredentials(client_id=CLIENT_ID, client_secret=CLIENT_SECRET)

    def revoke(self) -> None:
        """OAuth 2 hands out new tokens; a key or a static token that is refused stays refused."""
        self.tokens.revoke()
        self._refused = self.auth != "oauth2"

    def unauthorized(self) -> Reply:
        return failure(401, "unauthorisedrequest")

    def answer(self, request: Request) -> Reply:
        if request.path == "/token" and self.auth == "oauth2":
            return self.tokens.answer(request)
        if not self._lets_in(request):
            return self.unauthorized()
        if not request.path.startswith(f"{self.place}/"):
            return failure(404, "unknownobject")
        resource = request.path.removeprefix(f"{self.place}/")
        return self.provider.answer(resource, request, self.url + request.path)

    def _lets_in(self, request: Request) -> bool:
        if self.auth == "oauth1":
            return self._signed.accepts(request, self.url + request.target) and not self._refused
        if self.auth == "bearer":
            return bearer(request.headers) == STATIC_TOKEN and not self._refused
        return self.tokens.accepts(bearer(request.headers))
