"""Pictures of a stored roster, and what differs between two."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.errors import NotFoundError
from sync.service import Service
from sync.snapshot import Snapshot, difference, snapshot
from tests.sync.district import District, Files, clazz, guardian, user


def files() -> Files:
    return Files(
        users={
            "s1": user(agentSourcedIds="p1", grades="09", email="ada@example.org"),
            "s2": user(givenName="Bo", agentSourcedIds="p1"),
            "t1": user("teacher", "pine,oak"),
            "p1": guardian(),
        },
        classes={"c1": clazz(periods="1,2")},
        enrollments=[("c1", "s1", "student"), ("c1", "t1", "teacher")],
    )


@pytest.fixture
def pine(service: Service, tmp_path: Path) -> District:
    """On each of both databases."""
    return District(service, tmp_path)


def test_a_roster_by_its_source_ids(pine: District) -> None:
    pine.upload(files())
    picture = snapshot(pine.service, "test")
    assert [school["id"] for school in picture["school"]] == ["district", "oak", "pine"]
    assert picture["school"][2] == {
        "id": "pine", "managed_by": "hand", "name": "Pine School", "type": "school", "parent": "district",
    }  # fmt: skip
    assert picture["term"] == []
    assert picture["class"] == [
        {
            "id": "c1", "managed_by": "csv", "title": "Algebra", "school": "pine", "grades": ["09"],
            "periods": ["1", "2"],
        }
    ]  # fmt: skip
    assert [person["id"] for person in picture["person"]] == ["p1", "s1", "s2", "t1"]
    assert picture["person"][1] == {
        "id": "s1", "managed_by": "csv", "given_name": "Ada", "family_name": "Byron", "email": "ada@example.org",
        "grades": ["09"],
    }  # fmt: skip
    assert picture["affiliation"][-1] == {"person": "t1", "school": "pine", "role": "teacher", "managed_by": "csv"}
    assert picture["enrollment"][0] == {"class": "c1", "person": "s1", "role": "student", "managed_by": "csv"}
    assert picture["guardianship"] == [
        {"student": student, "guardian": "p1", "managed_by": "csv"} for student in ("s1", "s2")
    ]
    assert snapshot(pine.service, "test") == picture


def test_what_is_archived_is_there_with_its_cause(pine: District) -> None:
    pine.upload(files())
    fewer = files()
    assert fewer.users
    assert fewer.enrollments
    del fewer.users["s1"]
    fewer.enrollments.remove(("c1", "s1", "student"))
    pine.upload(fewer)
    picture = snapshot(pine.service, "test")
    assert picture["person"][1] == {"id": "s1", "managed_by": "csv", "archived": "absent"}
    assert picture["enrollment"][0]["archived"] == "parent_removed"
    assert picture["guardianship"][0]["archived"] == "parent_removed"


def test_two_connections_may_know_a_school(pine: District) -> None:
    pine.upload(files())
    pine.upload(Files(users={"x1": user()}, classes={"k1": clazz()}), connection="other")
    picture = snapshot(pine.service, "test")
    assert {person["managed_by"] for person in picture["person"]} == {"csv", "other"}
    plain = snapshot(pine.service, "test", sources=False)
    assert "managed_by" not in str(plain)
    assert [person["id"] for person in plain["person"]] == ["p1", "s1", "s2", "t1", "x1"]


def test_an_unknown_tenant(sqlite_service: Service) -> None:
    with pytest.raises(NotFoundError):
        snapshot(sqlite_service, "nobody")


# --- differences -------------------------------------------------------------------------------------------------------

ROSTER: Snapshot = {
    "school": [{"id": "pine", "name": "Pine"}],
    "person": [{"id": "s1", "email": "a@example.org"}, {"id": "s2", "grades": ["01"]}],
    "enrollment": [{"class": "c1", "person": "s1", "role": "student"}],
}


def changed(change: Callable[[Snapshot], Any]) -> Snapshot:
    roster = copy.deepcopy(ROSTER)
    change(roster)
    return roster


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        (lambda roster: None, []),
        (lambda roster: roster["person"].reverse(), []),
        (lambda roster: roster.update(term=[]), []),
        (lambda roster: roster["person"].pop(), ["person s2 is missing"]),
        (lambda roster: roster["person"].append({"id": "s3"}), ["person s3 is there and was not expected"]),
        (
            lambda roster: roster["person"][0].update(email="b@example.org", sms="1"),
            ['person s1: email is "b@example.org", expected "a@example.org"', 'person s1: sms is "1", expected nothing'],
        ),
        (lambda roster: roster["person"][1].pop("grades"), ['person s2: grades is nothing, expected ["01"]']),
        (
            lambda roster: roster["person"].__setitem__(1, {"id": "s2", "archived": "absent"}),
            ["person s2: is archived (absent), expected active"],
        ),
        (
            lambda roster: roster["enrollment"][0].update(role="teacher"),
            ["enrollment c1 / s1 / student is missing", "enrollment c1 / s1 / teacher is there and was not expected"],
        ),
        # Two people of two connections under one id.
        (
            lambda roster: roster["person"].append({"id": "s1", "managed_by": "other"}),
            ["person s1 is there and was not expected"],
        ),
    ],
)  # fmt: skip
def test_differences_in_words(change: Callable[[Snapshot], Any], lines: list[str]) -> None:
    assert difference(ROSTER, changed(change)) == lines


def test_differences_are_bounded() -> None:
    many: Snapshot = {"person": [{"id": f"{number:03}"} for number in range(100)]}
    lines = difference({}, many, most=10)
    assert len(lines) == 11
    assert lines[-1] == "… and 90 more differences"
