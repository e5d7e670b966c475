"""The ways in: each turns what a source holds into the records of ``models.records``. CSV files are opened by ``sync.upload``."""

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final, cast

from connectors.source import Access, Source
from models.connections import ConnectorName, SourceCredentials, SourceSettings

#: Where each connector to an API lives. Its package has ``check`` and the class named here (``connectors.source.Source``).
CONNECTORS: Final[dict[ConnectorName, tuple[str, str]]] = {
    "clever": ("connectors.clever", "CleverSource"),
    "classlink": ("connectors.classlink", "ClassLinkSource"),
    "oneroster": ("connectors.oneroster", "OneRosterSource"),
}


def check(connector: ConnectorName, settings: SourceSettings, credentials: SourceCredentials) -> None:
    """Whether settings and credentials fit together. Raises SettingsError that names the setting."""
    module: Any = import_module(CONNECTORS[connector][0])
    module.check(settings, credentials)


def open_source(
    connector: ConnectorName, settings: SourceSettings, credentials: SourceCredentials, access: Access
) -> Source:
    """A district's roster at a source, ready to be pulled once. Raises SettingsError."""
    package, name = CONNECTORS[connector]
    make = cast(Callable[..., Source], getattr(import_module(package), name))
    return make(settings, credentials, access)
