"""Setting up: tenants, their settings, and the schools that files refer to."""

import csv
from pathlib import Path
from typing import Any

import msgspec
from sqlmodel import Session

from models.errors import SettingsError
from models.report import SchoolView, TenantView
from models.settings import TenantSettings
from store import tenants as store
from store.database import reading
from sync.clock import now
from sync.replan import replan_tenant
from sync.schedule import zone_of
from sync.service import Service


def tenant_and_settings(service: Service, name: str) -> tuple[int, TenantSettings]:
    """Id and settings of a tenant. Raises NotFoundError."""
    with reading(service.engine) as connection, Session(bind=connection) as session:
        tenant = store.find_tenant(session, name)
        assert tenant.id is not None
        return tenant.id, msgspec.json.decode(tenant.settings, type=TenantSettings)


def add_tenant(service: Service, name: str, *, district_id: str | None = None) -> TenantView:
    """Make a tenant. ``district_id`` is the district's own id in its files (orgSourcedIds); by default the name."""
    if not name or not all(letter.isalnum() or letter in "-_." for letter in name) or name.startswith("."):
        raise SettingsError("A tenant's name may hold letters, digits, '-', '_' and '.'.")
    settings = msgspec.json.encode(TenantSettings()).decode()
    store.add_tenant(service.engine, name, district_id or name, settings, now())
    return show_tenant(service, name)


def list_tenants(service: Service) -> list[TenantView]:
    with reading(service.engine) as connection, Session(bind=connection) as session:
        names = [tenant.name for tenant in store.list_tenants(session)]
    return [show_tenant(service, name) for name in names]


def show_tenant(service: Service, name: str) -> TenantView:
    """A tenant with its settings and how much it holds. Raises NotFoundError."""
    with reading(service.engine) as connection, Session(bind=connection) as session:
        tenant = store.find_tenant(session, name)
        assert tenant.id is not None
        counts = store.active_counts(session, tenant.id)
        settings = msgspec.to_builtins(msgspec.json.decode(tenant.settings, type=TenantSettings))
        return TenantView(tenant.name, settings, counts["school"] - 1, counts, store.last_applied(session, tenant.id))


def set_setting(service: Service, name: str, key: str, value: str) -> TenantView:
    """Change one setting; ``key`` is dotted (``guard.removals.percent``), ``value`` JSON or plain text.

    Raises SettingsError that names the key when there is none of that name or the value does not fit.
    """
    tenant_id, settings = tenant_and_settings(service, name)
    tree: dict[str, Any] = msgspec.to_builtins(settings)
    *path, last = key.split(".")
    place = tree
    for part in path:
        place = place.setdefault(part, {})
        if not isinstance(place, dict):
            raise SettingsError(f"There is no setting {key!r}. See: rostersync tenant show {name}")
    place[last] = _parse(value)
    try:
        changed = msgspec.convert(tree, type=TenantSettings)
    except msgspec.ValidationError as error:
        raise SettingsError(f"The setting {key} cannot be {value!r}: {error}.", "settings validation") from None
    moves = changed.time_zone != settings.time_zone
    if moves:
        zone_of(changed)  # or else there is none of that name
    store.save_settings(service.engine, name, msgspec.json.encode(changed).decode())
    if moves:
        replan_tenant(service.engine, tenant_id, changed)
    return show_tenant(service, name)


def _parse(value: str) -> Any:
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError:
        return value


def add_school(service: Service, tenant: str, source_id: str, name: str, *, number: str | None = None) -> SchoolView:
    """Set up a school with the id that the district's files use. Raises SettingsError when the id is taken."""
    return _add_schools(service, tenant, [(source_id, name, number)])[0]


def add_schools_from_file(service: Service, tenant: str, path: Path) -> list[SchoolView]:
    """Set up schools from a CSV file with the columns sourcedId, name and (optional) number; all or none."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            rows = [{(k or "").strip().lower(): (v or "").strip() for k, v in row.items() if isinstance(v, str)}
                    for row in csv.DictReader(handle)]  # fmt: skip
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SettingsError(f"{path} cannot be read as a CSV file in UTF-8.", type(error).__name__) from None
    schools = [(row.get("sourcedid") or row.get("sourceid") or "", row.get("name", ""), row.get("number") or None)
               for row in rows]  # fmt: skip
    return _add_schools(service, tenant, schools)


def _add_schools(service: Service, tenant: str, schools: list[tuple[str, str, str | None]]) -> list[SchoolView]:
    for source_id, name, _ in schools:
        if not source_id or not name:
            raise SettingsError("Every school needs an id and a name (columns sourcedId and name).")
    if not schools:
        raise SettingsError("The file lists no schools (columns sourcedId, name, number).")
    store.add_schools(service.engine, tenant, schools)
    added = {source_id for source_id, _, _ in schools}
    return [view for view in list_schools(service, tenant) if view.source_id in added and view.managed_by == "hand"]


def list_schools(service: Service, tenant: str) -> list[SchoolView]:
    """All schools of a tenant, the district itself first. Raises NotFoundError."""
    with reading(service.engine) as connection, Session(bind=connection) as session:
        found = store.find_tenant(session, tenant)
        assert found.id is not None
        return [
            SchoolView(source_id, school.name, school.type, school.status, managed_by)
            for school, source_id, managed_by in store.list_schools(session, found.id)
        ]
