"""Connections to sources: adding, showing, changing, pausing, removing; and opening one to be read."""

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

import connectors
from connectors.http.client import HttpClient, HttpRules, Observer
from connectors.http.pace import Ask
from connectors.watch import Watch
from models.budget import Grant
from models.connections import ConnectorName, DropSettings, Memory, SourceCredentials, SourceSettings
from models.errors import NotFoundError, SettingsError
from models.sources import ConnectionSummary, ConnectionView, SettingView
from models.tables import Connection
from store import budgets
from store import connections as store
from store.tenants import MANUAL
from sync import master_keys, secrets
from sync.clock import now
from sync.connection_fields import (
    connector_named,
    credential_fields,
    given,
    memory_after_change,
    read_credentials,
    read_memory,
    read_settings,
    setting_fields,
    stored_settings,
    with_credentials,
    with_settings,
)
from sync.history import list_runs
from sync.replan import replan_after_pause
from sync.service import Service
from sync.tenants import tenant_and_settings
from sync.written_out import commands_written_out

log = structlog.get_logger("rostersync.connections")

#: The connector of uploaded files; its connections have no settings.
FILES = "csv"
_RUNS_SHOWN = 5
_SECRETS_NAMED = 5


class OpenConnection(NamedTuple):
    """A connection, ready to be read. ``row`` is as it was when it was opened."""

    id: int
    row: Connection
    connector: ConnectorName
    settings: SourceSettings
    credentials: SourceCredentials
    memory: Memory


def add_connection(
    service: Service,
    tenant: str,
    connector: str,
    name: str | None = None,
    *,
    settings: Mapping[str, str],
    credentials: Mapping[str, object],
) -> ConnectionView:
    """Add a connection (``name`` is the connector's by default), or revive a removed one of that name.

    ``settings`` are as a person types them. Raises SettingsError that names what is wrong, NotFoundError for the tenant.
    """
    kind, name = connector_named(connector), name or connector
    _check_name(name)
    tenant_id, _ = tenant_and_settings(service, tenant)
    chosen, secret = with_settings(kind, settings), with_credentials(kind, credentials)
    connectors.check(kind, chosen, secret)
    store.add(
        service.engine, tenant_id, name, kind, stored_settings(chosen),
        lambda added: _sealed(service, tenant_id, added, secret), now(),
    )  # fmt: skip
    return show_connection(service, tenant, name)


def _check_name(name: str) -> None:
    if not all(letter.isalnum() or letter in "-_." for letter in name) or name.startswith("."):
        raise SettingsError("A connection's name may hold letters, digits, '-', '_' and '.'.")


def check_new(service: Service, tenant: str, connector: str, settings: Mapping[str, str]) -> None:
    """What can be said of a new connection before anybody is asked for a secret. Raises SettingsError, NotFoundError."""
    tenant_and_settings(service, tenant)
    with_settings(connector_named(connector), settings)


def fits(connector: str, settings: Mapping[str, str], credentials: Mapping[str, object]) -> bool:
    """Whether these credentials are enough for these settings. Raises SettingsError for settings that are wrong alone."""
    kind = connector_named(connector)
    return _fit(kind, with_settings(kind, settings), with_credentials(kind, credentials))


def fits_stored(service: Service, tenant: str, name: str, credentials: Mapping[str, object]) -> bool:
    """Whether these credentials are enough for the settings of a connection. Raises SettingsError."""
    _, row = _of_api(service, tenant, name)
    kind = connector_named(row.connector)
    return _fit(kind, read_settings(kind, row.settings), with_credentials(kind, credentials))


def connector_of(service: Service, tenant: str, name: str) -> ConnectorName:
    """The connector of a connection that can be changed. Raises SettingsError for uploaded files and removed ones."""
    return connector_named(_of_api(service, tenant, name)[1].connector)


def _sealed(service: Service, tenant_id: int, connection_id: int, secret: SourceCredentials) -> str | None:
    """Credentials, encrypted; None where there are none to be had, so that no key is needed."""
    return secrets.seal(service.settings, tenant_id, connection_id, secret) if secret.__struct_fields__ else None


def _fit(connector: ConnectorName, settings: SourceSettings, credentials: SourceCredentials) -> bool:
    try:
        connectors.check(connector, settings, credentials)
    except SettingsError:
        return False
    return True


def set_setting(service: Service, tenant: str, name: str, key: str, value: str) -> ConnectionView:
    """Change one setting. Raises SettingsError that names it when it does not exist or cannot be that."""
    connection_id, row = _of_api(service, tenant, name)
    kind = connector_named(row.connector)
    changed = with_settings(kind, {key: value}, row.settings)
    connectors.check(kind, changed, _credentials(service, connection_id, row))
    kept = partial(memory_after_change, kind, key)
    store.change(service.engine, connection_id, kept, settings=stored_settings(changed))
    return show_connection(service, tenant, name)


def set_credentials(service: Service, tenant: str, name: str, credentials: Mapping[str, object]) -> ConnectionView:
    """Put new credentials in the place of all that are stored. Raises SettingsError."""
    connection_id, row = _of_api(service, tenant, name)
    kind = connector_named(row.connector)
    secret = with_credentials(kind, credentials)
    if not credential_fields(kind):
        raise SettingsError(f"The connection {name} needs no credentials: nobody asks for any at a {kind}.")
    connectors.check(kind, read_settings(kind, row.settings), secret)
    sealed = _sealed(service, row.tenant_id, connection_id, secret)
    store.change(service.engine, connection_id, partial(memory_after_change, kind, None), credentials=sealed)
    return show_connection(service, tenant, name)


# --- looking ----------------------------------------------------------------------------------------------------------


def list_connections(service: Service, tenant: str) -> list[ConnectionSummary]:
    """All connections of a tenant with their last runs, those of uploaded files too. Raises NotFoundError."""
    tenant_id, _ = tenant_and_settings(service, tenant)
    return [
        ConnectionSummary(
            tenant, row.name, row.connector, row.state, row.state_reason, row.state_since or row.created_at,
            next(iter(list_runs(service, tenant, limit=1, connection_id=row.id)), None),
        )
        for row in store.connections_of(service.engine, tenant_id)
        if row.connector != MANUAL
    ]  # fmt: skip


def show_connection(service: Service, tenant: str, name: str) -> ConnectionView:
    """A connection with its settings, what its credentials are called, and its last runs. Raises NotFoundError."""
    connection_id, row = _named(service, tenant, name)
    settings: list[SettingView] = []
    credentials: tuple[str, ...] = ()
    problem = ""
    if row.connector != FILES:
        kind = connector_named(row.connector)
        chosen = read_settings(kind, row.settings)
        settings = [
            SettingView(field.name, getattr(chosen, field.name), field.default, field.allowed, field.description)
            for field in setting_fields(kind)
        ]
        try:
            credentials = given(_credentials(service, connection_id, row)) if row.credentials else ()
        except SettingsError as error:
            problem = error.for_admin
    return ConnectionView(
        tenant, name, row.connector, row.state, row.state_reason, row.state_since or row.created_at, settings,
        credentials, problem, list_runs(service, tenant, limit=_RUNS_SHOWN, connection_id=connection_id),
    )  # fmt: skip


# --- states -----------------------------------------------------------------------------------------------------------


def pause_connection(service: Service, tenant: str, name: str, reason: str, *, by: str) -> ConnectionView:
    """Refuse syncs until it is resumed. Raises SettingsError."""
    connection_id, _ = _of_api(service, tenant, name)
    why = f"paused by {by}" + (f": {reason}" if reason else "")
    store.move(service.engine, connection_id, ("active", "disconnected", "paused"), "paused", why, now())
    return show_connection(service, tenant, name)


def resume_connection(service: Service, tenant: str, name: str) -> ConnectionView:
    """Let syncs go on: at once what is due while its time lasts, else at the next time. Raises SettingsError."""
    connection_id, row = _of_api(service, tenant, name)
    replan_after_pause(service.engine, connection_id, row.tenant_id)
    store.move(service.engine, connection_id, ("paused", "disconnected"), "active", "", now())
    return show_connection(service, tenant, name)


def remove_connection(service: Service, tenant: str, name: str, *, by: str) -> ConnectionView:
    """Forget its credentials and never sync it again; what it brought stays stored. Raises SettingsError."""
    connection_id, _ = _of_api(service, tenant, name)
    store.remove(service.engine, connection_id, f"removed by {by}", now())
    return show_connection(service, tenant, name)


def renew_all_secrets(service: Service) -> int:
    """Encrypt all stored credentials and contacts' addresses anew with the first key; returns how many. All or none. Raises
    SettingsError."""
    renewed, unopened = store.renew_secrets(service.engine, secrets.renewing(service.settings))
    if not unopened:
        return renewed
    more = len(unopened) - _SECRETS_NAMED
    names = [*unopened[:_SECRETS_NAMED], *([f"{more:,} more"] if more > 0 else [])]
    raise SettingsError(
        f"Nothing was encrypted anew: other keys than those in {master_keys.place(service.settings)} encrypted "
        f"{', '.join(names)}. Put their key back (after the first one; a comma or a new line stands between keys), or give them "
        "anew (rostersync connection set TENANT NAME --credentials, or rostersync contact remove and contact add), and "
        "repeat.",
        f"{len(unopened)} of {renewed + len(unopened)} secrets are opened by no key",
    )


# --- opening ----------------------------------------------------------------------------------------------------------


def open_connection(service: Service, tenant: str, name: str) -> OpenConnection:
    """A connection with its settings, credentials and memory. Raises SettingsError when it has none or they cannot be
    read, NotFoundError when there is none of that name."""
    connection_id, row = _of_api(service, tenant, name)
    kind = connector_named(row.connector)
    with commands_written_out(tenant, name):
        settings, credentials = read_settings(kind, row.settings), _credentials(service, connection_id, row)
    return OpenConnection(connection_id, row, kind, settings, credentials, read_memory(row.memory))


def open_http(
    service: Service,
    settings: SourceSettings,
    watch: Watch,
    observe: Observer | None = None,
    *,
    connection_id: int | None = None,
) -> HttpClient:
    """The HTTP client for a connection's settings, by the operator's rules; the caller closes it. Raises SettingsError.

    With ``connection_id`` the connection's requests per minute are those of all processes together.
    """
    per_minute = 0 if isinstance(settings, DropSettings) else settings.requests_per_minute
    rules = HttpRules(allowed_hosts=service.settings.allowed_hosts, requests_per_minute=per_minute)
    permits: Ask | None = None
    if connection_id is not None and per_minute:
        permits = partial(_part_of_budget, service.engine, connection_id, per_minute)
    return HttpClient(rules, watch, observe=observe, permits=permits)


def _part_of_budget(engine: Engine, connection_id: int, per_minute: int) -> Grant | None:
    try:
        return budgets.take(engine, connection_id, per_minute)
    except DBAPIError as error:
        log.warning("the budget cannot be asked", connection=connection_id, error=type(error).__name__)
        return None


def _credentials(service: Service, connection_id: int, row: Connection) -> SourceCredentials:
    kind = connector_named(row.connector)
    if not credential_fields(kind):
        return with_credentials(kind, {})
    if row.credentials is None:
        raise SettingsError(
            f"The connection {row.name} has no credentials; give them with: rostersync connection set TENANT "
            "NAME --credentials"
        )
    try:
        opened = secrets.unseal(service.settings, row.tenant_id, connection_id, row.credentials)
    except secrets.WrongKeyError:
        # All may have been encrypted anew, and the old key taken away, since the row was read.
        sealed = store.sealed_credentials(service.engine, connection_id)
        if sealed in (None, row.credentials):
            raise
        opened = secrets.unseal(service.settings, row.tenant_id, connection_id, sealed)
    return read_credentials(kind, opened)


def _named(service: Service, tenant: str, name: str) -> tuple[int, Connection]:
    """Id and row of a connection."""
    tenant_id, _ = tenant_and_settings(service, tenant)
    for row in store.connections_of(service.engine, tenant_id):
        if row.name == name and row.connector != MANUAL and row.id is not None:
            return row.id, row
    raise NotFoundError(f"{tenant} has no connection {name!r}. See: rostersync connection list {tenant}")


def _of_api(service: Service, tenant: str, name: str) -> tuple[int, Connection]:
    """Id and row of a connection that has settings and was not removed."""
    connection_id, row = _named(service, tenant, name)
    if row.connector == FILES:
        raise SettingsError(
            f"The connection {name} is for uploaded files: it has no settings, and nobody to ask. Files come in with: "
            f"rostersync upload {tenant} PATH --connection {name}"
        )
    if row.state == "removed":
        raise SettingsError(
            f"The connection {name} of {tenant} was removed; how to use it again is told by: rostersync connection show "
            f"{tenant} {name}"
        )
    return connection_id, row
