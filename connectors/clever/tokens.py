"""The district's token: looked up with the app's id and secret, and looked up again when it no longer works.

Tokens rotate, so only the district's id is kept (reference/clever.md, 0, 1 and 1.1).
"""

from typing import Final, NamedTuple

import msgspec
from requests import PreparedRequest
from requests.auth import HTTPBasicAuth

from connectors.clever.answers import Link, decode, next_query
from connectors.http.client import Answer, HttpClient, Query
from models.connections import CleverCredentials, CleverSettings
from models.errors import (
    CancelledError,
    CredentialsRefusedError,
    DisconnectedError,
    RosterSyncError,
    SettingsError,
    SourceProtocolError,
)

_OK: Final = 200
_TOKENS: Final = "/oauth/tokens"
_TOKEN_INFO: Final = "/oauth/tokeninfo"  # noqa: S105
#: Answers of the token endpoint that tell something; asking again would not change them.
_TELLING: Final = frozenset({400, 401, 403, 404})
#: How many districts a message lists.
_MOST_LISTED: Final = 20
_NEW_TOKEN: Final = "Replace the token: in Clever's dashboard, or give client_id and client_secret instead."  # noqa: S105
_CONNECT_AGAIN: Final = (
    "It is the token that Clever handed out: try again later, or ask the district to connect the app anew."
)


class _Owner(msgspec.Struct):
    id: str = ""


class _Token(msgspec.Struct):
    """Unlike the Data API's, these items have no inner ``data`` (1.1)."""

    access_token: str | None = None
    owner: _Owner | None = None
    created: str | None = None
    scopes: list[str] | None = None


class _Tokens(msgspec.Struct):
    data: list[_Token]
    links: list[Link] = []


class _TokenInfo(msgspec.Struct):
    scopes: list[str] | None = None


class _Usable(NamedTuple):
    """A token that says whose it is. ``created`` is ISO text, "" if that is not known."""

    district: str
    created: str
    token: str
    scopes: tuple[str, ...]


_tokens = msgspec.json.Decoder(_Tokens)
_token_info = msgspec.json.Decoder(_TokenInfo)


class _App:
    """The app's client id and secret, as HTTP Basic."""

    def __init__(self, client_id: str, client_secret: str) -> None:
        self._basic = HTTPBasicAuth(client_id, client_secret)

    def sign(self, request: PreparedRequest) -> None:
        self._basic(request)

    def renew(self) -> bool:
        return False


class DistrictToken:
    """Authorizes requests to the Data API (a ``connectors.http.auth.Auth``).

    A token that was given is used as it is; otherwise it is looked up before the first request.
    """

    def __init__(self, settings: CleverSettings, credentials: CleverCredentials, http: HttpClient) -> None:
        self._url = settings.login_url.rstrip("/")
        self._http = http
        self._app = None if credentials.token else _App(credentials.client_id, credentials.client_secret)
        self._token = credentials.token
        #: What to check when Clever says 401 to the token.
        self.hint = _NEW_TOKEN if credentials.token else _CONNECT_AGAIN
        self._scopes: tuple[str, ...] = ()
        #: The district that the token is for; "" while nobody has said it.
        self.district_id = settings.district_id or ""

    @property
    def is_given(self) -> bool:
        """Whether the token itself is among the credentials."""
        return self._app is None

    def sign(self, request: PreparedRequest) -> None:
        """Raises as ``renew`` if the token must be looked up."""
        if not self._token:
            self._look_up()
        request.headers["Authorization"] = f"Bearer {self._token}"

    def renew(self) -> bool:
        """Look the token up again. Raises DisconnectedError if the district has none any more, CredentialsRefusedError if
        the app is refused, SettingsError if nobody can say which district is meant, and what the client raises."""
        if self._app is None:
            return False
        before = self._token
        self._look_up()
        return self._token != before

    def scopes(self) -> tuple[str, ...]:
        """What the token may read, in Clever's words; () if Clever does not say. Raises CancelledError."""
        try:
            found = self._http.get(
                self._url + _TOKEN_INFO,
                what="scopes",
                read=_read_scopes,
                auth=self,
                accept=_TELLING | {429, 500, 502, 503},
            )
        except CancelledError:
            raise
        except RosterSyncError:
            found = ()  # a question of interest only: the lists themselves will tell
        return found or self._scopes

    def _look_up(self) -> None:
        chosen = _choose(self._listed(), self.district_id)
        self._token, self._scopes, self.district_id = chosen.token, chosen.scopes, chosen.district

    def _listed(self) -> list[_Usable]:
        """All tokens that Clever has for the app, of the one district only if that is known."""
        wanted = [("district", self.district_id)] if self.district_id else []
        query: Query | None = [("owner_type", "district"), *wanted]
        tokens: list[_Usable] = []
        asked: list[Query] = []
        # All came on one page so far, but nothing says that they always will.
        while query is not None:
            if query in asked:
                raise SourceProtocolError("Clever's pages of tokens go round in a circle. Tell Clever's support.")
            asked.append(query)
            status, page = self._http.get(
                self._url + _TOKENS, query, what="district tokens", read=_read_tokens, auth=self._app, accept=_TELLING
            )
            if page is None:
                raise _refused(status)
            tokens += _usable(page.data)
            query = next_query(page.links, self._url, _TOKENS, "district tokens")
        return tokens


def _usable(tokens: list[_Token]) -> list[_Usable]:
    return [
        _Usable(token.owner.id, token.created or "", token.access_token, tuple(token.scopes or ()))
        for token in tokens
        if token.access_token and token.owner and token.owner.id
    ]


def _choose(listed: list[_Usable], district_id: str) -> _Usable:
    """The newest token of the district (the only one, if none is named): one is made whenever a district connects the app."""
    ours = [token for token in listed if district_id in ("", token.district)]
    districts = sorted({token.district for token in ours})
    if not districts:
        which = f"The district {district_id} is not" if district_id else "No district is"
        raise DisconnectedError(
            f"{which} connected to your app at Clever: Clever has no token. Nothing was removed. Ask the district to connect "
            "the app in Clever, or correct district_id.",
            f"district tokens: none for the district among {len(listed)}",
        )
    if len(districts) > 1:
        named = ", ".join(districts[:_MOST_LISTED]) + (" …" if len(districts) > _MOST_LISTED else "")
        raise SettingsError(
            f"{len(districts)} districts are connected to your app at Clever: set district_id to one of {named}.",
            f"district tokens: {len(districts)} districts, district_id not set",
        )
    return max(ours, key=lambda token: token.created)


def _read_tokens(answer: Answer) -> tuple[int, _Tokens | None]:
    return answer.status, decode(answer, _tokens) if answer.status == _OK else None


def _read_scopes(answer: Answer) -> tuple[str, ...]:
    return tuple(decode(answer, _token_info).scopes or ()) if answer.status == _OK else ()


def _refused(status: int) -> RosterSyncError:
    if status in (401, 403):
        return CredentialsRefusedError(
            "Clever refuses client_id and client_secret: compare them with your app's settings in Clever's dashboard.",
            f"district tokens: status {status}",
        )
    return SettingsError(
        "Clever does not answer the question for the district's token: check district_id, and login_url if you changed it.",
        f"district tokens: status {status}",
    )
