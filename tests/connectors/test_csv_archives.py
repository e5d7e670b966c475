"""ZIP archives: of any name, nested once, hostile, broken."""

import io
import random
import stat
import zipfile
from pathlib import Path

import pytest

from models.errors import DistrictActionError, RetryLaterError
from models.records import Person
from models.settings import UploadOptions
from tests.connectors.csv_cases import ANN, BOB, CLASSES, USERS, Pulled, pull, pull_paths


def zipped(files: dict[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def names(pulled: Pulled) -> list[str | None]:
    return [person.given_name for person in pulled.records("person") if isinstance(person, Person)]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_archive_of_any_name_and_method(tmp_path: Path, method: int) -> None:
    files: dict[str, str | bytes] = {
        "export/users.csv": USERS + ANN, "__MACOSX/export/._users.csv": b"\0\5", "export/.DS_Store": b"\0",
        "export/notes.txt": "hello there",
    }  # fmt: skip
    pulled = pull(tmp_path, {"nightly.upload": zipped(files, method)})
    assert names(pulled) == ["Ann"]
    assert sorted(pulled.arrivals) == ["notes.txt", "users.csv"]
    assert pulled.codes == ["file_not_recognized"]
    header, rows = pulled.upload.reread("users.csv")
    assert header[0] == "sourceId"
    assert [line for line, _ in rows] == [2]


def test_all_archives_are_opened(tmp_path: Path) -> None:
    pulled = pull(
        tmp_path,
        {"a.zip": zipped({"users.csv": USERS + ANN}), "b.zip": zipped({"classes.csv": CLASSES + "C1,Art,1,,S1,\n"})},
    )
    assert len(pulled.records("person")) == len(pulled.records("class")) == 1


def test_the_same_name_in_two_archives(tmp_path: Path) -> None:
    pulled = pull(tmp_path, {"a.zip": zipped({"users.csv": USERS + ANN}), "b.zip": zipped({"users.csv": USERS + BOB})})
    assert sorted(pulled.arrivals) == ["a.zip/users.csv", "b.zip/users.csv"]
    assert names(pulled) == ["Ann"]
    assert pulled.codes == ["file_repeated"]


def test_one_archive_inside_another_and_no_deeper(tmp_path: Path) -> None:
    inner = zipped({"users.csv": USERS + ANN})
    deep = zipped({"deeper.zip": zipped({"classes.csv": CLASSES})})
    pulled = pull(tmp_path, {"outer.zip": zipped({"inner.zip": inner, "other.zip": deep})})
    assert names(pulled) == ["Ann"]
    assert pulled.codes == ["archive_nested_too_deep"]


@pytest.mark.parametrize(
    "name", ["../users.csv", "/etc/users.csv", "a/../../users.csv", "C:/users.csv", "..\\users.csv"]
)
def test_paths_that_lead_out_of_the_archive(tmp_path: Path, name: str) -> None:
    pulled = pull(tmp_path, {"a.zip": zipped({name: USERS + BOB, "classes.csv": CLASSES + "C1,Art,1,,S1,\n"})})
    assert pulled.codes == ["file_unsafe_path"]
    assert pulled.records("person") == []
    assert len(pulled.records("class")) == 1


def test_links_in_an_archive(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo("users.csv")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("classes.csv", CLASSES + "C1,Art,1,,S1,\n")
    pulled = pull(tmp_path, {"a.zip": buffer.getvalue()})
    assert pulled.codes == ["file_unsafe_path"]
    assert pulled.verdict("person", "users") == "none"


def test_encrypted_entries(tmp_path: Path) -> None:
    content = bytearray(zipped({"users.csv": USERS + ANN, "classes.csv": CLASSES + "C1,Art,1,,S1,\n"}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    pulled = pull(tmp_path, {"a.zip": bytes(content)})
    assert [(problem.code, problem.file) for problem in pulled.problems] == [("file_unreadable", "users.csv")]


def test_half_written_archives(tmp_path: Path) -> None:
    whole = zipped({"users.csv": USERS + ANN * 500})
    for number, size in enumerate((10, len(whole) // 2, len(whole) - 5)):
        pulled = pull(tmp_path / str(number), {"users.zip": whole[:size], "classes.csv": CLASSES + "C1,Art,1,,S1,\n"})
        assert pulled.codes == ["file_truncated"]
        assert pulled.verdict("person", "users") == "none"
        assert pulled.verdict("class", "classes") == "complete"


def test_damaged_entries_and_what_only_has_the_name_of_an_archive(tmp_path: Path) -> None:
    content = bytearray(zipped({"users.csv": USERS + ANN * 500}, zipfile.ZIP_STORED))
    content[2000] ^= 0xFF
    pulled = pull(tmp_path, {"a.zip": bytes(content), "b.zip": "not a zip", "classes.csv": CLASSES + "C1,Art,1,,S1,\n"})
    assert pulled.codes == ["file_truncated", "file_unreadable"]
    assert pulled.records("person") == []


def test_a_bomb_is_measured_while_it_unpacks(tmp_path: Path) -> None:
    bomb = zipped({"users.csv": (USERS + ANN).encode() + b"," * 100_000_000})
    pulled = pull(tmp_path, {"bomb.zip": bomb, "classes.csv": CLASSES + "C1,Art,1,,S1,\n"})
    assert pulled.codes == ["file_too_large"]
    assert sum(path.stat().st_size for path in tmp_path.rglob("unpacked-*")) < 80_000_000
    assert len(pulled.records("class")) == 1


def test_the_limit_holds_for_all_archives_together(tmp_path: Path) -> None:
    noise = random.Random(1).randbytes(40_000).hex()
    files: dict[str, str | bytes] = {
        f"{name}.zip": zipped({f"{name}.csv": f"{header}{noise}\n"})
        for name, header in (
            ("users", USERS),
            ("classes", CLASSES),
            ("guardians", "studentSourcedId,givenName,email\n"),
        )
    }
    with pytest.raises(DistrictActionError):
        pull(tmp_path, files, UploadOptions(max_bytes=10_000))


def test_an_excel_workbook_is_not_a_roster(tmp_path: Path) -> None:
    workbook = zipped({"[Content_Types].xml": "<Types/>", "xl/workbook.xml": "<workbook/>"})
    pulled = pull(tmp_path, {"users.xlsx": workbook, "classes.csv": CLASSES + "C1,Art,1,,S1,\n"})
    assert pulled.codes == ["file_not_text"]


def test_a_full_disk_is_tried_again_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from connectors.csvfiles import archives

    def full(self: archives.Room) -> Path:
        return Path("/dev/full/nothing")

    monkeypatch.setattr(archives.Room, "new_path", full)
    with pytest.raises(RetryLaterError):
        pull(tmp_path, {"a.zip": zipped({"users.csv": USERS + ANN})})


def test_garbage_that_begins_like_an_archive(tmp_path: Path) -> None:
    dice = random.Random(7)
    whole = zipped({"users.csv": USERS + ANN * 50, "classes.csv": CLASSES + "C1,Art,1,,S1,\n"})
    (tmp_path / "upload").mkdir()
    (tmp_path / "upload" / "enrollments.csv").write_text("classSourcedId,userSourcedId,role\nC1,1,student\n")
    for _ in range(150):
        content = bytearray(whole)
        for _ in range(dice.randint(1, 12)):
            content[dice.randrange(4, len(content))] = dice.randrange(256)
        (tmp_path / "upload" / "a.zip").write_bytes(content)
        pulled = pull_paths(tmp_path / "upload")
        assert len(pulled.records("enrollment")) == 1
