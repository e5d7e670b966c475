"""Tenants with a roster in them, and what an upload of an export would change."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.district import generate, write_school_list
from fixtures.layout import Spec
from models.report import RunReport
from sync.service import Service
from sync.tenants import add_school, add_schools_from_file, add_tenant
from sync.upload import upload

TENANT = "district"
DISTRICT_ID = "D-0001"

Rows = list[dict[str, str]]
Load = Callable[..., RunReport]


def read(path: Path) -> Rows:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, strict=True))


def changes(report: RunReport) -> dict[str, dict[str, int]]:
    """What a run would do, per kind; empty if nothing."""
    names = ("created", "updated", "archived", "restored", "refused", "held")
    found = {kind.kind: {name: getattr(kind, name) for name in names if getattr(kind, name)} for kind in report.kinds}
    return {kind: counts for kind, counts in found.items() if counts}


@pytest.fixture
def tenant(service: Service) -> Service:
    """A service with the empty tenant "district" and its schools 0100 and 0101."""
    add_tenant(service, TENANT, district_id=DISTRICT_ID)
    for source_id, name in (("0100", "Pine School"), ("0101", "Oak School")):
        add_school(service, TENANT, source_id, name)
    return service


@pytest.fixture
def load(tenant: Service, tmp_path: Path) -> Load:
    """Uploads files given as {name: lines}; ``connection`` is the upload's."""
    number = 0

    def load(files: dict[str, list[str]], connection: str = "csv") -> RunReport:
        nonlocal number
        number += 1
        folder = tmp_path / f"load-{number}"
        folder.mkdir()
        for name, lines in files.items():
            (folder / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        report = upload(tenant, TENANT, [folder], connection=connection, results="none", started_by="test")
        assert report.state == "applied", report
        return report

    return load


@pytest.fixture
def reread(service: Service) -> Callable[[Path], RunReport]:
    """What an upload of an export would do (a dry run)."""

    def reread(path: Path, connection: str = "csv") -> RunReport:
        return upload(
            service, TENANT, [path], connection=connection, dry_run=True, results="none", started_by="test"
        )  # fmt: skip

    return reread


@pytest.fixture
def generated(service: Service, tmp_path: Path) -> Callable[[str], None]:
    """A tenant that took a generated district of a form, and then the next day's changes, so that some is archived."""

    def make(form: str) -> None:
        spec = Spec(people=600, schools=2, change=0.05)
        write_school_list(tmp_path / "schools.csv", spec)
        add_tenant(service, TENANT, district_id=DISTRICT_ID)
        add_schools_from_file(service, TENANT, tmp_path / "schools.csv")
        for day in (0, 1):
            generate(tmp_path / f"day-{day}", Spec(600, day=day, change=0.05, schools=2), form)
            report = upload(service, TENANT, [tmp_path / f"day-{day}"], results="none", started_by="test")
            assert report.state == "applied", report
        assert sum(kind.archived for kind in report.kinds)

    return make
