"""Enrollments that are listed more than once for a class, a person and a role: whoever leaves and comes back has one for
each time (reference/oneroster-classlink.md, 4.2). Which one counts must not hang on the order of the source."""

from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from models.records import Enrollment
from tests.connectors.oneroster.oneroster_cases import FakeProvider, Pulled, Row, enrollment, pull, roster, users


def stay(source_id: str, begin: str | None = None, end: str | None = None, **more: Any) -> Row:
    return enrollment(source_id, "C1", "P00007", beginDate=begin, endDate=end, **more)


def of(tmp_path: Path, rows: list[Row], page_size: int = 100, pages_of: int = 5_000) -> Pulled:
    people = users(30)
    others = [enrollment(f"E{number}", "C1", row["sourcedId"]) for number, row in enumerate(people) if number != 7]
    half = len(others) // 2
    spread = others[:half] + rows[:1] + others[half:] + rows[1:]
    provider = FakeProvider(roster(users=people, enrollments=spread))
    return pull(provider, tmp_path, sort=False, page_size=page_size, pages_of=pages_of)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([stay("A", "2026-08-31", "2026-10-01"), stay("B", "2027-01-10"), stay("C", "2026-11-01", "2026-12-01")],
         ("2027-01-10", None)),
        ([stay("A", "2026-08-31", "2026-10-01"), stay("B", "2026-11-01", "2027-02-01")], ("2026-11-01", "2027-02-01")),
        ([stay("A"), stay("B", "2026-11-01")], ("2026-11-01", None)),
        ([stay("A", "2026-08-31", "2026-10-01"), stay("B", "2026-09-15", "2026-10-01")], ("2026-09-15", "2026-10-01")),
    ],
)  # fmt: skip
@pytest.mark.parametrize(("page_size", "pages_of"), [(100, 5_000), (7, 5), (1, 1)])
def test_the_one_that_ends_last_counts_in_any_order(
    tmp_path: Path, rows: list[Row], expected: tuple[str | None, str | None], page_size: int, pages_of: int
) -> None:
    for order in permutations(rows):
        pulled = of(tmp_path, list(order), page_size, pages_of)
        assert len(pulled.records("enrollment")) == len(pulled.lines("enrollment")) == 30
        assert len(pulled.schools("enrollment")) == 30
        (counted,) = (one for one in pulled.records("enrollment") if one.person_source_id == "P00007")
        assert (counted.begins_on, counted.ends_on) == expected
        assert pulled.verdict("enrollment") == "complete"
        assert [(problem.code, problem.detail) for problem in pulled.problems] == [
            ("enrollments_repeated", str(len(rows) - 1))
        ]


def test_a_primary_one_goes_before_another_and_the_same_twice_is_one(tmp_path: Path) -> None:
    rows = [stay("A"), stay("B", primary=False), stay("C", primary=True), stay("D", primary=True)]
    for order in (rows, rows[::-1]):
        found = of(tmp_path, order).records("enrollment")
        assert [one for one in found if one.person_source_id == "P00007"] == [
            Enrollment("C1", "P00007", "student", True)
        ]


def test_another_role_or_class_is_another_enrollment(tmp_path: Path) -> None:
    rows = [stay("A"), stay("B", role="teacher"), enrollment("C", "C2", "P00007"), stay("D", status="tobedeleted")]
    pulled = of(tmp_path, rows)
    assert len(pulled.records("enrollment")) == 29 + 3
    assert pulled.gone("enrollment") == [Enrollment("C1", "P00007", "student")]
    assert pulled.problems == []


def test_what_is_refused_stays_refused_beside_them(tmp_path: Path) -> None:
    rows = [stay("A", "2026-08-31"), stay("B", role="wizard"), stay("C", "2026-09-30", "soon"), stay("D")]
    pulled = of(tmp_path, rows, 5, 1)
    assert [refusal.source_ids for refusal in pulled.refusals("enrollment")] == [("C1", "P00007")]
    assert pulled.codes == ["bad_date", "enrollments_repeated", "unknown_role"]
    (counted,) = (one for one in pulled.records("enrollment") if one.person_source_id == "P00007")
    assert counted.begins_on == "2026-09-30"
