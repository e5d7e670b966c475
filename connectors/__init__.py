"""The ways in: each turns what a source holds into the records of ``models.records``. Uploads are opened by ``sync.upload``."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from connectors import classlink, clever, drops, oneroster
from connectors.source import Access, Source
from models.connections import ConnectorName, SourceCredentials, SourceSettings


class Connector(NamedTuple):
    """``check`` raises SettingsError where settings and credentials do not fit together; ``source`` makes a Source of
    settings, credentials and Access. Both take the structs that ``models.connections`` has for the connector."""

    check: Callable[[Any, Any], None]
    source: Callable[[Any, Any, Access], Source]


#: Every connector but uploads by its key, which is what ``connection.connector`` stores.
CONNECTORS: Final[dict[ConnectorName, Connector]] = {
    "clever": Connector(clever.check, clever.CleverSource),
    "classlink": Connector(classlink.check, classlink.ClassLinkSource),
    "oneroster": Connector(oneroster.check, oneroster.OneRosterSource),
    "sftp": Connector(drops.check_sftp, drops.sftp_source),
    "folder": Connector(drops.check_folder, drops.folder_source),
}


def check(connector: ConnectorName, settings: SourceSettings, credentials: SourceCredentials) -> None:
    """Whether settings and credentials fit together. Raises SettingsError that names the setting."""
    CONNECTORS[connector].check(settings, credentials)


def open_source(
    connector: ConnectorName, settings: SourceSettings, credentials: SourceCredentials, access: Access
) -> Source:
    """A district's roster at a source, ready to be pulled once. Raises SettingsError."""
    return CONNECTORS[connector].source(settings, credentials, access)
