"""What ClassLink really sent, as captured (read where the captures are at hand)."""

import json
from pathlib import Path
from typing import Any

import pytest

from connectors.classlink import districts
from connectors.classlink.direct import fetch_server
from tests.connectors.classlink.classlink_cases import (
    PARTNER,
    PARTNER_KEY,
    PROXY,
    FakeClassLink,
    client_of,
    host_of,
    records,
    settings,
    source_of,
)

CAPTURES = Path(__file__).parents[3].parent / "shared" / "samples" / "classlink-captures"

pytestmark = pytest.mark.skipif(not CAPTURES.is_dir(), reason="the captures are not at hand")


def capture(name: str) -> Any:
    return json.loads((CAPTURES / f"{name}.json").read_text(encoding="utf-8"))


def captured_district() -> FakeClassLink:
    """The captured application, its id with an escape that need not be one, and the captured people and classes."""
    fake = FakeClassLink(*capture("applications")["applications"])
    fake.roster |= {
        "users": capture("class_students")["users"] + capture("class_teachers")["users"],
        "classes": capture("teacher_classes")["classes"],
    }
    bearer = fake.applications[0]["bearer"]
    # On the wire an unreserved character stands for itself (RFC 3986, 6.2.2.2).
    fake.mounts["/%2FgVa0ed75GsC/ims/oneroster/v1p1"] = lambda asked: asked.authorization == f"Bearer {bearer}"
    return fake


def test_the_captured_district_is_listed() -> None:
    (district,) = districts(client_of(captured_district()), settings(), PARTNER)
    assert (district.tenant_id, district.name, district.application) == ("2222", "Example Tennant", "CodeAI")
    assert district.eligible


def test_the_captured_server_is_read() -> None:
    fake = FakeClassLink()
    fake.servers["any%3D"] = capture("application_server")["server"]
    server = fetch_server(client_of(fake), PROXY, PARTNER_KEY, "any%3D")
    assert (server.endpoint_url, server.client_id) == ("https://server.example.com", "<client id>")
    assert server.client_secret


def test_captured_people_and_classes_become_records(tmp_path: Path) -> None:
    fake = captured_district()
    events = list(source_of(client_of(fake), tmp_path, settings()).pull())
    student, teacher = sorted(records(events, "person"), key=lambda person: person.source_id, reverse=True)
    assert (student.source_id, student.given_name, student.grades) == ("12345", "foo", ("11",))
    assert (student.email, student.sms, student.enabled) == ("foo.bar@example.com", None, True)
    assert (teacher.source_id, teacher.family_name) == ("11111", "bat")
    assert {link.guardian_source_id for link in records(events, "guardianship")} <= {"G333333", "G44444"}
    (science,) = records(events, "class")
    assert (science.source_id, science.school_source_id, science.location) == ("33333", "7", "201")
    assert (science.code, science.term_source_ids, science.grades[0]) == (None, ("FY",), "05")
    assert {host_of(asked) for asked in fake.asked} == {PROXY.removeprefix("https://")}
