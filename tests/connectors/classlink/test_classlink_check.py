"""Which settings and credentials fit together."""

from pathlib import Path
from typing import Any

import pytest

from connectors import check, open_source
from connectors.classlink import ClassLinkSource
from connectors.source import Access
from connectors.watch import Watch
from models.connections import ClassLinkCredentials, ClassLinkSettings, Memory
from models.errors import SettingsError
from tests.connectors.classlink.classlink_cases import FakeClassLink, client_of

PARTNER = {"partner_key": "key-of-ours"}
OWN = {"client_id": "abc", "client_secret": "def"}
URL = "https://springfield.example.org"


@pytest.mark.parametrize(
    ("settings", "credentials"),
    [
        ({"tenant_id": "2222"}, PARTNER),
        ({"tenant_id": "2222", "proxy_url": "https://proxy.example.org:8443/base/"}, PARTNER),
        ({"tenant_id": "2222", "proxy_url": "http://127.0.0.1:8080"}, PARTNER),
        ({"tenant_id": "2222", "mode": "direct"}, PARTNER),
        ({"tenant_id": "2222", "mode": "direct", "base_url": URL}, PARTNER | OWN),
        ({"mode": "direct", "base_url": URL}, OWN),
        ({"mode": "direct", "base_url": URL}, OWN | PARTNER),
        ({"mode": "direct", "base_url": URL}, OWN | {"client_secret": "s3cr+t/=&~ x"}),
        ({"mode": "direct", "base_url": f"{URL}/roster/", "version_path": "/ims/oneroster/rostering/v1p2/"}, OWN),
    ],
    ids=repr,
)
def test_what_fits(settings: dict[str, Any], credentials: dict[str, Any]) -> None:
    """These credentials are what makes it fit: without them the same settings are refused."""
    check("classlink", ClassLinkSettings(**settings), ClassLinkCredentials(**credentials))
    with pytest.raises(SettingsError):
        check("classlink", ClassLinkSettings(**settings), ClassLinkCredentials())


@pytest.mark.parametrize(
    ("settings", "credentials", "named"),
    [
        ({}, PARTNER, ["tenant_id"]),
        ({"tenant_id": "2222"}, {}, ["partner_key"]),
        ({"tenant_id": "2222"}, OWN, ["partner_key"]),
        ({}, {}, ["partner_key", "tenant_id"]),
        ({"mode": "direct"}, {}, ["partner_key", "tenant_id", "client_id", "client_secret", "base_url"]),
        ({"mode": "direct"}, PARTNER, ["tenant_id"]),
        ({"mode": "direct", "tenant_id": "2222"}, {}, ["partner_key"]),
        ({"mode": "direct"}, OWN, ["base_url is not given"]),
        ({"mode": "direct", "base_url": URL}, {"client_id": "abc"}, ["client_secret is not given"]),
        ({"mode": "direct", "base_url": URL}, {"client_secret": "abc"}, ["client_id is not given"]),
        ({"mode": "direct", "base_url": "http://springfield.example.org"}, OWN, ["base_url", "https://"]),
        ({"mode": "direct", "base_url": f"{URL}/ims/oneroster/v1p1/"}, OWN, ["base_url must end before"]),
        ({"mode": "direct", "base_url": f"{URL}?x=1"}, OWN, ["base_url"]),
        ({"mode": "direct", "base_url": f"{URL}#x"}, OWN, ["base_url"]),
        ({"mode": "direct", "base_url": "https://me:secret@springfield.example.org"}, OWN, ["base_url"]),
        ({"mode": "direct", "base_url": "https://"}, OWN, ["base_url"]),
        ({"mode": "direct", "base_url": "https://[springfield"}, OWN, ["base_url"]),
        ({"mode": "direct", "base_url": f"{URL}:port"}, OWN, ["base_url"]),
        ({"mode": "direct", "base_url": f"{URL}\n"}, OWN, ["base_url"]),
        ({"tenant_id": "2222", "proxy_url": "http://proxy.example.org"}, PARTNER, ["proxy_url", "https://"]),
        ({"tenant_id": "2222", "proxy_url": "proxy.example.org"}, PARTNER, ["proxy_url"]),
        ({"tenant_id": "2222", "version_path": "/"}, PARTNER, ["version_path"]),
        ({"tenant_id": "2222", "version_path": "v1p1?x"}, PARTNER, ["version_path"]),
        ({"tenant_id": "2222"}, {"partner_key": "key-of-ours\n"}, ["partner_key", "paste it again"]),
        ({"tenant_id": "2222"}, {"partner_key": "key of ours"}, ["partner_key", "paste it again"]),
        ({"mode": "direct", "base_url": URL}, OWN | {"client_secret": "def "}, ["client_secret", "paste it again"]),
    ],
    ids=repr,
)
def test_what_does_not_fit_is_named(settings: dict[str, Any], credentials: dict[str, Any], named: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        check("classlink", ClassLinkSettings(**settings), ClassLinkCredentials(**credentials))
    for word in named:
        assert word in caught.value.for_admin
    for secret in credentials.values():
        assert secret.strip() not in caught.value.for_admin


def test_a_source_checks_before_it_is_made(tmp_path: Path) -> None:
    access = Access(client_of(FakeClassLink()), tmp_path, Watch(), lambda: "", Memory())
    with pytest.raises(SettingsError):
        open_source("classlink", ClassLinkSettings(), ClassLinkCredentials(), access)
    source = open_source(
        "classlink", ClassLinkSettings(tenant_id="2222"), ClassLinkCredentials(partner_key="key-of-ours"), access
    )
    assert isinstance(source, ClassLinkSource)
