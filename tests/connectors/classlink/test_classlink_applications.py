"""/applications: paging, what makes a district eligible, choosing one, and what is never read as "no districts"."""

import json

import pytest

from connectors.classlink import districts
from connectors.classlink.applications import Application, list_applications, select
from models.connections import ClassLinkCredentials
from models.errors import (
    CredentialsRefusedError,
    DisconnectedError,
    RosterSyncError,
    SettingsError,
    SourceProtocolError,
)
from tests.connectors.classlink.classlink_cases import (
    BEARER,
    PARTNER,
    PARTNER_KEY,
    PROXY,
    VERBATIM,
    FakeClassLink,
    Reply,
    application,
    client_of,
    settings,
)


def listed(fake: FakeClassLink) -> list[Application]:
    return list_applications(client_of(fake), PROXY, PARTNER_KEY)


def many(count: int) -> FakeClassLink:
    return FakeClassLink(*(application(1000 + n, id=n, oneroster_application_id=f"app{n}%3D") for n in range(count)))


def test_hundreds_of_districts_come_in_one_page() -> None:
    fake = many(630)
    assert [one.tenant_id for one in listed(fake)] == [str(1000 + n) for n in range(630)]
    assert fake.targets == ["/applications?limit=10000&offset=0"]


def test_a_limit_that_is_capped_loses_no_district() -> None:
    fake = many(630)
    fake.cap = 100
    assert len({one.tenant_id for one in listed(fake)}) == 630
    assert fake.targets == [f"/applications?limit=10000&offset={offset}" for offset in range(0, 700, 100)]


def test_after_a_full_page_it_is_asked_once_more() -> None:
    fake = many(200)
    fake.cap = 100
    assert len(listed(fake)) == 200
    assert len(fake.asked) == 3


def test_the_offset_counts_rows_that_came_and_twins_are_dropped() -> None:
    fake = many(250)
    fake.cap = 100
    fake.applications[100:100] = fake.applications[95:100]  # what moved while it was paged comes twice
    assert [one.id for one in listed(fake)] == [str(n) for n in range(250)]
    assert fake.targets[-1].endswith("offset=200")


def test_a_row_that_comes_twice_counts_as_it_came_last() -> None:
    fake = FakeClassLink(application(bearer="old"), application(bearer="new"))
    assert [one.bearer for one in listed(fake)] == ["new"]


def test_a_server_without_offsets_is_not_asked_forever() -> None:
    fake = many(100)
    fake.ignores_offset = True
    assert len(listed(fake)) == 100
    assert len(fake.asked) == 2


def test_no_district_at_all() -> None:
    fake = many(1)
    fake.applications.clear()
    assert listed(fake) == []


def test_every_try_bears_the_partner_key() -> None:
    fake = many(3)
    listed(fake)
    assert [asked.authorization for asked in fake.asked] == [f"Bearer {PARTNER_KEY}"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"status": 1},
        {"status": 0, "applications": None},
        {"applications": {}},
        {"applications": ["2222"]},
        [],
        b"",
        b"<html>Sign in</html>",
        b'{"applications": [',
        b'{"applications": [{"name": "\xff"}]}',
        b'{"applications":' + b"[" * 100_000,
    ],
    ids=lambda body: repr(body)[:40],
)
def test_what_is_not_a_list_is_never_no_districts(body: object, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeClassLink()
    monkeypatch.setattr(fake, "reply", lambda _asked: Reply(200, body))
    with pytest.raises(SourceProtocolError):
        listed(fake)


def test_status_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeClassLink()
    monkeypatch.setattr(fake, "reply", lambda _asked: Reply(200, {"status": 0, "applications": [application()]}))
    assert len(listed(fake)) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_partner_key_is_named(status: int) -> None:
    fake = FakeClassLink()
    fake.refuses = status
    with pytest.raises(CredentialsRefusedError, match="partner_key") as caught:
        listed(fake)
    assert ("ask ClassLink to grant access" in caught.value.for_admin) == (status == 403)
    assert str(status) in caught.value.for_engineer
    assert len(fake.asked) == 1


def test_a_wrong_address_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeClassLink()
    monkeypatch.setattr(fake, "reply", lambda _asked: Reply(404, {}))
    with pytest.raises(SettingsError, match="proxy_url"):
        listed(fake)


ELIGIBLE = [{}, {"enabled": True}, {"tenant_id": "2222"}, {"tenant_name": None}, {"name": None}, {"id": None}]
NOT_ELIGIBLE = [
    ({"enabled": "false"}, "has not switched the app on"),
    ({"enabled": False}, "has not switched the app on"),
    ({"enabled": None}, "has not switched the app on"),
    ({"enabled": 1}, "has not switched the app on"),
    ({"tenant_status": "Inactive"}, "not active"),
    ({"tenant_status": None}, "not active"),
    ({"bearer": None}, "no access token|not made an access token"),
    ({"bearer": " "}, "no access token|not made an access token"),
    ({"oneroster_application_id": None}, "OneRoster address"),
    ({"oneroster_application_id": ""}, "OneRoster address"),
]


@pytest.mark.parametrize("changes", ELIGIBLE, ids=repr)
def test_eligible(changes: dict[str, object]) -> None:
    fake = FakeClassLink(application(**changes))
    assert [district.eligible for district in districts(client_of(fake), settings(), PARTNER)] == [True]
    assert select(listed(fake), "2222").oneroster_application_id == VERBATIM


@pytest.mark.parametrize(("changes", "reason"), NOT_ELIGIBLE, ids=repr)
def test_not_eligible(changes: dict[str, object], reason: str) -> None:
    fake = FakeClassLink(application(**changes))
    (district,) = districts(client_of(fake), settings(), PARTNER)
    assert not district.eligible
    with pytest.raises(DisconnectedError, match=reason) as caught:
        select(listed(fake), "2222")
    assert district.reason in caught.value.for_admin


def test_fields_that_are_not_there_make_a_district_ineligible() -> None:
    fake = FakeClassLink({"tenant_id": 2222, "bearer": None})
    (district,) = districts(client_of(fake), settings(), PARTNER)
    assert (district.tenant_id, district.eligible, district.name) == ("2222", False, "")


def test_districts_are_told_with_names_and_reasons() -> None:
    fake = FakeClassLink(
        application(1, tenant_name="Alder", name="App"), application(2, tenant_name="Birch", bearer=None)
    )
    alder, birch = districts(client_of(fake), settings(tenant_id=None), PARTNER)
    assert (alder.tenant_id, alder.name, alder.eligible, alder.reason, alder.application) == (
        "1",
        "Alder",
        True,
        "",
        "App",
    )
    assert (birch.tenant_id, birch.name, birch.eligible) == ("2", "Birch", False)
    assert birch.reason


def test_districts_need_the_partner_key() -> None:
    with pytest.raises(SettingsError, match="partner_key"):
        districts(client_of(FakeClassLink()), settings(), ClassLinkCredentials())
    with pytest.raises(SettingsError, match="proxy_url"):
        districts(client_of(FakeClassLink()), settings(proxy_url="http://proxy.example.org"), PARTNER)


def test_a_district_is_chosen_by_its_tenant_alone() -> None:
    fake = FakeClassLink(
        application(12345, id=2222, application_id=2222, oneroster_application_id="a%3D"),
        application(22220, id=2, oneroster_application_id="b%3D"),
        application(2222, id=3, oneroster_application_id="c%3D"),
    )
    assert select(listed(fake), "2222").oneroster_application_id == "c%3D"


def test_a_district_that_is_not_listed_is_disconnected() -> None:
    with pytest.raises(DisconnectedError, match="not enabled there, or its access was revoked") as caught:
        select(listed(FakeClassLink(application(3333))), "2222")
    assert "ask the district to switch the app on in ClassLink" in caught.value.for_admin


def test_one_of_several_applications_may_be_on() -> None:
    fake = FakeClassLink(
        application(id=1, enabled="false", oneroster_application_id="a%3D"),
        application(id=2, oneroster_application_id="b%3D"),
        application(id=3, bearer=None, oneroster_application_id=None),
        application(id=4, bearer=None, oneroster_application_id=None),
    )
    assert len(districts(client_of(fake), settings(), PARTNER)) == 4
    assert select(listed(fake), "2222").id == "2"


def test_several_applications_that_are_on_are_all_named() -> None:
    fake = FakeClassLink(
        application(id=1, name="Reading", oneroster_application_id="a%3D"),
        application(id=2, name="Writing", oneroster_application_id="b%3D"),
    )
    with pytest.raises(SettingsError) as caught:
        select(listed(fake), "2222")
    for word in ("Reading (a%3D)", "Writing (b%3D)", "Only one may be"):
        assert word in caught.value.for_admin


def test_secrets_are_nowhere_to_be_read() -> None:
    fake = FakeClassLink(application(id=1), application(id=2, oneroster_application_id="b%3D"))
    found = listed(fake)
    with pytest.raises(RosterSyncError) as caught:
        select(found, "2222")
    told = [repr(found), repr(districts(client_of(fake), settings(), PARTNER)), repr(caught.value)]
    told += [caught.value.for_admin, caught.value.for_engineer]
    assert BEARER not in json.dumps(told)
    assert PARTNER_KEY not in json.dumps(told)
