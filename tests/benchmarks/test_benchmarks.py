"""The benchmarks: they measure what they say, and still fit the program that they measure."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import api_district, api_rate, bulk_load, csv_district
from benchmarks.databases import SqliteDatabases, open_databases
from benchmarks.measure import Figures, measure, median
from benchmarks.report import ratio, table
from fixtures.district import generate, write_school_list
from fixtures.layout import Spec
from store import database

MEGABYTE = 1_000_000


def busy(seconds: float, megabytes: int, path: str) -> Callable[[], str]:
    """A step of known cost."""

    def body() -> str:
        block = bytearray(megabytes * MEGABYTE)
        Path(path).write_bytes(block)
        while time.process_time() < seconds + started:
            pass
        return "done"

    started = time.process_time()
    return body


def breaks() -> Callable[[], None]:
    """A step that fails when it is measured."""

    def body() -> None:
        raise ValueError("on purpose")

    return body


def test_a_step_is_measured_in_a_process_of_its_own(tmp_path: Path) -> None:
    figures = measure("tests.benchmarks.test_benchmarks:busy", seconds=0.3, megabytes=40, path=str(tmp_path / "out"))
    assert figures.answer == "done"
    assert 0.25 < figures.cpu < 3
    assert figures.wall >= 0.9 * figures.cpu - 0.05
    assert 38 < figures.peak < 80
    assert 39.9 < figures.written < 41


def test_a_step_that_fails_says_why() -> None:
    with pytest.raises(RuntimeError, match="on purpose"):
        measure("tests.benchmarks.test_benchmarks:breaks")


def test_the_middle_run_is_taken() -> None:
    runs = [Figures(wall, 0, 0, 0, None) for wall in (9.0, 1.0, 2.0)]
    assert median(runs).wall == 2.0


def test_ratios_say_when_a_bound_is_missed() -> None:
    assert ratio(3, 2, 2) == "1.50 (bound 2)"
    assert ratio(5, 2, 2) == "2.50 (bound 2; missed)"
    assert ratio(10, 1, 20, at_least=True) == "10.00 (bound at least 20; missed)"
    assert "missed" not in ratio(30, 1, 20, at_least=True)


def test_tables_are_markdown() -> None:
    assert table(["step", "s"], [["one", "1.0"], ["three", "10.5"]]).splitlines() == [
        "| step  |    s |",
        "|-------|-----:|",
        "| one   |  1.0 |",
        "| three | 10.5 |",
    ]


def test_changed_pages_are_counted(tmp_path: Path) -> None:
    databases = SqliteDatabases(tmp_path)
    databases.new("x")
    databases.path("x").write_bytes(bytes(10 * 4096))
    position = databases.position("x")
    assert databases.written_since("x", position) == 0
    databases.path("x").write_bytes(bytes(9 * 4096) + b"1" * 4096 + bytes(4096))
    assert databases.written_since("x", position) == pytest.approx(2 * 4096 / MEGABYTE)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_bare_load_holds_the_same_rows(tmp_path: Path, kind: str) -> None:
    spec = Spec(people=500, schools=2)
    expected = generate(tmp_path / "files", spec).records
    write_school_list(tmp_path / "schools.csv", spec)
    with open_databases(kind, tmp_path) as databases:
        url = databases.new("bare")
        bulk_load.make_tables(url)()
        assert bulk_load.load(url, str(tmp_path / "files"), str(tmp_path / "schools.csv"))() == sum(expected.values())
        engine = database.create(url)
        with database.reading(engine) as connection:
            for name, count in expected.items():
                assert connection.exec_driver_sql(f'SELECT count(*) FROM "{name}"').scalar() == count
        engine.dispose()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_all_steps_run_and_report(tmp_path: Path, kind: str) -> None:
    section = csv_district.run(tmp_path, people=300, kind=kind, repeat=1)
    for step in ("a. read", "b. bare", "c. first", "c′. first", "d. unchanged", "d′. unchanged", "e. 1 %", "e′. 1 %"):
        assert f"| {step}" in section
    assert section.count("bound") == 7


@pytest.mark.slow
def test_a_small_district_over_the_network_goes_through_all_steps(tmp_path: Path) -> None:
    section = api_district.run(tmp_path, 60, "sqlite", 1)
    assert section.count("| d. unchanged sync ") == 2
    assert "### clever: 60 people, sqlite" in section


def test_a_limited_source_is_never_asked_too_often(tmp_path: Path) -> None:
    """The limit is above what is asked for here, so that no window has to pass; ``benchmarks.api_rate`` lets it bind."""
    section = api_rate.run(tmp_path, 60, 10, 100)
    refused = next(line for line in section.splitlines() if line.startswith("| requests refused (429)"))
    assert "0.00 (bound 0)" in refused
