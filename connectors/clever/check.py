"""Whether a Clever connection's settings and credentials fit together."""

from urllib.parse import urlsplit

from models.connections import CleverCredentials, CleverSettings
from models.errors import SettingsError


def check(settings: CleverSettings, credentials: CleverCredentials) -> None:
    """Raises SettingsError that names the setting or credential, and what would be right."""
    for name in credentials.__struct_fields__:
        if not _is_plain(getattr(credentials, name)):
            raise SettingsError(f"{name} has a space, a line break or an unusual character in it: paste it again.")
    if settings.district_id and not settings.district_id.isalnum():
        raise SettingsError("district_id must be Clever's id of the district: letters and digits only.")
    _check_address("api_url", settings.api_url)
    _check_address("login_url", settings.login_url)
    if credentials.token:
        if credentials.client_id or credentials.client_secret:
            raise SettingsError("Give either client_id and client_secret, or a token, but not both.")
        return
    missing = [name for name in ("client_id", "client_secret") if not getattr(credentials, name)]
    if missing:
        raise SettingsError(
            f"{' and '.join(missing)} must be given (from your app's settings in Clever's dashboard), or else a token."
        )


def _check_address(name: str, address: str) -> None:
    """Whether plain http may be asked at all, for a stand-in of Clever, is for the HTTP client to say."""
    try:
        parts = urlsplit(address)
        good = parts.scheme in ("https", "http") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good or parts.username is not None or parts.query or parts.fragment or not _is_plain(address):
        raise SettingsError(
            f"{name} must be an address that begins with https:// and has no name, password, ? or # in it."
        )


def _is_plain(text: str) -> bool:
    """Whether all of it can go into a header or an address as it is."""
    return all("!" <= sign <= "~" for sign in text)
