"""Paging: every provider's way of cutting a collection into pages, and what each proves
(reference/oneroster-classlink.md, 2.3 and 4.1)."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from connectors.oneroster.seen import SeenIds
from models.connections import Memory
from models.errors import SourceProtocolError, SourceUnavailableError
from tests.connectors.oneroster.oneroster_cases import (
    Asked,
    FakeProvider,
    Quirk,
    Reply,
    Row,
    pull,
    roster,
    user,
    users,
)


def people(rows: list[Row]) -> list[str]:
    return [row["sourcedId"] for row in rows]


def offsets(provider: FakeProvider) -> list[tuple[int, int]]:
    return [(asked.limit, asked.offset) for asked in provider.of("users")]


def once(collection: str, offset: int, reply: Reply) -> Quirk:
    """Answer the first request for a page in another way."""
    left = [reply]

    def quirk(asked: Asked) -> Reply | None:
        return left.pop() if (asked.collection, asked.offset) == (collection, offset) and left else None

    return quirk


@given(
    count=st.integers(0, 70),
    page_size=st.integers(1, 40),
    clamp=st.integers(1, 40),
    total=st.sampled_from(["X-Total-Count", "x-total-count", "body", ""]),
    doubled=st.booleans(),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_record_comes_exactly_once(
    tmp_path: Path, count: int, page_size: int, clamp: int, total: str, doubled: bool
) -> None:
    rows = users(count)
    assume(not doubled or min(page_size, clamp) > 1)  # a page of one that comes again is no longer a double
    provider = FakeProvider(roster(users=rows + rows[:1] if doubled else rows), clamp=clamp, total=total)
    pulled = pull(provider, tmp_path, page_size=page_size)
    assert pulled.ids("person") == people(rows)
    assert pulled.lines("person") == list(range(1, count + 1))
    assert pulled.verdict("person") == ("none" if not count else "partial" if doubled else "complete")
    again = FakeProvider(provider.roster, clamp=clamp, total=total)
    assert pull(again, tmp_path, page_size=page_size, memory=pulled.memory).ids("person") == people(rows)


def test_a_total_ends_a_collection_without_another_request(tmp_path: Path) -> None:
    provider = FakeProvider(roster(users=users(250)))
    pulled = pull(provider, tmp_path)
    assert offsets(provider) == [(100, 0), (100, 100), (100, 200)]
    assert pulled.verdict("person") == "complete"
    told = [(step.pages, step.records, step.expected) for step in pulled.progress if step.file == "users"]
    assert told == [(1, 100, 250), (2, 200, 250), (3, 250, 250)]


def test_a_clamp_without_headers_loses_nobody_and_is_remembered(tmp_path: Path) -> None:
    provider = FakeProvider(roster(users=users(120)), clamp=50, total="")
    pulled = pull(provider, tmp_path)
    assert len(pulled.ids("person")) == 120
    assert offsets(provider) == [(100, 0), (100, 50), (50, 100), (50, 120)]
    assert pulled.memory.page_limit == {"users": 50}
    again = FakeProvider(roster(users=users(120)), clamp=50, total="")
    assert len(pull(again, tmp_path, memory=pulled.memory).ids("person")) == 120
    assert offsets(again) == [(50, 0), (50, 50), (50, 100), (50, 120)]


@pytest.mark.parametrize("clamp", [1, 9])
def test_tiny_pages_are_no_clamp_to_remember(tmp_path: Path, clamp: int) -> None:
    provider = FakeProvider(roster(users=users(30)), clamp=clamp, total="")
    pulled = pull(provider, tmp_path)
    assert len(pulled.ids("person")) == 30
    assert pulled.memory.page_limit == {}
    assert {limit for limit, _ in offsets(provider)} == {100}


def test_a_clamp_is_remembered_only_of_a_pass_without_doubt(tmp_path: Path) -> None:
    provider = FakeProvider(roster(users=[*users(120), user("P00000")]), clamp=50, total="")
    assert pull(provider, tmp_path).memory.page_limit == {}


def test_short_pages_in_the_middle_are_not_the_end(tmp_path: Path) -> None:
    provider = FakeProvider(roster(users=users(150)), total="")
    page = provider.page

    def short(asked: Asked) -> Reply | None:
        return page(asked._replace(query=asked.query | {"limit": "37"})) if asked.offset == 100 else None

    provider.quirks.append(short)
    pulled = pull(provider, tmp_path)
    assert pulled.ids("person") == people(users(150))
    assert offsets(provider) == [(100, 0), (100, 100), (100, 137), (100, 150)]
    assert pulled.memory.page_limit == {}


def test_an_empty_page_after_a_full_one_is_asked_for_again(tmp_path: Path) -> None:
    provider = FakeProvider(roster(users=users(150)), total="")
    provider.quirks.append(once("users", 100, Reply(200, {"users": []})))
    pulled = pull(provider, tmp_path)
    assert len(pulled.ids("person")) == 150
    assert offsets(provider) == [(100, 0), (100, 100), (100, 100), (100, 150)]


@pytest.mark.parametrize(
    "link",
    [
        'https://sis.example.org/ims/oneroster/v1p1/users?limit=100&offset=101; rel="next"',
        '<http://internal:8080/ims/oneroster/v1p1/users?limit=100&offset=100>; rel="next"',
        "<https://elsewhere.example.org/users?filter=status='active'>; rel=next",
    ],
)
def test_links_are_not_followed(tmp_path: Path, link: str) -> None:
    provider = FakeProvider(roster(users=users(150)), total="")
    provider.headers["Link"] = link
    pulled = pull(provider, tmp_path)
    assert pulled.ids("person") == people(users(150))
    assert offsets(provider) == [(100, 0), (100, 100), (100, 150)]


# --- providers that do not heed the offset ---------------------------------------------------------------------------------


def without_offset(asked: Asked, provider: FakeProvider) -> Reply:
    return provider.page(asked._replace(query=asked.query | {"offset": "0"}))


def test_an_ignored_offset_after_a_full_page_is_an_error(tmp_path: Path) -> None:
    provider = FakeProvider(roster(users=users(150)), total="")
    provider.quirks.append(lambda asked: without_offset(asked, provider))
    with pytest.raises(SourceProtocolError, match="repeats itself"):
        pull(provider, tmp_path)


def test_an_ignored_offset_is_an_error_if_the_total_says_more(tmp_path: Path) -> None:
    provider = FakeProvider(roster(users=users(150)), clamp=60)
    provider.quirks.append(lambda asked: without_offset(asked, provider))
    with pytest.raises(SourceProtocolError, match="users"):
        pull(provider, tmp_path)


def test_a_whole_list_at_every_offset_is_taken_and_proves_nothing(tmp_path: Path) -> None:
    provider = FakeProvider(roster(users=users(30)), total="")
    provider.quirks.append(lambda asked: without_offset(asked, provider))
    pulled = pull(provider, tmp_path)
    assert pulled.ids("person") == people(users(30))
    assert pulled.verdict("person") == "partial"
    assert "listing_unstable" in pulled.codes


def test_the_last_page_again_beyond_the_end_is_the_end(tmp_path: Path) -> None:
    provider = FakeProvider(roster(users=users(130)), total="")

    def last_page_again(asked: Asked) -> Reply | None:
        return provider.page(asked._replace(query=asked.query | {"offset": "100"})) if asked.offset >= 130 else None

    provider.quirks.append(last_page_again)
    pulled = pull(provider, tmp_path)
    assert pulled.ids("person") == people(users(130))
    assert pulled.verdict("person") == "complete"


def test_a_page_that_is_sent_twice_once_is_mended_by_reading_again(tmp_path: Path) -> None:
    provider = FakeProvider(roster(users=users(300)))
    first_page = provider.page(Asked("users", {"limit": "100", "offset": "0"}, ""))
    provider.quirks.append(once("users", 100, first_page))
    pulled = pull(provider, tmp_path)
    assert pulled.ids("person") == people(users(300))
    assert pulled.verdict("person") == "complete"
    assert pulled.codes == []


# --- sources that change while they are read -------------------------------------------------------------------------------


def changing(provider: FakeProvider, change: Any, times: int) -> Quirk:
    """``change`` the users before the second page of the first so many passes is answered."""
    left = [change] * times

    def quirk(asked: Asked) -> Reply | None:
        if asked.collection == "users" and asked.offset == 100 and left:
            left.pop()(provider.roster["users"])
        return None

    return quirk


def insert_first(rows: list[Row]) -> None:
    rows.insert(0, user(f"A{len(rows)}"))


def delete_first(rows: list[Row]) -> None:
    del rows[0]


@pytest.mark.parametrize("change", [insert_first, delete_first])
@pytest.mark.parametrize("total", ["X-Total-Count", "body"])
def test_drift_is_mended_by_reading_again(tmp_path: Path, change: Any, total: str) -> None:
    provider = FakeProvider(roster(users=users(250)), total=total)
    provider.quirks.append(changing(provider, change, 1))
    pulled = pull(provider, tmp_path)
    assert pulled.ids("person") == people(provider.roster["users"])
    assert pulled.verdict("person") == "complete"
    assert pulled.arrivals["users"].problems == []


@pytest.mark.parametrize("change", [insert_first, delete_first])
def test_drift_in_both_passes_is_no_proof(tmp_path: Path, change: Any) -> None:
    provider = FakeProvider(roster(users=users(250)))
    provider.quirks.append(changing(provider, change, 2))
    pulled = pull(provider, tmp_path)
    statements = [pulled.coverage[kind] for kind in ("person", "affiliation", "guardianship")]
    assert [statement.verdict for statement in statements] == ["partial"] * 3
    assert all("users" in statement.reason for statement in statements)
    (problem,) = pulled.arrivals["users"].problems
    assert problem.code == "listing_unstable"
    assert pulled.verdict("enrollment") == "complete"
    assert pulled.memory.full_at is None


def test_an_insertion_without_totals_shows_in_a_record_that_comes_twice(tmp_path: Path) -> None:
    provider = FakeProvider(roster(users=users(250)), total="")
    provider.quirks.append(changing(provider, insert_first, 2))
    assert pull(provider, tmp_path).verdict("person") == "partial"


@pytest.mark.parametrize("wrong", ["0", "249", "251", "1000000"])
def test_a_wrong_total_costs_no_record_and_proves_nothing(tmp_path: Path, wrong: str) -> None:
    provider = FakeProvider(roster(users=users(250)), total="")
    provider.quirks.append(
        lambda asked: (
            provider.page(asked)._replace(headers={"x-TOTAL-count": wrong}) if asked.collection == "users" else None
        )
    )
    pulled = pull(provider, tmp_path)
    assert pulled.ids("person") == people(users(250))
    assert pulled.verdict("person") == "partial"
    assert pulled.verdict("school") == "complete"


def test_a_total_that_is_the_page_s_own_number_costs_no_record_and_proves_nothing(tmp_path: Path) -> None:
    provider = FakeProvider(roster(users=users(250)), total="")

    def own_number(asked: Asked) -> Reply:
        reply = provider.page(asked)
        return reply._replace(headers={"X-Total-Count": str(len(reply.body[asked.collection]))})

    provider.quirks.append(own_number)
    pulled = pull(provider, tmp_path)
    assert pulled.ids("person") == people(users(250))
    assert pulled.verdict("person") == "partial"


@pytest.mark.parametrize("beyond", [0, 100])
def test_a_total_of_one_full_page_is_asked_beyond(tmp_path: Path, beyond: int) -> None:
    provider = FakeProvider(roster(users=users(100)))
    provider.quirks.append(lambda asked: without_offset(asked, provider) if beyond else None)
    pulled = pull(provider, tmp_path)
    assert pulled.ids("person") == people(users(100))
    assert offsets(provider) == [(100, 0), (100, 100)]
    assert pulled.verdict("person") == "complete"


@pytest.mark.parametrize("odd", ["", "many", "-1", "1.5", "²"])
def test_a_total_that_is_no_number_is_none(tmp_path: Path, odd: str) -> None:
    provider = FakeProvider(roster(users=users(250)), total="")
    provider.quirks.append(
        lambda asked: provider.page(asked)._replace(headers={"X-Total-Count": odd.encode().decode("latin-1")})
    )
    pulled = pull(provider, tmp_path)
    assert pulled.ids("person") == people(users(250))
    assert pulled.verdict("person") == "complete"


def test_another_order_on_each_page_is_seen_by_what_comes_twice(tmp_path: Path) -> None:
    rows = users(200)
    provider = FakeProvider(roster(users=rows), total="")

    def unsorted(asked: Asked) -> Reply | None:
        return Reply(200, {"users": rows[50:150]}) if asked.collection == "users" and asked.offset == 100 else None

    provider.quirks.append(unsorted)
    pulled = pull(provider, tmp_path)
    assert len(pulled.ids("person")) == len(set(pulled.ids("person"))) == 150
    assert pulled.verdict("person") == "partial"


def test_pages_without_end_are_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.oneroster.paging._MOST_PAGES", 5)
    provider = FakeProvider(roster(), total="")
    provider.quirks.append(
        lambda asked: Reply(200, {"users": users(100, asked.offset)}) if asked.collection == "users" else None
    )
    with pytest.raises(SourceProtocolError, match="no end"):
        pull(provider, tmp_path)


# --- pages that are too heavy ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [502, 504])
def test_too_heavy_pages_are_asked_for_in_smaller_ones(tmp_path: Path, status: int) -> None:
    provider = FakeProvider(roster(users=users(900)))
    provider.quirks.append(lambda asked: Reply(status) if asked.collection == "users" and asked.limit > 125 else None)
    pulled = pull(provider, tmp_path, page_size=500)
    assert pulled.ids("person") == people(users(900))
    assert offsets(provider)[:5] == [(500, 0), (250, 0), (125, 0), (125, 125), (125, 250)]
    assert pulled.verdict("person") == "complete"
    assert pulled.memory.page_limit == {}


def test_in_the_middle_the_offset_stays(tmp_path: Path) -> None:
    provider = FakeProvider(roster(users=users(300)))
    provider.quirks.append(once("users", 100, Reply(504)))
    assert pull(provider, tmp_path).ids("person") == people(users(300))
    assert offsets(provider) == [(100, 0), (100, 100), (50, 100), (50, 150), (50, 200), (50, 250)]


def test_below_the_smallest_page_a_gateway_is_merely_down(tmp_path: Path) -> None:
    provider = FakeProvider(roster(users=users(300)))
    provider.quirks.append(lambda asked: Reply(502) if asked.collection == "users" else None)
    with pytest.raises(SourceUnavailableError):
        pull(provider, tmp_path)
    limits = [limit for limit, _ in offsets(provider)]
    assert limits[:2] == [100, 50]
    assert set(limits[1:]) == {50}
    assert len(limits) > 3


# --- what is asked ---------------------------------------------------------------------------------------------------------


def test_sort_is_left_away_where_it_is_refused_and_that_is_remembered(tmp_path: Path) -> None:
    provider = FakeProvider(roster(users=users(150)))
    provider.quirks.append(lambda asked: Reply(400) if "sort" in asked.query else None)
    pulled = pull(provider, tmp_path)
    assert pulled.ids("person") == people(users(150))
    assert pulled.memory.refused == ("sort",)
    assert [asked.raw_query for asked in provider.asked[:3]] == [
        "limit=100&offset=0&sort=sourcedId&orderBy=asc",
        "limit=100&offset=0&sort=sourcedId&orderBy=asc",  # once may be a hiccup
        "limit=100&offset=0",
    ]
    assert sum("sort" in asked.query for asked in provider.asked) == 2
    again = FakeProvider(roster())
    pull(again, tmp_path, memory=pulled.memory)
    assert not any("sort" in asked.query for asked in again.asked)


def test_sort_can_be_turned_off(tmp_path: Path) -> None:
    provider = FakeProvider(roster())
    assert pull(provider, tmp_path, sort=False).memory == Memory(
        full_at="2026-09-01T05:59:30.000Z", read_at="2026-09-01T05:59:30.000Z"
    )
    assert {asked.raw_query for asked in provider.asked} == {"limit=100&offset=0"}


def test_a_provider_that_understands_nothing_is_told_about(tmp_path: Path) -> None:
    provider = FakeProvider(roster())
    provider.quirks.append(lambda asked: Reply(422) if asked.collection == "users" else None)
    with pytest.raises(SourceProtocolError, match="page_size"):
        pull(provider, tmp_path)


def test_seen_ids_know_what_came_before_in_any_order() -> None:
    seen = SeenIds()
    assert seen.add(["b", "a", "b"]).tolist() == [0, 1]
    assert seen.add(["c", "a", "d", "c"]).tolist() == [0, 2]
    for start in range(0, 3_000, 7):
        ids = [str(number) for number in range(start, start + 14)]
        assert seen.add(ids).tolist() == (list(range(14)) if not start else list(range(7, 14)))
    assert len(seen) == 4 + 3_003 + 7
    assert len(seen._runs) < 14
