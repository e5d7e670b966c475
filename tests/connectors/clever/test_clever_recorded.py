"""What Clever really answered (v3.0, its demo district, April 2023), as far as it was recorded."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPResponse

from models.connections import CleverCredentials
from models.errors import CredentialsRefusedError, SettingsError
from tests.connectors.clever.cases import Json, Pulled, Reply, always, pull, small

SAMPLES = Path(__file__).parents[4] / "shared" / "samples"
RECORDED = SAMPLES / "clever-recorded"
ERRORS = SAMPLES / "clever-errors"
DEMO = "58da8a43cc70ab00017a1a87"

pytestmark = pytest.mark.skipif(not RECORDED.is_dir(), reason="recorded exchanges are not here")


class Recording(BaseAdapter):
    """Plays the recorded lists: the pages that hang together by their next links, and behind the last one that was
    recorded an empty page. What was never recorded of v3.0 is made up: the counts, and contacts at the end of the users."""

    def __init__(self) -> None:
        super().__init__()
        self._answers: dict[tuple[str, str], Json] = {}
        for file in sorted(RECORDED.glob("GET_*_200.json")):
            exchange = json.loads(file.read_text(encoding="utf-8"))
            parts = urlsplit(exchange["request"]["url"])
            query = dict(parse_qsl(parts.query))
            if query.keys() <= {"starting_after", "district", "owner_type"}:
                self._answers[parts.path, query.get("starting_after", "")] = exchange["response"]["body"]
        student = "58da8c63d7dc0ca0680003ed"
        self._contacts = self._answers[f"/v3.0/users/{student}/mycontacts", ""]["data"]

    def records(self, path: str) -> Iterator[Json]:
        """All records of a list in its pages, each as an item of the list."""
        cursor: str | None = ""
        while cursor is not None:
            body = self._answer(path, cursor)
            yield from body["data"]
            following = [link["uri"] for link in body["links"] if link["rel"] == "next"]
            cursor = dict(parse_qsl(urlsplit(following[0]).query))["starting_after"] if following else None

    def _answer(self, path: str, cursor: str) -> Json:
        unrecorded = {
            "data": self._contacts if path.endswith("/users") else [],
            "links": [{"rel": "self", "uri": path}],
        }
        return self._answers.get((path, cursor)) or unrecorded

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:  # type: ignore[override]
        parts = urlsplit(request.url or "")
        query = dict(parse_qsl(parts.query))
        body = self._answer(parts.path, query.get("starting_after", ""))
        if query.get("count") == "true":
            body = {"count": sum(1 for _ in self.records(parts.path)), "links": []}
        raw = HTTPResponse(io.BytesIO(json.dumps(body).encode()), {}, 200, preload_content=False)
        return HTTPAdapter().build_response(request, raw)

    def close(self) -> None:
        return


@pytest.fixture(scope="module")
def recording() -> Recording:
    return Recording()


@pytest.fixture(scope="module")
def pulled(recording: Recording) -> Pulled:
    return pull(recording, version="v3.0", district_id=DEMO)


def test_everything_that_was_recorded_is_read(recording: Recording, pulled: Pulled) -> None:
    users, sections = list(recording.records("/v3.0/users")), list(recording.records("/v3.0/sections"))
    assert (len(users), len(sections)) == (201, 200)
    assert {record.source_id for record in pulled.records("person")} == {item["data"]["id"] for item in users}
    assert {record.source_id for record in pulled.records("class")} == {item["data"]["id"] for item in sections}
    assert [record.title for record in pulled.records("term")] == ["S1", "S2", "Y1", "Y1", "Y1"]
    assert len(pulled.records("school")) == 5
    assert pulled.arrivals["courses"].rows == 200
    assert pulled.refusals("person") == pulled.refusals("class") == pulled.refusals("enrollment") == []
    assert set(pulled.verdicts().values()) == {"complete"}


def test_every_recorded_fact_is_where_it_belongs(recording: Recording, pulled: Pulled) -> None:
    people = {record.source_id: record for record in pulled.records("person")}
    for item in recording.records("/v3.0/users"):
        user = item["data"]
        found = people[user["id"]]
        assert (found.given_name or "", found.family_name) == (user["name"].get("first", ""), user["name"]["last"])
        assert found.email == user["email"].lower()
        for role in user["roles"].values():
            ids = dict(found.identifiers)
            assert all(ids.get(name) == (role[name] or None) for name in ("sis_id", "state_id") if name in role)
            schools = [a.school_source_id for a in pulled.records("affiliation") if a.person_source_id == user["id"]]
            assert schools == role.get("schools", [None])


def test_enrollments_are_the_members_that_came(recording: Recording, pulled: Pulled) -> None:
    came = {item["data"]["id"] for item in recording.records("/v3.0/users")}
    named = [
        (item["data"]["id"], member)
        for item in recording.records("/v3.0/sections")
        for member in {*item["data"]["students"], *item["data"]["teachers"]}
    ]
    shared = {(clazz, member) for clazz, member in named if member in came}
    assert {(e.class_source_id, e.person_source_id) for e in pulled.records("enrollment")} == shared
    problem = next(p for p in pulled.problems if p.code == "unshared_members" and p.kind == "enrollment")
    assert problem.detail == str(len(named) - len(shared))


def test_what_clever_says_of_itself(pulled: Pulled) -> None:
    assert pulled.facts.district_name == "#DEMO Certification ISD - Events"
    assert "read:students_limited" in pulled.facts.scopes
    assert pulled.facts.missing == []
    assert pulled.facts.notes == []


def test_several_recorded_tokens_need_a_choice(recording: Recording) -> None:
    with pytest.raises(SettingsError, match=f"3 districts.*{DEMO}"):
        pull(recording, version="v3.0", district_id=None)


def test_nothing_sensitive_is_left_of_what_was_recorded(recording: Recording, pulled: Pulled) -> None:
    text = repr(pulled.events)
    for item in recording.records("/v3.0/users"):
        student = item["data"]["roles"].get("student", {})
        assert student.get("dob", "no birth date") not in text


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("401_unrecognized_token", CredentialsRefusedError),
        ("404_resource_not_found", SettingsError),
        ("404_html_wrong_token_type", SettingsError),
    ],
)
def test_recorded_errors(name: str, error: type[Exception]) -> None:
    recorded = json.loads((ERRORS / f"{name}.json").read_text(encoding="utf-8"))
    clever = small()
    kind = recorded["headers"]["content-type"]
    body = recorded["body"].encode() if isinstance(recorded["body"], str) else recorded["body"]
    clever.faults.append(always("users", Reply(recorded["status"], body, kind)))
    with pytest.raises(error):
        pull(clever, credentials=CleverCredentials(token="t" * 40))
