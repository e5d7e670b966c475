"""Answers that are no page: torn, HTML, failing, refused; and envelopes of every make (reference/oneroster-classlink.md, 2.5
and 4.1)."""

import json
from pathlib import Path
from typing import Any

import pytest

from connectors.http.client import Torn
from connectors.oneroster.envelope import CLASSES, COURSES, ENROLLMENTS, ORGS, SESSIONS, USERS, Collection, read_count
from connectors.source import SourceFacts
from models.errors import CredentialsRefusedError, SettingsError, SourceProtocolError, SourceUnavailableError
from tests.connectors.oneroster.oneroster_cases import Asked, FakeProvider, Reply, pull, ref, roster, user, users

MANDATORY = ("orgs", "classes", "users", "enrollments")


def ids(collection: Collection, body: Any) -> list[Any]:
    decoded = collection.decode(body if isinstance(body, bytes) else json.dumps(body).encode())
    assert decoded.status == 200
    return [getattr(row, "sourced_id", row) for row in decoded.rows]


ONE = {"sourcedId": "1", "password": "must-not-be-kept"}


@pytest.mark.parametrize(
    ("collection", "keys"),
    [
        (ORGS, ["orgs", "org", "schools", "school"]),
        (SESSIONS, ["academicSessions", "academicSession", "terms", "term", "gradingPeriods", "gradingPeriod"]),
        (COURSES, ["courses", "course"]),
        (CLASSES, ["classes", "class"]),
        (USERS, ["users", "user", "students", "student", "teachers", "teacher"]),
        (ENROLLMENTS, ["enrollments", "enrollment"]),
    ],
)
def test_each_collection_has_its_names(collection: Collection, keys: list[str]) -> None:
    for key in keys:
        assert ids(collection, {"links": [], "x": [{"sourcedId": "9"}], key: [ONE]}) == ["1"]
        assert ids(collection, {key: ONE}) == ["1"]
        assert ids(collection, {key: []}) == []
        assert ids(collection, {key: None}) == []


def test_the_named_key_goes_before_its_aliases() -> None:
    assert ids(USERS, {"students": [{"sourcedId": "2"}], "users": [ONE]}) == ["1"]
    assert ids(USERS, {"users": None, "students": [ONE]}) == ["1"]


def test_a_list_may_do_without_a_name_only_as_the_whole_answer() -> None:
    assert ids(USERS, [ONE, ONE]) == ["1", "1"]
    with pytest.raises(Torn):
        USERS.decode(json.dumps({"data": [ONE]}).encode())


def test_what_is_in_the_list_and_no_object_stays_in_its_place() -> None:
    assert ids(USERS, {"users": [ONE, None, "2", 3, [ONE], ONE]})[:2] == ["1", None]
    assert len(ids(USERS, {"users": [ONE, None, "2", 3, [ONE], ONE]})) == 6


def test_only_what_is_needed_is_decoded() -> None:
    body = {"users": [ONE | {"metadata": {"birthDate": "2015-01-01"}, "demographics": {"sex": "female"}}]}
    assert not {"must-not-be-kept", "2015-01-01", "female"} & set(
        str(USERS.decode(json.dumps(body).encode())).split("'")
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \r\n ",
        b"<!DOCTYPE html><html><body>Sign in</body></html>",
        b"\n<html>",
        b"{}",
        b"null",
        b"0",
        b'"maintenance"',
        b'{"users":[{"sourcedId":"1"},{"sour',
        b'{"users":[{"sourcedId":"1"}]',
        b'{"users":[{"sourcedId":"1"}]}}',
        b'{"users":"none"}',
        b'{"users":true}',
        b'{"user_list":[{"sourcedId":"1"}]}',
        b'{"orgs":[{"sourcedId":"1"}]}',
        b'{"error":"busy"}',
        b'{"users":[{"sourcedId":"\xff"}]}',
        b'{"users":[{"sourcedId":"\\ud83d"',
        b"[" * 100_000,
        b'{"imsx_codeMajor":"failure","users":[]}',
        b'{"statusInfoSet":[{"imsx_codeMajor":"failure","imsx_CodeMinor":{"imsx_codeMinorField":'
        b'[{"imsx_codeMinorFieldName":"source","imsx_codeMinorFieldValue":"server_busy"}]}}],"users":[]}',
        b'{"imsx_codeMajor":"processing"}',
    ],
)
def test_what_is_no_page_is_torn_and_never_empty(body: bytes) -> None:
    with pytest.raises(Torn) as torn:
        USERS.decode(body)
    assert "sourcedId" not in torn.value.reason


@pytest.mark.parametrize(
    "info",
    [
        {"imsx_StatusInfo": {"imsx_codeMajor": "success", "imsx_severity": "status"}},
        {"statusInfoSet": [{"imsx_codeMajor": "success", "imsx_description": "failure is not an option"}]},
        {"imsx_codeMajor": "success", "imsx_codeMinor": "fullsuccess"},
        {"statusInfoSet": []},
        {"statusInfoSet": None},
    ],
)
def test_a_success_may_stand_beside_the_records(info: dict[str, Any]) -> None:
    assert ids(USERS, info | {"users": [ONE]}) == ["1"]


def failing(minor: str, shape: int = 0) -> dict[str, Any]:
    fields = {"imsx_codeMinorField": [{"imsx_codeMinorFieldName": "x", "imsx_codeMinorFieldValue": minor}]}
    info = {"imsx_codeMajor": "Failure", "imsx_severity": "error", "imsx_CodeMinor": fields}
    flat = {"imsx_codeMajor": "failure", "imsx_codeMinor": minor}
    shapes: list[dict[str, Any]] = [{"imsx_StatusInfo": info}, {"statusInfoSet": [info]}, flat, info]
    return shapes[shape]


@pytest.mark.parametrize("shape", range(4))
@pytest.mark.parametrize(
    ("minor", "status"),
    [("unauthorisedrequest", 403), ("forbidden", 403), ("unknownobject", 404), ("invalid_sort_field", 400),
     ("invalid_data", 400)],
)  # fmt: skip
def test_a_failure_in_a_200_counts_as_what_it_says(minor: str, status: int, shape: int) -> None:
    decoded = USERS.decode(json.dumps(failing(minor, shape) | {"users": []}).encode())
    assert (decoded.status, list(decoded.rows)) == (status, [])


def test_half_an_emoji_costs_no_page(tmp_path: Path) -> None:
    """Cut by a database column in the middle of a character; JSON can write that, no text can hold it."""
    provider = FakeProvider(roster())
    body = json.dumps({"users": [user("1", givenName="Kim\ud83d"), user("2", "teacher")]}).encode()
    provider.quirks.append(lambda asked: Reply(200, body) if asked.collection == "users" and not asked.offset else None)
    pulled = pull(provider, tmp_path)
    assert [person.given_name for person in pulled.records("person")] == ["Kim?", "Kim"]


def test_a_byte_order_mark_is_no_harm() -> None:
    assert ids(USERS, b'\xef\xbb\xbf{"users":[{"sourcedId":"1"}]}') == ["1"]


@pytest.mark.parametrize(("value", "count"), [(3, 3), ("3", 3), (" 12 ", 12), (0, 0), ("-1", None), (-1, None),
                                              (True, None), (1.5, None), ("", None), (None, None), ([3], None)])  # fmt: skip
def test_counts_are_read_wherever_they_are_counts(value: Any, count: int | None) -> None:
    assert read_count(value) == count


# --- in a pull -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("collection", MANDATORY)
@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b"<html>maintenance</html>", {"Content-Type": "text/html"}),
        Reply(200, b""),
        Reply(200, {"message": "ok"}),
        Reply(200, b'{"users":[{"sourcedId":"1"'),
        Reply(200, failing("server_busy")),
    ],
)
def test_a_collection_that_stays_torn_ends_the_pull(tmp_path: Path, collection: str, reply: Reply) -> None:
    provider = FakeProvider(roster())
    provider.quirks.append(lambda asked: reply if asked.collection == collection else None)
    with pytest.raises(SourceProtocolError):
        pull(provider, tmp_path)
    assert len(provider.of(collection)) == 3


def test_an_answer_that_is_torn_once_is_asked_for_again(tmp_path: Path) -> None:
    provider = FakeProvider(roster(users=users(150)))
    torn = [Reply(200, b"<html>"), Reply(200, b""), Reply(200, b'{"users":[')]
    provider.quirks.append(lambda asked: torn.pop() if asked.collection == "users" and torn and len(torn) > 1 else None)
    pulled = pull(provider, tmp_path)
    assert len(pulled.ids("person")) == 150
    assert pulled.verdict("person") == "complete"


@pytest.mark.parametrize("collection", MANDATORY)
@pytest.mark.parametrize("reply", [Reply(401), Reply(403), Reply(200, failing("forbidden"))])
def test_a_refusal_names_what_to_ask_for(tmp_path: Path, collection: str, reply: Reply) -> None:
    provider = FakeProvider(roster())
    provider.quirks.append(lambda asked: reply if asked.collection == collection else None)
    with pytest.raises(CredentialsRefusedError) as refused:
        pull(provider, tmp_path, facts=SourceFacts(scopes=("https://example.org/roster-core.readonly",)))
    assert (
        f"permission to read {collection} (scope https://example.org/roster-core.readonly)" in refused.value.for_admin
    )


@pytest.mark.parametrize("collection", MANDATORY)
@pytest.mark.parametrize("reply", [Reply(404), Reply(405), Reply(501), Reply(200, failing("unknownobject"))])
def test_a_collection_that_is_not_there_is_a_wrong_address(tmp_path: Path, collection: str, reply: Reply) -> None:
    provider = FakeProvider(roster())
    provider.quirks.append(lambda asked: reply if asked.collection == collection else None)
    with pytest.raises(SettingsError, match=r"base_url.*version") as wrong:
        pull(provider, tmp_path)
    assert collection in wrong.value.for_admin


@pytest.mark.parametrize("collection", ["academicSessions", "courses"])
@pytest.mark.parametrize(
    "reply",
    [Reply(401), Reply(403), Reply(404, b"<html>not found</html>"), Reply(405), Reply(501), Reply(200, failing("forbidden")),
     Reply(200, failing("unknownobject")), Reply(200, {"imsx_codeMajor": "unsupported"})],
)  # fmt: skip
def test_terms_and_courses_can_be_done_without(tmp_path: Path, collection: str, reply: Reply) -> None:
    provider = FakeProvider(roster())
    provider.quirks.append(lambda asked: reply if asked.collection == collection else None)
    pulled = pull(provider, tmp_path)
    assert [problem.code for problem in pulled.arrivals[collection].problems] == ["listing_refused"]
    assert len(pulled.facts.missing) == 1
    assert collection in pulled.facts.missing[0]
    assert ("term" in pulled.coverage) == (collection == "courses")
    assert pulled.verdict("class") == "complete"
    (clazz,) = pulled.records("class")
    assert clazz.course_title == ("Algebra" if collection == "academicSessions" else None)
    assert clazz.term_source_ids == ("T1",)
    assert "unknown_course" not in pulled.codes


@pytest.mark.parametrize("collection", ["academicSessions", "courses"])
@pytest.mark.parametrize("status", [500, 503])
def test_but_not_where_they_merely_fail(tmp_path: Path, collection: str, status: int) -> None:
    provider = FakeProvider(roster())
    provider.quirks.append(lambda asked: Reply(status) if asked.collection == collection else None)
    with pytest.raises(SourceUnavailableError):
        pull(provider, tmp_path)


@pytest.mark.parametrize("total", ["X-Total-Count", ""])
@pytest.mark.parametrize(
    "reply",
    [Reply(404), Reply(400), Reply(403), Reply(200, failing("forbidden")), Reply(200, failing("unknownobject")),
     Reply(200, failing("invalid_sort_field") | {"users": []}), Reply(200, {"imsx_codeMajor": "unsupported", "users": []})],
)  # fmt: skip
def test_a_refusal_in_the_middle_is_never_the_end(tmp_path: Path, reply: Reply, total: str) -> None:
    provider = FakeProvider(roster(users=users(250)), total=total)
    provider.quirks.append(lambda asked: reply if asked.collection == "users" and asked.offset else None)
    with pytest.raises((SourceProtocolError, CredentialsRefusedError)):
        pull(provider, tmp_path)


def test_nothing_is_yielded_of_a_pull_that_fails_at_its_end(tmp_path: Path) -> None:
    provider = FakeProvider(roster())
    provider.quirks.append(lambda asked: Reply(500) if asked.collection == "enrollments" else None)
    with pytest.raises(SourceUnavailableError):
        pull(provider, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_errors_hold_nothing_of_an_answer(tmp_path: Path) -> None:
    def broken(asked: Asked) -> Reply | None:
        body = b'{"users":[{"sourcedId":"1","givenName":"Marmaduke","email":"m@example.org"'
        return Reply(200, body) if asked.collection == "users" else None

    provider = FakeProvider(roster())
    provider.quirks.append(broken)
    with pytest.raises(SourceProtocolError) as error:
        pull(provider, tmp_path)
    assert "Marmaduke" not in error.value.for_admin + error.value.for_engineer
    assert "m@example.org" not in error.value.for_admin + error.value.for_engineer


def test_hrefs_are_never_followed(tmp_path: Path) -> None:
    provider = FakeProvider(roster(users=[user("1", agents=[ref("G9", "user")])]))
    pull(provider, tmp_path)
    assert {asked.collection for asked in provider.asked} == set(provider.roster)
