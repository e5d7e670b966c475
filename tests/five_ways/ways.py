"""The ways in which one district can come, each into a tenant of its own, all through the doors that people use."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Protocol

import msgspec

from fixtures.api import render
from fixtures.clever import DISTRICT as CLEVER_DISTRICT
from fixtures.clever import clever_id
from fixtures.district import generate
from fixtures.layout import Spec
from fixtures.oneroster import DISTRICT_ID
from models.connections import ConnectorName, SourceCredentials, SourceSettings
from models.report import RunReport
from sync import tenants
from sync.connections import add_connection
from sync.pull import sync
from sync.service import Service
from sync.snapshot import Snapshot
from sync.upload import upload
from tests.servers import ClassLinkServer, CleverServer, OneRosterServer

#: All sorts of roles, some at two schools, and a next day that has it all: a class without a teacher, a guardian without a
#: student.
SPEC: Final = Spec(people=300, schools=2, change=0.2, seed=33)
#: Several pages of people and enrollments, the last of them not full.
PAGE_SIZE: Final = 130


class District(Protocol):
    """The district at its source: ``show`` makes it the district of that day, ``sync`` reads it."""

    def show(self, spec: Spec) -> None: ...
    def sync(self) -> RunReport: ...


class Way(NamedTuple):
    """One way in. ``open`` makes a tenant of the way's name; ``sources`` are those whose limits hold (docs/sources.md)."""

    name: str
    sources: tuple[str, ...]
    open: Callable[[Service, Path], AbstractContextManager[District]]


class _Files:
    """A OneRoster set, uploaded."""

    def __init__(self, service: Service, folder: Path, tenant: str, form: str) -> None:
        self._service, self._folder, self._tenant, self._form = service, folder, tenant, form
        self._upload = folder

    def show(self, spec: Spec) -> None:
        self._upload = self._folder / f"{self._tenant}-{spec.day}"
        generate(self._upload, spec, self._form)

    def sync(self) -> RunReport:
        return upload(self._service, self._tenant, [self._upload], started_by="tests", results="none")


class _Api:
    """A server on loopback, pulled from."""

    def __init__(self, service: Service, tenant: str, form: str, roster: Callable[[dict[str, Any]], None]) -> None:
        self._service, self._tenant, self._form, self._roster = service, tenant, form, roster

    def show(self, spec: Spec) -> None:
        self._roster(render(spec, self._form))

    def sync(self) -> RunReport:
        return sync(self._service, self._tenant, started_by="tests")


def _tenant(service: Service, name: str, district_id: str) -> None:
    tenants.add_tenant(service, name, district_id=district_id)
    tenants.set_setting(service, name, "create_schools", "true")


def _connect(
    service: Service, tenant: str, connector: ConnectorName, settings: SourceSettings, credentials: SourceCredentials
) -> None:
    """As a person would: settings as texts, those that differ from what goes without saying."""
    texts = {
        name: ",".join(value) if isinstance(value, tuple) else str(value)
        for name, value in msgspec.to_builtins(settings, builtin_types=(tuple,)).items()
        if value is not None and value != getattr(type(settings), name, None)
    }
    add_connection(service, tenant, connector, settings=texts, credentials=msgspec.to_builtins(credentials))


def _files(name: str, form: str, *sources: str) -> Way:
    @contextmanager
    def opened(service: Service, folder: Path) -> Iterator[District]:
        _tenant(service, name, DISTRICT_ID)
        yield _Files(service, folder, name, form)

    return Way(name, sources, opened)


def _oneroster(name: str, form: str, version: Literal["1.1", "1.2"]) -> Way:
    @contextmanager
    def opened(service: Service, folder: Path) -> Iterator[District]:
        with OneRosterServer(version=version) as server:
            _tenant(service, name, DISTRICT_ID)
            settings = server.settings(page_size=PAGE_SIZE)
            _connect(service, name, "oneroster", settings, server.credentials())
            yield _Api(service, name, form, lambda roster: setattr(server.provider, "roster", roster))

    return Way(name, (f"OneRoster {version}",), opened)


def _classlink(name: str, mode: Literal["proxy", "direct"]) -> Way:
    @contextmanager
    def opened(service: Service, folder: Path) -> Iterator[District]:
        with ClassLinkServer() as server:
            _tenant(service, name, DISTRICT_ID)
            chosen = server.settings(mode, page_size=PAGE_SIZE)
            _connect(service, name, "classlink", chosen, server.credentials())
            yield _Api(service, name, "classlink", lambda roster: setattr(server.provider, "roster", roster))

    return Way(name, ("OneRoster 1.1",), opened)


@contextmanager
def _clever(service: Service, folder: Path) -> Iterator[District]:
    with CleverServer() as server:
        _tenant(service, "clever", CLEVER_DISTRICT)
        _connect(service, "clever", "clever", server.settings(page_size=PAGE_SIZE), server.credentials())
        yield _Api(service, "clever", "clever", lambda roster: setattr(server, "roster", roster))


#: What every other way is compared with.
REFERENCE: Final = _files("csv-1.1", "oneroster11", "CSV", "OneRoster 1.1")
OTHERS: Final = (
    _files("csv-1.2", "oneroster12", "CSV", "OneRoster 1.2"),
    _oneroster("api-1.1", "oneroster11", "1.1"),
    _oneroster("api-1.2", "oneroster12", "1.2"),
    _classlink("classlink-proxy", "proxy"),
    _classlink("classlink-direct", "direct"),
    Way("clever", ("Clever",), _clever),
)


def source_ids(days: tuple[Spec, ...]) -> dict[str, str]:
    """Clever's ids -> what OneRoster calls the same."""
    found = {CLEVER_DISTRICT: DISTRICT_ID}
    kinds = {"orgs": "school", "academicSessions": "term", "classes": "section", "users": "user"}
    for spec in days:
        records = render(spec, "oneroster11")
        for collection, kind in kinds.items():
            found |= {clever_id(kind, record["sourcedId"]): record["sourcedId"] for record in records[collection]}
    return found


def renamed(picture: Snapshot, names: dict[str, str]) -> Snapshot:
    """A snapshot with other ids, in their order."""

    def value(found: Any) -> Any:
        if isinstance(found, list):
            return [value(entry) for entry in found]
        return names.get(found, found) if isinstance(found, str) else found

    return {
        kind: [{name: value(found) for name, found in record.items()} for record in records]
        for kind, records in picture.items()
    }
