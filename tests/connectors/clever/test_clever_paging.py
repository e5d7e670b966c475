"""Lists: to their end or not at all."""

import json
from typing import Any

import pytest

from models.errors import (
    CancelledError,
    CredentialsRefusedError,
    SettingsError,
    SourceProtocolError,
    SourceUnavailableError,
)
from tests.connectors.clever.cases import (
    COMPLETE,
    Asked,
    FakeClever,
    Fault,
    Reply,
    always,
    next_uri,
    once,
    page,
    pull,
    school,
    small,
    student,
    teacher,
)

PEOPLE = [*(student(f"kim{n}") for n in range(5)), teacher()]


def of_users(clever: FakeClever) -> list[dict[str, str]]:
    return [asked.query for asked in clever.asked if asked.path == "users"]


def after(cursor: str, reply: Reply) -> Fault:
    """What is answered to the request for the users behind ``cursor``, every time."""
    return lambda asked: reply if asked.query.get("starting_after") == cursor else None


def test_next_links_are_followed_to_the_end() -> None:
    clever = small(users=PEOPLE)
    pulled = pull(clever, page_size=4)
    assert of_users(clever) == [{"count": "true"}, {"limit": "4"}, {"limit": "4", "starting_after": "kim3"}]
    assert [person.source_id for person in pulled.records("person")] == [record["id"] for record in PEOPLE]
    assert pulled.lines("person") == [1, 2, 3, 4, 5, 6]
    assert clever.hosts == {"api.clever.com", "clever.com"}


def test_an_empty_last_page_ends_a_list() -> None:
    clever = small(users=PEOPLE)
    full = page(PEOPLE, Asked("users", {"limit": "6"}, ""), more=True)
    clever.faults.append(once("users", full))
    pulled = pull(clever, page_size=6)
    assert pulled.coverage["person", "users"].verdict == "complete"
    assert len(of_users(clever)) == 3


def test_a_count_that_is_right_at_the_second_reading_is_proof() -> None:
    clever = small(users=PEOPLE)
    clever.faults.append(once("users", page(PEOPLE[1:], Asked("users", {}, ""))))
    pulled = pull(clever)
    assert len(pulled.records("person", "users")) == 6
    assert pulled.coverage["person", "users"].verdict == "complete"
    assert of_users(clever) == [{"count": "true"}, {"limit": "5000"}] * 2
    assert "listing_unstable" not in pulled.codes


def test_a_count_that_stays_wrong_is_no_proof_of_absence() -> None:
    clever = small(users=PEOPLE)
    clever.faults.append(lambda asked: Reply(200, {"count": 7}) if asked.query == {"count": "true"} else None)
    pulled = pull(clever)
    assert len(pulled.records("person")) == 6
    assert set(pulled.verdicts().values()) <= {"partial", "none"}
    assert len(of_users(clever)) == 4
    problem = next(p for p in pulled.problems if p.code == "listing_unstable" and p.file == "users")
    assert problem.detail == "(Clever counts 7 users and sent 6)"
    assert pulled.coverage["person", "users"].reason == "Clever counts 7 users and sent 6"


@pytest.mark.parametrize("answer", [{"data": [], "links": []}, {"count": None}, {}])
def test_without_a_count_nothing_is_proved(answer: Any) -> None:
    """Any value but "true" is ignored by Clever (reference/clever.md, 2.2); perhaps "true" will be, too."""
    clever = small()
    clever.faults.append(lambda asked: Reply(200, answer) if asked.query == {"count": "true"} else None)
    pulled = pull(clever)
    assert pulled.coverage["person", "users"].reason == "Clever does not say how many users there are"
    assert "complete" not in pulled.verdicts().values()


def test_members_are_not_missed_while_the_users_are_doubtful() -> None:
    """An enrollment of somebody who did not come is left out, and must not be removed for it."""
    clever = small(users=[teacher()])
    clever.faults.append(
        lambda asked: Reply(200, {"count": 2}) if asked == ("users", {"count": "true"}, asked[2]) else None
    )
    pulled = pull(clever)
    assert pulled.coverage["class", "sections"].verdict == "complete"
    assert pulled.coverage["enrollment", "sections"].verdict == "partial"


@pytest.mark.parametrize(
    ("name", "doubtful"),
    [
        ("schools", {"school/schools"}),
        ("terms", {"term/terms"}),
        ("courses", set()),
        ("sections", {"class/sections", "enrollment/sections"}),
        ("users", COMPLETE - {"school/schools", "class/sections"}),
    ],
)
def test_a_doubtful_list_spoils_what_hangs_on_it_and_nothing_else(name: str, doubtful: set[str]) -> None:
    clever = small(terms=[{"id": "term1", "name": "S1"}])
    clever.faults.append(
        lambda asked: Reply(200, {"count": 9}) if (asked.path, *asked.query) == (name, "count") else None
    )
    verdicts = pull(clever).verdicts()
    assert {listing for listing, verdict in verdicts.items() if verdict == "partial"} == doubtful
    assert {listing for listing, verdict in verdicts.items() if verdict == "complete"} == (
        COMPLETE | {"term/terms"}
    ) - doubtful


def test_a_next_link_that_leads_back_is_tried_twice_and_then_given_up() -> None:
    clever = small(users=PEOPLE)
    link = {"rel": "next", "uri": "/v3.1/users?limit=4"}
    clever.faults.append(after("kim3", Reply(200, {"data": [], "links": [link]})))
    with pytest.raises(SourceProtocolError, match="circle"):
        pull(clever, page_size=4)
    assert len(of_users(clever)) == 6


def test_a_page_that_comes_again_under_another_cursor_ends_nowhere() -> None:
    clever = small(users=PEOPLE)

    def same_page(asked: Asked) -> Reply | None:
        if asked.path != "users" or "count" in asked.query:
            return None
        number = len(of_users(clever))
        links = [{"rel": "next", "uri": next_uri("users", "4", f"cursor{number}")}]
        return Reply(200, {"data": [{"data": record} for record in PEOPLE[:4]], "links": links})

    clever.faults.append(same_page)
    with pytest.raises(SourceProtocolError, match="circle"):
        pull(clever, page_size=4)
    assert len(of_users(clever)) == 6


def test_a_circle_that_is_gone_at_the_second_reading_did_no_harm() -> None:
    clever = small(users=PEOPLE)
    again = page(PEOPLE[:4], Asked("users", {"limit": "4"}, ""), more=True)
    clever.faults.append(once("users", again, where=lambda asked: "starting_after" in asked.query))
    pulled = pull(clever, page_size=4)
    assert len(pulled.records("person", "users")) == 6
    assert pulled.coverage["person", "users"].verdict == "complete"


@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example.org/v3.1/users?starting_after=x", "//evil.example.org/v3.1/users", "http://api.clever.com/v3.1/users",
        "/v3.1/sections?starting_after=x", "/v3.0/users?starting_after=x", "users?starting_after=x", "", 5, "http://[",
    ],
)  # fmt: skip
def test_a_next_link_is_a_path_of_the_same_list_or_nothing(uri: Any) -> None:
    clever = small(users=PEOPLE)
    body = {"data": [{"data": record} for record in PEOPLE], "links": [{"rel": "next", "uri": uri}]}
    clever.faults.append(once("users", Reply(200, body)))
    with pytest.raises(SourceProtocolError, match="another place"):
        pull(clever)
    assert clever.hosts == {"api.clever.com", "clever.com"}


@pytest.mark.parametrize(
    "uri", ["https://api.clever.com/v3.1/users?limit=4&starting_after=kim3", "/v3.1/users?starting_after=kim3"]
)
def test_an_address_of_our_own_host_is_as_good_as_a_path(uri: str) -> None:
    clever = small(users=PEOPLE)
    body = {"data": [{"data": record} for record in PEOPLE[:4]], "links": [{"rel": "next", "uri": uri}]}
    clever.faults.append(once("users", Reply(200, body)))
    assert len(pull(clever, page_size=4).records("person")) == 6


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (Reply(200, b'{"data":[{"data":{"id":"ki'), "cut off"),
        (Reply(200, b"<!DOCTYPE html><p>Back soon</p>", "text/html"), "HTML"),
        (Reply(200, b""), "cut off"),
        (Reply(200, []), "another shape"),
        (Reply(200, {}), "another shape"),
        (Reply(200, {"data": []}), "another shape"),
        (Reply(200, {"data": {}, "links": []}), "another shape"),
        (Reply(200, {"resources": []}), "another shape"),
    ],
)
def test_what_is_no_page_is_never_the_end_of_a_list(reply: Reply, why: str) -> None:
    clever = small()
    clever.faults.append(lambda asked: reply if asked.path == "users" and "count" not in asked.query else None)
    with pytest.raises(SourceProtocolError, match=why):
        pull(clever)


def test_a_torn_page_is_asked_for_again() -> None:
    clever = small()
    clever.faults.append(once("users", Reply(200, b'{"data":[{"da')))
    assert pull(clever).coverage["person", "users"].verdict == "complete"


@pytest.mark.parametrize("name", ["schools", "terms", "courses", "sections", "users", "districts"])
def test_a_list_that_does_not_exist_is_never_empty(name: str) -> None:
    clever = small()
    html = b"<!DOCTYPE html>...<pre>Cannot GET /v3.0/resources</pre>..."
    clever.faults.append(always(name, Reply(404, html, "text/html; charset=utf-8")))
    with pytest.raises(SettingsError, match=f"no {name} for this token"):
        pull(clever)


@pytest.mark.parametrize(
    ("name", "scope"), [("users", "read:students"), ("sections", "read:sections"), ("schools", "read:schools")]
)
def test_a_refused_list_names_the_scope_to_ask_for(name: str, scope: str) -> None:
    clever = small()
    clever.faults.append(always(name, Reply(403, {"error": "Resource not in token's scopes"})))
    with pytest.raises(CredentialsRefusedError, match=scope):
        pull(clever)


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_a_failed_page_ends_the_pull_with_nothing(status: int) -> None:
    clever = small(users=PEOPLE)
    clever.faults.append(after("kim3", Reply(status, b"")))
    with pytest.raises(SourceUnavailableError):
        pull(clever, page_size=4)


def test_progress_is_told_page_by_page() -> None:
    pulled = pull(small(users=PEOPLE), page_size=4)
    told = [(p.file, p.pages, p.records, p.expected) for p in pulled.progress if p.file == "users"]
    assert told == [("users", 1, 4, 6), ("users", 2, 6, 6)]


def test_a_person_can_stop_a_pull_between_pages() -> None:
    clever = small(users=PEOPLE)
    with pytest.raises(CancelledError):
        pull(clever, page_size=4, cancelled=lambda: len(of_users(clever)) == 2)
    assert len(of_users(clever)) == 2


def test_records_of_another_shape_are_refused_one_by_one() -> None:
    """The rest of their page is read, and what is stored of them stays."""
    odd = [
        {"id": "odd1", "roles": []},
        {"id": "odd2", "name": "Robin", "roles": {}},
        {"id": 5, "roles": {}},
        "no object",
        None,
        {"roles": {}},
    ]
    clever = small()
    body = {"data": [{"data": record} for record in [*clever.lists["users"], *odd]] + ["no item"], "links": []}
    clever.faults.append(always("users", Reply(200, body)))
    clever.faults.insert(0, lambda asked: Reply(200, {"count": 10}) if asked.query == {"count": "true"} else None)
    pulled = pull(clever)
    assert [record.source_id for record in pulled.records("person")] == ["kim", "tess", "dana"]
    assert [(refusal.line, refusal.source_ids) for refusal in pulled.refusals("person")] == [
        (4, ("odd1",)), (5, ("odd2",)), (6, None), (7, None), (8, None), (9, None), (10, None),
    ]  # fmt: skip
    malformed = [problem for problem in pulled.problems if problem.code == "record_malformed"]
    assert [(problem.line, problem.source_id) for problem in malformed[:2]] == [(4, "odd1"), (5, "odd2")]
    assert pulled.coverage["person", "users"].verdict == "partial"
    assert pulled.coverage["enrollment", "sections"].verdict == "partial"
    assert pulled.coverage["guardianship", "contacts"].verdict == "partial"


def test_text_that_is_no_utf_8_spoils_its_own_record_only() -> None:
    clever = small()
    good = json.dumps({"data": [{"data": record} for record in clever.lists["users"]], "links": []}).encode()
    clever.faults.append(once("users", Reply(200, good.replace(b"Dana", b"D\xe4na"))))
    pulled = pull(clever)
    assert [record.source_id for record in pulled.records("person")] == ["kim", "tess"]
    assert [refusal.source_ids for refusal in pulled.refusals("person")] == [("dana",)]
    assert pulled.coverage["person", "users"].verdict == "complete"


def test_the_usual_pull_proves_everything() -> None:
    pulled = pull(small())
    assert {name for name, verdict in pulled.verdicts().items() if verdict == "complete"} == COMPLETE
    assert pulled.codes == []


def test_no_schools_are_no_proof_although_the_district_is_there() -> None:
    pulled = pull(small(schools=[]))
    assert [record.type for record in pulled.records("school")] == ["district"]
    assert pulled.coverage["school", "schools"].verdict == "none"
    assert pull(small(schools=[school()])).coverage["school", "schools"].verdict == "complete"
