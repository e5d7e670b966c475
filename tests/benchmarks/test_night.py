"""The benchmark of a night: it measures what it says, and still fits the program that it measures."""

from pathlib import Path

import pytest

from benchmarks import night, ticks
from benchmarks.databases import cpu_of
from benchmarks.night_report import Bare, Figures, Size, overhead, section
from benchmarks.night_source import make_days, serving_days
from benchmarks.night_workers import Night
from connectors.http.auth import Bearer
from connectors.http.client import HttpClient, HttpRules
from connectors.watch import Watch

NIGHT = Night(runs=10, wall=12.0, waits=[0, 3, 9], asked=[0.5, 1.25], cpu=7.0, server_cpu=2.0)
BARE = Bare(wall=10.0, cpu=6.0, server_cpu=1.5)


def users_shown(day: int, folder: Path) -> bytes:
    """The first page of users as the source shows it on a day."""
    with serving_days(folder) as source:
        source.show(day)
        client = HttpClient(HttpRules(allowed_hosts=frozenset({source.address.host})), Watch())
        url = f"{source.address.settings['base_url']}/users"
        query = [("limit", "1000"), ("offset", "0")]
        auth = Bearer(source.address.credentials["token"])
        try:
            return client.get(url, query, what="users", read=lambda answer: bytes(answer.body), auth=auth)
        finally:
            client.close()


def test_overhead_is_told_per_run_of_a_workers_time_and_of_all_processors() -> None:
    by_wall, by_cpu = overhead(2, NIGHT, BARE)
    assert by_wall == pytest.approx(400)  # 2 workers were busy for 2 s longer, with 10 runs
    assert by_cpu == pytest.approx(150)  # 1 s of theirs and half a second of the database's


def test_a_section_tells_the_longest_wait_and_what_missed_its_bound() -> None:
    figures = Figures(NIGHT, [NIGHT, NIGHT], [BARE, BARE], NIGHT, BARE._replace(wall=11.9, cpu=7.0), [0.3, 0.75])
    lines = section(Size(tenants=10), figures).splitlines()
    first = next(line for line in lines if line.startswith("| first night"))
    assert [cell.strip() for cell in first.split("|")[2:-1]] == ["10", "12.0", "50", "3", "9", "7.0", "2.0"]
    changed = next(line for line in lines if line.startswith("| overhead per run, 1 % changed"))
    assert "400.00 (bound 100; missed)" in changed
    assert "150.00 (bound 100; missed)" in changed
    unchanged = next(line for line in lines if line.startswith("| overhead per run, unchanged"))
    assert "20.00 (bound 100)" in unchanged
    assert "50.00 (bound 100)" in unchanged
    assert any("1.25 at most" in line for line in lines)
    assert any("0.75 at most" in line for line in lines)


def test_the_source_shows_another_day_when_told(tmp_path: Path) -> None:
    make_days(tmp_path, 1_000, 2)
    shown = [users_shown(day, tmp_path) for day in (0, 1)]
    assert shown[0].count(b'"sourcedId"') >= 1_000
    assert shown[0] != shown[1]


def test_a_process_that_is_gone_has_used_nothing() -> None:
    assert cpu_of(2**22 + 1) == 0


def test_looking_for_what_is_due_reads_no_schedule_that_is_not(tmp_path: Path) -> None:
    lines = ticks.run(tmp_path, connections=120, nights=2).splitlines()
    assert sum(line.startswith("| look for") for line in lines) == 5
    assert "0.00 (bound 0)" in next(line for line in lines if line.startswith("| rows of schedules"))


@pytest.mark.slow
def test_a_small_night_goes_through_all_steps(tmp_path: Path) -> None:
    """The night itself fails unless each run that was due was applied once."""
    lines = night.run(tmp_path, Size(tenants=8, people=60)).splitlines()
    assert sum(line.startswith("| the same, bare") for line in lines) == 3
    assert sum(line.startswith("| night, ") for line in lines) == 3
