"""Where an export goes: all at once or not at all, and never over files of another sort."""

import zipfile
from pathlib import Path

import pytest

from models.errors import SettingsError
from sync.export_files import new_set

HEADERS = {"a.csv": ("id", "name"), "b.csv": ("id",)}


def test_files_appear_when_the_set_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "set"
    with new_set(target, HEADERS) as writer:
        writer.write("a.csv", [("1", 'x, "y"'), ("2", "=1+1")])
        assert not target.exists()
    assert (target / "a.csv").read_bytes() == b'id,name\r\n1,"x, ""y"""\r\n2,=1+1\r\n'
    assert not (target / "b.csv").exists()
    assert [path.name for path in tmp_path.joinpath("deep").iterdir()] == ["set"]


def test_an_older_export_is_replaced_whole(tmp_path: Path) -> None:
    for rows in ([("1",)], []):
        with new_set(tmp_path / "set", HEADERS) as writer:
            writer.write("a.csv", [("1", "x")])
            writer.write("b.csv", rows)
    assert [path.name for path in (tmp_path / "set").iterdir()] == ["a.csv"]


@pytest.mark.parametrize("name", ["set", "set.zip"])
def test_a_failure_leaves_everything_as_it_was(tmp_path: Path, name: str) -> None:
    with new_set(tmp_path / name, HEADERS) as writer:
        writer.write("a.csv", [("1", "old")])
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def rows_that_break() -> object:
        yield ("1", "new")
        raise RuntimeError("the database went away")

    with pytest.raises(RuntimeError), new_set(tmp_path / name, HEADERS) as writer:
        writer.write("a.csv", rows_that_break())  # type: ignore[arg-type]
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_zip_holds_the_files_and_no_folders(tmp_path: Path) -> None:
    with new_set(tmp_path / "set.ZIP", HEADERS) as writer:
        writer.write("b.csv", [("1",)])
    with zipfile.ZipFile(tmp_path / "set.ZIP") as archive:
        assert archive.namelist() == ["b.csv"]
        assert archive.testzip() is None


def test_places_that_cannot_be_used_are_refused_plainly(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("x")
    (tmp_path / "folder.zip").mkdir()
    for name, words in (
        ("file", "is a file"),
        ("full", r"letter\.txt"),
        ("folder.zip", "is a folder"),
        ("file/in", "cannot be written"),
    ):
        with pytest.raises(SettingsError, match=words), new_set(tmp_path / name, HEADERS) as writer:
            writer.write("a.csv", [("1", "x")])
    assert (tmp_path / "full" / "letter.txt").read_text() == "x"


def test_what_is_lost_is_told_in_words(tmp_path: Path) -> None:
    with new_set(tmp_path / "set", HEADERS) as writer:
        writer.write("a.csv", [("1", "x")])
        writer.lost["a.csv"].update({"middle names": 1_200, "nicknames": 0})
        first, second = writer.reports()
    assert first.note == "Left out, for want of a place in this format: 1,200 middle names."
    assert second.note.startswith("Not written")
