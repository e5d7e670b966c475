"""OAuth 1.0a signatures: the reference's worked vectors, and oauthlib as an independent judge."""

import time
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import oauthlib.oauth1
import pytest
import requests
from authlib.oauth1.rfc5849 import client_auth  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st
from oauthlib.oauth1 import RequestValidator, SignatureOnlyEndpoint

from connectors.http.client import Query, with_query
from connectors.http.oauth1 import OAuth1, SignatureMethod, Signer
from models.errors import CredentialsRefusedError, SettingsError
from tests.connectors.http.http_cases import BASE, Say, body_of, loopback, real_client, scripted

KEY, SECRET = "abc123", "s3cr+t/=&~ x"
NONCE, TIMESTAMP = "7d8f3e4a7d8f3e4a", "1700000000"
URL = "https://roster.example.org/ims/oneroster/v1p1/users"

#: Query, signature with oauth_version=1.0, and without (reference/oneroster-classlink.md, 1.4).
VECTORS: list[tuple[Query, str, str]] = [
    ((), "Z53SV65DXDMi5oHy6EkT+0QJOe1AMgHfCBKpb+ufYzI=", ""),
    ((("limit", "1"),), "n/DFKgInj3LYjAZA5Mf6YhrxGJtRHQOdeYPAxYRCAno=", "SKdMbiG6uQ7tDPxi8Bg3eEdtualc08mR3HnnCrevS9w="),
    (
        (("limit", "100"), ("offset", "0"), ("filter", "dateLastModified>'2024-01-01T00:00:00.000Z'")),
        "6ZdoB2FSbZx/42aTpjGnoSgjRuH/2xANsKl32I66so0=",
        "bfo7kZbYlzMRiBrvRwKy5JfjSWf8j2SniGEgcgqSEio=",
    ),
    (
        (("filter", "role='student' AND status='active'"),),
        "lN4Tpg5AQlRqdVxNjwgIhMfUojopyCpr50bIR6BQ7vg=",
        "mKhvKpK/zB9r00fzqiGE4JQSE28vB1RIRV41kWOW0oA=",
    ),
    (
        (("filter", "familyName~'O'"),),
        "cyM3lRowvTiujR7nrY5ObiSO0OgZpyXypApRXqScdYo=",
        "99yIqhT5rZ6U9G8e3lK0Dd5CVUbx7IpUPvUu6g5Ph4s=",
    ),
    (
        (("filter", "status!='tobedeleted'"),),
        "on4yD+i3DoWOnXm7Gf7EXw3wzl9/UveSjc19tdp96Sk=",
        "vNoDL4O4sI1kLkvJ6vJ4Ie9xfotVZVGglvhA9HxpkiM=",
    ),
    (
        (("filter", "familyName='Núñez'"),),
        "0RzERFve87FEgqW5EcmkkleqlCg6Dyn/gNF9GY3uXBw=",
        "dNBCaO90ff9oHtEmdtLHeKjRJpz2b6XYHAD8kOuxcag=",
    ),
]


@pytest.fixture
def fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_auth, "generate_nonce", lambda: NONCE)
    monkeypatch.setattr(client_auth, "generate_timestamp", lambda: TIMESTAMP)


def signed(auth: OAuth1, url: str, query: Query = ()) -> requests.PreparedRequest:
    request = requests.Request("GET", with_query(url, query)).prepare()
    auth.sign(request)
    return request


def parameters(header: Any) -> dict[str, str]:
    return dict(oauthlib.common.urldecode(str(header).removeprefix("OAuth ").replace('"', "").replace(", ", "&")))


@pytest.mark.usefixtures("fixed")
@pytest.mark.parametrize(("query", "signature", "_without"), VECTORS)
def test_the_worked_vectors(query: Query, signature: str, _without: str) -> None:
    header = parameters(signed(OAuth1(KEY, SECRET, "HMAC-SHA256"), URL, query).headers["Authorization"])
    assert header == {
        "oauth_consumer_key": KEY,
        "oauth_nonce": NONCE,
        "oauth_timestamp": TIMESTAMP,
        "oauth_version": "1.0",
        "oauth_signature_method": "HMAC-SHA256",
        "oauth_signature": signature,
    }


class WithoutVersion(Signer):
    """As ClassLink's own libraries do it."""

    def get_oauth_params(self, nonce: str, timestamp: str) -> list[tuple[str, str]]:
        return [pair for pair in super().get_oauth_params(nonce, timestamp) if pair[0] != "oauth_version"]


@pytest.mark.usefixtures("fixed")
@pytest.mark.parametrize(("query", "_with", "signature"), VECTORS[1:])
def test_the_worked_vectors_without_a_version(query: Query, _with: str, signature: str) -> None:
    url = requests.Request("GET", with_query(URL, query)).prepare().url
    _, headers, _ = WithoutVersion(KEY, SECRET, signature_method="HMAC-SHA256").sign("GET", url, {}, b"")
    assert parameters(headers["Authorization"])["oauth_signature"] == signature


def test_the_control_vector_of_hmac_sha1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_auth, "generate_nonce", lambda: "kllo9940pd9333jh")
    monkeypatch.setattr(client_auth, "generate_timestamp", lambda: "1191242096")
    signer = Signer("dpf43f3p2l4k3l03", "kd94hf93k423kf44", token="nnch734d00sl2jdk", token_secret="pfkkdhi9sl3r4s00")
    _, headers, _ = signer.sign("GET", "http://photos.example.net/photos?file=vacation.jpg&size=original", {}, b"")
    assert parameters(headers["Authorization"])["oauth_signature"] == "tR3+Ty81lMeYAr/Fid0kMTYa/WM="


class OneConsumer(RequestValidator):
    """What oauthlib needs to know to judge."""

    enforce_ssl = False
    dummy_client = "nobody"
    client_key_length = nonce_length = (1, 100)

    def __init__(self, key: str, secret: str) -> None:
        super().__init__()
        self.key, self.secret = key, secret

    @property
    def safe_characters(self) -> Any:
        return set(self.key) | set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")

    def validate_client_key(self, client_key: str, request: object) -> bool:
        return client_key == self.key

    def get_client_secret(self, client_key: str, request: object) -> str:
        return self.secret

    def validate_timestamp_and_nonce(self, *_args: object, **_options: object) -> bool:
        return True


TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)
NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=8).filter(
    lambda name: not name.startswith("oauth_") and name != "realm"
)


@given(
    secret=TEXT,
    query=st.lists(st.tuples(NAMES, TEXT), max_size=5),
    segments=st.lists(TEXT.filter(lambda text: text.strip(".") != ""), min_size=1, max_size=3),
    method=st.sampled_from(["HMAC-SHA256", "HMAC-SHA1"]),
    base=st.sampled_from(
        ["https://roster.example.org", "http://Roster.Example.org:8080", "https://roster.example.org:443"]
    ),
)
def test_oauthlib_accepts_every_address(
    secret: str, query: list[tuple[str, str]], segments: list[str], method: SignatureMethod, base: str
) -> None:
    url = f"{base}/classes/{'/'.join(quote(segment, safe='') for segment in segments)}/students"
    request = signed(OAuth1(KEY, secret, method), url, query)
    assert request.url is not None
    assert parse_qsl(urlsplit(request.url).query, keep_blank_values=True) == query
    endpoint = SignatureOnlyEndpoint(OneConsumer(KEY, secret))
    headers = {"Authorization": str(request.headers["Authorization"])}
    assert endpoint.validate_request(request.url, "GET", None, headers)[0]
    assert not endpoint.validate_request(request.url + "/", "GET", None, headers)[0]
    assert not endpoint.validate_request(request.url, "POST", None, headers)[0]


def test_what_is_signed_is_what_a_server_gets() -> None:
    endpoint = SignatureOnlyEndpoint(OneConsumer(KEY, SECRET))
    with loopback(lambda handler: handler.say()) as server:
        client = real_client()
        client.get(
            f"{server.url}/classes/a%2Fb%7cc%7E/students",
            (("filter", "familyName='O’Neil' AND a+b!='~*()'"), ("limit", "5")),
            what="users",
            read=body_of,
            auth=OAuth1(KEY, SECRET, "HMAC-SHA256"),
        )
        (seen,) = server.seen
    headers = {"Authorization": seen.headers["Authorization"]}
    assert endpoint.validate_request(f"{server.url}{seen.path}", "GET", None, headers)[0]


def test_each_try_has_a_nonce_and_a_time_of_its_own() -> None:
    case = scripted(Say(503), Say(503), Say())
    case.client.get(f"{BASE}/users", what="users", read=body_of, auth=OAuth1(KEY, SECRET, "HMAC-SHA256"))
    headers = [parameters(asked.headers["Authorization"]) for asked in case.script.asked]
    assert len({header["oauth_nonce"] for header in headers}) == 3
    assert all(abs(int(header["oauth_timestamp"]) - time.time()) < 60 for header in headers)


def test_a_refusal_names_what_may_be_wrong() -> None:
    case = scripted(Say(401))
    with pytest.raises(CredentialsRefusedError) as raised:
        case.client.get(f"{BASE}/users", what="users", read=body_of, auth=OAuth1(KEY, SECRET, "HMAC-SHA256"))
    for cause in ("clock", "signature_method", "client id", "client secret"):
        assert cause in raised.value.for_admin
    assert len(case.script.asked) == 1
    assert SECRET not in repr(raised.value)


def test_an_address_with_a_raw_query_is_a_settings_error() -> None:
    case = scripted(Say())
    with pytest.raises(SettingsError, match="cannot be signed") as raised:
        case.client.get(
            f"{BASE}/users?filter=a='Ann'", what="users", read=body_of, auth=OAuth1(KEY, SECRET, "HMAC-SHA256")
        )
    assert raised.value.__context__ is None
    assert "Ann" not in raised.value.for_admin + raised.value.for_engineer
