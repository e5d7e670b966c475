"""Messages to people, by apprise: the one module that knows it, and imports it only where it is used, as that is slow.

An address is an apprise address (``mailtos://…``, ``slack://…``, ``jsons://…``), or a plain e-mail address where
ROSTERSYNC_MAIL_URL says which server sends. It holds secrets, and apprise's log lines may quote it: they go nowhere.
"""

import logging
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, quote, urlsplit

from models.errors import SettingsError
from sync.settings import Settings

if TYPE_CHECKING:
    from apprise import Apprise

#: Where these addresses have a host there is a server. Others have a token in its place (slack://TOKEN/…).
_WITH_HOST: Final = frozenset({"mailto", "mailtos", "json", "jsons", "xml", "xmls", "form", "forms", "http", "https"})


def check_address(settings: Settings, address: str) -> None:
    """Raises SettingsError for an address that no message can be sent to, and for one of which too much would be shown."""
    parts = _with_host(address)
    if parts and "@" in parts.path:  # a part of the password would be taken for the host
        raise SettingsError(
            "Within a user name or password the characters @, / and ? are written as %40, %2F and %3F; in a path @ is %40.",
            "@ in the path of the address",
        )
    if len(_sender(settings, address)) > 1:
        raise SettingsError("These are several addresses; add a contact for each.", "several addresses")


def shown_address(address: str) -> str:
    """As much of an address as is no secret: its sort, and the server where it names one."""
    if _is_email(address):
        return f"mailto://{address.rpartition('@')[2]}"
    parts = _with_host(address)
    return f"{parts.scheme}://{parts.hostname or ''}" if parts else f"{address.partition('://')[0].lower()}://…"


def _with_host(address: str) -> SplitResult | None:
    """The parts of an address that names a host; None for all others."""
    if address.partition("://")[0].lower() not in _WITH_HOST:
        return None
    try:
        return urlsplit(address)
    except ValueError:
        return None


def server_of(settings: Settings, address: str) -> str:
    """What has to work for messages to an address: those with the same answer fail together."""
    return shown_address(settings.mail_url.get_secret_value() if _is_email(address) else address)


def send(settings: Settings, address: str, title: str, body: str) -> bool:
    """Send a message; whether the other side has taken it. Waits some seconds for one that does not answer. Raises
    SettingsError for an address that no message can be sent to."""
    return bool(_sender(settings, address).notify(title=title, body=body, body_format="text"))


def _sender(settings: Settings, address: str) -> "Apprise":
    import apprise

    logging.getLogger("apprise").disabled = True
    sender = apprise.Apprise(asset=apprise.AppriseAsset(app_id="rostersync", storage_mode="memory"))
    if not sender.add(_apprise_address(settings, address)):
        raise SettingsError(
            "This is no address that a message can be sent to. For e-mail: mailtos://user:password@smtp.example.org?"
            "from=sync@example.org&to=admin@example.org (or admin@example.org alone, once ROSTERSYNC_MAIL_URL names the "
            "server); for a webhook: jsons://host/path; for a chat, see https://appriseit.com/services/.",
            "apprise takes no such address",
        )
    return sender


def _apprise_address(settings: Settings, address: str) -> str:
    if not _is_email(address):
        return address
    server = settings.mail_url.get_secret_value()
    if not server:
        raise SettingsError(
            "A plain e-mail address needs a server that sends: set ROSTERSYNC_MAIL_URL, such as mailtos://user:password@"
            "smtp.example.org?from=sync@example.org.",
            "ROSTERSYNC_MAIL_URL is not set",
        )
    return f"{server}{'&' if '?' in server else '?'}to={quote(address)}"


def _is_email(address: str) -> bool:
    name, _, host = address.rpartition("@")
    return bool(name and host) and "://" not in address and not any(mark.isspace() or mark in ",;" for mark in address)
