"""Any sequence of uploads ends in the roster that the last good state of each row says."""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.errors import DistrictActionError
from sync import plans
from sync.service import open_service
from sync.settings import Settings
from tests.sync.district import CLASSES, ENROLLMENTS, USERS, District, write_csv

PEOPLE = [f"s{number}" for number in range(6)]
CLASS_IDS = [f"c{number}" for number in range(3)]
#: A name that makes a row bad: its role (or title) is one that is refused.
BAD = "bad"


@dataclass
class Day:
    """The rows of one day's files in their order; None: the file was not sent."""

    users: list[tuple[str, str]] | None
    classes: list[tuple[str, str]] | None
    enrollments: list[tuple[str, str]] | None


@dataclass
class Expected:
    """What the roster should say, by plain set arithmetic."""

    people: dict[str, str] = field(default_factory=dict)
    classes: dict[str, str] = field(default_factory=dict)
    enrollments: set[tuple[str, str]] = field(default_factory=set)

    def after(self, day: Day) -> "Expected":
        people = _entities(self.people, day.users)
        classes = _entities(self.classes, day.classes)
        listed = {(c, p) for c, p in day.enrollments or [] if c in classes and p in people}
        # A file of which nothing could be taken proves nothing.
        enrollments = listed or {(c, p) for c, p in self.enrollments if c in classes and p in people}
        return Expected(people, classes, enrollments)


def _entities(before: dict[str, str], rows: list[tuple[str, str]] | None) -> dict[str, str]:
    """Listed and good: as the first row says. Listed and bad: as it was. Not listed: gone, if any row was good."""
    first: dict[str, str] = {}
    for source_id, name in rows or []:
        if name != BAD:
            first.setdefault(source_id, name)
    if not first:
        return dict(before)
    listed = {source_id for source_id, _ in rows or []}
    kept = {source_id: name for source_id, name in before.items() if source_id in listed}
    return kept | first


names = st.sampled_from(["Kim", "Max", "Ada", BAD])
rows_of_people = st.none() | st.lists(st.tuples(st.sampled_from(PEOPLE), names), max_size=8)
rows_of_classes = st.none() | st.lists(st.tuples(st.sampled_from(CLASS_IDS), names), max_size=4)
rows_of_enrollments = st.none() | st.lists(st.tuples(st.sampled_from(CLASS_IDS), st.sampled_from(PEOPLE)), max_size=12)
days = st.lists(st.builds(Day, rows_of_people, rows_of_classes, rows_of_enrollments), min_size=1, max_size=6)


def write(folder: Path, day: Day) -> Path:
    folder.mkdir()
    if day.users is not None:
        write_csv(
            folder / "users.csv",
            USERS,
            [
                {"sourcedId": key, "orgSourcedIds": "pine", "givenName": name, "familyName": "Lee",
                 "role": "wizard" if name == BAD else "student"}
                for key, name in day.users
            ],
        )  # fmt: skip
    if day.classes is not None:
        rows = [{"sourcedId": k, "title": "" if n == BAD else n, "schoolSourcedId": "pine"} for k, n in day.classes]
        write_csv(folder / "classes.csv", CLASSES, rows)
    if day.enrollments is not None:
        enrolled = [{"classSourcedId": c, "userSourcedId": p, "role": "student"} for c, p in day.enrollments]
        write_csv(folder / "enrollments.csv", ENROLLMENTS, enrolled)
    return folder


def in_a_new_district(migrated: Path, check: Callable[[District, Path], None]) -> None:
    folder = Path(tempfile.mkdtemp())
    (folder / "data").mkdir()
    shutil.copy(migrated, folder / "data")
    try:
        with open_service(Settings(data_dir=folder / "data", database_url="")) as service:
            check(District(service, folder), folder)
    finally:
        shutil.rmtree(folder)


def stored(district: District) -> Expected:
    people = district.rows(
        "SELECT source_id, given_name FROM person JOIN link ON kind = 'person' AND entity_id = id WHERE status = 'active'"
    )
    classes = district.rows(
        "SELECT source_id, title FROM class JOIN link ON kind = 'class' AND entity_id = id WHERE status = 'active'"
    )
    enrollments = {(c, p) for c, p, _ in district.enrollments()}
    return Expected(dict(people), dict(classes), enrollments)


def send(district: District, folder: Path) -> None:
    """Upload, and approve whatever the guard holds: what is meant here is what the files say."""
    if not any(folder.iterdir()):
        return
    try:
        report = district.upload_paths([folder])
    except DistrictActionError:
        return  # none of the records could be taken: nothing changes
    if report.state == "held":
        plans.approve_plan(district.service, report.run_id, decided_by="tests")


@given(days)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_sequence_of_uploads_ends_in_the_last_good_state_of_each_row(
    migrated_sqlite: Path, sequence: list[Day]
) -> None:
    def check(district: District, folder: Path) -> None:
        expected = Expected()
        for number, day in enumerate(sequence):
            written = write(folder / f"day-{number}", day)
            send(district, written)
            expected = expected.after(day)
            assert stored(district) == expected
            before = district.snapshot()
            send(district, written)
            assert district.snapshot() == before, "the same files again changed something"

    in_a_new_district(migrated_sqlite, check)


@given(days)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_person_keeps_the_internal_id_for_ever(migrated_sqlite: Path, sequence: list[Day]) -> None:
    def check(district: District, folder: Path) -> None:
        ids: dict[str, int] = {}
        for number, day in enumerate(sequence):
            send(district, write(folder / f"day-{number}", day))
            now = district.people("active") | district.people("archived")
            assert now.items() >= ids.items()
            ids = now

    in_a_new_district(migrated_sqlite, check)
