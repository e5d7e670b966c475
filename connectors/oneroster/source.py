"""A OneRoster 1.1 or 1.2 provider as a connection's settings describe it."""

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from connectors.http.auth import Auth, Bearer
from connectors.http.oauth1 import OAuth1
from connectors.http.oauth2 import ClientCredentials
from connectors.oneroster.endpoint import Endpoint, PullSettings
from connectors.oneroster.pull import OneRosterPull
from connectors.source import Access, SourceFacts
from models.connections import Memory, OneRosterCredentials, OneRosterSettings
from models.errors import SettingsError
from models.pages import PullEvent

#: The least that a full pull of top-level collections needs (reference/oneroster-classlink.md, 2.6 and 3).
_SCOPES: Final = {
    version: f"https://purl.imsglobal.org/spec/or/{path}/scope/roster-core.readonly"
    for version, path in (("1.1", "v1p1"), ("1.2", "v1p2"))
}


def check(settings: OneRosterSettings, credentials: OneRosterCredentials) -> None:
    """Whether settings and credentials fit together. Raises SettingsError that names the setting."""
    if not _is_address(settings.base_url):
        raise SettingsError(
            "base_url must be the provider's full address up to and with the version, such as "
            "https://sis.example.org/ims/oneroster/v1p1."
        )
    if settings.auth == "bearer":
        if not credentials.token:
            raise SettingsError("auth is bearer, so the connection needs a token.")
        return
    missing = [name for name in ("client_id", "client_secret") if not getattr(credentials, name)]
    if missing:
        raise SettingsError(f"auth is {settings.auth}, so the connection needs {' and '.join(missing)}.")
    if settings.auth == "oauth2" and not _is_address(settings.token_url or ""):
        raise SettingsError(
            "auth is oauth2, so token_url must be the full address where tokens are handed out; ask the provider for it, as "
            "there is no standard place."
        )


def _is_address(text: str) -> bool:
    """A full address without anything that could be a secret, or that requests would have to be mixed with."""
    try:
        parts = urlsplit(text)
        return bool(parts.scheme in ("https", "http") and parts.hostname) and not (
            parts.query or parts.fragment or "@" in parts.netloc
        )
    except ValueError:
        return False


class OneRosterSource:
    """One district's roster at a OneRoster provider, for one pull (``connectors.source.Source``)."""

    def __init__(self, settings: OneRosterSettings, credentials: OneRosterCredentials, access: Access) -> None:
        """Raises SettingsError."""
        check(settings, credentials)
        self.facts = SourceFacts()
        if settings.auth == "oauth2":
            self.facts.scopes = _scopes(settings)
        self._pull = OneRosterPull(
            Endpoint(settings.base_url.rstrip("/"), _auth(settings, credentials, access)),
            PullSettings(
                settings.page_size, settings.sort, settings.delta, settings.overlap_hours, settings.full_every_days
            ),
            access,
            facts=self.facts,
        )

    def pull(self) -> Iterator[PullEvent]:
        """As ``Source.pull``."""
        return self._pull.events()

    @property
    def memory(self) -> Memory:
        """As ``Source.memory``."""
        return self._pull.memory


def _scopes(settings: OneRosterSettings) -> tuple[str, ...]:
    return (_SCOPES[settings.version],) if settings.scopes is None else settings.scopes


def _auth(settings: OneRosterSettings, credentials: OneRosterCredentials, access: Access) -> Auth:
    if settings.auth == "bearer":
        return Bearer(credentials.token)
    if settings.auth == "oauth1":
        return OAuth1(credentials.client_id, credentials.client_secret, settings.signature_method)
    return ClientCredentials(
        access.http,
        settings.token_url or "",
        credentials.client_id,
        credentials.client_secret,
        _scopes(settings),
        settings.token_request,
    )
