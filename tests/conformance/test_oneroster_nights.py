"""A OneRoster provider night after night, with the engine behind: what its oddities must never write, or take away."""

import random
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from connectors.http.auth import NoAuth
from connectors.oneroster.endpoint import Endpoint, PullSettings
from connectors.oneroster.pull import OneRosterPull
from connectors.source import Access, SourceFacts
from connectors.watch import Watch
from models.connections import Memory
from models.report import RunReport
from store.tenants import ensure_connection
from sync import tenants
from sync.run import Order, run
from sync.service import Service, open_service
from sync.settings import Settings
from sync.snapshot import snapshot
from sync.tenants import tenant_and_settings
from tests.connectors.oneroster.oneroster_cases import (
    BASE,
    NOW,
    FakeProvider,
    Reply,
    Roster,
    client,
    enrollment,
    ref,
    roster,
    user,
    users,
)


class District:
    """A tenant that syncs with a provider; ``memory`` is what the last sync left."""

    def __init__(self, service: Service, scratch: Path) -> None:
        self.memory = Memory()
        self._service = service
        self._scratch = scratch

    def night(self, listed: Roster | FakeProvider, *, delta: bool = False) -> RunReport:
        provider = listed if isinstance(listed, FakeProvider) else FakeProvider(listed)
        tenant_id, rules = tenant_and_settings(self._service, "test")
        connection = ensure_connection(self._service.engine, tenant_id, "api", "oneroster", NOW)
        with TemporaryDirectory(dir=self._scratch) as scratch:
            access = Access(client(provider), Path(scratch), Watch(), lambda: NOW, self.memory)
            settings = PullSettings(50, sort=False, delta=delta, overlap_hours=24, full_every_days=7)
            source = OneRosterPull(Endpoint(BASE, NoAuth()), settings, access, facts=SourceFacts())
            order = Order(tenant_id, "test", rules, connection, "api", "tests")
            report = run(self._service, order, lambda _scratch: source.events())
            self.memory = source.memory
        return report

    def active(self, kind: str) -> list[dict[str, Any]]:
        return [record for record in snapshot(self._service, "test")[kind] if "archived" not in record]


@pytest.fixture
def district(tmp_path: Path) -> Iterator[District]:
    with open_service(Settings(data_dir=tmp_path / "data", database_url="")) as service:
        tenants.add_tenant(service, "test", district_id="D1")
        tenants.set_setting(service, "test", "create_schools", "true")
        yield District(service, tmp_path)


def written(report: RunReport) -> dict[str, int]:
    assert report.state == "applied", report.holds
    sums = {kind.kind: kind.created + kind.updated + kind.archived + kind.restored for kind in report.kinds}
    return {kind: count for kind, count in sums.items() if count}


def changes(**collections: list[Any]) -> Roster:
    """What a provider answers that is asked for changes only; courses are always read in full."""
    return {name: [] for name in roster()} | {"courses": roster()["courses"]} | collections


def seats(count: int = 120) -> list[dict[str, Any]]:
    return [enrollment(f"E{number}", "C1", f"P{number:05d}") for number in range(count)]


def test_who_came_back_writes_nothing_whatever_the_order(district: District) -> None:
    again = [
        enrollment("R1", "C1", "P00003", beginDate="2026-09-01", endDate="2026-10-01"),
        enrollment("R2", "C1", "P00003", beginDate="2026-11-01"),
        enrollment("R3", "C1", "P00004", beginDate="2026-11-01"),
    ]
    rows = [*seats(), *again]
    assert written(district.night(roster(users=users(120), enrollments=rows)))["enrollment"] == 120
    for seed in range(3):
        random.Random(seed).shuffle(rows)
        assert written(district.night(roster(users=users(120), enrollments=rows))) == {}


def test_changes_refer_to_what_is_stored_and_take_away_only_what_is_marked(district: District) -> None:
    known = roster(users=users(120), enrollments=seats())
    district.night(known)
    report = district.night(
        changes(
            users=[
                user("G1", "parent", email="g@example.org", agents=[ref("P00001", "user")]),
                {"sourcedId": "P00119", "status": "tobedeleted"},
            ],
            classes=[known["classes"][0] | {"sourcedId": "C2"}],
            enrollments=[
                enrollment("E5", "C1", "P00005", status="tobedeleted"),
                {"sourcedId": "E6", "status": "tobedeleted"},
                enrollment("N1", "C2", "P00006"),
                enrollment("N2", "C2", "nobody"),
            ],
        ),
        delta=True,
    )
    assert written(report) == {"class": 1, "person": 2, "affiliation": 2, "enrollment": 3, "guardianship": 1}
    assert len(district.active("enrollment")) == 120 - 2 + 1
    assert written(district.night(changes(), delta=True)) == {}


def test_courses_that_are_not_shared_for_a_night_blank_nothing(district: District) -> None:
    listed = roster(users=users(1), enrollments=seats(1))
    district.night(listed)
    before = district.active("class")
    assert before[0]["course_title"] == "Algebra"
    provider = FakeProvider(listed)
    provider.quirks.append(lambda asked: Reply(403) if asked.collection == "courses" else None)
    assert written(district.night(provider)) == {}
    assert written(district.night(roster(users=users(1), enrollments=seats(1), courses=[]))) == {}
    assert district.active("class") == before
    assert written(district.night(listed)) == {}


def test_ids_that_change_with_the_version_are_held(district: District) -> None:
    """Infinite Campus (reference/oneroster-classlink.md, 4.2): one id per role in 1.1, the person's own in 1.2."""
    old = [user(f"s+{number}", givenName=f"Given{number}", familyName=f"Family{number}") for number in range(60)]
    new = []
    for row in old:
        person = dict(row, sourcedId=row["sourcedId"].removeprefix("s+"))
        new.append(person | {"roles": [{"role": person.pop("role"), "org": person.pop("orgs")[0]}]})
    district.night(roster(users=old, enrollments=[enrollment("E1", "C1", "s+1")]))
    report = district.night(roster(users=new, enrollments=[enrollment("E1", "C1", "1")]))
    assert report.state == "held"
    assert "churn" in {hold.measure for hold in report.holds if hold.kind == "person"}
    assert {record["id"] for record in district.active("person")} == {row["sourcedId"] for row in old}
