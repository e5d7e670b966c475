"""What can go wrong with a connection to an SFTP server, in words for people; none of the server's own words is quoted."""

import socket

import asyncssh

from models.connections import SftpSettings
from models.errors import (
    CredentialsRefusedError,
    RosterSyncError,
    SettingsError,
    SourceProtocolError,
    SourceUnavailableError,
)


def of_connection(error: Exception, settings: SftpSettings) -> RosterSyncError:
    """For a connection that did not come about, or broke off."""
    host, kind = settings.host, type(error).__name__
    match error:
        case asyncssh.PermissionDenied():
            return CredentialsRefusedError(
                f"The server {host} refused the user {settings.user} with the stored password or key. Enter them "
                "again, or ask the district for new ones.",
                kind,
            )
        case asyncssh.KeyExchangeFailed() | asyncssh.ProtocolNotSupported() | asyncssh.ProtocolError():
            return SourceProtocolError(
                f"What answers at {host}, port {settings.port}, is no SSH server, or only speaks what is no "
                "longer safe. Check host and port; if they are right, the district has to update its server.",
                kind,
            )
        case asyncssh.IllegalUserName():
            return SettingsError("The setting user cannot be a name to log in with.", kind)
        case socket.gaierror():
            why = "no host of that name was found"
        case TimeoutError():
            why = "it did not answer in time"
        case ConnectionRefusedError():
            why = "nothing answers at its port"
        case _:
            why = "the connection broke off"
    return SourceUnavailableError(
        f"The files at {host} could not be fetched: {why}. Try again later.",
        f"{kind} at port {settings.port}",
    )
