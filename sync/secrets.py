"""Credentials at rest: encrypted with the operator's keys, and bound to the connection that they belong to.

The first key encrypts, all decrypt, so that keys can be exchanged while rostersync is in use (``docs/adr/secrets.md``).
"""

from collections.abc import Callable
from typing import Any

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from models.connections import SourceCredentials
from models.errors import SettingsError
from sync import master_keys
from sync.settings import Settings


class WrongKeyError(SettingsError):
    """None of the keys opens what is stored."""


class _Sealed(msgspec.Struct):
    """What is encrypted. Both ids are checked, so that a row copied to another connection or tenant opens nothing."""

    tenant_id: int
    connection_id: int
    credentials: dict[str, Any]


class _SealedAddress(msgspec.Struct):
    """The same for a contact's address; ``tenant_id`` None is the operator's."""

    tenant_id: int | None
    contact_id: int
    address: str


def new_key() -> str:
    """A fresh key, as ROSTERSYNC_SECRET_KEYS takes it."""
    return Fernet.generate_key().decode()


def seal(settings: Settings, tenant_id: int, connection_id: int, credentials: SourceCredentials) -> str:
    """Encrypt credentials for the database. Raises SettingsError when there is no usable key.

    Beside the built-in SQLite database a key file is made at the first time.
    """
    keys = master_keys.read(settings, make=new_key)
    sealed = _Sealed(tenant_id, connection_id, msgspec.to_builtins(credentials))
    return keys.encrypt(msgspec.json.encode(sealed)).decode()


def unseal(settings: Settings, tenant_id: int, connection_id: int, sealed: str) -> dict[str, Any]:
    """Credentials by name. Raises SettingsError when the keys are missing or others (WrongKeyError), or the credentials are
    another connection's."""
    try:
        content = _decrypted(settings, lambda keys: keys.decrypt(sealed.encode()))
    except InvalidToken:
        raise _unreadable(settings) from None
    opened = msgspec.json.decode(content, type=_Sealed)
    if (opened.tenant_id, opened.connection_id) != (tenant_id, connection_id):
        raise SettingsError(
            "The credentials stored with this connection were stored for another one, and are not used; give its own "
            "with: rostersync connection set TENANT NAME --credentials",
            f"sealed for tenant {opened.tenant_id}, connection {opened.connection_id}",
        )
    return opened.credentials


def seal_address(settings: Settings, tenant_id: int | None, contact_id: int, address: str) -> str:
    """Encrypt a contact's address for the database; as ``seal``. ``tenant_id`` None is the operator's."""
    sealed = _SealedAddress(tenant_id, contact_id, address)
    return master_keys.read(settings, make=new_key).encrypt(msgspec.json.encode(sealed)).decode()


def unseal_address(settings: Settings, tenant_id: int | None, contact_id: int, sealed: str) -> str:
    """A contact's address. Raises SettingsError when the keys are missing or others, or it is another contact's."""
    unreadable = SettingsError(
        f"The stored address of a contact was encrypted with another key than those in {master_keys.place(settings)}, or "
        "for another contact: put that key back, or remove the contact and add it anew. See: rostersync contact list",
        f"contact {contact_id}: no key opens the address, or it is another's",
    )
    try:
        content = _decrypted(settings, lambda keys: keys.decrypt(sealed.encode()))
        opened = msgspec.json.decode(content, type=_SealedAddress)
    except (InvalidToken, msgspec.DecodeError):
        raise unreadable from None
    if (opened.tenant_id, opened.contact_id) != (tenant_id, contact_id):
        raise unreadable
    return opened.address


def renewing(settings: Settings) -> Callable[[str], str | None]:
    """Encrypts anew with the first key what any of the keys opens; None where none does. The keys are those that there are now.
    Raises SettingsError when there is no usable one."""
    keys = master_keys.read(settings, anew=True)

    def renew(sealed: str) -> str | None:
        try:
            return keys.rotate(sealed.encode()).decode()
        except InvalidToken:
            return None

    return renew


def _decrypted(settings: Settings, use: Callable[[MultiFernet], bytes]) -> bytes:
    """What ``use`` makes of the keys; where they do not fit, of those that there are by now: somebody may just be exchanging
    them. Raises InvalidToken, SettingsError."""
    try:
        return use(master_keys.read(settings))
    except (InvalidToken, SettingsError):
        return use(master_keys.read(settings, anew=True))


def _unreadable(settings: Settings) -> WrongKeyError:
    return WrongKeyError(
        f"The stored credentials were encrypted with another key than those in {master_keys.place(settings)}; put that key "
        "back (after the first one; a comma or a new line stands between keys), or give the credentials anew with: "
        "rostersync connection set TENANT NAME --credentials",
        "no key opens the stored credentials",
    )
