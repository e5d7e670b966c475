"""The measured steps that use the product: reading, the first and further uploads. See ``benchmarks.measure``."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

Body = Callable[[], Any]


def read(paths: list[str]) -> Body:
    """Read and normalize the files, and let go of the records. Answers how many there were."""
    from connectors.csvfiles import CsvUpload
    from models.pages import Page
    from models.settings import UploadOptions

    def body() -> int:
        with tempfile.TemporaryDirectory() as scratch:
            source = CsvUpload([Path(path) for path in paths], UploadOptions(), Path(scratch))
            return sum(len(event.records) for event in source.pull() if isinstance(event, Page))

    return body


def set_up(url: str, data_dir: str, schools: str, district: str) -> Body:
    """Make the tenant "bench" and its schools. Not a measured step, but run like one: its process is gone afterwards."""
    import sync.upload  # noqa: F401 (so that no later step compiles it)
    from sync.service import open_service
    from sync.settings import Settings
    from sync.tenants import add_schools_from_file, add_tenant

    def body() -> None:
        with open_service(Settings(data_dir=Path(data_dir), database_url=url)) as service:
            add_tenant(service, "bench", district_id=district)
            add_schools_from_file(service, "bench", Path(schools))

    return body


def upload(url: str, data_dir: str, paths: list[str], results: str) -> Body:
    """One upload. Answers its state and what it did per kind."""
    import logging

    import structlog

    from sync.service import open_service
    from sync.settings import Settings
    from sync.upload import upload as run_upload

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    settings = Settings(data_dir=Path(data_dir), database_url=url)

    def body() -> dict[str, Any]:
        with open_service(settings) as service:
            files = [Path(path) for path in paths]
            report = run_upload(service, "bench", files, results=results, started_by="benchmark")  # type: ignore[arg-type]
        totals = {
            name: sum(getattr(kind, name) for kind in report.kinds)
            for name in ("received", "created", "updated", "archived", "unchanged", "refused", "held")
        }
        return {"state": report.state, **totals}

    return body
