"""Sync: a district's roster is pulled from a source over the network and becomes a run."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import structlog
from msgspec import structs
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

import connectors
from connectors.drops import DropSource
from connectors.http.client import HttpClient, Observer
from connectors.source import Access, Source
from connectors.watch import Watch
from models.connections import Memory
from models.errors import DisconnectedError, SettingsError
from models.pages import PullEvent
from models.progress import ProgressCallback
from models.report import RunReport
from store import connections as store
from sync import drops
from sync.by_hand import synced
from sync.clock import now
from sync.connection_fields import stored_memory
from sync.connections import OpenConnection, open_connection, open_http
from sync.plan import Plan
from sync.rest import rest_of, rests
from sync.results import Results
from sync.run import Order, Run, add_notes, run
from sync.service import Service
from sync.settling import outcome_of_report
from sync.stopping import Stopping
from sync.tenants import tenant_and_settings

log = structlog.get_logger("rostersync.pull")

Given = TypeVar("Given")


def connections_to_sync(service: Service, tenant: str) -> list[str]:
    """Names of the connections that a sync of the tenant goes through: to a source, not removed, not at rest
    (``sync.rest``).

    A disconnected one is among them, as only the source can say that it lets us in again. Raises SettingsError when there
    is none, NotFoundError for the tenant.
    """
    found = rests(service, tenant)
    able = [name for name, rest in found.items() if rest is None]
    if able:
        return able
    for rest in found.values():
        if rest:
            raise rest.refusal
    raise SettingsError(
        f"{tenant} has no connection to sync; add one with: rostersync connection add CONNECTOR {tenant}"
    )


def sync(
    service: Service,
    tenant: str,
    connection: str | None = None,
    *,
    dry_run: bool = False,
    again: bool = False,
    started_by: str,
    slot: str | None = None,
    began: Callable[[int], None] = lambda _run_id: None,
    progress: ProgressCallback | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    check: Callable[[Connection], None] = lambda _connection: None,
    observe: Observer | None = None,
) -> RunReport:
    """Pull the tenant's roster from a connection's source and bring what is stored up to it.

    ``connection`` may be left out where there is only one. ``again`` reads dropped files that were taken before, too.
    ``slot`` is the scheduled time that the run is for; ``began`` is called with the run's id as soon as its row is there;
    ``cancelled`` is asked between pages, and what it raises ends the run as it is; ``check`` is asked in the transaction
    that applies, and may raise. ``observe`` is called with every answer of the source.

    Raises RosterSyncError; SettingsError for a connection at rest (``sync.rest``); where files are dropped
    DropNotReadyError and NothingNewError, and then there was no run. A source that no longer lets us in
    (DisconnectedError) makes the connection "disconnected" until a sync gets through again. A connection that a person
    pauses, removes or sets otherwise meanwhile stops the run before it changes anything (ParkedError), and so does
    whoever asks for it in the run's row (CancelledError).
    """
    name = connection or _only_one(service, tenant)
    opened = open_connection(service, tenant, name)
    tenant_id, settings = tenant_and_settings(service, tenant)
    if rest := rest_of(service, tenant, opened.row, settings):
        raise rest.refusal
    stopping = Stopping(service.engine, cancelled)
    watch = Watch(progress or (lambda _progress: None), stopping)
    order = Order(
        tenant_id=tenant_id, tenant=tenant, settings=settings,
        connection_id=opened.id, connection=name, connector=opened.connector,
        started_by=started_by, dry_run=dry_run, slot=slot,
        began=_each(stopping.begins, began), progress=watch.tell, cancelled=stopping,
        check=_each(lambda applies: store.check_as_opened(applies, opened.row), check),
    )  # fmt: skip
    with closing(open_http(service, opened.settings, watch, observe, connection_id=opened.id)) as http:
        visit = _Visit(service, opened, watch, http, dry_run)
        keep = None if dry_run else visit.keep
        with drops.fetched(service, tenant, opened, visit.open, again=again, keep=keep) as visit.source:
            report = _run(visit, order)
    _settle(visit, report)
    if slot is None and not dry_run:
        synced(service, opened.id, outcome_of_report(report))
    return report


def _each(*steps: Callable[[Given], None]) -> Callable[[Given], None]:
    """One after the other."""

    def call(given: Given) -> None:
        for step in steps:
            step(given)

    return call


@dataclass
class _Visit:
    """One look at a connection's source. ``source`` is there from the start where files are fetched before the run begins,
    otherwise from the pull on."""

    service: Service
    opened: OpenConnection
    watch: Watch
    http: HttpClient
    dry_run: bool
    source: Source | None = None

    def open(self, scratch: Path) -> Source:
        opened, allowed = self.opened, self.service.settings.allowed_hosts
        access = Access(self.http, scratch, self.watch, now, opened.memory, allowed_hosts=allowed)
        return connectors.open_source(opened.connector, opened.settings, opened.credentials, access)

    def pull(self, scratch: Path) -> Iterator[PullEvent]:
        self.source = self.source or self.open(scratch)
        return self.source.pull()

    def notes(self) -> Sequence[str]:
        return [*self.source.facts.notes, *self.source.facts.missing] if self.source else ()

    def keep(self, learned: Memory) -> None:
        """A dry run teaches nothing: when its plan is approved later, nobody knows any more what the pull had learned. The next
        sync learns it again; at worst it asks for everything where changes would have been enough."""
        if not self.dry_run:
            _note(lambda: store.remember(self.service.engine, self.opened.row, stored_memory(learned)))


def _run(visit: _Visit, order: Order) -> RunReport:
    """The run itself. A source that no longer lets us in disconnects the connection."""
    service = visit.service
    results = Results(service.settings.results_dir / order.tenant, "problems" if visit.source else "none")

    def write_results(this: Run, plan: Plan) -> list[str]:
        return results.write(visit.source.upload(), this, plan) if isinstance(visit.source, DropSource) else []

    order = replace(order, results_path=results.path, notes=visit.notes, waited=lambda: visit.http.waited)
    try:
        return run(service, order, visit.pull, write_results)
    except DisconnectedError as error:
        why = error.for_admin
        _note(lambda: store.move(service.engine, visit.opened.id, ("active",), "disconnected", why, now()))
        raise


def _settle(visit: _Visit, report: RunReport) -> None:
    """What the connection, its memory and its dropped files become when the run has ended well."""
    service, opened = visit.service, visit.opened
    _note(lambda: store.move(service.engine, opened.id, ("disconnected",), "active", "", now()))
    if visit.source:
        visit.keep(_worth_keeping(visit.source.memory, report, opened.memory))
    if isinstance(visit.source, DropSource):
        _put_away(visit, visit.source, report)


def _put_away(visit: _Visit, source: DropSource, report: RunReport) -> None:
    """Its files are moved after all is remembered: should the process end meanwhile, the next sync knows what is left."""
    before = source.memory
    if said := drops.put_away(source, report):
        add_notes(visit.service, report, said)
    if source.memory != before:
        visit.keep(source.memory)


def _worth_keeping(learned: Memory, report: RunReport, before: Memory) -> Memory:
    """What is held is given up when the next run comes, and what is kept because nothing may be removed now is to go
    later, so the next pull must ask for the same changes again. Of neither are the files moved."""
    if drops.keeps_something(report):
        learned = structs.replace(learned, drop_content="", drop_again=bool(learned.drop_listing))
    if report.state == "held" or drops.keeps_something(report):
        learned = structs.replace(learned, full_at=before.full_at, read_at=before.read_at, drop_entries=())
    return learned


def _note(write: Callable[[], None]) -> None:
    """Write down what the next sync would find out again: should the database be gone, how the run ended is what counts."""
    try:
        write()
    except DBAPIError as error:
        log.warning("what follows from the sync could not be stored", error=type(error).__name__)


def _only_one(service: Service, tenant: str) -> str:
    names = connections_to_sync(service, tenant)
    if len(names) > 1:
        raise SettingsError(f"{tenant} has several connections; name one of them: {', '.join(names)}.")
    return names[0]
