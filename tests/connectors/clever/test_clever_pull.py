"""One pull as a whole: what is asked in which order, what it proves, what it says of the district."""

from pathlib import Path
from typing import Any

import pytest

from connectors import check as check_any
from connectors import open_source
from connectors.clever import CleverSource
from connectors.csvfiles import CsvUpload
from connectors.source import Access
from connectors.watch import Watch
from models.connections import CleverCredentials, CleverSettings, Memory
from models.errors import SettingsError
from models.pages import Arrival, Page
from models.settings import UploadOptions
from models.vocabulary import KINDS
from tests.connectors.clever.cases import (
    APP,
    DISTRICT,
    Asked,
    Json,
    Reply,
    contact,
    link,
    make_client,
    pull,
    section,
    small,
    student,
    teacher,
)


def test_what_is_asked_in_which_order() -> None:
    clever = small()
    pull(clever)
    assert clever.paths() == [
        "/oauth/tokens", "districts", "/oauth/tokeninfo", "schools", "terms", "courses", "sections", "users", "districts",
    ]  # fmt: skip
    assert [asked.query for asked in clever.asked if asked.path == "schools"] == [{"count": "true"}, {"limit": "5000"}]


@pytest.mark.parametrize("version", ["v3.0", "v3.1"])
def test_both_versions_are_read_at_their_own_address(version: str) -> None:
    clever = small()
    addresses = []
    send = clever.send

    def note(request: Any, **options: Any) -> Any:
        addresses.append(request.url)
        return send(request, **options)

    clever.send = note  # type: ignore[method-assign]
    pull(clever, version=version, api_url="https://api.clever.com/", login_url="https://clever.com/")
    assert f"https://api.clever.com/{version}/users?limit=5000" in addresses
    assert all(url.startswith((f"https://api.clever.com/{version}/", "https://clever.com/oauth/")) for url in addresses)


def test_events_come_in_the_order_of_kinds() -> None:
    pulled = pull(small(terms=[{"id": "term1", "name": "S1"}]))
    arrivals = [event for event in pulled.events if isinstance(event, Arrival)]
    assert pulled.events[: len(arrivals)] == arrivals
    assert {event.file: (event.role, event.rows) for event in arrivals} == {
        "schools": ("schools", 1), "terms": ("terms", 1), "courses": ("courses", 0), "sections": ("sections", 1),
        "users": ("users", 2), "contacts": ("contacts", 1),
    }  # fmt: skip
    rest = [event for event in pulled.events if not isinstance(event, Arrival)]
    places = [(KINDS.index(event.kind), not isinstance(event, Page)) for event in rest]
    assert places == sorted(places)
    assert set(pulled.coverage) == {
        ("school", "schools"), ("term", "terms"), ("class", "sections"), ("enrollment", "sections"), ("person", "users"),
        ("affiliation", "users"), ("person", "contacts"), ("affiliation", "contacts"), ("guardianship", "contacts"),
    }  # fmt: skip


def test_nothing_is_yielded_before_everything_has_been_read(tmp_path: Path) -> None:
    clever = small()
    access = Access(make_client(clever), tmp_path, Watch(), lambda: "")
    events = CleverSource(CleverSettings(district_id=DISTRICT), APP, access).pull()
    assert clever.asked == []
    next(events)
    assert clever.paths()[-2:] == ["users", "districts"]
    asked = len(clever.asked)
    list(events)
    assert len(clever.asked) == asked
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("field", ["last_sync", "last_clever_sync"])
def test_a_district_that_clever_syncs_meanwhile_proves_no_absence(field: str) -> None:
    """No snapshot is promised across pages (reference/clever.md, 2.2)."""
    clever = small(terms=[{"id": "term1", "name": "S1"}])

    def move(asked: Asked) -> None:
        if asked.path == "users":
            clever.district = clever.district | {field: "2026-09-01T04:00:00.000Z"}

    clever.faults.append(move)
    pulled = pull(clever)
    assert set(pulled.verdicts().values()) == {"partial"}
    assert {statement.reason for statement in pulled.coverage.values()} == {
        "the district's data changed while it was read"
    }
    assert pulled.problem("listing_unstable").file == "districts"
    assert len(pulled.records("person")) == 3


def test_a_district_that_was_never_synced_can_be_read() -> None:
    clever = small()
    del clever.district["last_sync"]
    assert pull(clever).coverage["person", "users"].verdict == "complete"


@pytest.mark.parametrize(
    ("facts", "notes"),
    [
        ({"state": "running"}, []),
        ({"state": "success"}, []),
        ({"state": ""}, []),
        ({"state": None}, []),
        ({"state": ["odd"]}, []),
        (
            {"state": "paused", "pause_start": "2026-06-12", "pause_end": "2026-08-10"},
            ["since 2026-06-12 until 2026-08-10:"],
        ),
        ({"state": "paused", "pause_start": "2026-06-12", "pause_end": None}, ["since 2026-06-12:"]),
        ({"state": "paused", "pause_start": {"odd": 1}}, ["paused this district:"]),
        ({"state": "pending", "error": "secret detail"}, ["waits for the district"]),
        ({"state": "error", "error": "secret detail"}, ["has trouble"]),
    ],
)
def test_what_a_person_should_know_of_the_district(facts: Json, notes: list[str]) -> None:
    clever = small()
    clever.district |= facts
    found = pull(clever).facts
    assert (found.district_name, found.district_id) == ("Forest Unified", DISTRICT)
    assert len(found.notes) == len(notes)
    assert all(expected in note for expected, note in zip(notes, found.notes, strict=True))
    assert "secret" not in repr(found)


def test_scopes_that_lack_are_named_once() -> None:
    clever = small()
    clever.scopes = ("read:students_limited", "read:student_contacts", "read:schools", "read:teachers_basic")
    missing = pull(clever).facts.missing
    assert [text.partition("(scope ")[2].rstrip(").") for text in missing] == [
        "read:school_admins", "read:district_admins", "read:sections",
    ]  # fmt: skip


def test_the_memory_is_nobodys_business(tmp_path: Path) -> None:
    memory = Memory(refused=("sort",))
    access = Access(make_client(small()), tmp_path, Watch(), lambda: "", memory)
    source = open_source("clever", CleverSettings(district_id=DISTRICT), APP, access)
    list(source.pull())
    assert source.memory == memory


def test_an_abandoned_reading_leaves_nothing_behind() -> None:
    """The second reading of a list starts from nothing, whatever the first one gathered."""
    clever = small(users=[student(), teacher(), contact("dana", link("kim", "Emergency"))])
    counts = iter([4, 3])

    def miscount(asked: Asked) -> Any:
        return Reply(200, {"count": next(counts)}) if asked.path == "users" and "count" in asked.query else None

    clever.faults.append(miscount)
    pulled = pull(clever)
    assert len(pulled.records("person")) == 2
    assert len(pulled.records("affiliation")) == 2
    assert pulled.problem("contacts_skipped").detail == "1"
    assert pulled.coverage["person", "users"].received == 2


def test_the_same_facts_end_in_the_same_records_as_from_files(tmp_path: Path) -> None:
    """As far as the product's own files can say them: they have neither courses nor ids of the SIS, nor primary teachers."""
    kim, tess = student(grade="4"), teacher()
    dana = contact("dana", link("kim"), phone="(555) 555-0100", phone_type="Cell")
    for person in (kim, tess):
        person["name"].pop("middle")
        next(iter(person["roles"].values())).pop("sis_id")
        next(iter(person["roles"].values())).pop("school")
    clever = pull(small(users=[kim, tess, dana], sections=[section(subject="", sis_id="", period="1,3")]))
    (tmp_path / "users.csv").write_text(
        "sourceId,orgSourcedIds,role,givenName,familyName,email,sms,phone,agentSourcedIds,grades,language\n"
        "kim,school1,student,Robin,Vale,kim@Example.ORG,,,dana,4,\n"
        "tess,school1,teacher,Robin,Vale,tess@Example.ORG,,,,,\n"
        "dana,,guardian,,Dana Vale,dana@Example.ORG,(555) 555-0100,,,,\n",
        encoding="utf-8",
    )
    (tmp_path / "classes.csv").write_text(
        'sourcedId,title,grades,location,schoolSourcedID,periods\nart,Art 4,4,,school1,"1,3"\n', encoding="utf-8"
    )
    (tmp_path / "scratch").mkdir()
    upload = CsvUpload([tmp_path / "users.csv", tmp_path / "classes.csv"], UploadOptions(), tmp_path / "scratch")
    pages = [event for event in upload.pull() if isinstance(event, Page)]
    people = {record.source_id: record for page in pages if page.kind == "person" for record in page.records}  # type: ignore[union-attr]
    found = {record.source_id: record for record in clever.records("person")}
    assert (found["kim"], found["tess"]) == (people["kim"], people["tess"])
    dana_from_file = people["dana"]
    assert (found["dana"].sms, found["dana"].email, found["dana"].family_name) == (
        dana_from_file.sms, dana_from_file.email, dana_from_file.family_name,  # type: ignore[union-attr]
    )  # fmt: skip
    for kind in ("class", "affiliation"):
        assert sorted(map(str, clever.records(kind))) == sorted(
            str(record) for page in pages if page.kind == kind for record in page.records
        )


# --- settings and credentials ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "credentials", "sentence"),
    [
        ({}, {}, "client_id and client_secret must be given"),
        ({}, {"client_id": "app"}, "client_secret must be given"),
        ({}, {"client_secret": "s"}, "client_id must be given"),
        ({}, {"client_id": "app", "token": "t"}, "not both"),
        ({}, {"client_id": "app", "client_secret": "s", "token": "t"}, "not both"),
        ({}, {"token": "t\n"}, "token has a space, a line break"),
        ({}, {"client_id": "app", "client_secret": "s s"}, "client_secret has a space"),
        ({"district_id": "a/b"}, {"token": "t"}, "district_id must be"),
        ({"district_id": " "}, {"token": "t"}, "district_id must be"),
        ({"api_url": "api.clever.com"}, {"token": "t"}, "api_url must be"),
        ({"api_url": "https://user:pw@api.clever.com"}, {"token": "t"}, "api_url must be"),
        ({"api_url": "https://api.clever.com:port"}, {"token": "t"}, "api_url must be"),
        ({"login_url": "https://clever.com/?x=1"}, {"token": "t"}, "login_url must be"),
        ({"login_url": "ftp://clever.com"}, {"token": "t"}, "login_url must be"),
    ],
)
def test_settings_that_do_not_fit_are_named(settings: Json, credentials: Json, sentence: str) -> None:
    chosen, given = CleverSettings(**settings), CleverCredentials(**credentials)
    with pytest.raises(SettingsError, match=sentence) as raised:
        check_any("clever", chosen, given)
    assert "pw" not in raised.value.for_admin
    with pytest.raises(SettingsError):
        open_source("clever", chosen, given, Access(make_client(small()), Path(), Watch(), lambda: ""))


@pytest.mark.parametrize("credentials", [APP, CleverCredentials(token="t" * 40)])
def test_settings_that_fit(credentials: CleverCredentials) -> None:
    check_any("clever", CleverSettings(), credentials)
    check_any("clever", CleverSettings(district_id=DISTRICT, api_url="http://127.0.0.1:8080/clever"), credentials)
