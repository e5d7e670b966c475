"""The districts that a partner key at ClassLink can read, and connections for chosen ones."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Final

from connectors import classlink
from connectors.classlink import District
from connectors.watch import Watch
from models.connections import ClassLinkCredentials, ClassLinkSettings
from models.errors import SettingsError
from models.sources import Discovery, PartnerDistrict
from store import connections as store
from sync.connection_fields import read_settings, with_credentials, with_settings
from sync.connections import add_connection, list_connections, open_http
from sync.service import Service
from sync.tenants import add_tenant, list_tenants

_CONNECTOR: Final = "classlink"


def discover(
    service: Service, *, settings: Mapping[str, str], credentials: Mapping[str, object], add: Mapping[str, str]
) -> Discovery:
    """List the districts of a partner key; ``add`` (a district's TenantId -> our tenant) gives each a connection.

    A tenant that does not exist is made. All is checked before anything is added. Raises RosterSyncError.
    """
    districts = _districts(service, settings, credentials)
    tenants = {tenant.name for tenant in list_tenants(service)}
    if len(set(add.values())) < len(add):
        raise SettingsError("Each district needs a tenant of its own; nothing was added.")
    for tenant_id, tenant in add.items():
        _check(districts, tenant_id)
        if tenant in tenants:
            _check_free(service, tenant)
    for tenant_id, tenant in add.items():
        if tenant not in tenants:
            add_tenant(service, tenant)
            tenants.add(tenant)
        add_connection(
            service, tenant, _CONNECTOR, settings={**settings, "tenant_id": tenant_id}, credentials=credentials
        )
    return Discovery(_with_tenants(service, districts), list(add.values()))


def _districts(service: Service, settings: Mapping[str, str], credentials: Mapping[str, object]) -> Sequence[District]:
    chosen, secret = with_settings(_CONNECTOR, settings), with_credentials(_CONNECTOR, credentials)
    assert isinstance(chosen, ClassLinkSettings)
    assert isinstance(secret, ClassLinkCredentials)
    with closing(open_http(service, chosen, Watch())) as http:
        return classlink.districts(http, chosen, secret)


def _check(districts: Sequence[District], tenant_id: str) -> None:
    """Raises SettingsError when a district cannot be read."""
    of_id = [district for district in districts if district.tenant_id == tenant_id]
    if not of_id:
        raise SettingsError(f"ClassLink lists no district {tenant_id} for this partner key; nothing was added.")
    if not any(district.eligible for district in of_id):
        raise SettingsError(
            f"The district {tenant_id} ({of_id[0].name}) cannot be read: {of_id[0].reason}; nothing was added."
        )


def _check_free(service: Service, tenant: str) -> None:
    """Raises SettingsError when the tenant has such a connection."""
    for entry in list_connections(service, tenant):
        if entry.name == _CONNECTOR and entry.state != "removed":
            raise SettingsError(f"{tenant} has a connection {_CONNECTOR} already; nothing was added.")


def _with_tenants(service: Service, districts: Sequence[District]) -> list[PartnerDistrict]:
    """The districts with those of our tenants that have a connection to them."""
    tenants: defaultdict[str, list[str]] = defaultdict(list)
    for tenant, row in store.of_connector(service.engine, _CONNECTOR):
        chosen = read_settings(_CONNECTOR, row.settings)
        if row.state != "removed" and isinstance(chosen, ClassLinkSettings) and chosen.tenant_id:
            tenants[chosen.tenant_id].append(tenant)
    return [
        PartnerDistrict(d.tenant_id, d.name, d.eligible, d.reason, d.application, tuple(tenants[d.tenant_id]))
        for d in districts
    ]
