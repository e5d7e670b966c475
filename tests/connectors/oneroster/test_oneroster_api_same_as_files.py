"""The same facts as files and over the API end in the same records."""

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from connectors.csvfiles import CsvUpload
from fixtures.api import render
from fixtures.district import generate
from fixtures.layout import Spec
from models.pages import Page, PullEvent
from models.records import Affiliation, Class, Guardianship, Record
from models.settings import UploadOptions
from models.vocabulary import KINDS
from tests.connectors.oneroster.oneroster_cases import COLLECTIONS, FakeProvider, Pulled, Reply, pull, roster

SAMPLES = Path(__file__).parents[3].parent / "shared" / "samples" / "classlink-captures"


def by_kind(events: list[PullEvent]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {kind: [] for kind in KINDS}
    for event in events:
        if isinstance(event, Page):
            found[event.kind] += map(as_a_file_has_it, event.records)
    return {kind: sorted(records, key=repr) for kind, records in found.items()}


def as_a_file_has_it(record: Record) -> Record:
    """A file cannot have a comma within an entry of a list (docs/sources.md)."""
    if isinstance(record, Class):
        return structs.replace(record, subjects=tuple(", ".join(record.subjects).split(", ")))
    return record


@pytest.mark.parametrize("day", [0, 1])
@pytest.mark.parametrize("form", ["oneroster11", "oneroster12"])
def test_a_district_is_the_same_either_way(tmp_path: Path, form: str, day: int) -> None:
    spec = Spec(people=400, day=day)
    generate(tmp_path / "files", spec, form)
    (tmp_path / "csv").mkdir()
    (tmp_path / "api").mkdir()
    files = list(CsvUpload([tmp_path / "files"], UploadOptions(), tmp_path / "csv").pull())
    pulled = pull(FakeProvider(render(spec, form), clamp=90), tmp_path / "api")
    from_files, from_api = by_kind(files), by_kind(pulled.events)
    assert {kind: len(records) for kind, records in from_api.items()} == {
        kind: len(records) for kind, records in from_files.items()
    }
    for kind in KINDS:
        assert from_api[kind] == from_files[kind], kind
    assert {statement.verdict for statement in pulled.coverage.values()} == {"complete"}


def test_changes_bring_what_went_as_tombstones(tmp_path: Path) -> None:
    records = render(Spec(people=400, day=1), "oneroster12", tombstones=True)
    listed = {row["sourcedId"] for row in records["users"] if row["status"] == "tobedeleted"}
    pulled = pull(FakeProvider(records), tmp_path)
    assert listed
    assert {person.source_id for person in pulled.gone("person")} == listed
    assert pulled.gone("enrollment")


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the captures are not here")
def test_classlink_s_captures_are_read(tmp_path: Path) -> None:
    captured = {
        name: json.loads((SAMPLES / f"{name}.json").read_text())
        for name in ("class_students", "class_teachers", "teacher_classes")
    }
    people = captured["class_students"]["users"] + captured["class_teachers"]["users"]
    provider = FakeProvider(roster(users=people))
    provider.quirks.append(
        lambda asked: (
            Reply(200, captured["teacher_classes"], {"x-count": "1", "x-total-count": "1"})
            if asked.collection == "classes"
            else None
        )
    )
    pulled: Pulled = pull(provider, tmp_path)
    student, teacher = pulled.records("person")
    assert (student.grades, student.enabled, student.sms) == (("11",), True, None)
    assert dict(student.identifiers) == {"fed": "12345", "state_id": "12494640776", "student_number": "22222"}
    assert dict(teacher.identifiers)["staff_id"] == "32"
    assert pulled.records("affiliation") == [
        Affiliation("12345", "2", "student"),
        Affiliation("11111", "7", "teacher"),
    ]
    assert pulled.records("guardianship") == [Guardianship("12345", "G333333"), Guardianship("12345", "G44444")]
    (clazz,) = pulled.records("class")
    assert (clazz.school_source_id, clazz.grades, clazz.periods) == ("7", ("05", "11", "10", "12"), ())
    assert clazz.term_source_ids == ("FY",)
    assert pulled.codes == ["unknown_course"]
    assert set(pulled.arrivals) == set(COLLECTIONS)
