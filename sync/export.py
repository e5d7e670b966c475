"""Export: the stored roster as files that read back to the same roster."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models.errors import SettingsError
from models.report import FileReport
from store.database import reading
from store.export import StoredRoster
from sync.export_files import new_set
from sync.export_oneroster import VERSIONS, headers, write_oneroster
from sync.export_product import HEADERS, write_product
from sync.export_roster import Roster
from sync.service import Service
from sync.tenants import tenant_and_settings


def export_product(service: Service, tenant: str, directory: Path) -> list[FileReport]:
    """Write the tenant's active roster as users.csv, classes.csv, enrollments.csv (and guardians.csv if there is need).

    ``directory`` may be a folder or the name of a ZIP; files of a former export in it are replaced, all at once. Notes
    of the reports say what this form has no place for. Raises NotFoundError, and SettingsError for a place that cannot
    be used.
    """
    with _roster(service, tenant) as roster, new_set(directory, HEADERS) as writer:
        write_product(roster, writer)
        return writer.reports()


def export_oneroster(service: Service, tenant: str, directory: Path, version: str = "1.1") -> list[FileReport]:
    """Write the tenant's active roster as a OneRoster bulk set with manifest, in version 1.1 or 1.2.

    What the standard has no place for stands beside it (``sync.export_oneroster``), so that the set reads back to the
    same roster. Otherwise as ``export_product``.
    """
    if version not in VERSIONS:
        raise SettingsError(f"OneRoster {version} is not supported; choose {' or '.join(VERSIONS)}.")
    with _roster(service, tenant) as roster:
        columns = headers(roster, version)
        with new_set(directory, columns) as writer:
            write_oneroster(roster, writer, columns, version)
            return writer.reports()


@contextmanager
def _roster(service: Service, tenant: str) -> Iterator[Roster]:
    """The tenant's roster as one read transaction sees it."""
    tenant_id, _ = tenant_and_settings(service, tenant)
    with reading(service.engine) as connection:
        yield Roster(StoredRoster(connection, tenant_id))
