"""What really turns up: each kind of mess gives a clear problem, and the rest is read all the same."""

import codecs
import os
from pathlib import Path
from typing import Any

import pytest

from connectors.csvfiles.text import open_text
from models.errors import DistrictActionError
from models.pages import Refusal
from models.records import Enrollment, Person
from tests.connectors.csv_cases import ANN, BOB, CLASSES, ENROLLMENTS, USERS, Pulled, pull, pull_paths

JOSE = "003,S1,student,José,Núñez,,,,,5,\n"


def names(pulled: Pulled) -> list[str | None]:
    return [person.given_name for person in pulled.records("person") if isinstance(person, Person)]


# --- encodings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "bom", "shown", "codes"),
    [
        ("utf-8", b"", "UTF-8", []),
        ("utf-8", codecs.BOM_UTF8, "UTF-8", []),
        ("utf-16-le", codecs.BOM_UTF16_LE, "UTF-16-LE", []),
        ("utf-16-be", codecs.BOM_UTF16_BE, "UTF-16-BE", []),
        ("utf-16-le", b"", "UTF-16-LE", []),
        ("utf-16-be", b"", "UTF-16-BE", []),
        ("utf-32-le", codecs.BOM_UTF32_LE, "UTF-32-LE", []),
        ("cp1252", b"", "Windows-1252", ["encoding_guessed"]),
        ("iso-8859-1", b"", "Windows-1252", ["encoding_guessed"]),
    ],
)
def test_encodings(tmp_path: Path, encoding: str, bom: bytes, shown: str, codes: list[str]) -> None:
    pulled = pull(tmp_path, {"users.csv": bom + (USERS + ANN + JOSE).encode(encoding)})
    assert names(pulled) == ["Ann", "José"]
    assert pulled.codes == codes
    assert pulled.arrivals["users.csv"].encoding == shown
    assert pulled.verdict("person", "users") == "complete"


def test_a_few_foreign_bytes_in_a_utf_8_file(tmp_path: Path) -> None:
    text = (USERS + JOSE * 3).encode() + "004,S1,student,Zoë,Q,,,,,5,\n".encode("cp1252")
    pulled = pull(tmp_path, {"users.csv": text})
    assert names(pulled)[-1] == "Zoë"
    assert pulled.codes == ["encoding_mixed"]


def test_a_foreign_byte_far_into_a_large_file(tmp_path: Path) -> None:
    text = USERS.encode() + ANN.encode() * 60_000 + JOSE.encode("cp1252")
    pulled = pull(tmp_path, {"users.csv": text})
    assert names(pulled)[-1] == "José"
    assert pulled.codes == ["encoding_guessed"]


def test_half_a_character_at_the_end_of_utf_16(tmp_path: Path) -> None:
    pulled = pull(tmp_path, {"users.csv": (USERS + ANN).encode("utf-16") + b"\n"})
    assert names(pulled)[:1] == ["Ann"]
    assert "encoding_mixed" in pulled.codes


def test_nul_bytes(tmp_path: Path) -> None:
    pulled = pull(tmp_path, {"users.csv": USERS + ANN.replace("Ann", "A\0nn") + BOB + "\0\0\0"})
    assert names(pulled) == ["Ann", "Bob"]
    assert pulled.codes == ["nul_bytes"]


# --- lines and delimiters --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_line_ends(tmp_path: Path, end: str) -> None:
    pulled = pull(tmp_path, {"users.csv": (USERS + ANN + BOB).replace("\n", end)})
    assert pulled.lines("person") == [2, 3]
    assert pulled.codes == []


def test_mixed_line_ends_blank_lines_and_no_final_newline(tmp_path: Path) -> None:
    text = "\r\n \n" + USERS + ANN[:-1] + "\r\n\n,,,,,,,,,,\r\r\n   \n" + BOB[:-1]
    pulled = pull(tmp_path, {"users.csv": text})
    assert names(pulled) == ["Ann", "Bob"]
    assert pulled.lines("person") == [4, 9]
    assert pulled.arrivals["users.csv"].rows == 2
    assert pulled.codes == ["mixed_line_ends"]
    assert pulled.verdict("person", "users") == "complete"


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
@pytest.mark.parametrize("hint", [False, True])
def test_delimiters(tmp_path: Path, delimiter: str, hint: bool) -> None:
    text = (USERS + ANN).replace(",", delimiter)
    pulled = pull(tmp_path, {"users.csv": f"sep={delimiter}\n{text}" if hint else text})
    assert names(pulled) == ["Ann"]
    assert pulled.codes == ["delimiter_unusual"]
    assert pulled.arrivals["users.csv"].delimiter == delimiter


def test_quoted_cells_with_spaces_before_the_quotes(tmp_path: Path) -> None:
    pulled = pull(tmp_path, {"classes.csv": CLASSES + '"C1", "Art, old", "1,2", "R ""9""", "S1", ""\n'})
    assert [(record.title, record.location) for record in pulled.records("class")] == [("Art, old", 'R "9"')]
    assert pulled.codes == []


# --- rows ------------------------------------------------------------------------------------------------------------


def test_ragged_rows(tmp_path: Path) -> None:
    rows = (
        ANN
        + "004,S1,S2,student,Di,Dorn,,,,,5,\n"  # an unquoted list: too long
        + "005,S1,student,Ed,Ek\n"  # short, nothing needed is missing
        + "006,S1\n"  # too short
        + BOB
    )
    pulled = pull(tmp_path, {"users.csv": USERS + rows})
    assert names(pulled) == ["Ann", "Ed", "Bob"]
    assert [(problem.code, problem.line) for problem in pulled.problems] == [
        ("row_ragged", 3), ("row_short", 4), ("row_ragged", 5),
    ]  # fmt: skip
    assert pulled.refusals("person") == [Refusal(3, ("004",)), Refusal(5, ("006",))]
    assert pulled.verdict("person", "users") == "complete"


def test_blank_cells_too_many_are_fine_if_all_rows_have_them(tmp_path: Path) -> None:
    rows = (ANN + BOB).replace("\n", ",\n") + "004,S1,student,Di,Dorn,,,,,5,,,\n"
    pulled = pull(tmp_path, {"users.csv": USERS + rows})
    assert names(pulled) == ["Ann", "Bob"]
    assert pulled.codes == ["row_ragged"]


def test_ids_behind_free_text_are_not_trusted_in_a_ragged_row(tmp_path: Path) -> None:
    text = "givenName,familyName,sourceId,orgSourcedIds,role\nAnn,Abel,1,S1,student\nBo,B,Jr,2,S1,student\n"
    pulled = pull(tmp_path, {"users.csv": text})
    assert pulled.refusals("person") == [Refusal(3, None)]
    assert pulled.verdict("person", "users") == "partial"


def test_a_cell_of_a_megabyte(tmp_path: Path) -> None:
    huge = "x" * 1_000_000
    rows = ANN + f"004,S1,student,{huge},Q,,,,,,\n" + f'005,S1,student,"{huge}",Q,,,,,,\n' + BOB
    pulled = pull(tmp_path, {"users.csv": USERS + rows})
    assert names(pulled) == ["Ann", "Bob"]
    assert pulled.codes == ["cell_too_long", "cell_too_long"]
    assert pulled.refusals("person") == [Refusal(3, ("004",)), Refusal(4, ("005",))]
    assert pulled.lines("person") == [2, 5]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_line_of_several_megabytes_is_never_held(tmp_path: Path, end: str) -> None:
    for length in (65_536, 65_537, 65_538, 3_000_000):
        row = "004,S1,student,".ljust(length, "x")
        text = (USERS + ANN).replace("\n", end) + row + end + BOB.replace("\n", end)
        pulled = pull(tmp_path / f"{length}", {"users.csv": text})
        assert pulled.lines("person") == [2, 4], length


@pytest.mark.parametrize("lines_after", [1, 40, 3000])
def test_an_unclosed_quote_swallows_no_row(tmp_path: Path, lines_after: int) -> None:
    after = "".join(f"{number + 10},S1,student,N{number},F,,,,,5,\n" for number in range(lines_after))
    pulled = pull(tmp_path, {"users.csv": USERS + ANN + '004,S1,student,"Di,Dorn,,,,,5,\n' + after + BOB})
    assert names(pulled) == ["Ann", *(f"N{number}" for number in range(lines_after)), "Bob"]
    assert pulled.codes == ["quote_unclosed"]
    assert pulled.refusals("person") == [Refusal(3, ("004",))]
    assert pulled.lines("person") == [2, *range(4, 5 + lines_after)]


def test_an_unclosed_quote_that_a_later_quote_closes(tmp_path: Path) -> None:
    quoted = '"005","S1","student","Ed","Ek","","","","","5",""\n'
    for broken in ('004,S1,student,"Di,Dorn,,,,,5,\n', '"004","S1","student","Di,"Dorn","","","","","5",""\n'):
        pulled = pull(tmp_path, {"users.csv": USERS + ANN + broken + quoted + BOB})
        assert names(pulled)[-2:] == ["Ed", "Bob"]
        assert pulled.refusals("person") == [Refusal(3, ("004",))]


def test_two_stray_quotes_that_make_one_row_of_the_right_width(tmp_path: Path) -> None:
    rows = 'C1,S1,001,"student\nC1,S1,002,student"\n'
    pulled = pull(tmp_path, {"enrollments.csv": ENROLLMENTS + rows})
    assert pulled.records("enrollment") == [Enrollment("C1", "002", "student")]
    assert pulled.refusals("enrollment") == [Refusal(2, ("C1", "001"))]


def test_a_cell_of_several_lines_is_fine(tmp_path: Path) -> None:
    pulled = pull(tmp_path, {"classes.csv": CLASSES + 'C1,Art,1,"Room 1\nBuilding B\n",S1,\nC2,Art,1,,S1,\n'})
    assert [record.location for record in pulled.records("class")] == ["Room 1 Building B", None]
    assert pulled.lines("class") == [2, 5]
    assert pulled.codes == ["invisible_characters"]


@pytest.mark.parametrize("cut", ["003,S1,student,Cy", '003,S1,student,"Cy,Co', "003,S1,stu"])
def test_a_file_that_was_cut_off(tmp_path: Path, cut: str) -> None:
    pulled = pull(tmp_path, {"users.csv": USERS + ANN + BOB + cut})
    assert names(pulled) == ["Ann", "Bob"]
    assert pulled.codes == ["file_truncated"]
    assert pulled.verdict("person", "users") == pulled.verdict("affiliation", "users") == "partial"


# --- whole files -----------------------------------------------------------------------------------------------------


def test_header_only_and_empty_files_prove_nothing(tmp_path: Path) -> None:
    pulled = pull(tmp_path, {"users.csv": USERS, "classes.csv": "", "enrollments.csv": ENROLLMENTS + "C,S,1,student\n"})
    assert pulled.codes == ["file_empty", "file_header_only"]
    assert pulled.verdict("person", "users") == "none"
    assert pulled.verdict("class", "classes") == "none"
    assert pulled.arrivals["classes.csv"].role == "unreadable"


def test_the_wrong_file_under_the_right_name(tmp_path: Path) -> None:
    pulled = pull(tmp_path, {"users.csv": ENROLLMENTS + "C1,S1,001,student\n"})
    assert pulled.codes == ["file_wrong_name"]
    assert pulled.arrivals["users.csv"].role == "enrollments"
    assert pulled.records("enrollment") == [Enrollment("C1", "001", "student")]


def test_a_right_name_with_a_header_that_fits_nothing(tmp_path: Path) -> None:
    pulled = pull(tmp_path, {"users.csv": "a,b,c\n1,2,3\n", "classes.csv": CLASSES + "C1,Art,1,,S1,\n"})
    assert set(pulled.codes) == {"header_missing", "header_unknown"} or set(pulled.codes) == {"header_missing"}
    assert pulled.arrivals["users.csv"].role == "unreadable"
    assert pulled.verdict("person", "users") == "none"


def test_other_names_are_fine(tmp_path: Path) -> None:
    pulled = pull(tmp_path, {"Roster Users 2026-08-31.TXT": USERS + ANN, "sub/deeper/export.csv": CLASSES})
    assert names(pulled) == ["Ann"]
    assert pulled.codes == ["file_header_only"]


@pytest.mark.parametrize(
    "content",
    [
        b"-- MySQL dump 10.13\nCREATE TABLE users (id int);\n", b"INSERT INTO users VALUES (1,'Ann');\n",
        b"PGDMP\x01\x0e\x00\x04", b"SQLite format 3\0" + bytes(100), b"<!DOCTYPE html><html></html>",
        b'{"users": [{"sourcedId": "1"}]}', b"%PDF-1.7", b"\x1f\x8b\x08\0\0\0", b"\xd0\xcf\x11\xe0\xa1\xb1",
        bytes(range(256)) * 20, bytes(5000),
    ],
)  # fmt: skip
def test_what_is_no_table_at_all(tmp_path: Path, content: bytes) -> None:
    pulled = pull(tmp_path, {"users.csv": content, "classes.csv": CLASSES + "C1,Art,1,,S1,\n"})
    assert pulled.codes == ["file_not_text"]
    assert pulled.arrivals["users.csv"].role == "unreadable"
    assert pulled.verdict("person", "users") == "none"
    assert pulled.verdict("class", "classes") == "complete"


def test_a_second_file_of_the_same_role_leaves_a_doubt(tmp_path: Path) -> None:
    pulled = pull(tmp_path, {"users-a.csv": USERS + ANN, "users-b.csv": USERS + BOB})
    assert names(pulled) == ["Ann"]
    assert pulled.codes == ["file_repeated"]
    assert pulled.verdict("person", "users") == "partial"


def test_a_folder_with_clutter_links_and_odd_things(tmp_path: Path) -> None:
    outside = tmp_path / "secret.csv"
    outside.write_text(CLASSES + "C1,Art,1,,S1,\n")
    top = tmp_path / "upload"
    top.mkdir()
    (top / "classes.csv").symlink_to(outside)
    os.mkfifo(top / "pipe.csv")
    files: dict[str, str | bytes] = {
        "users.csv": USERS + ANN,
        "._users.csv": b"\0\5\x16\7",
        ".DS_Store": b"\0\0\0\1Bud1",
        "__MACOSX/._users.csv": b"\0\5\x16\7",
        "Thumbs.db": b"\xd0\xcf\x11\xe0",
        "readme.md": "# The roster\n\nHello.\n",
    }
    pulled = pull(tmp_path, files)
    assert names(pulled) == ["Ann"]
    assert pulled.codes == ["file_not_recognized", "file_unreadable", "file_unsafe_path"]
    assert sorted(pulled.arrivals) == ["classes.csv", "pipe.csv", "readme.md", "users.csv"]
    assert pulled.verdict("class", "classes") == "none"


def test_files_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.open

    def guarded(self: Path, *args: Any, **kwargs: Any) -> Any:
        if self.name == "users.csv":
            raise PermissionError(13, "Permission denied")
        return real(self, *args, **kwargs)

    top = tmp_path / "upload"
    top.mkdir()
    (top / "users.csv").write_text(USERS + ANN)
    (top / "classes.csv").write_text(CLASSES + "C1,Art,1,,S1,\n")
    monkeypatch.setattr(Path, "open", guarded)
    pulled = pull_paths(top)
    assert pulled.codes == ["file_unreadable"]
    assert pulled.verdict("person", "users") == "none"


def test_a_file_that_changes_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def appending(*args: Any, **kwargs: Any) -> Any:
        with (tmp_path / "upload" / "users.csv").open("a") as file:
            file.write(BOB)
        return real(*args, **kwargs)

    real = open_text
    monkeypatch.setattr("connectors.csvfiles.table.open_text", appending)
    pulled = pull(tmp_path, {"users.csv": USERS + ANN})
    assert pulled.codes == ["file_unreadable"]
    assert pulled.verdict("person", "users") == "partial"


def test_the_same_file_given_twice_is_one_file(tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text(USERS + ANN)
    pulled = pull_paths(tmp_path / "users.csv", tmp_path / "users.csv")
    assert pulled.codes == []


def test_an_empty_folder_asks_the_district(tmp_path: Path) -> None:
    (tmp_path / "upload").mkdir()
    with pytest.raises(DistrictActionError):
        pull_paths(tmp_path / "upload")
