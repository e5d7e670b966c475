"""ClassLink: finds where and how a district is read, and then reads it as any other OneRoster provider."""

from collections.abc import Iterator
from typing import Final

from msgspec import structs

from connectors.classlink.applications import Application, District, district_of, list_applications, select
from connectors.classlink.auth import HandedOut
from connectors.classlink.check import by_partner_key, check, check_partner
from connectors.classlink.direct import Server, direct_address, fetch_server
from connectors.classlink.proxy import find_path, proxy_address
from connectors.http.auth import Bearer
from connectors.http.client import Answer, HttpClient
from connectors.http.oauth1 import OAuth1
from connectors.oneroster.endpoint import Endpoint, PullSettings, SourceChangedError
from connectors.oneroster.pull import OneRosterPull
from connectors.source import Access, SourceFacts
from models.connections import ClassLinkCredentials, ClassLinkSettings, Memory
from models.pages import PullEvent

_CHANGED: Final = "What the district shares with us in ClassLink changed while it was read; reading began anew."
_REVOKED: Final = (
    "ClassLink still hands out the same access token for the district, so access was probably revoked: ask the district "
    "whether the app is switched on in ClassLink."
)
_NOT_SIGNED_RIGHT: Final = (
    "ClassLink still hands out the same key for the district's roster server: check the setting signature_method and this "
    "machine's clock, else ask the district whether access was revoked in ClassLink."
)


def districts(client: HttpClient, settings: ClassLinkSettings, credentials: ClassLinkCredentials) -> list[District]:
    """All districts that the partner key may see, those that cannot be read too, in ClassLink's order.

    A district stands there once for each of our applications in it. Raises RosterSyncError.
    """
    check_partner(settings, credentials)
    return list(map(district_of, list_applications(client, settings.proxy_url, credentials.partner_key)))


class ClassLinkSource:
    """One district's roster at ClassLink, for one pull (a ``connectors.source.Source``)."""

    def __init__(self, settings: ClassLinkSettings, credentials: ClassLinkCredentials, access: Access) -> None:
        """Asks nothing yet. Raises SettingsError."""
        check(settings, credentials)
        self.facts = SourceFacts(district_id=settings.tenant_id or "")
        self._settings = settings
        self._credentials = credentials
        self._access = access
        self._memory = access.memory
        self._proxy_path = access.memory.proxy_path

    def pull(self) -> Iterator[PullEvent]:
        """As ``Source.pull``; whether and where the district can be read is asked first."""
        settings = self._settings
        pull = OneRosterPull(
            self._endpoint(),
            PullSettings(
                page_size=settings.page_size,
                sort=settings.sort,
                delta=settings.delta,
                overlap_hours=settings.overlap_hours,
                full_every_days=settings.full_every_days,
            ),
            self._access,
            facts=self.facts,
            inspect=PermissionRevision(self.facts.notes),
        )
        yield from pull.events()
        self._memory = pull.memory

    @property
    def memory(self) -> Memory:
        return structs.replace(self._memory, proxy_path=self._proxy_path)

    def _endpoint(self) -> Endpoint:
        if self._settings.mode == "proxy":
            return self._proxy()
        if by_partner_key(self._settings, self._credentials):
            return self._server_of_classlink()
        own = self._credentials
        return Endpoint(
            direct_address(self._settings.base_url or "", self._settings.version_path),
            OAuth1(own.client_id, own.client_secret, self._settings.signature_method),
        )

    def _proxy(self) -> Endpoint:
        application = self._application()
        auth = HandedOut(application.bearer, lambda: self._application().bearer, Bearer, _REVOKED)
        settings, application_id = self._settings, application.oneroster_application_id
        if settings.proxy_path == "auto":
            path = find_path(self._access.http, settings, application_id, auth, self._proxy_path)
            self._proxy_path = path
        else:
            path = settings.proxy_path
        return Endpoint(proxy_address(settings, path, application_id), auth)

    def _server_of_classlink(self) -> Endpoint:
        settings, partner_key = self._settings, self._credentials.partner_key
        application_id = self._application().oneroster_application_id

        def ask() -> Server:
            return fetch_server(self._access.http, settings.proxy_url, partner_key, application_id)

        server = ask()
        auth = HandedOut(
            server.key, lambda: ask().key, lambda key: OAuth1(*key, settings.signature_method), _NOT_SIGNED_RIGHT
        )
        return Endpoint(direct_address(server.endpoint_url, settings.version_path), auth)

    def _application(self) -> Application:
        """The district's application as ClassLink lists it now."""
        found = list_applications(self._access.http, self._settings.proxy_url, self._credentials.partner_key)
        application = select(found, self._settings.tenant_id or "")
        self.facts.district_name = application.tenant_name
        return application


class PermissionRevision:
    """Sees to it that what we may read stays the same during a pull (reference/oneroster-classlink.md, 1.5).

    ClassLink sends the revision of our permissions with a page. Were it to change in between, half of the pages would
    lack, or have, whom the district has just taken away or added.
    """

    def __init__(self, notes: list[str]) -> None:
        self._notes = notes
        self._revision = ""

    def __call__(self, answer: Answer) -> None:
        """Raises SourceChangedError, and then waits for the first page of the pull that begins anew."""
        revision = answer.headers.get("x-perm-rev", "").strip()
        if not revision:
            return
        if self._revision and revision != self._revision:
            self._revision = ""
            if _CHANGED not in self._notes:
                self._notes.append(_CHANGED)
            raise SourceChangedError("x-perm-rev changed between pages")
        self._revision = revision
