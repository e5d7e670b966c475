"""Reading through ClassLink's proxy, which has two addresses for the same thing (reference/oneroster-classlink.md, 1.1)."""

from typing import Final, Literal

import msgspec

from connectors.http.auth import Auth
from connectors.http.client import Answer, HttpClient, Torn
from models.connections import ClassLinkSettings
from models.errors import CredentialsRefusedError, SettingsError

ProxyPath = Literal["plain", "v1p0"]

#: How gateways answer for a path that they do not have: some say 404, some 403.
_NOT_THERE: Final = frozenset({403, 404})

_PREFIXES: Final[dict[ProxyPath, str]] = {"plain": "", "v1p0": "/proxy/v1p0"}


def proxy_address(settings: ClassLinkSettings, path: ProxyPath, application_id: str) -> str:
    """The base address of an application's roster.

    The id goes in as it is: it came percent-encoded, and encoding it again is refused (reference, 1.2).
    """
    return f"{settings.proxy_url.rstrip('/')}{_PREFIXES[path]}/{application_id}/{settings.version_path.strip('/')}"


def find_path(
    client: HttpClient, settings: ClassLinkSettings, application_id: str, auth: Auth, remembered: str | None
) -> ProxyPath:
    """Whichever path answers, asked for one organization; the ``remembered`` one is tried first.

    Raises RosterSyncError: SettingsError if neither is known there, CredentialsRefusedError if one may be, but not to us.
    """
    refused = False
    paths: list[ProxyPath] = ["v1p0", "plain"] if remembered == "v1p0" else ["plain", "v1p0"]
    for path in paths:
        status = client.get(
            f"{proxy_address(settings, path, application_id)}/orgs",
            (("limit", "1"),),
            what="orgs",
            read=_status,
            auth=auth,
            accept=_NOT_THERE,
        )
        if status == 200:
            return path
        refused = refused or status == 403
    if refused:
        raise CredentialsRefusedError(
            "ClassLink's proxy does not let us read the district's roster: ask the district whether the app is switched on "
            "and what it shares, and check the settings proxy_path and version_path.",
            "proxy: orgs?limit=1 answers 403 or 404 with both paths",
        )
    raise SettingsError(
        "ClassLink's proxy has no roster at either of its addresses: check the settings version_path and proxy_url, and "
        "ask the district whether its roster server is set up.",
        "proxy: orgs?limit=1 answers 404 with both paths",
    )


def _status(answer: Answer) -> int:
    if answer.status != 200:
        return answer.status
    try:
        msgspec.json.decode(answer.body, type=msgspec.Raw)
    except (ValueError, RecursionError):
        raise Torn("not JSON") from None
    return answer.status
