"""Every connector against the real server of its source, in one way: what the conformance suite and the fault matrix use."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import connectors
from connectors.http.client import HttpClient
from connectors.source import Access, Source
from connectors.watch import Watch
from fixtures.api import render
from fixtures.layout import Spec
from models.connections import ConnectorName, Memory, SourceCredentials, SourceSettings
from models.pages import Arrival, Coverage, Page, PullEvent
from models.vocabulary import KINDS, Kind
from tests.servers import ClassLinkServer, CleverServer, OneRosterServer
from tests.servers.base import Loopback

PEOPLE: Final = 160
SPEC: Final = Spec(people=PEOPLE, seed=7)
NOW: Final = "2026-10-01T20:00:00Z"


class Way(NamedTuple):
    """One way to read a district. ``main`` and ``members`` are what finds the requests for people and for their classes."""

    connector: ConnectorName
    form: str
    start: Callable[[Any], Loopback]
    settings: Callable[[Any], SourceSettings]
    credentials: Callable[[Any], SourceCredentials]
    members: str
    #: Whether a request that was refused may be made once more with something newer.
    renews: bool


def _oneroster(version: Any, auth: Any) -> Way:
    return Way(
        "oneroster",
        "oneroster11" if version == "1.1" else "oneroster12",
        lambda roster: OneRosterServer(roster, version=version, auth=auth),
        lambda server: server.settings(),
        lambda server: server.credentials(),
        "/enrollments",
        renews=auth == "oauth2",
    )


def _classlink(mode: Any) -> Way:
    return Way(
        "classlink",
        "classlink",
        ClassLinkServer,
        lambda server: server.settings(mode),
        lambda server: server.credentials(),
        "/enrollments",
        renews=mode == "proxy",
    )


WAYS: Final[dict[str, Way]] = {
    "clever": Way(
        "clever", "clever", CleverServer, lambda s: s.settings(), lambda s: s.credentials(), "/sections", renews=True
    ),
    "oneroster-1.1-oauth1": _oneroster("1.1", "oauth1"),
    "oneroster-1.2-oauth2": _oneroster("1.2", "oauth2"),
    "classlink-proxy": _classlink("proxy"),
    "classlink-direct": _classlink("direct"),
}


class Pulled(NamedTuple):
    """What a pull yielded."""

    source: Source
    events: list[PullEvent]

    @property
    def pages(self) -> list[Page]:
        return [event for event in self.events if isinstance(event, Page)]

    @property
    def arrivals(self) -> list[Arrival]:
        return [event for event in self.events if isinstance(event, Arrival)]

    @property
    def coverage(self) -> list[Coverage]:
        return [event for event in self.events if isinstance(event, Coverage)]

    def records(self, kind: Kind) -> Counter[Any]:
        """The records of a kind that are there, with how often each came."""
        return Counter(r for page in self.pages if page.kind == kind and not page.tombstones for r in page.records)

    @property
    def all_records(self) -> dict[Kind, Counter[Any]]:
        return {kind: self.records(kind) for kind in KINDS}

    @property
    def codes(self) -> Counter[str]:
        """Problem codes with their numbers, the arrivals' own as well."""
        return Counter(p.code for event in (*self.pages, *self.arrivals) for p in event.problems)

    def verdicts(self, kind: Kind) -> set[str]:
        return {statement.verdict for statement in self.coverage if statement.kind == kind}


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1_790_000_000.0
        self.slept = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds


class Rig:
    """A server that runs, and pulls from it. Waiting takes no time; ``clock.slept`` says how long it would have taken."""

    def __init__(self, way: Way, server: Any, scratch: Path) -> None:
        self.way = way
        self.server = server
        self.clock = Clock()
        self.name = ""
        self.scratch = scratch / "scratch"
        self.scratch.mkdir(exist_ok=True)

    def settings(self) -> SourceSettings:
        return self.way.settings(self.server)

    @contextmanager
    def source(
        self, watch: Watch | None = None, memory: Memory | None = None, settings: SourceSettings | None = None
    ) -> Iterator[Source]:
        """A source ready to be pulled once, over an HTTP client of its own."""
        watch = watch or Watch()
        rules = self.server.rules()
        http = HttpClient(rules, watch, sleep=self.clock.sleep, clock=self.clock)
        with closing(http), TemporaryDirectory(dir=self.scratch) as scratch:
            access = Access(http, Path(scratch), watch, lambda: NOW, memory or Memory(), page_size=100)
            yield connectors.open_source(
                self.way.connector, settings or self.settings(), self.way.credentials(self.server), access
            )

    def pull(self, watch: Watch | None = None, memory: Memory | None = None) -> Pulled:
        with self.source(watch, memory) as source:
            return Pulled(source, list(source.pull()))


@contextmanager
def rig(name: str, scratch: Path, spec: Spec = SPEC) -> Iterator[Rig]:
    """A way by its name, with a server of a generated district."""
    way = WAYS[name]
    with way.start(render(spec, way.form)) as server:
        yield Rig(way, server, scratch)
