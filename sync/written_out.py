"""Commands in the messages of connectors and keys, which know of no tenant: written out, so that they can be typed as shown."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from models.errors import RosterSyncError

_BLANK: Final = "rostersync connection set TENANT NAME "


@contextmanager
def commands_written_out(tenant: str, connection: str) -> Iterator[None]:
    """Put the names into ``connection set TENANT NAME`` of an error that passes through."""
    try:
        yield
    except RosterSyncError as error:
        error.for_admin = error.for_admin.replace(_BLANK, f"rostersync connection set {tenant} {connection} ")
        raise
