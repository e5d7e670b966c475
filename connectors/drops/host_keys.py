"""Host keys: a server is talked to only if it proves to have the key that was pinned. None is ever learned by itself."""

import re
from typing import Final

import asyncssh

from models.errors import DistrictActionError, SettingsError

_FINGERPRINT: Final = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
#: Sorts of host keys, in the order in which a server is asked for one. A server has several; a district may have named any.
FAMILIES: Final = (
    ("ssh-ed25519",),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    ("rsa-sha2-256", "rsa-sha2-512"),
)


def pinned(host_key: str) -> str:
    """The fingerprint that a setting ``host_key`` stands for: one itself, a public key, or a line of known_hosts. Raises
    SettingsError."""
    words = host_key.split()
    if words and _FINGERPRINT.fullmatch(words[0].rstrip("=")):
        return words[0].rstrip("=")
    for start in range(len(words)):
        try:
            return asyncssh.import_public_key(" ".join(words[start : start + 2])).get_fingerprint("sha256")
        except (asyncssh.KeyImportError, ValueError):
            continue
    raise SettingsError(
        "host_key must be the fingerprint of the server's key as it is written by today's programs (SHA256: and 43 letters "
        "and digits), or the public key itself (ssh-ed25519 AAAA…). Ask the district for it."
    )


def unknown(host: str, sort: str, fingerprint: str) -> SettingsError:
    """For a server whose key nobody has pinned; it is of this sort ("ssh-ed25519")."""
    return SettingsError(
        f"The server {host} shows the key {fingerprint} ({sort}), and nobody has said yet that this is the right one, so "
        "nothing was sent to it. Compare it with what the district says; if it is the same: rostersync connection set "
        f"TENANT NAME host_key {fingerprint}",
        "host key not pinned",
    )


def changed(host: str, before: str, fingerprint: str) -> DistrictActionError:
    """For a server that shows another key than the pinned one."""
    return DistrictActionError(
        f"The server {host} has another key than before, so nothing was sent to it: it may be another machine. Pinned is "
        f"{before}, and it shows {fingerprint}. Ask the district whether it changed its server's key; only if it says so: "
        f"rostersync connection set TENANT NAME host_key {fingerprint}",
        "host key changed",
    )
