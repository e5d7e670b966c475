"""Sync: a district's roster is pulled from a source over the network and becomes a run."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import structlog
from msgspec import structs
from sqlalchemy.exc import DBAPIError

import connectors
from connectors.http.client import Observer
from connectors.source import Access, Source
from connectors.watch import Watch
from models.connections import Memory
from models.errors import DisconnectedError, SettingsError
from models.pages import PullEvent
from models.progress import ProgressCallback
from models.report import RunReport
from store import connections as store
from sync.clock import now
from sync.connection_fields import stored_memory
from sync.connections import FILES, list_connections, open_connection, open_http
from sync.run import Order, run
from sync.service import Service
from sync.tenants import tenant_and_settings

log = structlog.get_logger("rostersync.pull")


def connections_to_sync(service: Service, tenant: str) -> list[str]:
    """Names of the connections that a sync of the tenant goes through: to a source, neither paused nor removed.

    A disconnected one is among them, as only the source can say that it lets us in again. Raises SettingsError when there
    is none, NotFoundError for the tenant.
    """
    found = [entry for entry in list_connections(service, tenant) if entry.connector != FILES]
    able = [entry.name for entry in found if entry.state in ("active", "disconnected")]
    if able:
        return able
    paused = next((entry for entry in found if entry.state == "paused"), None)
    if paused:
        raise _paused(tenant, paused.name, paused.reason, paused.since)
    raise SettingsError(
        f"{tenant} has no connection to sync; add one with: rostersync connection add CONNECTOR {tenant}"
    )


def sync(
    service: Service,
    tenant: str,
    connection: str | None = None,
    *,
    dry_run: bool = False,
    started_by: str,
    progress: ProgressCallback | None = None,
    cancelled: Callable[[], bool] | None = None,
    observe: Observer | None = None,
) -> RunReport:
    """Pull the tenant's roster from a connection's source and bring what is stored up to it.

    ``connection`` may be left out where there is only one. ``observe`` is called with every answer of the source.
    Raises RosterSyncError; SettingsError for a paused connection. A source that no longer lets us in
    (DisconnectedError) makes the connection "disconnected" until a sync gets through again. A connection that a person
    pauses, removes or sets otherwise meanwhile stops the run before it changes anything (CancelledError).
    """
    name = connection or _only_one(service, tenant)
    opened = open_connection(service, tenant, name)
    if opened.row.state == "paused":
        raise _paused(tenant, name, opened.row.state_reason, opened.row.state_since or opened.row.created_at)
    tenant_id, settings = tenant_and_settings(service, tenant)
    watch = Watch(progress or (lambda _progress: None), cancelled or (lambda: False))
    source: Source | None = None

    with closing(open_http(service, opened.settings, watch, observe)) as http:

        def pull(scratch: Path) -> Iterator[PullEvent]:
            nonlocal source
            access = Access(http, scratch, watch, now, opened.memory)
            source = connectors.open_source(opened.connector, opened.settings, opened.credentials, access)
            return source.pull()

        order = Order(
            tenant_id=tenant_id,
            tenant=tenant,
            settings=settings,
            connection_id=opened.id,
            connection=name,
            started_by=started_by,
            connector=opened.connector,
            dry_run=dry_run,
            progress=watch.tell,
            cancelled=watch.cancelled,
            notes=lambda: _notes(source),
            check=lambda connection: store.check_as_opened(connection, opened.row),
        )
        try:
            report = run(service, order, pull)
        except DisconnectedError as error:
            why = error.for_admin
            _note(lambda: store.move(service.engine, opened.id, ("active",), "disconnected", why, now()))
            raise
    _note(lambda: store.move(service.engine, opened.id, ("disconnected",), "active", "", now()))
    # A dry run teaches nothing: when its plan is approved later, nobody knows any more what the pull had learned. The
    # next sync learns it again; at worst it asks for everything where changes would have been enough.
    if source and not dry_run:
        memory = stored_memory(_worth_keeping(source.memory, report, opened.memory))
        _note(lambda: store.remember(service.engine, opened.row, memory))
    return report


def _worth_keeping(learned: Memory, report: RunReport, before: Memory) -> Memory:
    """What is held is given up when the next run comes, so the next pull must ask for the same changes again."""
    if report.state == "held":
        return structs.replace(learned, full_at=before.full_at, read_at=before.read_at)
    return learned


def _note(write: Callable[[], None]) -> None:
    """Write down what the next sync would find out again: should the database be gone, how the run ended is what counts."""
    try:
        write()
    except DBAPIError as error:
        log.warning("the connection's state could not be stored", error=type(error).__name__)


def _notes(source: Source | None) -> Sequence[str]:
    return [*source.facts.notes, *source.facts.missing] if source else ()


def _only_one(service: Service, tenant: str) -> str:
    names = connections_to_sync(service, tenant)
    if len(names) > 1:
        raise SettingsError(f"{tenant} has several connections; name one of them: {', '.join(names)}.")
    return names[0]


def _paused(tenant: str, name: str, reason: str, since: str) -> SettingsError:
    return SettingsError(
        f"The connection {name} of {tenant} was {reason} ({since[:16].replace('T', ' ')} UTC); nothing was synced. To go "
        f"on: rostersync connection resume {tenant} {name}"
    )
