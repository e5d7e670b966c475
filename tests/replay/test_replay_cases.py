"""The cases that come with rostersync, and what a replay notices."""

import filecmp
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from connectors.clever import source as clever_source
from fixtures.make_cases import CASES, MAKERS, make_cases
from models.errors import SettingsError
from models.settings import GuardSettings, Limit
from sync import cases
from sync.cases import Case, CaseTenant, Expected, Outcome, PlacedSchool, Step
from sync.replay import CaseReplay, replay, replay_all

NAMES = sorted(path.name for path in CASES.iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_a_case_comes_out_as_expected(name: str) -> None:
    replayed = replay(CASES / name)
    assert [step.differences for step in replayed.steps] == [[] for _ in replayed.steps]
    assert replayed.differences == []
    assert replayed.as_expected
    # What nobody asks for any more should not be in a fixture.
    assert sum(step.unasked for step in replayed.steps) == 0


def test_every_case_says_what_it_shows_and_insists_on_how_it_ends() -> None:
    for name in NAMES:
        case = cases.load_case(CASES / name)
        assert len(case.shows.split()) > 15, name
        assert all(step.expect for step in case.steps), name


def test_exchanges_and_files_are_what_the_generator_writes(tmp_path: Path) -> None:
    make_cases(tmp_path)
    assert sorted(MAKERS) == NAMES
    made = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()]
    by_hand = {cases.CASE_FILE, cases.EXPECTED_FILE}
    committed = [path.relative_to(CASES) for path in CASES.rglob("*") if path.is_file() and path.name not in by_hand]
    assert sorted(made) == sorted(committed)
    assert filecmp.cmpfiles(tmp_path, CASES, map(str, made), shallow=False)[1:] == ([], [])


# --- what a replay notices ---------------------------------------------------------------------------------------------


@pytest.fixture
def copied(tmp_path: Path) -> Callable[[str], Path]:
    def copy(name: str) -> Path:
        return Path(shutil.copytree(CASES / name, tmp_path / name))

    return copy


def rewrite(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def told(replayed: CaseReplay) -> list[str]:
    return [line for step in replayed.steps for line in step.differences] + replayed.differences


def test_a_value_that_comes_out_otherwise(copied: Callable[[str], Path]) -> None:
    case = copied("clever-rotated-token")
    rewrite(case / "night-1.jsonl", "Brook-Hill", "Brook-Hull")
    replayed = replay(case)
    assert not replayed.as_expected
    assert told(replayed) == [
        'person 64c0de69862d342bfd50ebad: family_name is "Brook-Hull", expected "Brook-Hill"'
    ]  # fmt: skip


def test_numbers_that_come_out_otherwise(copied: Callable[[str], Path]) -> None:
    case = copied("csv-mass-removal-held")
    users = case / "night-2" / "users.csv"
    users.write_text(
        "".join(line for line in users.open(encoding="utf-8") if not line.startswith("T102")), encoding="utf-8"
    )
    lines = told(replay(case))
    assert "person: 18 received, expected 19" in lines
    assert "person: 4 held, expected 3" in lines
    assert any("unknown_person" in line for line in lines)


def test_a_run_that_ends_otherwise(copied: Callable[[str], Path]) -> None:
    case = copied("clever-disconnected")
    shutil.copy(case / "night-1.jsonl", case / "night-2.jsonl")
    lines = told(replay(case))
    assert lines == [
        "the run ends as applied, expected failed (as case.toml insists)",
        "the error is none, expected disconnected (as case.toml insists)",
    ]


def test_a_request_that_was_not_recorded_fails_the_step(copied: Callable[[str], Path]) -> None:
    case = copied("clever-first-night")
    rewrite(case / "night-2.jsonl", "/v3.1/terms?count=true", "/v3.1/terms?count=maybe")
    replayed = replay(case)
    step = replayed.steps[1]
    assert (step.outcome.state, step.outcome.error) == ("failed", "stopped")
    assert step.report.error_for_engineer == "no answer to GET /v3.1/terms count=true"
    assert step.unasked > 5
    # The first night's roster is untouched, so nothing else is told.
    assert replayed.differences == []


def test_an_error_in_rostersync_is_an_outcome_with_its_place(
    copied: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_district: object) -> list[str]:
        raise KeyError("Ann Lee")

    monkeypatch.setattr(clever_source, "notes_of", broken)
    step = replay(copied("clever-first-night")).steps[0]
    assert (step.outcome.state, step.outcome.error) == ("failed", "unexpected")
    assert step.where.startswith("KeyError in tests/replay/test_replay_cases.py, line ")
    assert "Ann" not in str(msgspec.json.encode(step))


def test_what_happens_can_be_written_down_as_expected(copied: Callable[[str], Path]) -> None:
    case = copied("clever-rotated-token")
    (case / "expected.json").unlink()
    with pytest.raises(SettingsError, match="--update"):
        replay(case)
    assert replay(case, update=True).updated
    assert (case / "expected.json").read_bytes() == (CASES / case.name / "expected.json").read_bytes()
    # What the author insists on stays as it is.
    rewrite(case / "case.toml", 'state = "applied"', 'state = "held"')
    before = (case / "case.toml").read_bytes()
    replayed = replay(case, update=True)
    assert told(replayed) == ["the run ends as applied, expected held (as case.toml insists)"]
    assert not replayed.as_expected
    assert (case / "case.toml").read_bytes() == before


def test_steps_that_expected_json_does_not_know_or_knows_too_many(copied: Callable[[str], Path]) -> None:
    case = copied("clever-rotated-token")
    expected = json.loads((case / "expected.json").read_text())
    for steps, sentence in (([], "does not know this step"), (expected["steps"] * 2, "knows more steps")):
        (case / "expected.json").write_text(json.dumps(expected | {"steps": steps}))
        lines = told(replay(case))
        assert len(lines) == 1
        assert sentence in lines[0]


# --- the format ----------------------------------------------------------------------------------------------------------


def test_a_folder_of_cases(tmp_path: Path) -> None:
    for name in ("clever-rotated-token", "csv-truncated-export"):
        shutil.copytree(CASES / name, tmp_path / name)
    replays = replay_all([tmp_path, CASES / "classlink-proxy-verbatim-id"])
    assert [replayed.case for replayed in replays] == [
        "clever-rotated-token", "csv-truncated-export", "classlink-proxy-verbatim-id",
    ]  # fmt: skip
    with pytest.raises(SettingsError, match="no case in"):
        replay_all([tmp_path / "clever-rotated-token" / "nothing"])


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("title =", "titel =", "titel"),
        ('title = "', 'title = ', "is wrong"),
        ('connector = "clever"', 'connector = "clover"', "connector"),
        ('exchanges = "night-1.jsonl"', "", "either exchanges or files"),
        ('exchanges = "night-1.jsonl"', 'exchanges = "a"\nfiles = "b"', "either exchanges or files"),
        ('connector = "clever"', 'connector = "csv"', "reads files"),
        ("page_size = 10", "page_size = 0", "page_size"),
        ("page_size = 10", "pages = 10", "pages"),
        ('["client_id", "client_secret"]', '["pin"]', "pin"),
        ('exchanges = "night-1.jsonl"', 'exchanges = "night-7.jsonl"', "cannot be read"),
        ('exchanges = "night-1.jsonl"', 'files = "night-7"', "no file or folder"),
        ('now = "2026-09-01T20:00:00+00:00"', 'now = "yesterday"', "a time that is none"),
    ],
)  # fmt: skip
def test_a_case_that_cannot_be_read(copied: Callable[[str], Path], old: str, new: str, sentence: str) -> None:
    case = copied("clever-rotated-token")
    rewrite(case / "case.toml", old, new)
    with pytest.raises(SettingsError, match=sentence):
        replay(case)


def test_an_expected_json_that_cannot_be_read(copied: Callable[[str], Path]) -> None:
    case = copied("clever-rotated-token")
    (case / "expected.json").write_text('{"steps": [')
    with pytest.raises(SettingsError, match=r"expected\.json is wrong"):
        replay(case)


def test_a_case_is_written_as_it_is_read(tmp_path: Path) -> None:
    case = Case(
        title='Quotes " and \\ and\nlines, and Łukasz',
        shows="What it shows.",
        connector="oneroster",
        credentials=("client_id",),
        settings={"base_url": "https://sis.example.org/x", "scopes": ["a", "b"], "sort": True, "page_size": 5},
        tenant=CaseTenant(
            "ALDER",
            create_schools=True,
            guard=GuardSettings(removals=Limit(5.0, 1), removals_by_kind={"class": Limit(1.0, 2, 3)}),
            schools=(PlacedSchool("0301", "Pine"), PlacedSchool("0302", "Oak [1]", "302")),
        ),
        steps=(
            Step("one", exchanges="night-1.jsonl.gz", expect=Outcome(problems={"x": 1})),
            Step("two", files="night 2", expect=Outcome("failed", "stopped", {"person": {"created": 1}})),
        ),
    )
    cases.save_case(tmp_path, case)
    assert cases.load_case(tmp_path) == case


def test_expectations_are_written_a_line_per_record(tmp_path: Path) -> None:
    expected = Expected((Outcome(), Outcome("failed", "stopped")), {"school": [{"id": "a"}, {"id": "b"}], "term": []})
    cases.save_expected(tmp_path, expected)
    assert cases.load_expected(tmp_path) == expected
    lines = (tmp_path / "expected.json").read_text().splitlines()
    assert '      {"id":"a"},' in lines
