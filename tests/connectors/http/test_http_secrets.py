"""Nothing secret and nobody's id in logs, errors and reprs, whatever goes wrong."""

import json
import logging
import socket
from collections.abc import Callable, Iterator

import pytest
import structlog
from requests import ConnectionError as RequestsConnectionError
from structlog.testing import capture_logs
from structlog.typing import EventDict

from connectors.http.auth import Auth, Bearer
from connectors.http.client import Answer, HttpClient, Torn
from connectors.http.log import shown_path
from connectors.http.oauth1 import OAuth1
from connectors.http.oauth2 import ClientCredentials
from models.errors import RosterSyncError
from tests.connectors.http.http_cases import BASE, HOST, Handler, Say, body_of, loopback, real_client, scripted

SECRET = "s3cret-k3y"
ID = "4711-id-of-ann"


@pytest.fixture
def logged() -> Iterator[list[EventDict]]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG))
    with capture_logs() as events:
        yield events


def chain(error: BaseException | None) -> Iterator[str]:
    """All that an exception says, with whatever hangs on it."""
    while error is not None:
        yield f"{error!r} {error} {error.args!r} {vars(error)!r}"
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://h/ims/oneroster/v1p1/users", "/ims/oneroster/v1p1/users"),
        ("https://h/v3.0/users/58da8c63d7dc0ca068000001", "/v3.0/users/…"),
        ("https://h/v3.1/districts?token=x", "/v3.1/districts"),
        ("https://h/applications/2222-1/server", "/applications/…/server"),
        ("https://h/classes/a%2Fb/students", "/classes/…/students"),
        ("https://h/users/ann@example.org", "/users/…"),
        ("https://h/" + "x" * 24 + "/" + "x" * 25, "/" + "x" * 24 + "/…"),
        ("https://h/v12x/v1/1v", "/…/v1/…"),
        ("https://h", ""),
        ("https://h/", "/"),
    ],
)
def test_paths_are_shown_without_ids(url: str, shown: str) -> None:
    assert shown_path(url) == shown


def test_each_answer_is_logged_with_what_an_engineer_needs(logged: list[EventDict]) -> None:
    case = scripted(Say(503, {"Set-Cookie": SECRET}, SECRET.encode()), Say(200, {}, b"12345"))
    case.client.get(
        f"{BASE}/users/{ID}/classes", (("filter", f"id='{SECRET}'"),), what="classes", read=body_of, auth=Bearer(SECRET)
    )
    refused, again, here = logged
    assert refused == {
        "event": "answer",
        "log_level": "debug",
        "method": "GET",
        "host": HOST,
        "what": "classes",
        "path": "/ims/oneroster/v1p1/users/…/classes",
        "status": 503,
        "bytes": len(SECRET),
        "ms": 0,
        "try": 1,
    }
    assert (again["log_level"], again["host"], again["what"], again["try"]) == ("warning", HOST, "classes", 1)
    assert (here["status"], here["bytes"], here["try"]) == (200, 5, 2)
    assert SECRET not in repr(logged)
    assert ID not in repr(logged)


def token_in_address(client: HttpClient, base: str) -> Auth:
    return ClientCredentials(client, f"{base}/token", ID, SECRET, (), "query")


def token_in_form(client: HttpClient, base: str) -> Auth:
    return ClientCredentials(client, f"{base}/token", ID, SECRET, (), "post")


def refuse(handler: Handler) -> None:
    handler.say(401, json.dumps({"error": "invalid_client", "error_description": SECRET}).encode())


def drop(handler: Handler) -> None:
    handler.close_connection = True


def stall(handler: Handler) -> None:
    handler.say(200, SECRET.encode(), Content_Length="1000")
    handler.close_connection = True


def scramble(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + SECRET.encode() + b"\r\nX: 1\r\n\r\n{}")


def page(handler: Handler) -> None:
    handler.say(200, f"<html>{handler.path}</html>".encode())


def flood(handler: Handler) -> None:
    handler.say(200, SECRET.encode() * 1000)


@pytest.mark.parametrize("answer", [refuse, drop, stall, scramble, page, flood])
@pytest.mark.parametrize("auth", [token_in_address, token_in_form])
def test_a_token_request_that_fails_tells_nothing(
    answer: Callable[[Handler], None],
    auth: Callable[[HttpClient, str], Auth],
    logged: list[EventDict],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    with loopback(answer) as server:
        client = real_client(tries=2, most_bytes=5_000)
        with pytest.raises(RosterSyncError) as raised:
            client.get(server.url, what="users", read=body_of, auth=auth(client, server.url))
        assert server.seen
    told = "".join(chain(raised.value)) + caplog.text + repr(logged)
    assert SECRET not in told
    assert ID not in told


def test_an_unreachable_token_service_tells_nothing(caplog: pytest.LogCaptureFixture, logged: list[EventDict]) -> None:
    """The texts of requests' errors hold the address with its query."""
    caplog.set_level(logging.DEBUG)
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
    client = real_client(tries=2)
    with pytest.raises(RosterSyncError) as raised:
        client.get(url, what="users", read=body_of, auth=token_in_address(client, url))
    assert SECRET not in "".join(chain(raised.value)) + caplog.text + repr(logged)


def test_what_goes_well_tells_nothing_either(caplog: pytest.LogCaptureFixture, logged: list[EventDict]) -> None:
    caplog.set_level(logging.DEBUG)
    with loopback(lambda handler: handler.say(200, b'{"access_token": "t0ken-s3cret"}')) as server:
        client = real_client()
        client.get(server.url, what="users", read=body_of, auth=token_in_address(client, server.url))
    told = caplog.text + repr(logged)
    assert len(logged) == 2
    assert SECRET not in told
    assert "t0ken" not in told


def test_errors_of_the_library_leave_no_trace() -> None:
    case = scripted(RequestsConnectionError(f"HTTPSConnectionPool: Max retries exceeded with url: /?secret={SECRET}"))
    with pytest.raises(RosterSyncError) as raised:
        case.client.get(BASE, what="users", read=body_of)
    assert SECRET not in "".join(chain(raised.value))


def test_a_bodys_text_is_in_no_error() -> None:
    def read(answer: Answer) -> bytes:
        try:
            raise ValueError(answer.body)
        except ValueError:
            raise Torn("not JSON") from None

    case = scripted(Say(body=SECRET.encode()))
    with pytest.raises(RosterSyncError) as raised:
        case.client.get(BASE, what="users", read=read)
    assert SECRET not in "".join(chain(raised.value))


def test_reprs_show_no_secret() -> None:
    case = scripted(Say())
    auths: list[Auth] = [
        Bearer(SECRET),
        OAuth1(ID, SECRET, "HMAC-SHA256"),
        token_in_address(case.client, BASE),
        token_in_form(case.client, BASE),
    ]
    assert SECRET not in repr(auths)
    assert ID not in repr(auths)
