"""Whether the settings and credentials of a way to drop files fit together."""

import posixpath
from typing import Final

from connectors.csvfiles.recognize import name_says
from models.connections import DropSettings, FolderSettings, NoCredentials, SftpCredentials, SftpSettings
from models.errors import SettingsError

#: What would make of a host something else: an address with a path, a user, or a list of hosts.
_NOT_IN_A_HOST: Final = frozenset("/@, ")


def check_folder(settings: FolderSettings, credentials: NoCredentials) -> None:
    """Raises SettingsError that names the setting."""
    if not posixpath.isabs(settings.path) or not settings.path.isprintable():
        raise SettingsError("path must be a folder from the root, such as /srv/drops/springfield.")
    _check_drop(settings)


def check_sftp(settings: SftpSettings, credentials: SftpCredentials) -> None:
    """Raises SettingsError that names the setting or credential, and quotes no credential."""
    # Loading it takes as long as all else that a command does.
    from connectors.drops import host_keys, login

    if not settings.host.isprintable() or _NOT_IN_A_HOST & set(settings.host):
        raise SettingsError(
            "host must be the name of a server only, such as sftp.example.org; the folder is the setting path."
        )
    login.check_sendable("user", settings.user)
    if not settings.path or not settings.path.isprintable():
        raise SettingsError(
            "path must be a folder of the server; . is the one that a program is in when it has logged in."
        )
    if settings.host_key:
        host_keys.pinned(settings.host_key)
    _check_drop(settings)
    if not (credentials.password or credentials.private_key):
        raise SettingsError("A password or a private_key is needed to log in; ask the district for one.")
    login.check_sendable("password", credentials.password)
    if credentials.passphrase and not credentials.private_key:
        raise SettingsError("passphrase is for a private_key, and there is none.")
    login.read_key(credentials)


def _check_drop(settings: DropSettings) -> None:
    expected_roles(settings)
    if settings.done_folder is not None:
        target = posixpath.normpath(posixpath.join(settings.path, settings.done_folder))
        if target == posixpath.normpath(settings.path):
            raise SettingsError("done_folder must be another folder than path: what lies there is read again.")


def expected_roles(settings: DropSettings) -> frozenset[str] | None:
    """The roster files that have to be there, by what they hold ("users"); None for those that came before. Raises
    SettingsError for a name that is none of a roster file."""
    if settings.expected_files is None:
        return None
    roles = {name: name_says(name) for name in settings.expected_files}
    for name, role in roles.items():
        if role is None:
            raise SettingsError(f"expected_files lists roster files, such as users.csv; {name!r} is none.")
    return frozenset(role for role in roles.values() if role)
