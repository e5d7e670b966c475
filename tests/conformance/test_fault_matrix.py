"""Each fault, each connector, on a first and on a later sync: the stored roster is the old one or the right new one.

"Never less": a run that fails leaves the old roster, byte for byte. One that is applied has all that the source lists; what it
does not list any more may still be there (nothing proved that it is gone), but nothing that is there was made up.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from connectors.watch import Watch
from fixtures.layout import Spec
from models.connections import Memory
from models.errors import RosterSyncError
from models.pages import PullEvent
from models.report import RunReport
from store.tenants import ensure_connection
from sync import tenants
from sync.run import Order, run
from sync.service import Service, open_service
from sync.settings import Settings
from sync.snapshot import snapshot
from sync.tenants import tenant_and_settings
from tests.conformance.rig import NOW, WAYS, Rig, rig
from tests.servers import faults
from tests.servers.faults import Fault

OLD: Final = Spec(people=60, seed=7)
NEW: Final = Spec(people=60, seed=7, day=1, change=0.25)
#: One way for each way of paging; ``make test-all`` goes through all of them.
EVERYDAY: Final = frozenset({"clever", "classlink-proxy"})
#: The tenant itself, which no sync changes.
DISTRICT: Final = "hand-made"
PEOPLE: Final = r"/users\?(?!.*count=)"


class Trouble(NamedTuple):
    """A fault on the requests for people and for enrollments; ``moves`` changes the source itself."""

    action: faults.Action
    times: int | None = None
    first: int = 1


TROUBLES: Final[dict[str, Trouble]] = {
    "500 for good": Trouble(faults.status(500)),
    "502 once": Trouble(faults.status(502), 1),
    "429 for good": Trouble(faults.too_many(400)),
    "401 for good": Trouble(faults.status(401)),
    "403 for good": Trouble(faults.status(403)),
    "404 for good": Trouble(faults.status(404)),
    "redirect": Trouble(faults.status(302, Location="https://login.example.org/")),
    "token expires": Trouble(faults.expire_token(), 1),
    "torn for good": Trouble(faults.torn()),
    "html for good": Trouble(faults.html()),
    "empty body": Trouble(faults.empty_body()),
    "no envelope": Trouble(faults.no_envelope()),
    "connection cut": Trouble(faults.cut()),
    "hang up": Trouble(faults.hang_up()),
    "no rows": Trouble(faults.no_rows()),
    "rows missing": Trouble(faults.drop_row(2)),
    "row twice": Trouble(faults.repeat_row(1)),
    "page twice": Trouble(faults.repeat_page(), first=2),
    "count off": Trouble(faults.count_off(3)),
    "unknown words": Trouble(faults.set_fields(brandNew=1, zzz=[None])),
}


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, dict[str, Any]]]:
    """Ways -> the data directory after a sound sync of the old district, and the right new roster; made when first asked for."""
    return {"": (tmp_path_factory.mktemp("stored"), {})}


def _sync(service: Service, stand: Rig, name: str = "test") -> RunReport:
    tenant_id, settings = tenant_and_settings(service, name)
    connection = ensure_connection(service.engine, tenant_id, "api", stand.way.connector, NOW)
    order = Order(tenant_id, name, settings, connection, "api", "tests")
    with stand.source(Watch(), Memory()) as source:

        def pull(_scratch: Path) -> Iterator[PullEvent]:
            return source.pull()

        return run(service, order, pull)


def _tenant(service: Service, name: str = "test") -> None:
    tenants.add_tenant(service, name, district_id=DISTRICT)
    tenants.set_setting(service, name, "create_schools", "true")


def _before(way: str, stored: dict[str, tuple[Path, dict[str, Any]]], tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    if way not in stored:
        folder = stored[""][0] / way
        with open_service(Settings(data_dir=folder, database_url="")) as service:
            for name, specs in {"test": [OLD], "right": [OLD, NEW]}.items():
                _tenant(service, name)
                for spec in specs:
                    with rig(way, tmp_path, spec) as stand:
                        report = _sync(service, stand, name)
                        assert report.state == "applied", report.holds
            stored[way] = folder, snapshot(service, "right")
    return stored[way]


def _identity(record: dict[str, Any]) -> tuple[Any, ...]:
    names = ("id", "person", "school", "class", "student", "guardian", "role")
    return tuple(str(record[name]) for name in names if name in record)


def _active(roster: dict[str, Any]) -> dict[tuple[Any, ...], dict[str, Any]]:
    return {
        (kind, *_identity(record)): record
        for kind, records in roster.items()
        for record in records
        if "archived" not in record and record.get("id") != DISTRICT
    }


def assert_never_less(old: dict[str, Any], right: dict[str, Any], now: dict[str, Any]) -> None:
    before, wanted, found = _active(old), _active(right), _active(now)
    assert not {key for key in before.keys() & wanted.keys() if key not in found}, "what is on both days is gone"
    for key, record in found.items():
        assert record in (before.get(key), wanted.get(key)), "made up"


@pytest.mark.parametrize("moment", ["first", "later"])
@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("way", [way if way in EVERYDAY else pytest.param(way, marks=pytest.mark.slow) for way in WAYS])
def test_never_less(
    way: str, trouble: str, moment: str, stored: dict[str, tuple[Path, dict[str, Any]]], tmp_path: Path
) -> None:
    folder, right = _before(way, stored, tmp_path)
    data = tmp_path / "data"
    if moment == "later":
        shutil.copytree(folder, data)
    with open_service(Settings(data_dir=data, database_url="")) as service, rig(way, tmp_path, NEW) as stand:
        if moment == "first":
            _tenant(service)
        old = snapshot(service, "test")
        fault = TROUBLES[trouble]
        for path in (PEOPLE, stand.way.members + r"\?(?!.*count=)"):
            stand.server.faults.append(Fault(path, fault.action, fault.first, fault.times))
        failure = None
        try:
            report = _sync(service, stand)
        except RosterSyncError as error:
            failure = error
        if failure:
            assert failure.for_admin.endswith(".")
            assert snapshot(service, "test") == old
            return
        assert report.state in ("applied", "held")
        assert_never_less(old, right, snapshot(service, "test"))
        whole = all(statement.verdict == "complete" for statement in report.coverage)
        if whole and report.state == "applied" and not report.problem_counts:
            assert _active(snapshot(service, "test")) == _active(right)


#: What moves while a source is read, and how each connector notices.
MOVES: Final[dict[str, Callable[[Rig], Fault]]] = {
    "clever": lambda _: Fault(
        r"/districts", faults.set_fields(last_sync="2026-09-30T06:00:00.000Z"), first=2, times=None
    ),
    "classlink-proxy": lambda _: Fault(r"/enrollments", faults.headers(x_perm_rev="42"), times=1),
}


@pytest.mark.parametrize("way", MOVES)
def test_a_source_that_changes_under_the_pull_loses_nothing(
    way: str, stored: dict[str, tuple[Path, dict[str, Any]]], tmp_path: Path
) -> None:
    folder, right = _before(way, stored, tmp_path)
    shutil.copytree(folder, tmp_path / "data")
    with (
        open_service(Settings(data_dir=tmp_path / "data", database_url="")) as service,
        rig(way, tmp_path, NEW) as stand,
    ):
        old = snapshot(service, "test")
        stand.server.faults.append(MOVES[way](stand))
        report = _sync(service, stand)
        if way == "clever":
            assert {statement.verdict for statement in report.coverage} == {"partial"}
            assert all(kind.archived == 0 for kind in report.kinds)
        assert_never_less(old, right, snapshot(service, "test"))


@pytest.mark.parametrize("scope", ["read:teachers", "read:students", "read:school_admins", "read:district_admins"])
def test_people_whom_the_app_may_no_longer_read_stay(
    scope: str, stored: dict[str, tuple[Path, dict[str, Any]]], tmp_path: Path
) -> None:
    """Whoever has the role, and all that they have by it, is not absent; everybody else is brought up to date."""
    folder, right = _before("clever", stored, tmp_path)
    shutil.copytree(folder, tmp_path / "data")
    role = {"read:teachers": "teacher", "read:students": "student"}.get(scope, "")
    with (
        open_service(Settings(data_dir=tmp_path / "data", database_url="")) as service,
        rig("clever", tmp_path, NEW) as stand,
    ):
        old = _active(snapshot(service, "test"))
        stand.server.scopes = tuple(known for known in stand.server.scopes if known != scope)
        report = _sync(service, stand)
        now = _active(snapshot(service, "test"))
    assert report.state == "applied", report.holds
    classes = {key[1] for key in now if key[0] == "class"}
    # What belonged to a class that is gone went with it.
    lost = {key for key in old.keys() - now.keys() if key[0] != "enrollment" or key[2] in classes}
    assert not [key for key in lost if role and role in key]
    assert lost <= old.keys() - _active(right).keys(), "whatever went is gone on the next day as well"
    with_role = {key[1] for key in old if key[0] == "affiliation" and role and role in key}
    assert with_role <= {key[1] for key in now if key[0] == "person"}
