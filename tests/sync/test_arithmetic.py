"""The comparison's arrays against plain sets and dicts, and the rules of the guard as a table."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.records import key_of
from models.settings import GuardSettings, Limit
from models.state import ACTIVE, MANAGED, RoleCodes, StoredState, pack, unpack
from sync.check import lacks_group, over_limit, zero_variants
from sync.entities import EntityBook
from sync.guard import Churn, Measure, allowed, judge
from sync.index import KeyTable, keys_from, repeated, unsigned
from sync.relations import RelationBook

ids = st.sampled_from([f"id-{number}" for number in range(12)])
contents = st.sampled_from([10, 20, 30])


def state(records: dict[str, int], *, managed: bool = True) -> StoredState:
    keys = keys_from(records)
    order = np.argsort(keys)
    flags = np.full(len(keys), ACTIVE | (MANAGED if managed else 0), dtype=np.uint8)
    return StoredState(
        keys[order],
        np.arange(1, len(keys) + 1)[order],
        unsigned(list(records.values()))[order],
        flags,
        np.full(len(keys), 4, dtype=np.uint8),
    )


@given(st.dictionaries(ids, contents), st.lists(st.lists(st.tuples(ids, contents), max_size=6), max_size=5))
def test_entities_are_compared_as_dicts_would_be(stored: dict[str, int], pages: list[list[tuple[str, int]]]) -> None:
    book = EntityBook("person", state(stored), [], 100)
    names = {key_of(name): name for name in [f"id-{number}" for number in range(12)]}
    created: set[str] = set()
    changed: set[str] = set()
    unchanged: set[str] = set()
    duplicates: list[tuple[str, bool]] = []
    first: dict[str, int] = {}
    told: list[tuple[str, bool]] = []
    for page in pages:
        result = book.compare(keys_from([name for name, _ in page]), unsigned([c for _, c in page]), "users")
        created |= {page[index][0] for index in result.created.tolist()}
        changed |= {page[index][0] for index in result.changed.tolist()}
        unchanged |= {page[index][0] for index in result.unchanged.tolist()}
        duplicates += [(page[index][0], same) for index, same in result.duplicates]
        for name, content in page:
            if name in first:
                told.append((name, first[name] == content))
            else:
                first[name] = content
    assert created == first.keys() - stored.keys()
    assert changed == {name for name, content in first.items() if name in stored and stored[name] != content}
    assert unchanged == {name for name, content in first.items() if stored.get(name) == content}
    assert duplicates == told
    absent = book.absent([4])
    assert {names[int(key)] for key in book.stored.keys[absent].tolist()} == stored.keys() - first.keys()
    resolved = book.resolve(keys_from(list(first)))
    assert len(set(resolved.tolist()) - {0}) == len(first), "every listed id resolves, and to an id of its own"


relation = st.tuples(st.integers(1, 4), st.integers(1, 5), st.sampled_from(["student", "teacher"]))
content = st.sampled_from([(None, None, None), (True, None, None), (None, "2026-08-01", None)])


@given(st.dictionaries(relation, content), st.lists(st.lists(st.tuples(relation, content), max_size=6), max_size=4))
def test_relations_are_compared_as_dicts_would_be(
    stored: dict[tuple[int, int, str], tuple[object, ...]],
    pages: list[list[tuple[tuple[int, int, str], tuple[object, ...]]]],
) -> None:
    roles = RoleCodes()
    numbering = RelationBook("enrollment", state({}), roles)
    for some in [(None, None, None), (True, None, None), (None, "2026-08-01", None)]:
        numbering.number_of(some)

    def packed(relations: list[tuple[int, int, str]]) -> "np.ndarray[tuple[int], np.dtype[np.uint64]]":
        columns = np.array([(a, b, roles.code(role)) for a, b, role in relations], dtype=np.int64).reshape(-1, 3)
        return pack(columns[:, 0], columns[:, 1], columns[:, 2])

    keys = packed(list(stored))
    order = np.argsort(keys)
    prints = unsigned([numbering._fingerprints[numbering.number_of(value)] for value in stored.values()])
    flags = np.full(len(keys), ACTIVE | MANAGED, dtype=np.uint8)
    listings = np.full(len(keys), 6, dtype=np.uint8)
    book = RelationBook("enrollment", StoredState(keys[order], keys[:0], prints[order], flags, listings), roles)

    first: dict[tuple[int, int, str], tuple[object, ...]] = {}
    for page in pages:
        numbers = np.array([book.number_of(value) for _, value in page], dtype=np.int64)
        book.compare(packed([key for key, _ in page]), numbers, np.arange(len(page)), "enrollments")
        for key, value in page:
            first.setdefault(key, value)

    new = {(row[0], row[1], row[2]): row[6:] for rows in book.new_rows(3) for row in rows}
    assert new == {key: value for key, value in first.items() if key not in stored}
    changed = {(row[0], row[1], row[2]): row[6:] for rows, _ in book.changed_rows(3) for row in rows}
    assert changed == {key: value for key, value in first.items() if key in stored and stored[key] != value}
    gone = unpack(book.stored.keys[book.absent([6])])
    left = {(a, b, roles.name(code)) for a, b, code in zip(*[part.tolist() for part in gone], strict=True)}
    assert left == stored.keys() - first.keys()


@given(st.lists(st.lists(st.integers(0, 2**64 - 1), unique=True, max_size=40), max_size=12))
def test_a_key_table_is_a_dict(batches: list[list[int]]) -> None:
    table, plain = KeyTable(), dict[int, int]()
    for batch in batches:
        fresh = [key for key in batch if key not in plain]
        values = np.arange(len(plain), len(plain) + len(fresh), dtype=np.int64)
        table.add(unsigned(fresh), values)
        plain.update(zip(fresh, values.tolist(), strict=True))
    asked = [*sorted(plain), 1, 2, 3]
    values, found = table.find(unsigned(asked))
    assert found.tolist() == [key in plain for key in asked]
    assert values.tolist() == [plain.get(key, 0) for key in asked]
    keys, values = table.items()
    assert keys.tolist() == sorted(plain)
    assert len(table) == len(plain)


@given(st.lists(st.integers(0, 5)))
def test_repeated_marks_all_but_the_first(values: list[int]) -> None:
    expected = [value in values[:index] for index, value in enumerate(values)]
    assert repeated(unsigned(values)).tolist() == expected


@given(st.integers(0, 2**28 - 1), st.integers(0, 2**28 - 1), st.integers(0, 255))
def test_packed_keys_unpack(first: int, second: int, role: int) -> None:
    columns = [np.array([value], dtype=np.int64) for value in (first, second, role)]
    assert [part.tolist() for part in unpack(pack(*columns))] == [[first], [second], [role]]


@given(st.lists(st.integers(1, 4), max_size=30), st.integers(1, 6))
def test_the_first_few_per_student_are_kept(students: list[int], limit: int) -> None:
    counts = np.array([0, 0, 2, 0, 1], dtype=np.uint8)
    seen = {1: 0, 2: 2, 3: 0, 4: 1}
    expected = []
    for student in students:
        expected.append(seen[student] >= limit)
        seen[student] += 1
    assert over_limit(np.array(students, dtype=np.int64), counts, limit).tolist() == expected


def test_nobody_lacks_a_group_whose_groups_are_not_known() -> None:
    assert lacks_group(np.array([0, 1, 2, 3], dtype=np.uint8), 1).tolist() == [False, False, True, False]


def test_zero_variants_are_what_spreadsheets_make() -> None:
    assert zero_variants("0042", 1) == ["042", "42", "00042"]
    assert "0000000042" in zero_variants("42")
    assert zero_variants("0", 2) == ["00", "000"]
    assert len(zero_variants("0" * 500, 1)) == 31, "a page of such ids must not fill the memory"


# --- guard -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "managed", "most"),
    [
        (Limit(percent=10, floor=0), 501, 50),  # rounded down
        (Limit(percent=10, floor=10), 40, 10),  # small sets do not always trip
        (Limit(percent=10, floor=10, ceiling=200), 100_000, 200),  # a ceiling counts whatever the share
        (Limit(percent=0, floor=0), 1000, 0),
        (Limit(percent=100, floor=0), 7, 7),
    ],
)
def test_how_many_may_go_at_once(limit: Limit, managed: int, most: int) -> None:
    assert allowed(limit, managed) == most


@pytest.mark.parametrize(
    ("removed", "created", "measure"),
    [(50, 0, None), (51, 0, "removals"), (501, 0, "emptied"), (501, 501, "removals")],
)
def test_the_guard_trips_strictly_above_the_limit(removed: int, created: int, measure: str | None) -> None:
    verdict = judge([Measure("person", None, 501, created, 0, removed)], [], GuardSettings(), {})
    assert [hold.measure for hold in verdict.holds] == ([measure] if measure else [])
    assert verdict.removals == (frozenset({("person", None)}) if measure else frozenset())


def test_a_hold_says_where_how_many_and_why() -> None:
    verdict = judge([Measure("enrollment", 7, 3120, 0, 0, 400)], [], GuardSettings(), {7: "Pine School"})
    assert verdict.holds[0].sentence == (
        "400 of 3120 enrollments at Pine School would go; held, because more than 10 % (312) need approval."
    )


def test_a_small_group_may_lose_a_few_but_never_all() -> None:
    settings = GuardSettings()
    assert judge([Measure("class", 7, 12, 0, 0, 3)], [], settings, {}).holds == []
    assert judge([Measure("class", 7, 3, 0, 0, 3)], [], settings, {}).holds[0].measure == "emptied"


def test_the_district_itself_is_no_school_that_is_emptied() -> None:
    """Its only superintendent leaves; but all of a kind is all of a kind, wherever it is."""
    settings = GuardSettings()
    assert not judge([Measure("affiliation", 1, 1, 0, 0, 1)], [], settings, {}).holds
    assert judge([Measure("affiliation", 1, 30, 0, 0, 30)], [], settings, {}).holds[0].measure == "removals"
    assert judge([Measure("affiliation", None, 1, 0, 0, 1)], [], settings, {}).holds[0].measure == "emptied"


def test_a_kind_has_its_own_limit() -> None:
    settings = GuardSettings(removals_by_kind={"term": Limit(percent=100, floor=100)})
    measures = [Measure("term", None, 40, 1, 0, 39), Measure("class", None, 40, 1, 0, 39)]
    assert [hold.kind for hold in judge(measures, [], settings, {}).holds] == ["class"]


@pytest.mark.parametrize(("pairs", "held"), [(9, False), (24, False), (25, True)])
def test_reissued_ids_hold_both_halves_from_a_share_on(pairs: int, held: bool) -> None:
    verdict = judge([], [Churn("person", 100, pairs)], GuardSettings(), {})
    assert verdict.both_halves == (frozenset({"person"}) if held else frozenset())
