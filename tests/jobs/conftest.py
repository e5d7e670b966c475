"""A source that all tenants of a test read, and the service that workers share on a real PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from fixtures.api import render
from fixtures.layout import Spec
from sync.service import Service, open_service
from sync.settings import Settings
from tests.jobs.fleet import KEY
from tests.servers.oneroster import OneRosterServer

#: Where locks and transactions of the two databases differ.
ON_BOTH = pytest.mark.parametrize("place", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def server() -> Iterator[OneRosterServer]:
    with OneRosterServer(render(Spec(people=50), "oneroster11"), auth="bearer") as server:
        yield server


@pytest.fixture
def shared_service(postgresql_url: str, server: OneRosterServer, tmp_path: Path) -> Iterator[Service]:
    with open_service(settings_for(server, tmp_path, postgresql_url)) as service:
        yield service


@pytest.fixture
def single_service(server: OneRosterServer, sqlite_dir: Path) -> Iterator[Service]:
    """On SQLite, where one process does it all."""
    with open_service(settings_for(server, sqlite_dir.parent, "")) as service:
        yield service


def settings_for(server: OneRosterServer, folder: Path, database_url: str) -> Settings:
    return Settings(
        data_dir=folder / "data", database_url=database_url, allow_hosts=server.host, secret_keys=SecretStr(KEY)
    )


@pytest.fixture
def place(request: pytest.FixtureRequest, server: OneRosterServer, sqlite_dir: Path) -> Iterator[Service]:
    """A service without any worker, on SQLite, or where a test says so (``ON_BOTH``) on PostgreSQL as well."""
    url = request.getfixturevalue("postgresql_url") if getattr(request, "param", "") == "postgresql" else ""
    with open_service(settings_for(server, sqlite_dir.parent, url)) as service:
        yield service
