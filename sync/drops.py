"""Drops: the files of a district are fetched before their run begins, and put away when they are applied."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from connectors.drops import DropSource
from connectors.source import Source, SourceFacts
from models.connections import DropSettings, Memory
from models.errors import CancelledError, DropNotReadyError, NothingNewError, RosterSyncError
from models.pages import PullEvent
from models.report import RunReport
from sync.connections import OpenConnection
from sync.service import Service
from sync.written_out import commands_written_out

log = structlog.get_logger("rostersync.drops")


@contextmanager
def fetched(
    service: Service,
    tenant: str,
    opened: OpenConnection,
    open_source: Callable[[Path], Source],
    *,
    again: bool,
    keep: Callable[[Memory], None] | None,
) -> Iterator[Source | None]:
    """The fetched drop of a connection while its scratch directory lasts, or None where no files are dropped. ``again``
    fetches what was taken before, too.

    Raises DropNotReadyError, NothingNewError and CancelledError, after which there is nothing to run; what else went wrong
    is raised by the source when it is pulled, so that the run fails for it. Where nothing is new, what is left of earlier
    drops is moved on, and ``keep`` is given what is worth remembering; None for a dry run, which does neither.
    """
    if not isinstance(opened.settings, DropSettings):
        yield None
        return
    with service.scratch() as scratch:
        try:
            with commands_written_out(tenant, opened.row.name):
                source: Source = _fetch(open_source(scratch), again, keep)
        except (DropNotReadyError, NothingNewError, CancelledError):
            raise
        except RosterSyncError as error:
            source = _NotFetched(error, opened.memory)
        yield source


def _fetch(source: Source, again: bool, keep: Callable[[Memory], None] | None) -> DropSource:
    assert isinstance(source, DropSource)
    try:
        source.arrive(again=again)
    except NothingNewError:
        if keep:
            _move(source, None)
            keep(source.memory)
        raise
    return source


def put_away(source: DropSource, report: RunReport) -> list[str]:
    """Move dropped files out of the way if all of them was applied. Returns sentences on what could not be moved."""
    return _move(source, report.run_id) if report.state == "applied" and not keeps_something(report) else []


def _move(source: DropSource, run_id: int | None) -> list[str]:
    if said := source.put_away():
        log.warning("dropped files were not moved", run=run_id, files=len(source.memory.drop_entries))
    return said


def keeps_something(report: RunReport) -> bool:
    """Whether something is kept that is to go once removing is allowed again, so that the source must be read again then."""
    return any(kind.kept for kind in report.kinds)


class _NotFetched:
    """A ``Source`` that could not be fetched."""

    def __init__(self, error: RosterSyncError, memory: Memory) -> None:
        self.facts = SourceFacts()
        self.memory = memory
        self._error = error

    def pull(self) -> Iterator[PullEvent]:
        raise self._error
