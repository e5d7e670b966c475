from pathlib import Path

import pytest

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
