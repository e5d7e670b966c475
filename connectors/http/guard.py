"""Which addresses may be asked. Settings are typed in by people, and must not lead to what is inside of our own network."""

import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

from models.errors import SettingsError

_PORTS: Final = {"http": 80, "https": 443}
_GLOBAL: Final = IPv6Network("2000::/3")
_NAT64: Final = IPv6Network("64:ff9b::/96")


class Guard:
    """Lets through https to public addresses, and whatever the operator has named: ``allowed`` ("host" or "host:port")."""

    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = frozenset(_plain(host) for host in allowed)

    def allows(self, host: str, port: int | None) -> bool:
        """Whether the operator has named this host: then it may be asked over http, and be anywhere."""
        host = _plain(host)
        return host in self._allowed or f"{host}:{port}" in self._allowed or f"[{host}]:{port}" in self._allowed

    def check_url(self, url: str) -> str:
        """The host of an address, without port. Raises SettingsError for one that must not be asked; nothing is looked
        up, so a name that leads inside is found only by ``check_address``. ``url`` is one that requests has prepared.
        """
        parts = urlsplit(url)
        host, scheme = parts.hostname or "", parts.scheme.lower()
        if "@" in parts.netloc:
            raise SettingsError(f"The address of {host} holds a user name or password; take it out of the setting.")
        if self.allows(host, parts.port or _PORTS.get(scheme)) and scheme in _PORTS:
            return host
        if scheme != "https":
            raise _forbidden(host, "does not begin with https://")
        name = _plain(host)
        address = _literal(name)
        if name == "localhost" or name.endswith(".localhost") or (address and not _is_public(address)):
            raise _forbidden(host, "is not public")
        return host

    def check_address(self, host: str, port: int | None, address: str) -> None:
        """Raises SettingsError if the address that ``host`` led to is not public, unless the host was named."""
        found = _literal(address.partition("%")[0])
        if not self.allows(host, port) and not (found and _is_public(found)):
            raise _forbidden(host, "is not public")


def _forbidden(host: str, why: str) -> SettingsError:
    return SettingsError(
        f"The address of {host} {why}, and only public https addresses are asked. Correct the connection's setting; if "
        f"this address is meant, the operator has to name {host} in ROSTERSYNC_ALLOW_HOSTS."
    )


def _plain(host: str) -> str:
    """A host as it is compared: in lower case, without the dot that may end it and the brackets of IPv6."""
    host = host.strip().lower().rstrip(".")
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    """The IP address that a host is, in any way of writing that the operating system takes ("127.1", "0x7f000001")."""
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv4Address):
        return address.is_global and not address.is_multicast
    inner = address.ipv4_mapped or address.sixtofour
    if address in _NAT64:
        inner = IPv4Address(int(address) & 0xFFFF_FFFF)
    if inner:
        return _is_public(inner)
    return address in _GLOBAL and address.is_global
