"""Real connections to servers on loopback: what breaks there, and what must be kept from one request to the next."""

import gzip
import os
import socket
import ssl
import time
import tracemalloc
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.http.auth import Bearer
from connectors.http.client import HttpClient, HttpRules
from connectors.watch import Watch
from models.errors import RosterSyncError, SettingsError, SourceProtocolError, SourceUnavailableError
from tests.connectors.http.http_cases import Handler, Loopback, body_of, loopback, real_client


def fetch(client: HttpClient, url: str) -> bytes:
    return client.get(url, what="users", read=body_of)


# --- what goes out, what is kept --------------------------------------------------------------------------------------


def test_one_connection_serves_many_requests_and_cookies_are_kept() -> None:
    def answer(handler: Handler) -> None:
        handler.say(200, (handler.headers["Cookie"] or "none").encode(), Set_Cookie="ARRAffinity=node7; Path=/")

    with loopback(answer) as server:
        client = real_client()
        assert [fetch(client, server.url) for _ in range(3)] == [b"none", b"ARRAffinity=node7", b"ARRAffinity=node7"]
        assert len({seen.client_address for seen in server.seen}) == 1
        client.close()
        assert fetch(real_client(), server.url) == b"none"


def test_a_cookie_that_came_with_a_failure_goes_with_the_next_try() -> None:
    def answer(handler: Handler) -> None:
        if handler.headers["Cookie"]:
            handler.say()
        else:
            handler.say(503, Set_Cookie="node=2")

    with loopback(answer) as server:
        assert fetch(real_client(tries=2), server.url) == b"{}"


def test_an_error_does_not_cost_the_connection() -> None:
    with loopback(lambda handler: handler.say(404, b"x" * 5000)) as server:
        client = real_client()
        for _ in range(2):
            with pytest.raises(SourceProtocolError):
                fetch(client, server.url)
        assert len({seen.client_address for seen in server.seen}) == 1


def test_what_we_say_of_ourselves() -> None:
    with loopback(lambda handler: handler.say()) as server:
        fetch(real_client(), server.url)
        headers = server.seen[0].headers
    assert headers["User-Agent"] == "rostersync"
    assert headers["Accept"] == "application/json"
    assert headers["Accept-Encoding"] == "gzip"


def test_nothing_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password other\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
    with loopback(lambda handler: handler.say()) as server:
        real_client().get(server.url, what="users", read=body_of, auth=Bearer("mine"))
        assert server.seen[0].headers["Authorization"] == "Bearer mine"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    with loopback(lambda handler: handler.say()) as elsewhere:

        def answer(handler: Handler) -> None:
            handler.say(status, b"", Location=f"{elsewhere.url}/secret")

        with loopback(answer) as server, pytest.raises(SettingsError, match="redirect") as raised:
            fetch(real_client(), server.url)
        assert elsewhere.seen == []
    assert "secret" not in raised.value.for_admin + raised.value.for_engineer


def test_where_a_redirect_leads_does_not_matter() -> None:
    with loopback(lambda handler: handler.say(302, b"", Location="http://[")) as server:
        with pytest.raises(SettingsError, match="redirect"):
            fetch(real_client(), server.url)
        assert len(server.seen) == 1


# --- what breaks ------------------------------------------------------------------------------------------------------


def cut_length(handler: Handler) -> None:
    handler.say(200, b'{"users": [', Content_Length="5000")
    handler.close_connection = True


def cut_chunks(handler: Handler) -> None:
    handler.say(200, b"", Transfer_Encoding="chunked")
    handler.wfile.write(b"5\r\n{}   \r\n")
    handler.close_connection = True


def cut_status(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 2")
    handler.close_connection = True


def cut_at_once(handler: Handler) -> None:
    handler.close_connection = True


def no_http(handler: Handler) -> None:
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")
    handler.close_connection = True


def no_gzip(handler: Handler) -> None:
    handler.say(200, b"this is no gzip", Content_Encoding="gzip")


def reset(handler: Handler) -> None:
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    handler.say(200, b"[", Content_Length="100")
    handler.close_connection = True
    os.close(handler.connection.detach())


@pytest.mark.parametrize("broken", [cut_length, cut_chunks, cut_status, cut_at_once, no_http, no_gzip, reset])
def test_an_answer_that_breaks_off_is_asked_for_again(broken: Callable[[Handler], None]) -> None:
    def answer(handler: Handler) -> None:
        if len(seen) < 2:
            seen.append(1)
            broken(handler)
        else:
            handler.say(200, b"whole")

    seen: list[int] = []
    with loopback(answer) as server:
        assert fetch(real_client(tries=3), server.url) == b"whole"
        seen.clear()
        with pytest.raises(SourceUnavailableError, match="could not be asked for users"):
            fetch(real_client(tries=2), server.url)


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(SourceUnavailableError, match="no connection came about"):
        fetch(real_client(tries=2), f"http://127.0.0.1:{port}")


def test_a_name_that_nobody_has(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_args: object, **_options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(SourceUnavailableError, match="no host of that name"):
        fetch(real_client(), "https://sis.example.org/x")


def took(client: HttpClient, url: str) -> float:
    began = time.monotonic()
    with pytest.raises(SourceUnavailableError, match="did not answer in time"):
        fetch(client, url)
    return time.monotonic() - began


def test_a_silent_server() -> None:
    with loopback(lambda handler: time.sleep(2)) as server:
        assert took(real_client(read_timeout=0.1), server.url) < 1.5


def test_silence_in_the_middle_of_a_body() -> None:
    def answer(handler: Handler) -> None:
        handler.say(200, b"[", Content_Length="100")
        time.sleep(2)

    with loopback(answer) as server:
        assert took(real_client(read_timeout=0.1), server.url) < 1.5


def drip_body(handler: Handler) -> None:
    handler.say(200, b"", Content_Length="1000")
    for _ in range(100):
        handler.wfile.write(b"x")
        time.sleep(0.02)


def drip_headers(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    for _ in range(100):
        handler.wfile.write(b"x")
        time.sleep(0.02)


def drip_chunks(handler: Handler) -> None:
    handler.say(200, b"", Transfer_Encoding="chunked")
    for _ in range(100):
        handler.wfile.write(b"1\r\nx\r\n")
        time.sleep(0.02)


def drip_gzip(handler: Handler) -> None:
    handler.say(200, b"", Content_Length="1000", Content_Encoding="gzip")
    for byte in gzip.compress(bytes(range(200))):
        handler.wfile.write(bytes([byte]))
        time.sleep(0.02)


@pytest.mark.parametrize("drip", [drip_body, drip_headers, drip_chunks, drip_gzip])
def test_a_slow_drip_ends_at_the_deadline(drip: Callable[[Handler], None]) -> None:
    with loopback(drip) as server:
        assert took(real_client(deadline=0.2, read_timeout=1.0), server.url) < 1.5


def test_silence_ends_at_the_deadline_too() -> None:
    with loopback(lambda handler: time.sleep(3)) as server:
        assert took(real_client(deadline=0.2, read_timeout=10.0), server.url) < 1.5


def test_the_deadline_is_for_one_answer_not_for_a_connection() -> None:
    def answer(handler: Handler) -> None:
        time.sleep(0.12)
        handler.say()

    with loopback(answer) as server:
        client = real_client(deadline=0.5)
        assert [fetch(client, server.url) for _ in range(5)] == [b"{}"] * 5
        assert len({seen.client_address for seen in server.seen}) == 1


# --- bodies -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["", "gzip", "deflate", "chunked"])
def test_a_large_body_comes_whole(encoding: str) -> None:
    body = bytes(range(256)) * 40_000

    def answer(handler: Handler) -> None:
        match encoding:
            case "gzip":
                handler.say(200, gzip.compress(body, 1), Content_Encoding="gzip")
            case "deflate":
                handler.say(200, zlib.compress(body, 1), Content_Encoding="deflate")
            case "chunked":
                handler.say(200, b"", Transfer_Encoding="chunked")
                for start in range(0, len(body), 100_000):
                    piece = body[start : start + 100_000]
                    handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                handler.wfile.write(b"0\r\n\r\n")
            case _:
                handler.say(200, body)

    with loopback(answer) as server:
        client = real_client(most_bytes=len(body))
        assert fetch(client, server.url) == body
        assert fetch(client, server.url) == body
        assert len({seen.client_address for seen in server.seen}) == 1


def test_an_empty_body_is_empty() -> None:
    with loopback(lambda handler: handler.say(200, b"")) as server:
        assert fetch(real_client(), server.url) == b""


@pytest.mark.parametrize("packed", [False, True])
def test_a_body_beyond_the_limit_is_not_read_on(packed: bool) -> None:
    def answer(handler: Handler) -> None:
        body = b"x" * 3_000_001
        if packed:
            handler.say(200, gzip.compress(body), Content_Encoding="gzip")
        else:
            handler.say(200, body)

    with loopback(answer) as server:
        with pytest.raises(SourceProtocolError, match=r"larger than 3 MB.*page_size"):
            fetch(real_client(most_bytes=3_000_000, tries=3), server.url)
        assert len(server.seen) == 1


def test_a_gzip_bomb_is_not_unfolded() -> None:
    bomb = gzip.compress(gzip.compress(bytes(100_000_000)))

    def answer(handler: Handler) -> None:
        handler.say(200, bomb, Content_Encoding="gzip, gzip")

    with loopback(answer) as server:
        tracemalloc.start()
        try:
            with pytest.raises(SourceProtocolError):
                fetch(real_client(most_bytes=2_000_000), server.url)
            assert tracemalloc.get_traced_memory()[1] < 20_000_000
        finally:
            tracemalloc.stop()


def test_what_cannot_be_put_into_a_header_is_about_the_credentials() -> None:
    with loopback(lambda handler: handler.say()) as server:
        for token in ("line\nbreak-secret", "кириллица-secret"):
            with pytest.raises(SettingsError, match="enter it again") as raised:
                real_client().get(server.url, what="users", read=body_of, auth=Bearer(token))
            assert "secret" not in f"{raised.value.for_engineer} {raised.value.__context__!r}"
        assert server.seen == []


# --- TLS --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost, signed by itself, with its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return path


def with_tls(server: Loopback, certificate: Path) -> str:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    return f"https://localhost:{server.server_port}"


def tls_client(**changes: object) -> HttpClient:
    return real_client(allowed_hosts=frozenset({"localhost"}), **changes)


def test_a_certificate_that_nobody_vouches_for_is_not_tried_again(certificate: Path) -> None:
    with loopback(lambda handler: handler.say()) as server:
        url = with_tls(server, certificate)
        with pytest.raises(SourceUnavailableError, match="certificate of localhost is not valid"):
            fetch(tls_client(tries=3), url)
        assert server.seen == []


def test_over_tls_all_is_the_same(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(certificate))
    body = bytes(range(256)) * 10_000
    with loopback(lambda handler: handler.say(200, body)) as server:
        url = with_tls(server, certificate)
        client = tls_client()
        assert fetch(client, url) == body
        assert fetch(client, url) == body
        assert len({seen.client_address for seen in server.seen}) == 1
        server.answer = drip_body
        assert took(tls_client(deadline=0.2, read_timeout=1.0), url) < 1.5


def test_a_certificate_of_another_host_is_refused(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(certificate))
    with loopback(lambda handler: handler.say()) as server:
        with_tls(server, certificate)
        with pytest.raises(SourceUnavailableError, match=r"certificate of 127\.0\.0\.1"):
            fetch(real_client(), f"https://127.0.0.1:{server.server_port}")


def test_a_server_without_tls_is_unavailable_over_https() -> None:
    with loopback(lambda handler: handler.say()) as server, pytest.raises(RosterSyncError) as raised:
        fetch(real_client(), server.url.replace("http:", "https:"))
    assert type(raised.value) is SourceUnavailableError


def test_by_default_nothing_is_allowed() -> None:
    with loopback(lambda handler: handler.say()) as server:
        with pytest.raises(SettingsError):
            fetch(HttpClient(HttpRules(), Watch()), server.url)
        assert server.seen == []
