"""A district's own roster server, whose address and key ClassLink hands out (reference/oneroster-classlink.md, 1.3)."""

import msgspec

from connectors.classlink.applications import PARTNER_STATUSES, raise_refused
from connectors.classlink.check import is_address
from connectors.http.auth import Bearer
from connectors.http.client import Answer, HttpClient, Torn
from models.errors import DisconnectedError, SourceProtocolError


class Server(msgspec.Struct, frozen=True):
    """Where a roster server is, and the consumer key and secret to sign with."""

    client_id: str
    client_secret: str
    endpoint_url: str

    def __repr__(self) -> str:
        return "Server(…)"

    @property
    def key(self) -> tuple[str, str]:
        return self.client_id, self.client_secret


class _Answered(msgspec.Struct):
    server: Server


_decode = msgspec.json.Decoder(_Answered).decode


def fetch_server(client: HttpClient, proxy_url: str, partner_key: str, application_id: str) -> Server:
    """The roster server of an application (its id as it came, percent-encoded). Raises RosterSyncError."""
    return client.get(
        f"{proxy_url.rstrip('/')}/applications/{application_id}/server",
        what="roster server",
        read=_read,
        auth=Bearer(partner_key),
        accept=PARTNER_STATUSES,
    )


def direct_address(server_url: str, version_path: str) -> str:
    return f"{server_url.rstrip('/')}/{version_path.strip('/')}"


def _read(answer: Answer) -> Server:
    raise_refused(answer, "/server")
    if answer.status == 404:
        raise DisconnectedError(
            "ClassLink does not hand out the address of this district's roster server: the app is not enabled there, or "
            "direct access is not. Ask the district to allow it in ClassLink, or set mode to proxy.",
            "/server: status 404",
        )
    try:
        server = _decode(answer.body).server
    except (ValueError, RecursionError):
        raise Torn('no JSON with a "server"') from None
    if not (server.client_id and server.client_secret and server.endpoint_url):
        raise Torn('"server" has blank fields')
    if not is_address(server.endpoint_url):
        raise SourceProtocolError(
            "ClassLink names an address of the district's roster server that is not a plain https address. Ask ClassLink.",
            "/server: endpoint_url is not a plain https address",
        )
    return server
