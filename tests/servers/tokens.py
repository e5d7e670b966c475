"""How requests are let in: Basic and bearer headers, OAuth 2 client credentials in three styles, OAuth 1 signatures."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import unquote_plus

from oauthlib.oauth1 import RequestValidator, SignatureOnlyEndpoint

from tests.servers.messages import Reply, Request

Style = Literal["basic", "post", "query"]


def bearer(headers: Mapping[str, str]) -> str:
    """The token of a request, "" without one."""
    kind, _, token = (headers.get("Authorization") or "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def basic(headers: Mapping[str, str]) -> tuple[str, str] | None:
    """Id and secret of a Basic header, form-decoded as RFC 6749 (2.3.1) has it."""
    kind, _, encoded = (headers.get("Authorization") or "").partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return unquote_plus(client_id), unquote_plus(secret)


class TokenEndpoint:
    """OAuth 2 client credentials. ``style`` is the only way of asking that is understood.

    ``asked`` keeps the scope of every request that was let in; ``token`` is the one that is good now. ``refused_scope``: a
    request that asks for any scope is refused with "invalid_scope"; ``expires_in`` None leaves the lifetime out.
    """

    def __init__(self, client_id: str, client_secret: str, style: Style = "basic") -> None:
        self.client_id, self.client_secret, self.style = client_id, client_secret, style
        self.expires_in: int | None = 3600
        self.refused_scope = False
        self.asked: list[str] = []
        self._issued = 0
        self._good_from = 1

    def revoke(self) -> None:
        """All tokens so far are worthless."""
        self._good_from = self._issued + 1

    def accepts(self, token: str) -> bool:
        number = token.removeprefix("token-")
        return token.startswith("token-") and number.isdecimal() and self._good_from <= int(number) <= self._issued

    def answer(self, request: Request) -> Reply:
        """The answer to a request for a token."""
        if request.method != "POST":
            return Reply(405)
        asked = request.params if self.style == "query" else request.form
        if self._client(request, asked) != (self.client_id, self.client_secret):
            return Reply(401, {"error": "invalid_client"})
        if asked.get("grant_type") != "client_credentials":
            return Reply(400, {"error": "unsupported_grant_type"})
        scope = asked.get("scope", "")
        if scope and self.refused_scope:
            return Reply(400, {"error": "invalid_scope"})
        self.asked.append(scope)
        self._issued += 1
        token: dict[str, Any] = {"access_token": f"token-{self._issued}", "token_type": "bearer", "scope": scope}
        return Reply(200, token if self.expires_in is None else token | {"expires_in": self.expires_in})

    def _client(self, request: Request, asked: Mapping[str, str]) -> tuple[str, str] | None:
        if self.style == "basic":
            return basic(request.headers)
        # Whoever sends the secret in two places has told it once too often.
        if "Authorization" in request.headers or (self.style == "query" and request.body):
            return None
        return asked.get("client_id", ""), asked.get("client_secret", "")


class SignedRequests(RequestValidator):
    """OAuth 1.0a without tokens, verified by oauthlib: signature, timestamp window (seconds), and no nonce twice."""

    def __init__(self, client_id: str, client_secret: str, methods: tuple[str, ...], window: int = 300) -> None:
        super().__init__()
        self._client_id, self._client_secret = client_id, client_secret
        self._methods, self._window = methods, window
        self._endpoint = SignatureOnlyEndpoint(self)
        self._seen: set[tuple[str, str]] = set()

    def accepts(self, request: Request, url: str) -> bool:
        """Whether the request is signed for this address, and for the first time."""
        try:
            good, _ = self._endpoint.validate_request(url, request.method, "", dict(request.headers.items()))
        except ValueError:  # oauthlib: the query holds what must be percent-encoded
            return False
        return bool(good)

    # --- what oauthlib asks ------------------------------------------------------------------------------------------

    @property
    def allowed_signature_methods(self) -> tuple[str, ...]:
        return self._methods

    @property
    def timestamp_lifetime(self) -> int:
        return self._window

    @property
    def enforce_ssl(self) -> bool:
        return False

    @property
    def dummy_client(self) -> str:
        return "nobody"

    def check_client_key(self, client_key: str) -> bool:
        return bool(client_key)

    def check_nonce(self, nonce: str) -> bool:
        # ClassLink's own libraries send ten characters (reference/oneroster-classlink.md, 1.4).
        return len(nonce) >= 8

    def validate_client_key(self, client_key: str, request: Any) -> bool:
        return client_key == self._client_id

    def get_client_secret(self, client_key: str, request: Any) -> str:
        return self._client_secret if client_key == self._client_id else "nothing"

    def validate_timestamp_and_nonce(
        self,
        client_key: str,
        timestamp: str,
        nonce: str,
        request: Any,
        request_token: str | None = None,
        access_token: str | None = None,
    ) -> bool:
        fresh = (timestamp, nonce) not in self._seen
        self._seen.add((timestamp, nonce))
        return fresh
