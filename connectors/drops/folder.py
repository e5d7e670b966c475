"""A folder of this machine that files are dropped into."""

import os
import stat
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from connectors.drops.listing import Entry, shown
from connectors.drops.place import MOST_ENTRIES, PIECE, CannotMoveError, GoneError, free_name, too_many
from models.errors import DistrictActionError, SettingsError, SourceUnavailableError

_MOST_NAMES: Final = 1_000


class Folder:
    """A ``Place`` and, as there is nothing to open, its own ``Visit``."""

    def __init__(self, path: str) -> None:
        self.shown = f"folder {path}"
        self._path = Path(path)

    @contextmanager
    def visit(self) -> Iterator["Folder"]:
        """As ``Place.visit``."""
        yield self

    def entries(self) -> list[Entry]:
        """As ``Visit.entries``."""
        found: list[Entry] = []
        try:
            with os.scandir(self._path) as listing:
                for count, entry in enumerate(listing):
                    if count >= MOST_ENTRIES:
                        raise too_many(self.shown, MOST_ENTRIES)
                    with suppress(FileNotFoundError):  # it went away while we looked
                        seen = entry.stat(follow_symlinks=False)
                        if stat.S_ISREG(seen.st_mode):
                            found.append(Entry(entry.name, seen.st_size, seen.st_mtime))
        except FileNotFoundError:
            raise self._not_there("does not exist") from None
        except NotADirectoryError:
            raise self._not_there("is not a folder") from None
        except PermissionError:
            raise self._not_there("may not be read by rostersync") from None
        except OSError as error:
            raise self._unreadable(error) from None
        return found

    def pieces(self, entry: Entry) -> Generator[bytes, None, None]:
        """As ``Visit.pieces``."""
        # No link is followed, and nothing is waited for that turns out to be a pipe.
        try:
            handle = os.open(self._path / entry.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except PermissionError:
            raise DistrictActionError(
                f"{shown(entry.name)} in the {self.shown} may not be read by rostersync; it has to be made readable.",
                "permission denied",
            ) from None
        except OSError as error:
            raise GoneError(entry.name) from error
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise GoneError(entry.name)
            try:
                while piece := file.read(PIECE):
                    yield piece
            except OSError as error:
                raise self._unreadable(error) from None

    def move(self, entry: Entry, folder: str) -> None:
        """As ``Visit.move``."""
        source, target = self._path / entry.name, self._path / folder
        try:
            seen = source.lstat()
            if (seen.st_size, seen.st_mtime) != (entry.size, entry.mtime):
                raise CannotMoveError("it has changed since it was read")
            target.mkdir(exist_ok=True)
            for number in range(1, _MOST_NAMES):
                name = target / free_name(entry.name, number)
                if not os.path.lexists(name):
                    os.rename(source, name)
                    return
        except OSError as error:
            raise CannotMoveError((error.strerror or type(error).__name__).lower()) from None
        raise CannotMoveError("too many files of that name are there")

    def _not_there(self, why: str) -> SettingsError:
        return SettingsError(f"The {self.shown} {why}. Check the connection's setting path.", why)

    def _unreadable(self, error: OSError) -> SourceUnavailableError:
        return SourceUnavailableError(
            f"The {self.shown} cannot be read at the moment; try again later.", error.strerror or type(error).__name__
        )
