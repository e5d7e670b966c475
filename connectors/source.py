"""What every connector is given, and what it must be able to do."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec

from connectors.http.client import HttpClient
from connectors.watch import Watch
from models.connections import Memory
from models.pages import PullEvent


class SourceFacts(msgspec.Struct):
    """What a source says of itself, filled in while it is read; for ``connection test`` and the run's notes.

    ``scopes`` are what the credentials may read, in the source's words; ``missing`` sentences on what they may not and we
    would want; ``notes`` other sentences that a person should read ("Clever has paused this district since 2026-06-12").
    """

    district_name: str = ""
    district_id: str = ""
    scopes: tuple[str, ...] = ()
    missing: list[str] = []
    notes: list[str] = []


@dataclass(frozen=True)
class Access:
    """What a connector gets of the outside for one pull: the HTTP client (closed by whoever made it), an empty scratch
    directory, where to report progress, and what it remembered from earlier runs.

    ``now`` is the time in UTC as ISO text, for sources whose answers carry no Date header. ``allowed_hosts`` may have
    private addresses, for sources that are not asked through ``http``.
    """

    http: HttpClient
    scratch: Path
    watch: Watch
    now: Callable[[], str]
    memory: Memory = field(default_factory=Memory)
    page_size: int = 5_000
    allowed_hosts: frozenset[str] = frozenset()


class Source(Protocol):
    """One district's roster at a source, for one pull."""

    facts: SourceFacts

    def pull(self) -> Iterator[PullEvent]:
        """Everything that is shared, once: arrivals first, then by KINDS pages and coverage statements.

        Nothing is yielded before the whole source has been read and checked, so a consumer never sees part of a pull that
        fails. Raises RosterSyncError: CredentialsRefusedError, DisconnectedError, SettingsError, SourceUnavailableError,
        SourceProtocolError, CancelledError.
        """
        ...

    @property
    def memory(self) -> Memory:
        """What to remember if the pull is applied; ask when ``pull`` has ended."""
        ...
