"""Connections that are not synced for now: paused by a person, or in a blackout."""

from datetime import UTC, datetime
from typing import NamedTuple

from models.errors import AtRestError
from models.settings import TenantSettings
from models.tables import Connection
from store.connections import connections_of
from store.tenants import MANUAL
from sync.service import Service
from sync.tenants import tenant_and_settings
from sync.windows import until, windows_at

#: The connector of uploaded files: a person brings them, so nothing of theirs rests.
_FILES = "csv"


class Rest(NamedTuple):
    """Why a connection is not synced now: ``why`` in a few words, ``refusal`` says what to do about it as well."""

    why: str
    refusal: AtRestError


def rest_of(service: Service, tenant: str, row: Connection, settings: TenantSettings) -> Rest | None:
    """Why a connection is not synced now, None if it is. ``settings`` are its tenant's."""
    place = f"The connection {row.name} of {tenant}"
    if row.state == "paused":
        since = (row.state_since or row.created_at)[:16].replace("T", " ")
        return Rest(
            row.state_reason,
            AtRestError(
                f"{place} was {row.state_reason} ({since} UTC); nothing was synced. To go on: rostersync connection "
                f"resume {tenant} {row.name}"
            ),
        )
    assert row.id is not None
    blackout = windows_at(service, row.id, settings, datetime.now(UTC)).blackout
    if blackout is None:
        return None
    return Rest(
        f"in a blackout {until(blackout)}",
        AtRestError(
            f"{place} is in a blackout {until(blackout)}; nothing was synced. To end it: rostersync schedule blackout "
            f"remove {tenant} {row.name} --dates {blackout.first}..{blackout.last}"
        ),
    )


def rests(service: Service, tenant: str) -> dict[str, Rest | None]:
    """A tenant's connections to sources by name, removed ones left out, each with why it is not synced now. Raises
    NotFoundError."""
    tenant_id, settings = tenant_and_settings(service, tenant)
    return {
        row.name: rest_of(service, tenant, row, settings)
        for row in connections_of(service.engine, tenant_id)
        if row.connector not in (MANUAL, _FILES) and row.state != "removed"
    }
