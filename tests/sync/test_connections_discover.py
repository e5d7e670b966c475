"""The districts of a ClassLink partner: listed with our tenants, and added only if every one of them can be read."""

from typing import Any

import pytest

from connectors import classlink
from connectors.classlink import District
from models.connections import ClassLinkCredentials, ClassLinkSettings
from models.errors import SettingsError
from sync import connections, tenants
from sync.discover import discover
from sync.service import Service

KEY = "partner-key-4711"
DISTRICTS = [
    District("2222", "Springfield", True, "", "Roster app"),
    District("3333", "Shelbyville", False, "the district has not switched the app on", "Roster app"),
    District("4444", "Ogdenville", True, "", "Roster app"),
]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[ClassLinkSettings, ClassLinkCredentials]]:
    """What ClassLink was asked with."""
    questions: list[tuple[ClassLinkSettings, ClassLinkCredentials]] = []

    def districts(_http: object, settings: ClassLinkSettings, credentials: ClassLinkCredentials) -> list[District]:
        questions.append((settings, credentials))
        return DISTRICTS

    monkeypatch.setattr(classlink, "districts", districts)
    return questions


def found(service: Service, add: dict[str, str] | None = None, **settings: str) -> Any:
    return discover(service, settings=settings, credentials={"partner_key": KEY}, add=add or {})


def test_districts_are_listed_with_our_tenants(sqlite_service: Service, asked: list[Any]) -> None:
    first = found(sqlite_service, proxy_url="https://proxy.example.org")
    assert [(d.tenant_id, d.eligible, d.tenants) for d in first.districts] == [
        ("2222", True, ()), ("3333", False, ()), ("4444", True, ()),
    ]  # fmt: skip
    assert asked[0][0].proxy_url == "https://proxy.example.org"
    assert asked[0][1].partner_key == KEY
    assert first.districts[1].reason == "the district has not switched the app on"
    assert tenants.list_tenants(sqlite_service) == []


def test_chosen_districts_get_a_connection_and_if_need_be_a_tenant(sqlite_service: Service, asked: list[Any]) -> None:
    tenants.add_tenant(sqlite_service, "springfield")
    result = found(sqlite_service, {"2222": "springfield", "4444": "ogdenville"}, page_size="500")
    assert result.added == ["springfield", "ogdenville"]
    assert [d.tenants for d in result.districts] == [("springfield",), (), ("ogdenville",)]
    opened = connections.open_connection(sqlite_service, "ogdenville", "classlink")
    assert opened.settings == ClassLinkSettings(tenant_id="4444", page_size=500)
    assert opened.credentials == ClassLinkCredentials(partner_key=KEY)
    connections.remove_connection(sqlite_service, "ogdenville", "classlink", by="ann")
    assert [d.tenants for d in found(sqlite_service).districts] == [("springfield",), (), ()]
    assert found(sqlite_service, {"4444": "ogdenville"}).added == ["ogdenville"]  # a removed one is revived


@pytest.mark.parametrize(
    ("add", "said"),
    [
        ({"4444": "new", "9999": "other"}, "lists no district 9999"),
        ({"4444": "new", "3333": "other"}, "3333 (Shelbyville) cannot be read: the district has not switched"),
        ({"4444": "new", "2222": "springfield"}, "springfield has a connection classlink already"),
        ({"4444": "new", "2222": "new"}, "a tenant of its own"),
    ],
)
def test_nothing_is_added_unless_all_can_be(
    sqlite_service: Service, asked: list[Any], add: dict[str, str], said: str
) -> None:
    tenants.add_tenant(sqlite_service, "springfield")
    found(sqlite_service, {"2222": "springfield"})
    with pytest.raises(SettingsError) as caught:
        found(sqlite_service, add)
    assert said in caught.value.for_admin
    assert "nothing was added" in caught.value.for_admin
    assert [tenant.name for tenant in tenants.list_tenants(sqlite_service)] == ["springfield"]


def test_wrong_setting_is_told_before_anybody_is_asked(sqlite_service: Service, asked: list[Any]) -> None:
    with pytest.raises(SettingsError, match="page_size cannot be 'x'"):
        found(sqlite_service, page_size="x")
    assert asked == []
