"""A connector without a network: yields what a test tells it to share, and fails where it is told to."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from pydantic import SecretStr

import connectors
from connectors.source import Access, SourceFacts
from models.connections import Memory, OneRosterCredentials, OneRosterSettings
from models.errors import RosterSyncError, SettingsError
from models.pages import Arrival, Coverage, Page, PullEvent
from models.problems import Problem
from models.records import Affiliation, Class, Enrollment, Person, Record, School
from models.sources import ConnectionView
from models.vocabulary import Kind
from sync import connections, tenants
from sync.service import Service

PAGE = 3
BASE_URL = "https://sis.example.org/ims/oneroster/v1p1"
SECRET = "sssh-very-secret-4711"
CREDENTIALS = {"client_id": "the-id", "client_secret": SECRET}


def _people() -> dict[str, tuple[str, tuple[str, ...]]]:
    return {**{f"s{number}": ("student", ("pine",)) for number in range(5)}, "t1": ("teacher", ("pine",))}


@dataclass
class Shared:
    """What the source shares, and how it behaves. ``people`` are id -> (role, schools); ``enrollments`` class, person, role."""

    schools: dict[str, str] = field(default_factory=lambda: {"pine": "Pine School"})
    classes: dict[str, str] = field(default_factory=lambda: {"c1": "pine", "c2": "pine"})
    people: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=_people)
    enrollments: list[tuple[str, str, str]] = field(
        default_factory=lambda: [("c1", "s0", "student"), ("c1", "s1", "student"), ("c2", "t1", "teacher")]
    )
    problems: list[Problem] = field(default_factory=list)
    coverage: dict[Kind, str] = field(default_factory=dict)
    facts: SourceFacts = field(default_factory=lambda: SourceFacts("Springfield", "d-1", ("roster-core.readonly",)))
    learned: Memory = field(default_factory=lambda: Memory(full_at="2026-09-01T02:00:00+00:00", refused=("sort",)))
    error: RosterSyncError | None = None
    while_pulled: Callable[[Access], object] = lambda _access: None
    #: What the source was opened with, oldest first.
    opened: list[tuple[OneRosterSettings, OneRosterCredentials, Access]] = field(default_factory=list)

    def events(self) -> Iterator[PullEvent]:
        people = self.people.items()
        yield Arrival("users", "users", len(self.people), problems=self.problems)
        yield from self._listing("school", "orgs", [School(key, name) for key, name in self.schools.items()])
        yield from self._listing(
            "class", "classes", [Class(key, f"Class {key}", school) for key, school in self.classes.items()]
        )
        yield from self._listing(
            "person", "users", [Person(key, "Ada", family_name="Byron") for key in self.people],
            [schools for _, (_, schools) in people],
        )  # fmt: skip
        yield from self._listing(
            "affiliation",
            "users",
            [Affiliation(key, school, role) for key, (role, schools) in people for school in schools],
        )
        yield from self._listing("enrollment", "enrollments", [Enrollment(*entry) for entry in self.enrollments])

    def _listing(
        self, kind: Kind, listing: str, records: list[Record], schools: list[tuple[str, ...]] | None = None
    ) -> Iterator[PullEvent]:
        for start in range(0, len(records), PAGE):
            part = records[start : start + PAGE]
            lines = list(range(start + 1, start + 1 + len(part)))
            yield Page(kind, listing, listing, part, lines, schools=(schools or [])[start : start + PAGE])
        doubt = self.coverage.get(kind, "")
        yield Coverage(kind, listing, listing, "partial" if doubt else "complete", len(records), reason=doubt)


#: What the next source shares; a test gets it from the fixture ``shared``.
SHARED = Shared()


def check(settings: OneRosterSettings, credentials: OneRosterCredentials) -> None:
    if not settings.base_url.startswith("https://"):
        raise SettingsError("The setting base_url must begin with https://.")
    if not (credentials.client_id and credentials.client_secret):
        raise SettingsError("The credentials client_id and client_secret are needed.")


class FakeSource:
    def __init__(self, settings: OneRosterSettings, credentials: OneRosterCredentials, access: Access) -> None:
        SHARED.opened.append((settings, credentials, access))
        self.facts = SHARED.facts
        self._access = access

    def pull(self) -> Iterator[PullEvent]:
        for page in range(1, 3):
            self._access.watch.page("users", page, page * PAGE, 2 * PAGE)
        SHARED.while_pulled(self._access)
        if SHARED.error:
            raise SHARED.error
        yield from SHARED.events()

    @property
    def memory(self) -> Memory:
        return SHARED.learned


def add(service: Service, name: str | None = None, **settings: str) -> ConnectionView:
    """Give the tenant springfield a connection to the fake."""
    return connections.add_connection(
        service, "springfield", "oneroster", name, settings={"base_url": BASE_URL, **settings}, credentials=CREDENTIALS
    )


def prepared(service: Service) -> Service:
    """A service with the tenant springfield, its school Pine, and the connection ``sis`` to the fake."""
    tenants.add_tenant(service, "springfield")
    tenants.add_school(service, "springfield", "pine", "Pine School")
    add(service, "sis")
    return service


def use_keys(service: Service, keys: str) -> None:
    """Encrypt credentials with these keys from now on."""
    service.settings = service.settings.model_copy(update={"secret_keys": SecretStr(keys)})


def install(monkeypatch: pytest.MonkeyPatch) -> Shared:
    """Put the fake in the place of the OneRoster connector; returns what it will share."""
    fresh = Shared()
    monkeypatch.setattr("tests.sync.fake_source.SHARED", fresh)
    monkeypatch.setitem(connectors.CONNECTORS, "oneroster", connectors.Connector(check, FakeSource))
    return fresh
