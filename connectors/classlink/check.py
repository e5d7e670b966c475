"""Whether a ClassLink connection's settings and credentials fit together."""

from typing import Final
from urllib.parse import urlsplit

from models.connections import ClassLinkCredentials, ClassLinkSettings
from models.errors import SettingsError

_THIS_MACHINE: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def check(settings: ClassLinkSettings, credentials: ClassLinkCredentials) -> None:
    """Raises SettingsError that names the setting or credential, and what would be right."""
    for name in credentials.__struct_fields__:
        _check_pasted(name, getattr(credentials, name))
    _check_partner_key(credentials)
    if not settings.version_path.strip("/") or any(sign in settings.version_path for sign in "?# "):
        raise SettingsError("version_path must be a path like ims/oneroster/v1p1.")
    if settings.mode == "proxy":
        missing = _missing(partner_key=credentials.partner_key, tenant_id=settings.tenant_id)
        if missing:
            raise SettingsError(f"To read a district through ClassLink's proxy, give {missing} too.")
    if settings.mode == "proxy" or by_partner_key(settings, credentials):
        _check_address("proxy_url", settings.proxy_url)
        return
    missing = _missing(
        client_id=credentials.client_id, client_secret=credentials.client_secret, base_url=settings.base_url
    )
    if missing:
        raise SettingsError(
            "mode direct needs either partner_key and tenant_id, or client_id, client_secret and base_url; "
            f"of the latter, {missing} is not given."
        )
    base_url = settings.base_url or ""
    _check_address("base_url", base_url)
    if base_url.rstrip("/").endswith(settings.version_path.strip("/")):
        raise SettingsError(f"base_url must end before /{settings.version_path.strip('/')}, which is added to it.")


def check_partner(settings: ClassLinkSettings, credentials: ClassLinkCredentials) -> None:
    """Whether the districts can be listed. Raises SettingsError."""
    if not credentials.partner_key:
        raise SettingsError("To list districts, give your partner key at ClassLink (the credential partner_key).")
    _check_partner_key(credentials)
    _check_address("proxy_url", settings.proxy_url)


def by_partner_key(settings: ClassLinkSettings, credentials: ClassLinkCredentials) -> bool:
    """Whether ClassLink is asked for the district; otherwise it is read with its own key at its own address."""
    return bool(credentials.partner_key and settings.tenant_id)


def is_address(text: str) -> bool:
    """Whether it is an https address with nothing behind its path.

    Plain http is fine on this machine, for a stand-in of ClassLink; the HTTP client has the last word on that.
    """
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    secure = host and (parts.scheme == "https" or (parts.scheme == "http" and host in _THIS_MACHINE))
    return bool(secure) and parts.username is None and not (parts.query or parts.fragment) and _is_plain(text)


def _check_address(name: str, address: str) -> None:
    if not is_address(address):
        raise SettingsError(
            f"{name} must be an address that begins with https:// and has no name, password, ? or # in it."
        )


def _check_pasted(name: str, secret: str) -> None:
    if secret != secret.strip():
        raise SettingsError(f"{name} has a space or a line break at one of its ends: paste it again.")


def _check_partner_key(credentials: ClassLinkCredentials) -> None:
    if not _is_plain(credentials.partner_key):
        raise SettingsError("partner_key has a space, a line break or an unusual character in it: paste it again.")


def _is_plain(text: str) -> bool:
    """Whether all of it can go into a header or an address as it is."""
    return all("!" <= sign <= "~" for sign in text)


def _missing(**given: str | None) -> str:
    return " and ".join(name for name, value in given.items() if not value)
