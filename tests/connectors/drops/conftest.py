from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.connectors.drops.ways import Way, way_of


@pytest.fixture(params=["folder", "sftp"])
def way(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Way]:
    """Each way to drop files in turn, with an empty folder."""
    with way_of(request.param, tmp_path) as found:
        yield found
