"""ClassLink: the partner's ``/applications``, the proxy with a bearer per district, and the roster server with OAuth 1.0a.

reference/oneroster-classlink.md, 1.1 to 1.5.
"""

from typing import Any, Final, Literal

import msgspec

from fixtures.classlink import TENANT, Tenant, applications, other_tenants, server
from fixtures.oneroster_api import Records
from models.connections import ClassLinkCredentials, ClassLinkSettings
from tests.servers.base import Loopback
from tests.servers.messages import Reply, Request
from tests.servers.provider import Provider
from tests.servers.tokens import SignedRequests, bearer

PARTNER_KEY: Final = "partner-key"
CLIENT_ID: Final = "roster-server-client"
CLIENT_SECRET: Final = "roster-server-secret"
_API: Final = "/ims/oneroster/v1p1/"


class ClassLinkServer(Loopback):
    """``roster`` as ``fixtures.api.render(spec, "classlink")`` makes it; proxy and roster server answer at one address.

    ``tenant`` is the district, listed after all ``others``; None: it has switched the app off, and its bearer and its roster
    server's key are refused. ``variants`` are those of the proxy's path that work. ``permissions`` is ``x-perm-rev``.
    """

    def __init__(
        self, roster: Records | None = None, *, method: Literal["HMAC-SHA256", "HMAC-SHA1"] = "HMAC-SHA256"
    ) -> None:
        super().__init__()
        self.provider = Provider(roster or {})
        self.tenant: Tenant | None = TENANT
        self.others = other_tenants(3)
        self.variants = {"plain", "v1p0"}
        self.permissions = "41"
        self.method = method
        self._signed = SignedRequests(CLIENT_ID, CLIENT_SECRET, (method,))

    def settings(self, mode: Literal["proxy", "direct"] = "proxy", **changes: Any) -> ClassLinkSettings:
        """With the partner key; for ``direct`` with the district's own key use ``base_url=server.url, tenant_id=None``."""
        known: dict[str, Any] = {
            "mode": mode,
            "tenant_id": str(TENANT.number),
            "proxy_url": self.url,
            "signature_method": self.method,
            "page_size": 100,
        }
        return ClassLinkSettings(**(known | changes))

    def credentials(self) -> ClassLinkCredentials:
        """The partner's key."""
        return ClassLinkCredentials(partner_key=PARTNER_KEY)

    def own_credentials(self) -> ClassLinkCredentials:
        """The key of the district's roster server."""
        return ClassLinkCredentials(client_id=CLIENT_ID, client_secret=CLIENT_SECRET)

    def revoke(self) -> None:
        """The district's bearer is another one."""
        if self.tenant:
            self.tenant = msgspec.structs.replace(self.tenant, bearer=f"{self.tenant.bearer}-renewed")

    def unauthorized(self) -> Reply:
        return Reply(401, {"status": 0, "message": "Unauthorized"})

    def answer(self, request: Request) -> Reply:
        if request.path == "/applications" or request.path.endswith("/server"):
            if bearer(request.headers) != PARTNER_KEY:
                return self.unauthorized()
            return self._list(request) if request.path == "/applications" else self._server(request)
        if request.path.startswith(_API):
            lets_in = self.tenant is not None and self._signed.accepts(request, self.url + request.target)
            return self._data(request, request.path.removeprefix(_API)) if lets_in else self.unauthorized()
        return self._proxy(request)

    def _list(self, request: Request) -> Reply:
        """A page of the districts; nothing says how many there are."""
        params = request.params
        limit, offset = int(params.get("limit", "100")), int(params.get("offset", "0"))
        tenants = [*self.others, *([self.tenant] if self.tenant else [])]
        return Reply(200, applications(tenants[offset : offset + limit]), envelope="applications")

    def _server(self, request: Request) -> Reply:
        """The address is taken as it came: an id that was encoded once more is not known (1.2)."""
        if self.tenant is None or request.path != f"/applications/{self.tenant.application_id}/server":
            return Reply(404, {"status": 0, "message": "Not found"})
        return Reply(200, server(CLIENT_ID, CLIENT_SECRET, self.url))

    def _proxy(self, request: Request) -> Reply:
        if self.tenant is None or bearer(request.headers) != self.tenant.bearer:
            return self.unauthorized()
        for variant, start in (("plain", ""), ("v1p0", "/proxy/v1p0")):
            place = f"{start}/{self.tenant.application_id}{_API}"
            if variant in self.variants and request.path.startswith(place):
                return self._data(request, request.path.removeprefix(place))
        return Reply(404, {"status": 0, "message": "Not found"})

    def _data(self, request: Request, resource: str) -> Reply:
        reply = self.provider.answer(resource, request, self.url + request.path)
        if reply.status != 200:
            return reply
        rows = len(reply.document[reply.envelope]) if reply.envelope else 1
        return reply.but(headers={"x-count": str(rows), "x-perm-rev": self.permissions, "x-next-page-token": ""})
