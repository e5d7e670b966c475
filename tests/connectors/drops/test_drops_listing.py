"""Which files are the drop: names without dates, the newest day, what is still being uploaded."""

import os
import string
from datetime import datetime

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from connectors.drops.listing import Entry, choose, hash_of_content, hash_of_listing, undated
from connectors.drops.place import free_name

STEMS = st.text(string.ascii_letters, min_size=1, max_size=12)
SEPARATORS = st.sampled_from(["_", "-", ".", " ", ""])
DATES = st.sampled_from(["%Y%m%d", "%Y-%m-%d", "%Y_%m_%d", "%Y.%m.%d", "%m%d%Y", "%m-%d-%Y", "%d.%m.%Y"])
TIMES = st.sampled_from(["", "%H%M", "%H%M%S", "_%H%M%S", "T%H%M%SZ", "-%H-%M", " %H.%M.%S"])
MOMENTS = st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2099, 12, 31))
NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("users.csv", "users.csv"),
        ("Users_20261122.CSV", "users.csv"),
        ("2026-11-22 users.csv", "users.csv"),
        ("users-2026-11-22T01-30-00Z.csv", "users.csv"),
        ("users_20261122013059.csv", "users.csv"),
        ("district-20261122-users.csv", "district-users.csv"),
        ("users (1).csv", "users.csv"),
        ("roster.20261122.zip", "roster.zip"),
        ("20261122.zip", "20261122.zip"),
        # Not a date: a half, a school, a year, a day that no month has, something before 2020.
        ("users_1.csv", "users_1.csv"),
        ("users_100234.csv", "users_100234.csv"),
        ("users_2026.csv", "users_2026.csv"),
        ("users_20261341.csv", "users_20261341.csv"),
        ("users_20011122.csv", "users_20011122.csv"),
        ("users_120261122.csv", "users_120261122.csv"),
        ("users", "users"),
    ],
)
def test_names_without_their_dates(name: str, plain: str) -> None:
    assert undated(name) == plain


@given(STEMS, SEPARATORS, MOMENTS, DATES, TIMES, st.booleans())
def test_date_in_any_way_of_writing_makes_no_difference(
    stem: str, separator: str, moment: datetime, date: str, time: str, first: bool
) -> None:
    stamp = moment.strftime(date + time)
    stamped = f"{stamp}{separator}{stem}.csv" if first else f"{stem}{separator}{stamp}.csv"
    assume(not (first and not separator and stem[0] in "zZ"))  # nobody can say whether that belongs to the time
    assert undated(stamped) == f"{stem}.csv".lower()


@given(NAMES)
def test_a_name_without_its_date_is_none_with_a_date(name: str) -> None:
    assert undated(undated(name)) == undated(name)
    assert undated(name) or not name.strip(" -_.")


@given(STEMS, st.integers(0, 99_999), SEPARATORS)
def test_numbers_are_kept(stem: str, number: int, separator: str) -> None:
    assert undated(f"{stem}{separator}{number}.csv") == f"{stem}{separator}{number}.csv".lower()


@given(st.lists(st.tuples(NAMES, st.integers(0, 9), st.integers(0, 3)), max_size=12, unique_by=lambda entry: entry[0]))
def test_every_roster_file_is_read_or_stands_behind_a_newer_one(listed: list[tuple[str, int, int]]) -> None:
    entries = [Entry(f"{name}.csv", size, float(mtime)) for name, size, mtime in listed]
    drop = choose(entries)
    seen = [*drop.files, *drop.older, *drop.unfinished]
    assert sorted(seen) == sorted(entries)
    newest = {undated(entry.name): entry.mtime for entry in drop.files}
    assert len(newest) == len(drop.files)
    assert all(newest[undated(entry.name)] >= entry.mtime for entry in drop.older)
    assert choose(reversed(entries)) == drop


@pytest.mark.parametrize(
    ("name", "unfinished"),
    [
        ("users.csv.filepart", True), ("users.csv.part", True), (".users.csv.Xa81kE", True), ("~users.csv", True),
        ("users.csv.TMP", True), ("roster.zip.partial", True), ("users.csv~", True),
        ("users.filepart", False), (".bash_history", False), ("notes.txt", False), ("users.csv.md5", False),
    ],
)  # fmt: skip
def test_what_programs_call_a_file_before_it_is_whole(name: str, unfinished: bool) -> None:
    entry = Entry(name, 1, 1.0)
    assert choose([entry]) == ((), (), (entry,) if unfinished else ())


def test_hash_of_a_listing_tells_names_sizes_and_times() -> None:
    files = [Entry("users.csv", 10, 5.0), Entry("classes.csv", 20, 6.0)]
    same = hash_of_listing(files)
    assert hash_of_listing(reversed(files)) == same
    for other in (("user.csv", 10, 5.0), ("users.csv", 11, 5.0), ("users.csv", 10, 5.5)):
        assert hash_of_listing([Entry(*other), files[1]]) != same
    assert hash_of_listing(files[:1]) != same


def test_hash_of_content_does_not_tell_days() -> None:
    assert hash_of_content([("users_20261121.csv", "a"), ("x.csv", "b")]) == hash_of_content(
        [("X.csv", "b"), ("users_20261122.csv", "a")]
    )
    assert hash_of_content([("users.csv", "a")]) != hash_of_content([("users.csv", "b")])
    assert hash_of_content([("users.csv", "a")]) != hash_of_content([("classes.csv", "a")])


def test_names_that_are_no_text_can_be_hashed() -> None:
    odd = os.fsdecode(b"us\xe9rs.csv")
    assert hash_of_listing([Entry(odd, 1, 1.0)]) != hash_of_listing([Entry("users.csv", 1, 1.0)])
    assert hash_of_content([(odd, "a")])


def test_free_names() -> None:
    assert [free_name("users.csv", number) for number in (1, 2, 10)] == ["users.csv", "users-2.csv", "users-10.csv"]
    assert free_name("users", 2) == "users-2"
