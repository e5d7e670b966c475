"""Files that a district drops into a folder, on its SFTP server or on a machine of ours."""

from connectors.drops.check import check_folder, check_sftp
from connectors.drops.folder import Folder
from connectors.drops.source import DropSource
from connectors.source import Access
from models.connections import FolderSettings, NoCredentials, SftpCredentials, SftpSettings

__all__ = ["DropSource", "check_folder", "check_sftp", "folder_source", "sftp_source"]


def folder_source(settings: FolderSettings, credentials: NoCredentials, access: Access) -> DropSource:
    """Raises SettingsError."""
    check_folder(settings, credentials)
    return DropSource(settings, Folder(settings.path), access)


def sftp_source(settings: SftpSettings, credentials: SftpCredentials, access: Access) -> DropSource:
    """Raises SettingsError."""
    # Loading it takes as long as all else that a command does.
    from connectors.drops.sftp import Sftp

    check_sftp(settings, credentials)
    return DropSource(settings, Sftp(settings, credentials, access.allowed_hosts), access)
