"""What of an exchange stays, goes, is marked, or becomes another word."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.recording.clean import TORN, Cleaner
from connectors.recording.pseudonyms import Pseudonyms

PSEUDONYMS = Pseudonyms(b"a key of 16 bytes")
CLEANER = Cleaner(PSEUDONYMS)
word = PSEUDONYMS.text

USER: dict[str, Any] = {
    "id": "58da8c63d7dc0ca0680003ed",
    "district": "58da8a43cc70ab00017a1a87",
    "email": "sam.zee@pine.example.net",
    "name": {"first": "Sam", "middle": "G", "last": "Zee"},
    "created": "2026-04-12T23:05:01.315Z",
    "last_modified": "2026-04-12T23:05:01.315Z",
    "roles": {
        "student": {
            "schools": ["58da8c58155b940248000007"],
            "sis_id": "0100095233",
            "grade": "Kindergarten",
            "dob": "2/11/2015",
            "gender": "X",
            "race": "Asian",
            "hispanic_ethnicity": "Y",
            "iep_status": "Y",
            "section_504_status": "Y",
            "credentials": {"district_username": "samz33", "password": "hunter22"},
            "home_language_code": "spa",
            "location": {"zip": "10459", "state": "NY"},
        }
    },
}


def test_a_users_words_are_replaced_and_what_is_nobodys_business_is_gone() -> None:
    cleaned = CLEANER.value(USER)
    student = cleaned["roles"]["student"]
    assert student == {
        "schools": [word("58da8c58155b940248000007")],
        "sis_id": word("0100095233"),
        "grade": "Kindergarten",
        "credentials": {"district_username": word("samz33")},
        "home_language_code": "spa",
        "location": {"zip": word("10459"), "state": word("NY")},
    }
    assert student["sis_id"].startswith("0")
    assert cleaned["name"] == {"first": word("Sam"), "middle": "G", "last": word("Zee")}
    assert cleaned["email"].endswith(".net")
    assert cleaned["created"] == USER["created"]
    text = json.dumps(cleaned)
    for secret in ("Sam", "Zee", "pine", "58da8c63", "95233", "samz", "hunter22", "2015", "Asian", "10459"):
        assert secret not in text


@pytest.mark.parametrize(
    "key",
    """password pwd dob birthDate birthdate dateOfBirth birth_date gender sex race hispanicOrLatinoEthnicity asian white
    blackOrAfricanAmerican americanIndianOrAlaskaNative nativeHawaiianOrOtherPacificIslander pronouns ell_status frl_status
    gifted_status iep_status section_504_status disability ssn photoUrl cityOfBirth demographics""".split(),  # noqa: SIM905
)
def test_passwords_and_demographics_are_dropped(key: str) -> None:
    assert CLEANER.value({key: "x", "nested": [{key: {"a": "b"}}]}) == {"nested": [{}]}


def test_keys_that_only_sound_like_it_stay() -> None:
    found = {"cellPhone": "5550100", "traceId": "abcdef", "essexRoom": "B", "enrollments": []}
    assert CLEANER.value(found).keys() == found.keys()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("role", "student"), ("roleType", "primary"), ("type", "schoolYear"), ("status", "tobedeleted"),
        ("grades", ["KG", "01"]), ("grade", "3"), ("subject", "social studies"), ("relationship", "Aunt/Uncle"),
        ("phone_type", "Cell"), ("enabledUser", "true"), ("primary", "false"), ("tenant_status", "Active"),
        ("schoolYear", "2027"), ("schoolYear", 2027), ("beginDate", "2026-08-01"), ("start_date", "8/1/2026"),
        ("dateLastModified", "2026-08-01T20:00:00.000Z"), ("created", "2026-08-01 20:00:00"),
        ("last_sync", "2026-08-01T20:00:00+02:00"), ("count", 1004), ("expires_in", 3600), ("expires_in", "3600"),
        ("state", "paused"), ("error", "invalid_client"), ("enabled", True), ("anything", None), ("x", False),
        ("scope", "https://purl.imsglobal.org/spec/or/v1p1/scope/roster-core.readonly"),
    ],
)  # fmt: skip
def test_vocabulary_dates_and_counts_stay(key: str, value: Any) -> None:
    assert CLEANER.value({key: value}) == {key: value}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("status", "ask ann@example.org"), ("type", "1234567"), ("created", "by Ann"), ("error", "no such user Ann"),
        ("message", "no such user Ann"), ("state", "Ohio"), ("title", "Room of Mrs Lee"), ("metadata", "2015-02-11"),
    ],
)  # fmt: skip
def test_other_texts_under_such_keys_are_replaced(key: str, value: str) -> None:
    cleaned = CLEANER.value({key: value})[key]
    assert cleaned == word(value) != value


def test_numbers_that_are_ids_are_replaced_as_texts_are() -> None:
    # Numbers where texts are expected (reference/oneroster-classlink.md, 4.2) must stay numbers.
    cleaned = CLEANER.value({"tenant_id": 2222, "sourcedId": 40010, "grade": 11, "lat": 40.71})
    assert cleaned == {"tenant_id": int(word("2222")), "sourcedId": int(word("40010")), "grade": 11, "lat": 0.0}


def test_secrets_are_marked_so_that_a_change_of_one_still_shows() -> None:
    found = CLEANER.value(
        {
            "bearer": "5d1f9a30-0000",
            "access_token": "aa",
            "server": {"client_id": "c", "client_secret": "s", "endpoint_url": ""},
        }
    )
    assert found["bearer"].startswith("removed-")
    assert len({found["bearer"], found["access_token"], *found["server"].values()}) == 5
    assert CLEANER.value({"bearer": None, "token": ""}) == {"bearer": None, "token": ""}
    assert CLEANER.value({"bearer": "5d1f9a30-0001"}) != {"bearer": found["bearer"]}
    nested = CLEANER.value({"token": {"value": "abc", "more": ["def"]}})["token"]
    assert nested["value"].startswith("removed-")
    assert nested["more"][0].startswith("removed-")


def test_a_link_leads_to_the_id_that_the_page_ends_with() -> None:
    last = "5b42365868c8d6104f634d34"
    cleaned = CLEANER.value(
        {"data": [{"id": last}], "links": [{"rel": "next", "uri": f"/v3.1/terms?limit=100&starting_after={last}"}]}
    )
    new = cleaned["data"][0]["id"]
    assert cleaned["links"] == [{"rel": "next", "uri": f"/v3.1/terms?limit=100&starting_after={new}"}]


def test_addresses_keep_their_paths_but_not_their_hosts() -> None:
    href = CLEANER.value({"href": "https://pine.rosterserver.com:8443/ims/oneroster/v1p1/users/40010?limit=5#x"})[
        "href"
    ]
    assert href == f"https://{word('pine.rosterserver')}.example.org/ims/oneroster/v1p1/users/{word('40010')}?limit=5"
    assert CLEANER.address("https://api.clever.com/v3.1/users") == "https://api.clever.com/v3.1/users"
    assert CLEANER.address("http://ann:pw@sis.example.com/x") == f"https://{word('sis.example')}.example.org/x"
    assert CLEANER.address("http://[::1]:80/x") == f"https://{word('--1')}.example.org/x"
    assert CLEANER.address("http://[pine") == word("http://[pine")
    relative = CLEANER.value({"href": "~/ims/oneroster/v1p1/orgs/pine"})["href"]
    assert relative == f"~/ims/oneroster/v1p1/orgs/{word('pine')}"


def test_an_application_id_stays_percent_encoded_in_body_and_path() -> None:
    application = "%2FgVa0ed75GsC%3D"
    body = CLEANER.value({"oneroster_application_id": application})["oneroster_application_id"]
    path = CLEANER.path(f"/{application}/ims/oneroster/v1p1/orgs?limit=1")
    assert path == f"/{body}/ims/oneroster/v1p1/orgs?limit=1"
    assert body.startswith("%2F")
    assert body != application


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("limit=100&offset=20&sort=sourcedId&orderBy=asc", "limit=100&offset=20&sort=sourcedId&orderBy=asc"),
        ("owner_type=district&district=abcde", f"owner_type=district&district={word('abcde')}"),
        (
            "filter=dateLastModified%3E%272026-08-01T00%3A00%3A00.000Z%27",
            "filter=dateLastModified%3E%272026-08-01T00%3A00%3A00.000Z%27",
        ),
        (
            "filter=status='active'%20AND%20email='ann@x.org'",
            f"filter=status%3D%27active%27%20AND%20email%3D%27{word('ann@x.org').replace('@', '%40')}%27",
        ),
        ("client_id=abcdef&client_secret=s%20t", "client_id=MARK&client_secret=MARK"),
        ("flag&x=", "flag&x="),
    ],
)
def test_queries(query: str, expected: str) -> None:
    cleaned = CLEANER.path(f"/token?{query}")
    if "MARK" in expected:
        assert "abcdef" not in cleaned
        assert cleaned.count("removed-") == 2
    else:
        assert cleaned == f"/token?{expected}"


def test_headers_that_matter_stay_and_their_links_are_cleaned() -> None:
    cleaned = CLEANER.headers(
        {
            "Content-Type": "application/json", "X-Total-Count": "12", "X-RateLimit-Remaining": "7", "Retry-After": "3",
            "Date": "Tue, 01 Sep 2026 20:00:00 GMT", "x-perm-rev": "17", "Set-Cookie": "session=1", "Server": "pine-sis",
            "Link": '<https://sis.pine.com/ims/oneroster/v1p1/users?limit=5&after=ann>; rel="next", '
            'https://sis.pine.com/ims/oneroster/v1p1/users; rel="last"',
        }
    )  # fmt: skip
    host = f"https://{word('sis.pine')}.example.org/ims/oneroster/v1p1/users"
    assert cleaned == {
        "content-type": "application/json", "x-total-count": "12", "x-ratelimit-remaining": "7", "retry-after": "3",
        "date": "Tue, 01 Sep 2026 20:00:00 GMT", "x-perm-rev": "17",
        "link": f'<{host}?limit=5&after={word("ann")}>; rel="next", {host}; rel="last"',
    }  # fmt: skip


def test_keys_that_are_ids_or_addresses_are_replaced_as_their_values_are() -> None:
    cleaned = CLEANER.value({"guardians": {"ann.lee@example.org": {"grade": "09"}, "1002345": {"section_504": True}}})
    assert cleaned == {"guardians": {word("ann.lee@example.org"): {"grade": "09"}, word("1002345"): {}}}
    assert "ann" not in json.dumps(cleaned)


def test_bodies_that_are_no_json_are_only_of_the_same_sort() -> None:
    page = CLEANER.body(b"<!DOCTYPE html><p>Hello Ann Lee</p>")
    assert page.text == f"<html>{' ' * 22}</html>"
    assert page.json is None
    assert CLEANER.body(b'{"users": [{"givenName": "Ann", "fam') == (None, TORN)
    assert CLEANER.body(b'[{"a": NaN}]') == (None, TORN)
    assert CLEANER.body(b"[" * 100_000) == (None, TORN)
    assert CLEANER.body(b"[" * 900 + b"]" * 900) == (None, TORN), "deeper than the cleaner goes"
    assert CLEANER.body(b"\xff\xfe no text") == (None, "x" * 10)
    assert CLEANER.body(b" \r\n") == (None, None)
    assert CLEANER.body(b"") == (None, None)
    large = CLEANER.body(b"<p>" + b"x" * 1_000_000).text
    assert large
    assert len(large) == 65_536


def test_a_body_of_any_shape_stays_of_that_shape() -> None:
    for body in (b"[]", b"null", b"{}", b'"Ann"', b'{"users": null}', b"17", b'[["Ann"], {"a": [[]]}]'):
        cleaned = CLEANER.body(body).json
        assert cleaned is not None
        assert type(json.loads(cleaned)) is type(json.loads(body))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcdefgh_", max_size=8), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=100, deadline=None)
@given(json_values)
def test_cleaning_keeps_the_shape(value: Any) -> None:
    def shape(some: Any) -> Any:
        if isinstance(some, dict):
            return {key: shape(inner) for key, inner in some.items()}
        return [shape(inner) for inner in some] if isinstance(some, list) else type(some).__name__

    assert shape(CLEANER.value(value)) == shape(value)
