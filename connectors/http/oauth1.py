"""OAuth 1.0a with two legs: each request is signed with the consumer's secret (reference/oneroster-classlink.md, 1.4)."""

import base64
import hashlib
import hmac
from typing import Any, Final, Literal

from authlib.oauth1.rfc5849.client_auth import ClientAuth  # type: ignore[import-untyped]
from authlib.oauth1.rfc5849.signature import generate_signature_base_string  # type: ignore[import-untyped]
from authlib.oauth1.rfc5849.util import escape  # type: ignore[import-untyped]
from authlib.oauth1.rfc5849.wrapper import OAuth1Request  # type: ignore[import-untyped]
from requests import PreparedRequest

from models.errors import SettingsError

SignatureMethod = Literal["HMAC-SHA256", "HMAC-SHA1"]

_HINT: Final = (
    "Check client id and client secret, the setting signature_method, and that this machine's clock is right: the source "
    "checks the time in each signature."
)


class OAuth1:
    """Signs the exact address that is sent, with a fresh nonce and time for every try."""

    hint = _HINT

    def __init__(self, client_id: str, client_secret: str, method: SignatureMethod) -> None:
        self._signer = Signer(client_id, client_secret, signature_method=method)

    def sign(self, request: PreparedRequest) -> None:
        """Raises SettingsError for an address with a query that was not percent-encoded."""
        try:
            _, headers, _ = self._signer.sign(request.method, request.url, {}, b"")
        except ValueError:  # its text quotes the query
            headers = None
        if headers is None:
            raise SettingsError(
                "An address in the connection's settings has a query that cannot be signed; it should end before the ?.",
                "OAuth 1: the query is not percent-encoded",
            )
        request.headers.update(headers)

    def renew(self) -> bool:
        return False


class Signer(ClientAuth):  # type: ignore[misc]
    """authlib's, but for its refusal of plain http: which hosts may be asked that way is for the operator to say
    (``connectors.http.guard``)."""

    def get_oauth_signature(self, method: str, uri: str, headers: dict[str, str], body: bytes) -> str:
        request = OAuth1Request(method, uri.replace("http://", "https://", 1), body=body, headers=headers)
        request.uri = uri
        return str(self.SIGNATURE_METHODS[self.signature_method](self, request))


def _sign_hmac_sha256(client: Any, request: Any) -> str:
    key = f"{escape(client.client_secret or '')}&{escape(client.token_secret or '')}"
    text = generate_signature_base_string(request)
    return base64.b64encode(hmac.new(key.encode(), text.encode(), hashlib.sha256).digest()).decode()


# authlib brings HMAC-SHA1 only; roster servers want this one.
ClientAuth.register_signature_method("HMAC-SHA256", _sign_hmac_sha256)
