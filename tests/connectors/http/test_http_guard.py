"""Which addresses are refused: before anything is sent, whatever way they are written in, wherever a name leads."""

import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.http.client import HttpClient, HttpRules
from connectors.http.guard import Guard
from connectors.watch import Watch
from models.errors import SettingsError
from tests.connectors.http.http_cases import Say, Scripted, body_of, loopback, real_client, scripted

INSIDE = [
    "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1", "10.0.0.5", "192.168.1.1", "172.16.0.9",
    "169.254.169.254", "100.64.1.1", "0.0.0.0", "224.0.0.1", "240.0.0.1", "255.255.255.255", "198.18.0.1", "127.0.0.1.",
    "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:a00:5]", "[fe80::1]", "[fc00::1]", "[fd12:3456::1]", "[ff02::1]",
    "[2002:7f00:1::]", "[64:ff9b::7f00:1]", "[64:ff9b::10.0.0.1]", "[2001:db8::1]", "[fec0::1]", "[::7f00:1]",
    "[2001:0:53aa:64c::1]", "localhost", "LOCALHOST.", "app.localhost",
]  # fmt: skip
OUTSIDE = ["8.8.8.8", "134744072", "sis.example.org", "[2600:9000::1]", "[64:ff9b::808:808]", "Sis.Example.ORG."]


def asked(case: Scripted, url: str) -> bytes:
    return case.client.get(url, what="users", read=body_of)


@pytest.mark.parametrize("host", INSIDE)
def test_addresses_inside_are_refused_without_asking(host: str) -> None:
    case = scripted(Say())
    with pytest.raises(SettingsError, match="ROSTERSYNC_ALLOW_HOSTS"):
        asked(case, f"https://{host}/ims")
    assert case.script.asked == []


@pytest.mark.parametrize("host", OUTSIDE)
def test_addresses_outside_are_asked_over_https_only(host: str) -> None:
    case = scripted(Say())
    asked(case, f"https://{host}/ims")
    with pytest.raises(SettingsError, match=r"does not begin with https.*ROSTERSYNC_ALLOW_HOSTS"):
        asked(case, f"http://{host}/ims")
    assert len(case.script.asked) == 1


@pytest.mark.parametrize(
    "url", ["ftp://sis.example.org/x", "file:///etc/passwd", "gopher://127.0.0.1:70/", "HTTP://a.b/"]
)
def test_other_schemes_are_refused(url: str) -> None:
    case = scripted(Say(), allowed_hosts=frozenset({"127.0.0.1", ""}))
    with pytest.raises(SettingsError):
        asked(case, url)
    assert case.script.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "https://me:s3cret@sis.example.org/x",
        "https://sis.example.org@127.0.0.1/",
        "https://s3cret@sis.example.org/",
    ],
)
def test_user_names_in_addresses_are_refused(url: str) -> None:
    case = scripted(Say(), allowed_hosts=frozenset({"127.0.0.1"}))
    with pytest.raises(SettingsError) as raised:
        asked(case, url)
    assert "s3cret" not in raised.value.for_admin + raised.value.for_engineer
    assert case.script.asked == []


@pytest.mark.parametrize(
    "host", ["１２７.0.0.1", "127。0。0。1", "127.0.0.1%00.example.org", "127.0.0.1%2f.example.org"]
)
def test_hosts_that_only_look_like_names_are_refused(host: str) -> None:
    case = scripted(Say())
    with pytest.raises(SettingsError):
        asked(case, f"https://{host}/x")
    assert case.script.asked == []


def test_what_is_checked_is_what_is_asked() -> None:
    """Parsers do not agree on where this leads."""
    case = scripted(Say())
    asked(case, "https://sis.example.org\\@127.0.0.1/x")
    assert case.script.asked[0].url == "https://sis.example.org/%5C@127.0.0.1/x"


@pytest.mark.parametrize(
    ("allowed", "url", "passes"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080/x", True),
        ("127.0.0.1:8080", "http://127.0.0.1:8080/x", True),
        ("127.0.0.1:8080", "http://127.0.0.1:8081/x", False),
        ("127.0.0.1:80", "http://127.0.0.1/x", True),
        ("127.0.0.1:443", "https://127.0.0.1/x", True),
        ("127.0.0.1:443", "http://127.0.0.1/x", False),
        ("127.0.0.1", "http://127.0.0.2/x", False),
        ("SIS.internal", "http://sis.INTERNAL./x", True),
        ("sis.internal", "http://www.sis.internal/x", False),
        ("[::1]:8080", "http://[::1]:8080/x", True),
        ("::1", "http://[::1]/x", True),
    ],
)
def test_what_the_operator_names_is_let_through(allowed: str, url: str, passes: bool) -> None:
    case = scripted(Say(), allowed_hosts=frozenset({allowed}))
    if passes:
        assert asked(case, url) == b"{}"
    else:
        with pytest.raises(SettingsError):
            asked(case, url)


@given(st.ip_addresses(v=4, network="10.0.0.0/8") | st.ip_addresses(v=4, network="127.0.0.0/8"))
def test_no_way_of_writing_an_address_inside_gets_through(address: Any) -> None:
    number = int(address)
    first, rest = number >> 24, number & 0xFFFFFF
    forms = [
        str(address),
        str(number),
        hex(number),
        oct(number).replace("o", ""),
        f"{first}.{rest}",
        f"{first:#x}.{rest}",
    ]
    for host in (*forms, f"[::ffff:{address}]", f"[64:ff9b::{address}]"):
        with pytest.raises(SettingsError):
            Guard(()).check_url(f"https://{host}/x")
    with pytest.raises(SettingsError):
        Guard(()).check_address("sis.example.org", 443, str(address))


# --- where a name really leads ----------------------------------------------------------------------------------------

REAL_LOOKUP = socket.getaddrinfo


def leading(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[str]:
    """sis.example.org leads to one address after the other; the last one stays."""
    left = list(answers)
    lookups: list[str] = []

    def lookup(host: Any, port: Any, *args: Any, **options: Any) -> Any:
        lookups.append(host)
        address = left.pop(0) if len(left) > 1 else left[0]
        return REAL_LOOKUP(address, port, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    return lookups


@pytest.fixture
def no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*_args: object) -> None:
        raise AssertionError("an address inside was knocked at")

    monkeypatch.setattr(socket.socket, "connect", connect)


@pytest.mark.usefixtures("no_connection")
@pytest.mark.parametrize("host", ["sis.example.org", "sis.example.org."])
@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fe80::1%1"])
def test_a_name_that_leads_inside_is_refused(monkeypatch: pytest.MonkeyPatch, host: str, address: str) -> None:
    leading(monkeypatch, address)
    with pytest.raises(SettingsError, match=r"sis\.example\.org is not public.*ROSTERSYNC_ALLOW_HOSTS"):
        real_client(tries=3).get(f"https://{host}/x", what="users", read=body_of)


def test_a_name_that_leads_elsewhere_a_moment_later_is_refused_before_a_byte_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with loopback(lambda handler: handler.say()) as server:
        received: list[bytes] = []
        monkeypatch.setattr(server, "process_request", lambda request, _address: received.append(request.recv(1000)))
        lookups = leading(monkeypatch, "8.8.8.8", "127.0.0.1")
        with pytest.raises(SettingsError, match="is not public"):
            real_client().get(f"https://sis.example.org:{server.server_port}/x", what="users", read=body_of)
        assert lookups == ["sis.example.org"] * 2
    assert received in ([], [b""])


def test_a_name_that_the_operator_names_may_lead_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    with loopback(lambda handler: handler.say(200, handler.headers["Host"].encode())) as server:
        leading(monkeypatch, "127.0.0.1")
        name = f"sis.example.org:{server.server_port}"
        client = real_client(allowed_hosts=frozenset({name}))
        assert client.get(f"http://{name}/x", what="users", read=body_of) == name.encode()


def test_with_an_adapter_of_its_own_nothing_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    lookups = leading(monkeypatch, "127.0.0.1")
    assert asked(scripted(Say()), "https://sis.example.org/x") == b"{}"
    assert lookups == []


def test_a_refusal_is_not_tried_again() -> None:
    case = scripted(Say(), tries=5)
    with pytest.raises(SettingsError):
        asked(case, "https://127.0.0.1/x")
    assert case.clock.slept == []


def test_the_rules_of_one_client_are_not_those_of_another() -> None:
    with loopback(lambda handler: handler.say()) as server:
        assert real_client().get(server.url, what="users", read=body_of) == b"{}"
        with pytest.raises(SettingsError):
            HttpClient(HttpRules(), Watch()).get(server.url, what="users", read=body_of)
