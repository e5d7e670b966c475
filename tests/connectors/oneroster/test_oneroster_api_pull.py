"""The pull as a whole: order, proof, changes only, what is remembered, beginning anew (reference/oneroster-classlink.md, 1.5,
2.7 and 8)."""

import gc
from pathlib import Path
from typing import Any

import pytest

from connectors.http.auth import NoAuth
from connectors.http.client import Answer
from connectors.oneroster.delta import changes_since, iso_utc
from connectors.oneroster.endpoint import Endpoint, PullSettings, SourceChangedError
from connectors.oneroster.pull import OneRosterPull
from connectors.source import Access, SourceFacts
from connectors.watch import Watch
from models.connections import Memory
from models.errors import CancelledError, SourceUnavailableError
from models.pages import Arrival, Coverage, Page
from models.plan import COLUMNS
from models.records import Affiliation, Class, Enrollment, Person
from models.vocabulary import KINDS, LISTINGS
from tests.connectors.oneroster.oneroster_cases import (
    BASE,
    COLLECTIONS,
    NOW,
    Asked,
    FakeProvider,
    Reply,
    client,
    enrollment,
    pull,
    roster,
    user,
    users,
)

AT = "2026-09-01T05:59:30.000Z"
YESTERDAY = Memory(full_at="2026-08-31T06:00:00.000Z", read_at="2026-08-31T06:00:00.000Z")


def test_a_whole_district(tmp_path: Path) -> None:
    pulled = pull(FakeProvider(roster()), tmp_path)
    assert [record.source_id for record in pulled.records("school")] == ["D1", "S1"]
    assert pulled.records("class") == [
        Class("C1", "Algebra 1", "S1", "A-1", "Algebra", "ALG1", ("Math",), ("09",), ("1", "2"), "R1", ("T1",))
    ]
    assert pulled.records("person")[1] == Person("2", "Kim", None, "No2", username="u2", enabled=True)
    assert pulled.records("affiliation") == [Affiliation("1", "S1", "student"), Affiliation("2", "S1", "teacher")]
    assert pulled.records("enrollment") == [Enrollment("C1", "1", "student"), Enrollment("C1", "2", "teacher", True)]
    assert {statement.verdict for statement in pulled.coverage.values()} == {"complete"}
    assert pulled.problems == []
    assert pulled.memory == Memory(full_at=AT, read_at=AT)


def test_events_come_in_order_and_name_known_listings(tmp_path: Path) -> None:
    provider = FakeProvider(roster(users=users(90)))
    pulled = pull(provider, tmp_path, page_size=40, pages_of=25)
    assert [asked.collection for asked in provider.asked if not asked.offset] == list(COLLECTIONS)
    shape = [(type(event), getattr(event, "kind", "")) for event in pulled.events]
    arrivals = [(Arrival, "")] * len(COLLECTIONS)
    assert shape[: len(arrivals)] == arrivals
    kinds = [kind for _, kind in shape[len(arrivals) :]]
    assert list(dict.fromkeys(kinds)) == list(KINDS)
    assert kinds == sorted(kinds, key=KINDS.index)
    for kind in KINDS:
        assert [what for what, of in shape if of == kind][-1] is Coverage
    assert {event.listing for event in pulled.events if isinstance(event, Coverage)} <= set(LISTINGS)
    assert max(len(event.records) for event in pulled.events if isinstance(event, Page)) <= 40 + 25
    assert [pulled.arrivals[name].rows for name in COLLECTIONS] == [2, 1, 1, 1, 90, 2]


def test_spools_are_closed_and_nothing_is_left_on_disk(tmp_path: Path) -> None:
    pull(FakeProvider(roster(users=users(300))), tmp_path)
    gc.collect()
    assert list(tmp_path.iterdir()) == []


# --- proof -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("collection", "kinds"),
    [("orgs", ["school"]), ("classes", ["class"]), ("users", ["person", "affiliation", "guardianship"]),
     ("enrollments", ["enrollment"])],
)  # fmt: skip
def test_an_empty_collection_proves_nothing_and_is_told(tmp_path: Path, collection: str, kinds: list[str]) -> None:
    pulled = pull(FakeProvider(roster(**{collection: []})), tmp_path)
    assert [kind for kind in KINDS if pulled.verdict(kind) == "none"] == kinds
    assert len(pulled.facts.notes) == 1
    assert collection in pulled.facts.notes[0]
    assert pulled.memory == Memory()


def test_empty_terms_or_courses_are_no_reason_to_worry(tmp_path: Path) -> None:
    pulled = pull(FakeProvider(roster(academicSessions=[], courses=[])), tmp_path)
    assert pulled.verdict("term") == "none"
    assert pulled.codes == ["unknown_course"]
    assert pulled.memory.full_at == AT


def test_unstable_courses_are_told_and_hold_nothing_up(tmp_path: Path) -> None:
    provider = FakeProvider(roster())
    provider.quirks.append(
        lambda asked: (
            provider.page(asked)._replace(headers={"X-Total-Count": "7"}) if asked.collection == "courses" else None
        )
    )
    pulled = pull(provider, tmp_path)
    assert [problem.code for problem in pulled.arrivals["courses"].problems] == ["listing_unstable"]
    assert pulled.verdict("class") == "complete"
    assert pulled.memory.full_at is None


def test_what_courses_cannot_say_is_untold(tmp_path: Path) -> None:
    def of(provider: FakeProvider, reply: Reply | None = None) -> tuple[str, ...]:
        provider.quirks.append(lambda asked: reply if asked.collection == "courses" else None)
        return pull(provider, tmp_path).coverage["class"].untold

    untold = ("course_title", "course_number", "subjects", "grades")
    assert set(untold) <= set(COLUMNS["class"])
    assert of(FakeProvider(roster())) == ()
    assert of(FakeProvider(roster()), Reply(403)) == untold
    assert of(FakeProvider(roster()), Reply(404)) == untold
    assert of(FakeProvider(roster(courses=[]))) == untold
    miscounting = FakeProvider(roster(), total="")
    miscounting.headers["X-Total-Count"] = "7"
    assert of(miscounting) == untold


# --- changes only ----------------------------------------------------------------------------------------------------------


def filters(provider: FakeProvider) -> dict[str, str]:
    return {asked.collection: asked.query.get("filter", "") for asked in provider.asked}


def test_changes_only_are_asked_for_and_prove_nothing(tmp_path: Path) -> None:
    changed = roster(
        orgs=[], classes=[], users=[user("1")], enrollments=[enrollment("E9", "C1", "1", status="tobedeleted")]
    )
    provider = FakeProvider(changed)
    pulled = pull(provider, tmp_path, delta=True, memory=YESTERDAY)
    since = "dateLastModified>'2026-08-30T06:00:00.000Z'"
    assert filters(provider) == {**dict.fromkeys(COLLECTIONS, since), "courses": ""}
    assert "filter=dateLastModified%3E%272026-08-30T06%3A00%3A00.000Z%27" in provider.asked[0].raw_query
    assert {(statement.verdict, statement.delta) for statement in pulled.coverage.values()} == {("none", True)}
    assert len(pulled.coverage) == len(KINDS)
    assert pulled.ids("person") == ["1"]
    assert pulled.gone("enrollment") == [Enrollment("C1", "1", "student")]
    assert pulled.facts.notes == []
    assert pulled.arrivals["users"].note == "changes since 2026-08-30T06:00:00.000Z"
    assert pulled.arrivals["courses"].note == ""
    assert pulled.memory == Memory(full_at=YESTERDAY.full_at, read_at=AT)


@pytest.mark.parametrize(
    "memory",
    [
        Memory(),
        Memory(read_at="2026-08-31T06:00:00Z"),
        Memory(full_at="2026-08-25T05:00:00Z", read_at="2026-08-31T06:00:00Z"),
        Memory(full_at="2099-01-01T00:00:00Z", read_at="2026-08-31T06:00:00Z"),
        Memory(full_at="yesterday", read_at="2026-08-31T06:00:00Z"),
        Memory(full_at="2026-08-31T06:00:00Z", read_at="2026-08-31T06:00:00Z", refused=("filter",)),
    ],
)
def test_a_full_pull_where_changes_are_not_enough(tmp_path: Path, memory: Memory) -> None:
    provider = FakeProvider(roster())
    pulled = pull(provider, tmp_path, delta=True, memory=memory)
    assert set(filters(provider).values()) == {""}
    assert pulled.verdict("person") == "complete"
    assert (pulled.memory.full_at, pulled.memory.read_at) == (AT, AT)


def test_changes_are_not_asked_for_unless_the_settings_say_so(tmp_path: Path) -> None:
    provider = FakeProvider(roster())
    pull(provider, tmp_path, delta=False, memory=YESTERDAY)
    assert set(filters(provider).values()) == {""}


@pytest.mark.parametrize("collection", ["orgs", "enrollments"])
@pytest.mark.parametrize("status", [400, 422])
def test_a_refused_filter_makes_the_pull_a_full_one(tmp_path: Path, collection: str, status: int) -> None:
    provider = FakeProvider(roster())
    provider.quirks.append(
        lambda asked: Reply(status) if asked.collection == collection and "filter" in asked.query else None
    )
    pulled = pull(provider, tmp_path, delta=True, memory=YESTERDAY)
    assert {statement.verdict for statement in pulled.coverage.values()} == {"complete"}
    assert pulled.memory == Memory(full_at=AT, read_at=AT, refused=("filter",))
    assert len(pulled.ids("person")) == 2


def test_what_is_refused_is_found_out_one_by_one(tmp_path: Path) -> None:
    def neither(asked: Asked) -> Reply | None:
        return Reply(400) if {"sort", "filter"} & set(asked.query) else None

    provider = FakeProvider(roster())
    provider.quirks.append(neither)
    assert pull(provider, tmp_path, delta=True, memory=YESTERDAY).memory.refused == ("filter", "sort")


def test_an_ignored_filter_is_no_harm(tmp_path: Path) -> None:
    pulled = pull(FakeProvider(roster(users=users(150))), tmp_path, delta=True, memory=YESTERDAY)
    assert len(pulled.ids("person")) == 150
    assert pulled.verdict("person") == "none"


def test_a_delta_that_was_not_whole_is_asked_for_again(tmp_path: Path) -> None:
    provider = FakeProvider(roster(), total="")
    provider.headers["X-Total-Count"] = "9"
    assert pull(provider, tmp_path, delta=True, memory=YESTERDAY).memory == YESTERDAY


def since(read_at: str, overlap_hours: int = 24, now: str = "2026-09-01T06:00:00Z", full_at: str = "") -> str | None:
    settings = PullSettings(100, True, True, overlap_hours, 7)
    return changes_since(settings, Memory(full_at=full_at or read_at, read_at=read_at), now)


def test_times_are_utc_with_milliseconds() -> None:
    assert since("2026-08-31T06:00:00Z", 0) == "2026-08-31T06:00:00.000Z"
    assert since("2026-08-31T06:00:00.123456+02:00", 0) == "2026-08-31T04:00:00.123Z"
    assert since("2026-08-31T06:00:00", 0) == "2026-08-31T06:00:00.000Z"
    assert iso_utc("2026-08-31T22:30:00-04:00") == "2026-09-01T02:30:00.000Z"


def test_the_year_is_that_of_the_day_and_not_of_the_week() -> None:
    assert since("2027-01-02T06:00:00Z", 24, "2027-01-02T07:00:00Z") == "2027-01-01T06:00:00.000Z"
    assert since("2024-12-31T06:00:00Z", 0, "2024-12-31T07:00:00Z") == "2024-12-31T06:00:00.000Z"


def test_the_week_is_over_to_the_second() -> None:
    assert since("2026-08-31T06:00:00Z", 0, full_at="2026-08-25T06:00:01Z") is not None
    assert since("2026-08-31T06:00:00Z", 0, full_at="2026-08-25T06:00:00Z") is None


# --- what is remembered ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("date", ["", "today", None])
def test_our_own_clock_where_the_provider_shows_none(tmp_path: Path, date: str | None) -> None:
    provider = FakeProvider(roster())
    provider.headers = {} if date is None else {"date": date}
    assert pull(provider, tmp_path).memory.full_at == "2026-09-01T06:00:00.000Z"


def test_the_provider_s_time_is_that_of_its_first_answer(tmp_path: Path) -> None:
    provider = FakeProvider(roster(users=users(150)))

    def tick(asked: Asked) -> None:
        provider.headers["Date"] = f"Tue, 01 Sep 2026 01:{len(provider.asked):02d}:00 -0400"

    provider.quirks.append(tick)
    assert pull(provider, tmp_path).memory.read_at == "2026-09-01T05:01:00.000Z"


def test_what_was_learned_before_is_kept(tmp_path: Path) -> None:
    memory = Memory(refused=("sort",), page_limit={"users": 50}, proxy_path="plain")
    pulled = pull(FakeProvider(roster()), tmp_path, memory=memory)
    assert pulled.memory == Memory(AT, AT, ("sort",), {"users": 50}, "plain")
    assert memory.page_limit == {"users": 50}


def test_memory_is_as_before_where_a_pull_fails(tmp_path: Path) -> None:
    provider = FakeProvider(roster())
    provider.quirks.append(lambda asked: Reply(400) if "sort" in asked.query else None)
    provider.quirks.append(lambda asked: Reply(500) if asked.collection == "enrollments" else None)
    access = Access(client(provider), tmp_path, Watch(), lambda: NOW, YESTERDAY)
    settings = PullSettings(100, True, False, 24, 7)
    source = OneRosterPull(Endpoint(BASE, NoAuth()), settings, access, facts=SourceFacts())
    with pytest.raises(SourceUnavailableError):
        list(source.events())
    assert source.memory == YESTERDAY


def test_a_person_can_stop_it_between_two_pages(tmp_path: Path) -> None:
    provider = FakeProvider(roster(users=users(500)))
    access = Access(client(provider), tmp_path, Watch(cancelled=lambda: len(provider.of("users")) == 2), lambda: NOW)
    source = OneRosterPull(Endpoint(BASE, NoAuth()), PullSettings(100, True, False, 24, 7), access, facts=SourceFacts())
    with pytest.raises(CancelledError):
        list(source.events())
    assert len(provider.of("users")) == 2
    assert list(tmp_path.iterdir()) == []


# --- beginning anew --------------------------------------------------------------------------------------------------------


class Changes:
    """Says ``times`` often, at the answer with a number, that the source has changed."""

    def __init__(self, at: int, times: int) -> None:
        self.at, self.left, self.seen, self.bodies = at, times, 0, 0

    def __call__(self, answer: Answer) -> None:
        self.seen += 1
        self.bodies += bool(answer.body)
        if self.seen == self.at and self.left:
            self.left -= 1
            self.seen = 0
            raise SourceChangedError("revision 2")


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_source_that_changes_is_read_anew(tmp_path: Path, times: int) -> None:
    provider = FakeProvider(roster(users=users(250)))
    inspect = Changes(at=7, times=times)
    facts = SourceFacts(notes=["as before"])
    pulled = pull(provider, tmp_path, inspect=inspect, facts=facts)
    assert len(pulled.ids("person")) == len(set(pulled.ids("person"))) == 250
    assert [pulled.arrivals[name].rows for name in COLLECTIONS] == [2, 1, 1, 1, 250, 2]
    assert len(provider.of("orgs")) == times + 1
    assert inspect.bodies == len(provider.asked)
    assert facts.notes == ["as before"]


def test_but_not_for_ever(tmp_path: Path) -> None:
    provider = FakeProvider(roster())
    with pytest.raises(SourceUnavailableError, match="changed again and again"):
        pull(provider, tmp_path, inspect=Changes(at=2, times=99))
    assert len(provider.of("orgs")) == 4
    assert list(tmp_path.iterdir()) == []


def test_an_empty_district_is_told_once_however_often_it_is_read(tmp_path: Path) -> None:
    provider = FakeProvider(roster(orgs=[]))
    provider.quirks.append(lambda asked: Reply(403) if asked.collection == "courses" else None)
    pulled = pull(provider, tmp_path, inspect=Changes(at=3, times=2))
    assert len(pulled.facts.notes) == 1
    assert len(pulled.facts.missing) == 1


def test_the_district_s_own_name_is_kept(tmp_path: Path) -> None:
    facts = SourceFacts(district_name="Springfield Schools", district_id="2222")
    assert pull(FakeProvider(roster()), tmp_path, facts=facts).facts.district_name == "Springfield Schools"
    two: list[Any] = [{"sourcedId": f"D{number}", "name": "D", "type": "district"} for number in (1, 2)]
    assert pull(FakeProvider(roster(orgs=two)), tmp_path).facts.district_name == ""
