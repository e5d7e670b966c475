"""What a place that files are dropped into can do, whether it is a folder here or on a server."""

from collections.abc import Generator
from contextlib import AbstractContextManager
from typing import Final, Protocol

from connectors.drops.listing import Entry
from models.errors import DistrictActionError

#: So many entries of a folder are looked at; a folder with more is not one for drops.
MOST_ENTRIES: Final = 10_000
#: Bytes that are read at a time.
PIECE: Final = 4 << 20


class GoneError(Exception):
    """A file that was listed is not there any more, or is something else now."""


class CannotMoveError(Exception):
    """A file could not be moved; the message is half a sentence on why, in plain words."""


class Visit(Protocol):
    """A place while it is open. Every call raises RosterSyncError where the place cannot be reached or read."""

    def entries(self) -> list[Entry]:
        """The regular files at the top of the folder; links and folders are none."""
        ...

    def pieces(self, entry: Entry) -> Generator[bytes, None, None]:
        """What is in a file. Raises GoneError."""
        ...

    def move(self, entry: Entry, folder: str) -> None:
        """Put a file into a folder, which is made if need be, under a name that is free there. Nothing is ever written over.
        Raises CannotMoveError, also for a file that has changed since it was listed."""
        ...


class Place(Protocol):
    """A place that files are dropped into. ``shown`` names it to people ("sftp.example.org, folder roster")."""

    shown: str

    def visit(self) -> AbstractContextManager[Visit]:
        """Open it. Raises RosterSyncError."""
        ...


def free_name(name: str, number: int) -> str:
    """``users.csv``, then ``users-2.csv``, ``users-3.csv`` …"""
    if number == 1:
        return name
    stem, dot, ending = name.rpartition(".")
    return f"{stem}-{number}{dot}{ending}" if stem else f"{name}-{number}"


def too_many(place: str, most: int) -> DistrictActionError:
    """For a folder with more than ``most`` entries."""
    return DistrictActionError(
        f"There are more than {most:,} entries in the {place}; a drop needs a folder of its own.", "entries"
    )
