"""OAuth 2 client credentials: a token for id and secret, kept until it ends (reference/oneroster-classlink.md, 2.6)."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import quote_plus, urlsplit

import msgspec
from authlib.oauth2.auth import ClientAuth  # type: ignore[import-untyped]
from requests import PreparedRequest

from connectors.http.client import Answer, HttpClient, Torn, with_query
from models.errors import CredentialsRefusedError, RosterSyncError, SettingsError, SourceProtocolError

TokenRequest = Literal["basic", "post", "query"]

_GRANTED: Final = frozenset({200, 201})
#: What a token service says no with; 429 is not a no.
_DECIDED: Final = frozenset(range(400, 500)) - {429}
#: A token is renewed so many seconds before its end, or at half its life if that is shorter.
_LEEWAY: Final = 60.0


class ClientCredentials:
    """Authorizes with a token that is fetched when it is first needed, before it ends, and once after a 401.

    ``style`` says where id and secret go: into the header (basic), the form (post), or all into the address (query).
    Without ``scopes`` none is asked for. ``sign`` raises CredentialsRefusedError (id, secret), SettingsError (token_url,
    scopes, token_request), SourceProtocolError (a token that cannot be used), and what the client raises.
    """

    def __init__(
        self,
        client: HttpClient,
        token_url: str,
        client_id: str,
        client_secret: str,
        scopes: Sequence[str],
        style: TokenRequest,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._token_url = token_url
        self._identity = _Identity(client_id, client_secret, style)
        self._request = [("grant_type", "client_credentials")]
        if scopes:
            self._request.append(("scope", " ".join(scopes)))
        self._in_address = style == "query"
        self._clock = clock
        self._token = ""
        self._ends = 0.0

    def sign(self, request: PreparedRequest) -> None:
        if not self._token or self._clock() >= self._ends:
            self._fetch()
        request.headers["Authorization"] = f"Bearer {self._token}"

    def renew(self) -> bool:
        self._token = ""
        return True

    def _fetch(self) -> None:
        asked_at = self._clock()
        host = urlsplit(self._token_url).hostname or ""
        try:
            reply = self._client.post(
                self._token_url,
                [] if self._in_address else self._request,
                query=self._request if self._in_address else (),
                what="a token",
                read=_read,
                auth=self._identity,
                accept=_GRANTED | _DECIDED,
            )
        except SourceProtocolError as error:
            raise _no_token_service(host, error.for_engineer) from None
        token = reply.fields.get("access_token")
        if reply.status not in _GRANTED or not isinstance(token, str):
            raise _refusal(host, reply)
        if str(reply.fields.get("token_type") or "bearer").lower() != "bearer":
            raise SourceProtocolError(
                f"{host} hands out tokens of a kind that cannot be used; only bearer tokens can. Ask the source's support.",
                "a token: token_type is not bearer",
            )
        self._token = token
        self._ends = asked_at + _usable(reply.fields.get("expires_in"))


class _Identity:
    """Puts id and secret where the token service wants them."""

    def __init__(self, client_id: str, client_secret: str, style: TokenRequest) -> None:
        if style == "basic":
            # RFC 6749, 2.3.1 has both form-encoded first; authlib does not.
            self._auth = ClientAuth(quote_plus(client_id), quote_plus(client_secret), "client_secret_basic")
        else:
            self._auth = ClientAuth(
                client_id, client_secret, "client_secret_post" if style == "post" else _into_address
            )

    def sign(self, request: PreparedRequest) -> None:
        # Some insist on this type even for a form that is empty.
        request.headers["Content-Type"] = "application/x-www-form-urlencoded"
        request.url, _, request.body = self._auth.prepare("POST", request.url, request.headers, request.body)

    def renew(self) -> bool:
        return False


def _into_address(client: Any, _method: str, url: str, headers: Any, body: Any) -> tuple[str, Any, Any]:
    secrets = [("client_id", client.client_id), ("client_secret", client.client_secret)]
    return with_query(url, secrets), headers, body


class _Reply(NamedTuple):
    status: int
    fields: Mapping[str, Any]


def _read(answer: Answer) -> _Reply:
    """A status that says no may come with anything; one that says yes must come with a token, or with an error."""
    try:
        fields = msgspec.json.decode(answer.body)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        fields = {}
    token = fields.get("access_token")
    if answer.status in _GRANTED and not (_is_sendable(token) or "error" in fields):
        raise Torn("there is no token in it")
    return _Reply(answer.status, fields)


def _is_sendable(token: object) -> bool:
    return isinstance(token, str) and token.isascii() and token.isprintable() and token.strip() != ""


def _usable(expires_in: object) -> float:
    """For how many seconds a token is used. Numbers may come as strings; unknown means until a 401."""
    try:
        seconds = float(expires_in)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return math.inf
    return seconds - min(_LEEWAY, seconds / 2) if seconds > 0 else math.inf


def _refusal(host: str, reply: _Reply) -> RosterSyncError:
    """By the error's code (RFC 6749, 5.2) if there is one, else by the status. The description is the source's own text
    and may hold anything, so it is not told."""
    error = reply.fields.get("error")
    code = error if isinstance(error, str) and error in _CODES else ""
    seen = f"a token: status {reply.status}, error {code or 'of no known code'}, from {host}"
    if code == "invalid_scope":
        return SettingsError(
            f"{host} does not give out the scopes that are asked for. Correct the setting scopes, or ask the source which "
            "scopes these credentials may ask for.",
            seen,
        )
    if code in ("invalid_client", "unauthorized_client", "invalid_grant", "access_denied") or (
        not code and reply.status in (401, 403)
    ):
        return CredentialsRefusedError(
            f"{host} gives no token for this client id and client secret: one of them is wrong, or they were withdrawn. "
            "Enter them again, or ask the district for new ones.",
            seen,
        )
    if code or reply.status not in (404, 405, 410):
        return SettingsError(
            f"{host} does not accept the way in which a token is asked for. Set token_request to basic, post or query, as "
            "the source wants it, and check token_url.",
            seen,
        )
    return _no_token_service(host, seen)


_CODES: Final = frozenset(
    {
        "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
        "invalid_scope", "access_denied",
    }
)  # fmt: skip


def _no_token_service(host: str, seen: str) -> SettingsError:
    return SettingsError(
        f"No token is handed out at the address in the setting token_url ({host}). Correct it; if it is right, what answers "
        "there is a page for people, perhaps of a source under maintenance: try again later.",
        seen,
    )
