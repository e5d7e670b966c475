"""One district, five ways, one roster: as Clever, ClassLink (proxy and direct), OneRoster 1.1 and 1.2, and as CSV.

Every way ends in the same stored roster on two days, apart from what docs/sources.md lists.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from msgspec.structs import replace
from pydantic import SecretStr

from fixtures.api import render
from fixtures.oneroster_api import NEVER_KEPT
from models.report import RunReport
from sync import secrets
from sync.service import Service, open_service
from sync.settings import Settings
from sync.snapshot import Snapshot, difference, snapshot
from tests.five_ways.limits import LIMITS, Limit, reduced
from tests.five_ways.ways import OTHERS, REFERENCE, SPEC, Way, renamed, source_ids

DAYS = (SPEC, replace(SPEC, day=1))
NAMES = source_ids(DAYS)
DOCUMENT = Path(__file__).parents[2] / "docs" / "sources.md"


@dataclass
class Story:
    """What became of the district: by way and day the roster and the report; by way the report of a last sync of the same."""

    pictures: dict[tuple[str, int], Snapshot] = field(default_factory=dict)
    reports: dict[tuple[str, int], RunReport] = field(default_factory=dict)
    again: dict[str, RunReport] = field(default_factory=dict)

    def tell(self, service: Service, way: Way, folder: Path) -> None:
        with way.open(service, folder) as district:
            for spec in DAYS:
                district.show(spec)
                self.reports[way.name, spec.day] = district.sync()
                picture = snapshot(service, way.name, sources=False)
                # The district itself is called as its tenant is.
                self.pictures[way.name, spec.day] = renamed(picture, NAMES | {way.name: "the district"})
            self.again[way.name] = district.sync()

    def differences(self, way: Way, day: int, *, but: Limit | None = None) -> list[str]:
        """What is different from the reference beside what one of the two cannot express."""
        expected = reduced(self.pictures[REFERENCE.name, day], way.sources, but=but)
        return difference(expected, reduced(self.pictures[way.name, day], REFERENCE.sources, but=but))


def _service(folder: Path, url: str = "") -> AbstractContextManager[Service]:
    key = SecretStr(secrets.new_key())
    return open_service(Settings(data_dir=folder, database_url=url, allow_hosts="127.0.0.1", secret_keys=key))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("five-ways")


@pytest.fixture(scope="module")
def story(folder: Path) -> Iterator[Story]:
    """All ways on SQLite."""
    told = Story()
    with _service(folder / "data") as service:
        for way in (REFERENCE, *OTHERS):
            told.tell(service, way, folder)
        yield told


@pytest.mark.parametrize("day", [0, 1])
@pytest.mark.parametrize("way", OTHERS, ids=lambda way: way.name)
def test_every_way_ends_in_the_same_roster(story: Story, way: Way, day: int) -> None:
    assert story.differences(way, day) == []


def test_both_databases_hold_the_same_roster(story: Story, tmp_path: Path, postgresql_url: str) -> None:
    other = Story()
    with _service(tmp_path / "data", postgresql_url) as service:
        other.tell(service, OTHERS[-1], tmp_path)
    assert len(other.pictures) == len(DAYS)
    for key, picture in other.pictures.items():
        assert difference(story.pictures[key], picture) == []


def test_the_next_day_has_all_sorts_of_changes(story: Story) -> None:
    for way in (REFERENCE, *OTHERS):
        counts = {entry.kind: entry for entry in story.reports[way.name, 1].kinds}
        for kind in ("class", "person", "enrollment"):
            assert counts[kind].created
            assert counts[kind].archived
        assert counts["class"].updated or way.name == "clever", "only its room changes, which Clever cannot say"
        assert counts["person"].updated
        assert counts["guardianship"].archived
    assert not all(section["teacher"] for section in render(DAYS[1], "clever")["sections"])


@pytest.mark.parametrize("way", [REFERENCE, *OTHERS], ids=lambda way: way.name)
def test_an_unchanged_sync_writes_nothing(story: Story, way: Way) -> None:
    report, last = story.again[way.name], story.reports[way.name, 1]
    assert report.state == "applied"
    assert [entry.received for entry in report.kinds] == [entry.received for entry in last.kinds]
    for entry in report.kinds:
        assert (entry.created, entry.updated, entry.archived, entry.restored, entry.held) == (0, 0, 0, 0, 0)
        assert entry.unchanged == entry.received


@pytest.mark.parametrize("way", [REFERENCE, *OTHERS], ids=lambda way: way.name)
def test_nothing_is_refused_and_every_listing_is_proven(story: Story, way: Way) -> None:
    for day in (0, 1):
        report = story.reports[way.name, day]
        assert (report.state, report.problem_counts, report.holds) == ("applied", [], [])
        assert {statement.verdict for statement in report.coverage} == {"complete"}


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: f"{limit.source}: {limit.what}")
def test_no_limit_is_listed_in_vain(story: Story, limit: Limit) -> None:
    """Were one left out, some way would differ: what a source does express is not excused."""
    ways = [way for way in OTHERS if limit.source in (*way.sources, *REFERENCE.sources)]
    assert any(story.differences(way, day, but=limit) for way in ways for day in (0, 1))


def test_the_documents_list_is_the_tests_list() -> None:
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| [^|]+ \|$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    listed = [row for row in rows if row[0] not in ("source", "---")]
    assert listed == [(limit.source, limit.what) for limit in LIMITS]


def test_what_no_roster_may_keep_is_nowhere(story: Story, folder: Path) -> None:
    """Passwords, birth dates and vendors' own fields came with the records, and are in no file of the service."""
    assert _holding(folder / "data", ["SY-2027"]), "files hold what is stored as it is"
    assert _holding(folder / "data", NEVER_KEPT) == []


def _holding(folder: Path, texts: Iterable[str]) -> list[Path]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if any(text.encode() in path.read_bytes() for text in texts)]
