"""Credentials at rest: encrypted with the operator's keys, and bound to the connection that they belong to.

The first key encrypts, all decrypt, so that keys can be exchanged while rostersync is in use (``docs/adr/secrets.md``).
"""

import os
import tempfile
from pathlib import Path
from typing import Any

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from models.connections import SourceCredentials
from models.errors import SettingsError
from sync.settings import Settings


class _Sealed(msgspec.Struct):
    """What is encrypted. Both ids are checked, so that a row copied to another connection or tenant opens nothing."""

    tenant_id: int
    connection_id: int
    credentials: dict[str, Any]


def new_key() -> str:
    """A fresh key, as ROSTERSYNC_SECRET_KEYS takes it."""
    return Fernet.generate_key().decode()


def seal(settings: Settings, tenant_id: int, connection_id: int, credentials: SourceCredentials) -> str:
    """Encrypt credentials for the database. Raises SettingsError when there is no usable key.

    Beside the built-in SQLite database a key file is made at the first time.
    """
    keys = _keys(settings, make=True)
    sealed = _Sealed(tenant_id, connection_id, msgspec.to_builtins(credentials))
    return keys.encrypt(msgspec.json.encode(sealed)).decode()


def unseal(settings: Settings, tenant_id: int, connection_id: int, sealed: str) -> dict[str, Any]:
    """Credentials by name. Raises SettingsError when the keys are missing or others, or the credentials are another
    connection's."""
    try:
        content = _keys(settings).decrypt(sealed.encode())
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


def renew(settings: Settings, sealed: str) -> str:
    """Encrypt anew with the first key what any of the keys opens. Raises SettingsError."""
    try:
        return _keys(settings).rotate(sealed.encode()).decode()
    except InvalidToken:
        raise _unreadable(settings) from None


def _unreadable(settings: Settings) -> SettingsError:
    return SettingsError(
        f"The stored credentials were encrypted with another key than those in {_place(settings)}; put that key back "
        "(after the first one; a comma or a new line stands between keys), or give the credentials anew with: rostersync "
        "connection set TENANT NAME --credentials",
        "no key opens the stored credentials",
    )


def _place(settings: Settings) -> str:
    """Where the keys come from, for a person."""
    if settings.secret_keys.get_secret_value():
        return "ROSTERSYNC_SECRET_KEYS"
    return "the file of ROSTERSYNC_SECRET_KEYS_FILE" if settings.secret_keys_file else str(_own_file(settings))


def _own_file(settings: Settings) -> Path:
    return settings.data_dir / "secret.key"


def _keys(settings: Settings, *, make: bool = False) -> MultiFernet:
    texts = [text for text in _key_texts(settings, make).replace(",", "\n").splitlines() if text.strip()]
    try:
        keys = [Fernet(text.strip()) for text in texts]
    except ValueError:
        raise SettingsError(
            f"What stands in {_place(settings)} is not a key; make one with: rostersync keys new"
        ) from None
    if not keys:
        raise SettingsError(f"There is no key in {_place(settings)}; make one with: rostersync keys new")
    return MultiFernet(keys)


def _key_texts(settings: Settings, make: bool) -> str:
    """The keys, separated by commas or line breaks. Raises SettingsError where there are none."""
    given = settings.secret_keys.get_secret_value()
    if given and settings.secret_keys_file:
        raise SettingsError("Set either ROSTERSYNC_SECRET_KEYS or ROSTERSYNC_SECRET_KEYS_FILE, not both.")
    if given:
        return given
    if settings.secret_keys_file:
        return _read(Path(settings.secret_keys_file), "ROSTERSYNC_SECRET_KEYS_FILE names a file that cannot be read.")
    if settings.database_url:
        raise SettingsError(
            "Credentials are stored encrypted, and there is no key: make one with `rostersync keys new`, set it as "
            "ROSTERSYNC_SECRET_KEYS (or put it into a file that ROSTERSYNC_SECRET_KEYS_FILE names), and keep it safe."
        )
    own = _own_file(settings)
    if make and not own.exists():
        _make_key_file(own)
    return _read(
        own,
        f"The key that encrypts the stored credentials is missing or cannot be read: put {own} back, or give the "
        "credentials anew with: rostersync connection set TENANT NAME --credentials",
    )


def _read(path: Path, trouble: str) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(trouble, type(error).__name__) from None


def _make_key_file(path: Path) -> None:
    """Write a new key, whole or not at all, readable for this account only; a key that somebody else made first stays."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix="secret-")  # mkstemp makes it 0600
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(new_key() + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(draft)
