"""Upload: a district's CSV files become a run."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from connectors.csvfiles.connector import CsvUpload
from models.errors import SettingsError
from models.pages import PullEvent
from models.progress import ProgressCallback
from models.report import RunReport
from models.settings import ResultsPolicy, UploadOptions
from store.tenants import ensure_connection
from sync.clock import now
from sync.plan import Plan
from sync.results import Results
from sync.run import Order, Run, run
from sync.service import Service
from sync.stopping import Stopping
from sync.tenants import tenant_and_settings


def upload(
    service: Service,
    tenant: str,
    paths: Sequence[Path],
    *,
    connection: str = "csv",
    school: str | None = None,
    dry_run: bool = False,
    results: ResultsPolicy = "full",
    started_by: str,
    progress: ProgressCallback | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> RunReport:
    """Read files, folders or ZIPs into the tenant's roster and report.

    ``connection`` names whose records these are (guardians from another system get a connection of their own);
    ``school`` is the source id of the one school that the files are for. Raises RosterSyncError.
    """
    tenant_id, settings = tenant_and_settings(service, tenant)
    missing = [path for path in paths if not path.exists()]
    if missing or not paths:
        raise SettingsError(f"There is no file or folder {missing[0]}." if missing else "Name a file, folder or ZIP.")
    connection_id = ensure_connection(service.engine, tenant_id, connection, "csv", now())
    stopping = Stopping(service.engine, cancelled)
    source: CsvUpload | None = None

    def pull(scratch: Path) -> Iterator[PullEvent]:
        nonlocal source
        source = CsvUpload(paths, UploadOptions(school=school), scratch)
        return source.pull()

    files = Results(service.settings.results_dir / tenant, results)

    def write_results(this: Run, plan: Plan) -> list[str]:
        return files.write(source, this, plan) if source else []

    order = Order(
        tenant_id=tenant_id,
        tenant=tenant,
        settings=settings,
        connection_id=connection_id,
        connection=connection,
        started_by=started_by,
        dry_run=dry_run,
        results_path=files.path,
        began=stopping.begins,
        progress=progress or (lambda _progress: None),
        cancelled=stopping,
    )
    return run(service, order, pull, write_results)
