"""One pull of a OneRoster provider, whoever found out where and how it is read."""

from collections.abc import Callable, Iterator
from typing import Final

from msgspec import structs

from connectors.http.client import Answer
from connectors.oneroster.delta import changes_since
from connectors.oneroster.endpoint import Endpoint, PullSettings, SourceChangedError
from connectors.oneroster.gather import Gathering
from connectors.oneroster.paging import FilterRefusedError
from connectors.oneroster.provider import Provider
from connectors.source import Access, SourceFacts
from connectors.staging import Staging
from models.connections import Memory
from models.errors import SourceUnavailableError
from models.pages import PullEvent

#: How often a pull begins anew because the source changed under it (reference/oneroster-classlink.md, 1.5).
_RESTARTS: Final = 3


class OneRosterPull:
    """Reads all collections below an endpoint. Ask for ``events`` once, for ``memory`` afterwards."""

    def __init__(
        self,
        endpoint: Endpoint,
        settings: PullSettings,
        access: Access,
        *,
        facts: SourceFacts,
        inspect: Callable[[Answer], None] = lambda _answer: None,
    ) -> None:
        """``facts`` is filled in meanwhile. ``inspect`` is called with every page's answer, before anything is made of it;
        where it raises SourceChangedError all is thrown away and the first page is asked for again."""
        self._provider = Provider(endpoint, settings, access, inspect)
        self._settings = settings
        self._access = access
        self._facts = facts
        self._memory = access.memory

    @property
    def memory(self) -> Memory:
        """What to remember if the pull is applied; as it was before where nothing was learned."""
        return self._memory

    def events(self) -> Iterator[PullEvent]:
        """Arrivals, then pages and coverage statements by KINDS; nothing before all was read. Raises RosterSyncError."""
        staging = self._read()
        try:
            yield from staging.events()
        finally:
            staging.close()

    def _read(self) -> Staging:
        restarts = 0
        while True:
            staging = Staging(self._access.scratch, self._access.page_size)
            self._provider.begin(self._since())
            gathering = Gathering(self._provider, staging, self._facts)
            try:
                gathering.gather()
            except SourceChangedError as change:
                staging.close()
                restarts += 1
                if restarts > _RESTARTS:
                    raise SourceUnavailableError(
                        "The source changed again and again while it was read; nothing was changed here. Try again later.",
                        f"restarted {_RESTARTS} times: {change}",
                    ) from None
            except FilterRefusedError:
                staging.close()
            except BaseException:
                staging.close()
                raise
            else:
                self._remember(gathering)
                return staging

    def _since(self) -> str | None:
        """The time from which on changes are enough; what the provider refused in this pull counts already."""
        known = self._provider.remember(self._access.memory)
        return changes_since(self._settings, known, self._access.now())

    def _remember(self, gathering: Gathering) -> None:
        """A pull that was not whole moves no time: the next one asks for at least as much."""
        provider = self._provider
        memory = provider.remember(self._access.memory)
        if gathering.proven:
            full_at = memory.full_at if provider.since else provider.started
            memory = structs.replace(memory, full_at=full_at, read_at=provider.started)
        self._memory = memory
