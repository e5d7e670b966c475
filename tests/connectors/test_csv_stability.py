"""What was cleaned once is clean: a value reads the same when it is written out and read again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.normalize.cleaning import clean_cell
from connectors.normalize.values import read_list

text = st.text(alphabet="ab 1,\"“”„«»\u200b\u00a0'=", max_size=12)


@given(text, st.sampled_from(["id", "code", "text"]))
def test_cleaning_a_clean_cell_changes_nothing(value: str, shape: str) -> None:
    cleaned, _ = clean_cell(value, shape)  # type: ignore[arg-type]
    assert clean_cell(cleaned, shape) == (cleaned, "")  # type: ignore[arg-type]


@given(text)
def test_the_entries_of_a_list_read_as_themselves(value: str) -> None:
    entries = read_list(value).entries
    assert read_list(",".join(entries)).entries == entries


@pytest.mark.parametrize("value", ['“ “ A1"', '""A1""', '« "A1" »'])
def test_quotes_in_quotes_go_at_once(value: str) -> None:
    assert clean_cell(value, "code")[0] == "A1"
