"""The rules for single values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.normalize.cleaning import clean_cell
from connectors.normalize.compact import CompactMap
from connectors.normalize.grades import grade_code
from connectors.normalize.languages import language_code
from connectors.normalize.people import identifiers, user_id_pairs
from connectors.normalize.values import (
    email_address,
    phone_number,
    read_boolean,
    read_date,
    read_list,
    read_org_type,
    read_role,
    read_status,
    read_term_type,
)
from models.vocabulary import GRADES, ROLE_GROUPS

GRADE_SPELLINGS = {
    "KG": ["K", "KF", "Kindergarten", "0", "00", "Grade K", "kg", "grade 0"],
    "PK": ["PreK", "Pre-K", "-1", "PK3", "P3", "Pre-Kindergarten"],
    "01": ["1", "01", "1st", "First", "Grade 1", "1.0", "first grade"],
    "09": ["9", "9th", "09", "freshman", "Gr. 9", "NINTH"],
    "10": ["10", "10th", "Grade 10"],
    "13": ["13"],
    "TK": ["TK", "Transitional Kindergarten"],
    "Other": ["other", "OTHER"],
    "UG": ["Ungraded"],
}


@pytest.mark.parametrize(("code", "text"), [(code, text) for code, texts in GRADE_SPELLINGS.items() for text in texts])
def test_grades_become_their_ceds_codes(code: str, text: str) -> None:
    assert grade_code(text) == code


@pytest.mark.parametrize("text", ["14", "99", "x", "K-5", "", "Grade", "007"])
def test_unknown_grades_are_nobodys_guess(text: str) -> None:
    assert grade_code(text) is None


def test_every_code_reads_as_itself() -> None:
    assert [grade_code(code) for code in sorted(GRADES)] == sorted(GRADES)
    assert [read_role(role.upper()).role for role in ROLE_GROUPS] == list(ROLE_GROUPS)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("en", "en"), ("EN_us", "en-US"), ("zh-hans", "zh-Hans"), ("Spanish", "es"), ("spa", "es"), ("ger", "de"),
        ("Español", "es"), ("hmn", "hmn"), ("zh-Hant-TW", "zh-Hant-TW"), ("es-419", "es-419"), ("xx", None),
        ("English (US)", None), ("e", None), ("12", None),
    ],
)  # fmt: skip
def test_languages(text: str, code: str | None) -> None:
    assert language_code(text) == code


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("5550100123", "5550100123"), ("(555) 010-0123", "5550100123"), ("+1 555.010.0123", "+15550100123"),
        ("555-010-0123 x12", "5550100123"), ("555-010-0123 ext. 9", "5550100123"), ("5550100123.0", "5550100123"),
        ("123456", None), ("1234567890123456", None), ("none", None), ("000-000-0000", None), ("5.55E+09", None),
        ("++5550100123", None), ("٥٥٥٠١٠٠١٢٣", None), ("+", None),
    ],
)  # fmt: skip
def test_phone_numbers(text: str, number: str | None) -> None:
    assert phone_number(text) == number


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("Ann@Example.ORG", "ann@example.org"), ("mailto:a@b.co", "a@b.co"), ("ann", None), ("a@b", None),
        ("a b@c.de", None), ("a@@b.co", None), ("a@b..co", None), ("a@b.co, c@d.co", None), ("a" * 250 + "@b.co", None),
    ],
)  # fmt: skip
def test_email_addresses(text: str, address: str | None) -> None:
    assert email_address(text) == address


@pytest.mark.parametrize(
    ("text", "iso", "reformatted"),
    [
        ("2026-08-31", "2026-08-31", False), ("2026-08-31T00:00:00.000Z", "2026-08-31", False),
        ("2017-05-06 08:01:05", "2017-05-06", False), ("8/31/2026", "2026-08-31", True),
        ("1/05/2023 0:00", "2023-01-05", True), ("31/8/2026", None, False), ("2026-02-30", None, False),
        ("soon", None, False), ("8/31/26", None, False),
    ],
)  # fmt: skip
def test_dates(text: str, iso: str | None, reformatted: bool) -> None:
    assert read_date(text) == (iso, reformatted)


def test_booleans_in_every_spelling() -> None:
    assert {read_boolean(text) for text in ("true", "TRUE", "Yes", "y", "1", "T", "on")} == {True}
    assert {read_boolean(text) for text in ("false", "False", "NO", "n", "0", "F", "off")} == {False}
    assert read_boolean("maybe") is None


def test_lists_by_comma_semicolon_and_bar() -> None:
    assert read_list("a,b") == (("a", "b"), False)
    assert read_list("a; b|c") == (("a", "b", "c"), False)
    assert read_list("a,,a, ") == (("a",), True)
    assert read_list('"1","2"') == (("1", "2"), False)
    assert read_list("") == ((), False)


def test_roles_types_and_statuses_in_any_spelling() -> None:
    assert read_role("STUDENT").role == "student"
    assert read_role("District Administrator") == ("districtAdministrator", "administrator")
    assert read_role("Ext:coach") == ("ext:coach", "teacher")
    assert read_role("ext:no spaces").role is None
    assert read_role("ext:" + "a" * 100).group == "teacher"
    assert read_role("ext:" + "a" * 101).role is None, "a role is part of the key that it is stored by"
    assert read_role("wizard") == (None, None)
    assert read_org_type("School") == "school"
    assert read_org_type("departments") is None
    assert read_term_type("SCHOOLYEAR") == "schoolYear"
    assert [read_status(text) for text in ("", "Active", "toBeDeleted", "inactive", "?")] == [
        "active", "active", "gone", "gone", None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "shape", "clean", "told"),
    [
        ("  001 ", "id", "001", ""), ('"001"', "id", "001", "quotes_left"), ('="001"', "id", "001", "quotes_left"),
        ("\ufeff001\u200b", "id", "001", "invisible_characters"), ("0\u200b1", "id", "0\u200b1", ""),
        ("0\x001", "id", "01", "invisible_characters"), ('\x00"01"\x00', "id", "01", "quotes_left"),
        ("Ann\u00a0Lee", "text", "Ann Lee", "invisible_characters"), ("A\nB", "text", "A B", "invisible_characters"),
        ('Robert "Bob"', "text", 'Robert "Bob"', ""), ('Room 12"', "text", "Room 12", "quotes_left"),
        ("\u201cAnn\u201d", "text", "Ann", "quotes_left"), ("O'Neil", "text", "O'Neil", ""),
        ("می\u200cخواهم", "text", "می\u200cخواهم", "invisible_characters"), ("", "id", "", ""),
    ],
)  # fmt: skip
def test_cells_lose_what_stands_around_them(text: str, shape: str, clean: str, told: str) -> None:
    cell, code = clean_cell(text, shape)  # type: ignore[arg-type]
    assert cell == clean
    if clean != text.strip():
        assert code == told


@given(st.text(max_size=20))
def test_cleaning_twice_is_cleaning_once_for_what_is_seen(text: str) -> None:
    once, _ = clean_cell(text, "text")
    assert clean_cell(once, "text")[0].strip('"') == once.strip('"')


def test_identifiers_take_our_names_and_are_sorted() -> None:
    found = identifiers("student", user_id_pairs("{SIS ID:77},{state_id: 9 },{Fed:xyz},{broken"), "1234", "m-1")
    assert found == (
        ("fed", "xyz"), ("master_id", "m-1"), ("sis_id", "77"), ("state_id", "9"), ("student_number", "1234"),
    )  # fmt: skip
    assert identifiers("teacher", (), "55", "") == (("staff_id", "55"),)
    assert identifiers("student", [("studentNumber", "1")], "2", "") == (("student_number", "1"),)


@given(st.dictionaries(st.text(max_size=8), st.integers(1, 15), max_size=50), st.text(max_size=8))
def test_a_compact_map_is_a_map(expected: dict[str, int], other: str) -> None:
    compact = CompactMap()
    for source_id, bits in expected.items():
        for bit in (1, 2, 4, 8):
            if bits & bit:
                compact.add(source_id, bit)
    assert {source_id: compact.bits(source_id) for source_id in expected} == expected
    assert compact.bits(other) == expected.get(other, 0)
