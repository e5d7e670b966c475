"""A district's roster as the files that it drops: they are fetched when they are whole, and read as an upload is."""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import BinaryIO, Final

import structlog
from msgspec import structs

from connectors.csvfiles.connector import CsvUpload
from connectors.drops.check import expected_roles
from connectors.drops.listing import (
    Drop,
    Entry,
    choose,
    hash_of_content,
    hash_of_entry,
    hash_of_listing,
    shown,
    undated,
)
from connectors.drops.place import CannotMoveError, GoneError, Place, Visit
from connectors.normalize.spool import no_room
from connectors.source import Access, SourceFacts
from models.connections import DropSettings, Memory
from models.errors import DistrictActionError, DropNotReadyError, NothingNewError, RosterSyncError, SameAgainError
from models.pages import PullEvent
from models.progress import Progress
from models.settings import UploadOptions

log = structlog.get_logger("rostersync.drops")

MOST_FILES: Final = 1_000
MOST_BYTES: Final = 20_000_000_000
_LAST_DAY: Final = 253_402_214_400.0  # of the year 9999
#: So many files are named in a sentence.
_NAMED: Final = 5


class DropSource:
    """A ``Source`` whose roster comes as files. ``arrive`` fetches them before a run begins, or ``pull`` does it by itself.

    The scratch directory of ``access`` must last until the result files are written.
    """

    def __init__(
        self, settings: DropSettings, place: Place, access: Access, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """Raises SettingsError."""
        self.facts = SourceFacts()
        self._settings = settings
        self._place = place
        self._access = access
        self._sleep = sleep
        self._expected = expected_roles(settings)
        self._before = access.memory
        self._memory = access.memory
        self._drop = Drop((), (), ())
        self._to_move: tuple[Entry, ...] = ()
        self._upload: CsvUpload | None = None

    def arrive(self, *, again: bool = False) -> None:
        """Fetch the drop if it is whole and not the one that was taken last; ``again`` fetches that one, too.

        Raises DropNotReadyError when files are still coming, or some are missing; NothingNewError, after which what is left of
        earlier drops may be put away and ``memory`` is worth keeping all the same; CancelledError, and all that the place raises.
        """
        with self._place.visit() as visit:
            seen = self._look(visit, again)
        if not seen.unfinished:  # what is being uploaded may turn out to belong to it
            self._refuse_known(seen, again)
            self._refuse_none_and_too_many(seen)
        self._rest()
        with self._place.visit() as visit:
            self._drop = self._look(visit, again)
            self._refuse_changed(seen, self._drop)
            self._refuse_known(self._drop, again)
            self._refuse_none_and_too_many(self._drop)
            contents = [(entry.name, self._fetch(visit, entry)) for entry in self._drop.files]
            self._refuse_changed(self._drop, self._look(visit, again))
        self._upload = upload = self._open()
        self._refuse_incomplete(upload)
        self._learn(hash_of_content(contents), again)
        if self._settings.done_folder is not None:
            self._to_move += (*self._drop.older, *self._drop.files)
        self.facts.notes += _notes(self._drop)
        log.info("drop fetched", files=len(self._drop.files), bytes=sum(entry.size for entry in self._drop.files))

    def pull(self) -> Iterator[PullEvent]:
        """As ``Source.pull``, but that pages are handed out while files are read: they are all here, and stay as they are."""
        yield from self.upload().pull()

    def upload(self) -> CsvUpload:
        """The fetched files, as an upload. Raises as ``arrive``."""
        if self._upload is None:
            self.arrive(again=True)
        assert self._upload is not None
        return self._upload

    @property
    def memory(self) -> Memory:
        """As ``Source.memory``."""
        came = {file.role for file in self._upload.files} if self._upload else set()
        return structs.replace(
            self._memory,
            files=tuple(sorted(came.union(self._before.files))),
            drop_entries=tuple(map(hash_of_entry, self._to_move)),
        )

    def put_away(self) -> list[str]:
        """Move what was read to the done folder, if there is one, and what is left of earlier drops; to be called when it is
        applied, or nothing new has come. Returns sentences on what could not be moved; ``memory`` knows these files.

        It raises nothing: the roster is stored whatever becomes of the files."""
        folder = self._settings.done_folder
        if folder is None or not self._to_move:
            return []
        moved: set[Entry] = set()
        stay: dict[str, str] = {}
        left: set[str] = set()
        try:
            with self._place.visit() as visit:
                for entry in self._to_move:
                    # A newer file stays as long as an older one does that would be taken for it the next time.
                    if undated(entry.name) in left:
                        continue
                    try:
                        visit.move(entry, folder)
                        moved.add(entry)
                    except CannotMoveError as error:
                        stay[entry.name] = str(error)
                        left.add(undated(entry.name))
        except RosterSyncError as error:
            return [f"The files could not be moved to {folder}: {error.for_admin}"]
        finally:
            self._to_move = tuple(entry for entry in self._to_move if entry not in moved)
        return [f"{shown(name)} could not be moved to {folder}: {why}." for name, why in stay.items()]

    def _look(self, visit: Visit, again: bool) -> Drop:
        """The drop that lies there. What was applied before and is still to be moved is no part of it, so that a new drop has to
        be whole by itself; but where the last drop is to be read again, and is all there, that is the drop."""
        entries, before = visit.entries(), self._before
        drop = choose(entries)
        if (again or before.drop_again) and hash_of_listing(drop.files) == before.drop_listing:
            return drop
        known = frozenset(before.drop_entries)
        self._to_move = tuple(entry for entry in (*drop.older, *drop.files) if hash_of_entry(entry) in known)
        return choose(set(entries).difference(self._to_move))

    # --- refusing -------------------------------------------------------------------------------------------------------

    def _refuse_known(self, drop: Drop, again: bool) -> None:
        """Raises NothingNewError if these are the files that were taken last, or if those were moved, all or in part, and none
        came since."""
        before = self._before
        emptied = not drop.files and self._settings.done_folder is not None
        same = hash_of_listing(drop.files) == before.drop_listing and not before.drop_again
        left = not drop.files and self._to_move
        if left or (before.drop_listing and not again and (emptied or same)):
            raise NothingNewError(
                f"Nothing new has come to the {self._place.shown} since the last time.", "same listing"
            )

    def _refuse_none_and_too_many(self, drop: Drop) -> None:
        if not drop.files:
            raise DropNotReadyError(f"There is no CSV or ZIP file in the {self._place.shown} yet.", "no files")
        size = sum(entry.size for entry in drop.files)
        if len(drop.files) > MOST_FILES or size > MOST_BYTES:
            raise DistrictActionError(
                f"There are {len(drop.files):,} files of {size // 1_000_000:,} MB in the {self._place.shown}, more than a "
                f"roster can have ({MOST_FILES:,} files, {MOST_BYTES // 1_000_000:,} MB). Ask the district to send the "
                "roster only.",
                "drop too large",
            )

    def _refuse_changed(self, before: Drop, now: Drop) -> None:
        """Raises DropNotReadyError if a file came, went, or is not what it was."""
        changed = {*before.files, *before.unfinished} ^ {*now.files, *now.unfinished}
        if changed:
            raise self._growing(changed)

    def _growing(self, entries: Iterable[Entry]) -> DropNotReadyError:
        return DropNotReadyError(
            f"The files in the {self._place.shown} are still changing ({_listed(entry.name for entry in entries)}); "
            "nothing was read yet.",
            "listing changes",
        )

    def _refuse_incomplete(self, upload: CsvUpload) -> None:
        """Raises DropNotReadyError for an archive that cannot be read to its end, and for a roster file that is missing."""
        came = upload.look()
        torn = {file.name for file in came if not file.whole}
        if torn:
            archives = {entry.name for entry in self._drop.files if entry.name.lower().endswith(".zip")}
            within = "" if torn <= archives else f" (within {_listed(archives)})"
            raise DropNotReadyError(
                f"{_listed(torn)}{within} in the {self._place.shown} cannot be read to the end: the upload is still going "
                "on, or was damaged. Nothing was read.",
                "archive torn",
            )
        roles = {file.role for file in came if file.role}
        expected = frozenset(self._before.files) if self._expected is None else self._expected
        missing = sorted(expected - roles - upload.left_out())
        if missing:
            why = "as the setting expected_files says" if self._expected is not None else "which came before"
            rest = ",".join(f"{role}.csv" for role in sorted(roles)) or "''"
            raise DropNotReadyError(
                f"{_listed(f'{role}.csv' for role in missing)} should be in the {self._place.shown}, {why}, and is missing; "
                f"nothing was read. {self._not_counted()}If the district will not send it any more: rostersync connection set "
                f"TENANT NAME expected_files {rest}",
                f"{len(missing)} file(s) missing",
            )

    def _not_counted(self) -> str:
        if not self._to_move:
            return ""
        left = _listed(entry.name for entry in self._to_move)
        return f"What was applied before and still lies there does not count ({left}). "

    # --- fetching -------------------------------------------------------------------------------------------------------

    def _rest(self) -> None:
        """Wait until the files must have changed if somebody still writes them; no connection is held meanwhile."""
        seconds = float(self._settings.stable_seconds)
        if seconds >= 1:
            self._access.watch.waiting(seconds, "to see whether the files still change")
        while seconds > 0:
            self._access.watch.checkpoint()
            self._sleep(min(seconds, 1.0))
            seconds -= 1
        self._access.watch.checkpoint()

    def _fetch(self, visit: Visit, entry: Entry) -> str:
        """Copy a file to the scratch directory; returns the hash of its bytes. Raises DropNotReadyError if it is not what was
        listed."""
        self._access.watch.tell(Progress("fetch", shown(entry.name)))
        folder = self._access.scratch / "drop"
        content, size = hashlib.sha256(), 0
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            target = (folder / entry.name).open("xb")
        except OSError as error:
            raise no_room(error) from None
        with target, closing(visit.pieces(entry)) as pieces:
            try:
                for piece in pieces:
                    size += len(piece)
                    if size > entry.size:
                        break
                    content.update(piece)
                    _write(target, piece)
                    self._access.watch.checkpoint()
            except GoneError:
                raise self._growing([entry]) from None
        if size != entry.size:
            raise self._growing([entry])
        return content.hexdigest()

    def _open(self) -> CsvUpload:
        unpacked = self._access.scratch / "unpacked"
        unpacked.mkdir(mode=0o700)
        paths = [self._access.scratch / "drop" / entry.name for entry in self._drop.files]
        options = UploadOptions(school=self._settings.school, max_bytes=MOST_BYTES, page_size=self._access.page_size)
        return CsvUpload(paths, options, unpacked)

    def _learn(self, content: str, again: bool) -> None:
        """Raises NothingNewError if the very same content was taken last, under other times or dates."""
        known = content == self._before.drop_content
        self._memory = structs.replace(
            self._before, drop_listing=hash_of_listing(self._drop.files), drop_content=content, drop_again=False
        )
        if known and not again:
            raise SameAgainError(
                f"The files in the {self._place.shown} came again with the same content as the last time.",
                "same content",
            )


def _write(target: BinaryIO, piece: bytes) -> None:
    try:
        target.write(piece)
    except OSError as error:
        raise no_room(error) from None


def _notes(drop: Drop) -> Iterator[str]:
    """What a person should know of the drop."""
    newest = datetime.fromtimestamp(min(max(entry.mtime for entry in drop.files), _LAST_DAY), UTC)
    yield f"Dropped {newest:%Y-%m-%d %H:%M} UTC: {_listed(entry.name for entry in drop.files)}."
    if drop.older:
        older = _listed(entry.name for entry in drop.older)
        yield f"Older files were left aside, as newer ones of the same name came: {older}."


def _listed(names: Iterable[str]) -> str:
    """The first names."""
    all_names = sorted(set(names))
    more = len(all_names) - _NAMED
    return ", ".join(map(shown, all_names[:_NAMED])) + (f" and {more:,} more" if more > 0 else "")
