"""With what we log in to a server: whether it can be sent, and read."""

import asyncssh
from asyncssh.saslprep import SASLPrepError, saslprep

from models.connections import SftpCredentials
from models.errors import SettingsError


def check_sendable(name: str, text: str) -> None:
    """Whether SSH can carry a text. Raises SettingsError that does not quote it."""
    try:
        saslprep(text)
    except SASLPrepError:
        raise SettingsError(f"{name} has an unusual character in it: type it again.", "saslprep") from None


def read_key(credentials: SftpCredentials) -> asyncssh.SSHKey | None:
    """The private key among the credentials. Raises SettingsError that quotes nothing of it."""
    if not credentials.private_key:
        return None
    try:
        return asyncssh.import_private_key(credentials.private_key + "\n", credentials.passphrase or None)
    except ValueError:  # asyncssh's own errors are such
        pass
    whole = "private_key must be a whole private key, from its line BEGIN to its line END"
    if credentials.passphrase:
        raise SettingsError(f"private_key cannot be read with this passphrase; {whole}.", "private key cannot be read")
    raise SettingsError(f"{whole}; if it is locked, passphrase is needed, too.", "private key cannot be read")
