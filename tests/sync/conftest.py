from pathlib import Path

import pytest

from sync.secrets import new_key
from sync.service import Service
from tests.sync import fake_source
from tests.sync.district import District


@pytest.fixture
def pine(service: Service, tmp_path: Path) -> District:
    """A set-up district on each database in turn."""
    return District(service, tmp_path)


@pytest.fixture
def oak(sqlite_service: Service, tmp_path: Path) -> District:
    """A set-up district on SQLite only, for what does not depend on the database."""
    return District(sqlite_service, tmp_path)


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> fake_source.Shared:
    """What a fake connector shares, which stands in the place of the OneRoster one."""
    return fake_source.install(monkeypatch)


@pytest.fixture
def place(service: Service, shared: fake_source.Shared) -> Service:
    """The tenant springfield with a connection to the fake source, on each database in turn."""
    if service.settings.database_url:
        fake_source.use_keys(service, new_key())
    return fake_source.prepared(service)


@pytest.fixture
def here(sqlite_service: Service, shared: fake_source.Shared) -> Service:
    """The same on SQLite only, for what does not depend on the database."""
    return fake_source.prepared(sqlite_service)
