"""A drop is read when it is whole and new, and not before; both ways to drop files keep the same rules."""

import os
from collections.abc import Callable

import pytest

import connectors.drops.source
from connectors.csvfiles.connector import CsvUpload
from connectors.drops.folder import Folder
from connectors.drops.listing import Entry
from connectors.drops.place import MOST_ENTRIES
from connectors.drops.sftp import SftpVisit
from models.connections import Memory
from models.errors import (
    CancelledError,
    DistrictActionError,
    DropNotReadyError,
    NothingNewError,
    RosterSyncError,
    SettingsError,
    SourceUnavailableError,
)
from models.settings import UploadOptions
from tests.connectors.drops.ways import CLASSES, ENROLLMENTS, FILES, LONG_AGO, USERS, Way, archive, text

MORE_USERS = text([*USERS, ("s2", "pine", "student", "Alan", "Turing")])


def refused(way: Way, memory: Memory | None = None, again: bool = False, **settings: object) -> RosterSyncError:
    """What a drop is refused with."""
    with pytest.raises(RosterSyncError) as caught:
        way.source(memory, **settings).arrive(again=again)
    return caught.value


def fetched(way: Way, memory: Memory | None = None, again: bool = False, **settings: object) -> list[str]:
    """The files that make up the drop."""
    source = way.source(memory, **settings)
    source.arrive(again=again)
    return sorted(file.name for file in source.upload().look())


# --- what is read ---------------------------------------------------------------------------------------------------


def test_whole_drop_is_read_as_an_upload_of_the_same_files_is(way: Way) -> None:
    way.drop()
    before = way.state()
    source = way.source(school="pine")
    scratch = way.scratch / "upload"
    scratch.mkdir()
    upload = CsvUpload([way.folder / name for name in FILES], UploadOptions(school="pine"), scratch)
    assert list(source.pull()) == list(upload.pull())
    assert way.slept == 60
    assert way.state() == before
    assert source.memory.files == ("classes", "enrollments", "users")
    assert [progress.file for progress in way.told if progress.step == "fetch"] == sorted(FILES)
    assert source.facts.notes == ["Dropped 2023-11-14 22:13 UTC: classes.csv, enrollments.csv, users.csv."]


def test_what_is_no_roster_file_is_left_alone(way: Way) -> None:
    way.drop(
        FILES | {"readme.txt": b"x", ".users.csv": b"x", "~$users.csv": b"x", "users.csv~": b"x", "a.csv.tmp": b"x"}
    )
    (way.folder / "old.csv").mkdir()
    outside = way.folder.parent / "secret.csv"
    outside.write_bytes(FILES["users.csv"])
    (way.folder / "guardians.csv").symlink_to(outside)
    assert fetched(way) == sorted(FILES)


def test_archive_is_read(way: Way) -> None:
    way.drop({"roster.zip": archive(FILES)})
    source = way.source()
    assert {type(event).__name__ for event in source.pull()} == {"Arrival", "Page", "Coverage"}
    assert source.memory.files == ("classes", "enrollments", "users")


def test_newest_of_several_days_is_read(way: Way) -> None:
    way.drop({"users_20261122.csv": MORE_USERS}, LONG_AGO + 100)
    way.drop({"users_20261121.csv": FILES["users.csv"]}, LONG_AGO)
    way.drop({"classes.csv": FILES["classes.csv"], "enrollments.csv": FILES["enrollments.csv"]})
    source = way.source()
    list(source.pull())
    assert way.fetched == ["classes.csv", "enrollments.csv", "users_20261122.csv"]
    assert source.facts.notes[1] == (
        "Older files were left aside, as newer ones of the same name came: users_20261121.csv."
    )


def test_halves_of_a_listing_are_no_days_of_it(way: Way) -> None:
    way.drop(FILES | {"users_2.csv": MORE_USERS})
    assert fetched(way) == [*sorted(FILES), "users_2.csv"]


def test_nobody_waits_where_nothing_can_change(way: Way) -> None:
    way.drop()
    fetched(way, stable_seconds=0)
    assert way.slept == 0


# --- what is not whole yet ------------------------------------------------------------------------------------------


def test_empty_folder_is_not_ready(way: Way) -> None:
    error = refused(way)
    assert isinstance(error, DropNotReadyError)
    assert error.for_admin.startswith("There is no CSV or ZIP file in the folder ")
    assert way.slept == 0


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda way: way.drop({"users.csv": MORE_USERS}), "users.csv"),
        (lambda way: way.drop({"users.csv": FILES["users.csv"]}), "users.csv"),
        (lambda way: way.drop({"guardians.csv": b"x"}), "guardians.csv"),
        (lambda way: (way.folder / "classes.csv").unlink(), "classes.csv"),
        (lambda way: way.drop({"users.csv.filepart": b"xx"}), "users.csv.filepart"),
        (lambda way: way.drop({".classes.csv.Xa81kE": b"x"}), ".classes.csv.Xa81kE"),
    ],
    ids=["grows", "rewritten", "comes", "goes", "part grows", "part comes"],
)
@pytest.mark.parametrize("moment", ["waiting", "fetching"])
def test_files_that_change_are_not_read(way: Way, change: Callable[[Way], None], named: str, moment: str) -> None:
    way.drop(FILES | {"users.csv.filepart": b"x"})
    if moment == "waiting":
        way.while_waiting = lambda: change(way)
    else:
        way.before_read = lambda name: change(way) if name == "users.csv" else None
    error = refused(way)
    assert isinstance(error, DropNotReadyError)
    assert f"are still changing ({named})" in error.for_admin


@pytest.mark.parametrize("content", [b"", FILES["users.csv"][:-9], MORE_USERS], ids=["empty", "shorter", "longer"])
def test_file_of_another_size_than_listed_is_not_read(way: Way, content: bytes) -> None:
    way.drop()
    listed = (way.folder / "users.csv").stat()

    def replace(name: str) -> None:
        if name == "users.csv":
            (way.folder / name).write_bytes(content)

    def restore(count: int) -> None:
        if count == 2:  # only what was received can tell
            (way.folder / "users.csv").write_bytes(FILES["users.csv"])
            os.utime(way.folder / "users.csv", (listed.st_atime, listed.st_mtime))

    way.before_read, way.before_list = replace, restore
    assert "still changing (users.csv)" in refused(way).for_admin


def test_file_that_vanishes_between_listing_and_reading_is_not_ready(way: Way) -> None:
    way.drop()
    way.before_read = lambda name: (way.folder / "enrollments.csv").unlink() if name == "classes.csv" else None
    error = refused(way)
    assert isinstance(error, DropNotReadyError)
    assert "still changing (enrollments.csv)" in error.for_admin


def test_leftover_of_an_upload_that_was_given_up_is_no_hindrance(way: Way) -> None:
    way.drop(FILES | {"users.csv.filepart": b"half of"})
    assert fetched(way) == sorted(FILES)


def test_torn_archive_is_not_ready(way: Way) -> None:
    whole = archive({"users.csv": FILES["users.csv"], "classes.csv": os.urandom(3_000)})
    for content in (whole[:-40], whole[:200], whole.replace(whole[60:70], b"0123456789")):
        way.drop({"roster.zip": content})
        error = refused(way)
        assert isinstance(error, DropNotReadyError)
        assert "roster.zip" in error.for_admin
        assert "cannot be read to the end" in error.for_admin


# --- what is missing ------------------------------------------------------------------------------------------------


def test_file_that_came_before_and_is_missing_is_named(way: Way) -> None:
    way.drop()
    memory = way.taken()
    (way.folder / "classes.csv").unlink()
    error = refused(way, memory)
    assert isinstance(error, DropNotReadyError)
    assert "classes.csv should be in the folder " in error.for_admin
    assert "which came before, and is missing" in error.for_admin
    assert "connection set TENANT NAME expected_files enrollments.csv,users.csv" in error.for_admin


def test_file_that_is_missing_in_the_archive_is_named(way: Way) -> None:
    way.drop()
    memory = way.taken()
    for name in FILES:
        (way.folder / name).unlink()
    way.drop({"roster.zip": archive({"a/users.csv": FILES["users.csv"], "a/classes.csv": FILES["classes.csv"]})})
    assert "enrollments.csv should be in" in refused(way, memory).for_admin
    way.drop({"roster.zip": archive({f"a/{name}": content for name, content in FILES.items()})})
    assert len(fetched(way, memory)) == 3


def test_smaller_set_is_accepted_by_a_setting(way: Way) -> None:
    way.drop()
    memory = way.taken()
    (way.folder / "classes.csv").unlink()
    assert fetched(way, memory, expected_files=("users.csv", "Enrollments")) == ["enrollments.csv", "users.csv"]
    assert len(fetched(way, memory, expected_files=())) == 2
    error = refused(way, expected_files=("users.csv", "guardians.csv"))
    assert "guardians.csv should be in" in error.for_admin
    assert "as the setting expected_files says" in error.for_admin


def test_file_that_the_manifest_calls_absent_is_not_missed(way: Way) -> None:
    manifest = {"manifest.csv": text([("propertyName", "value"), ("file.classes", "absent"), ("file.users", "bulk")])}
    way.drop(FILES | {"manifest.csv": text([("propertyName", "value"), ("file.users", "bulk")])})
    memory = way.taken()
    assert memory.files == ("classes", "enrollments", "manifest", "users")
    (way.folder / "classes.csv").unlink()
    assert isinstance(refused(way, memory), DropNotReadyError)
    way.drop(manifest)
    assert fetched(way, memory) == ["enrollments.csv", "manifest.csv", "users.csv"]


def test_files_are_learned_from_every_drop_and_none_is_forgotten(way: Way) -> None:
    way.drop({"users.csv": FILES["users.csv"]})
    first = way.taken()
    assert first.files == ("users",)
    (way.folder / "users.csv").unlink()
    way.drop({"classes.csv": FILES["classes.csv"], "demographics.csv": b"sourcedId,sex\ns1,x\n"})
    source = way.source(first, expected_files=())
    list(source.pull())
    assert source.memory.files == ("classes", "users")


def test_file_that_came_but_cannot_be_read_is_not_missing(way: Way) -> None:
    way.drop()
    memory = way.taken()
    way.drop({"classes.csv": b""})
    assert fetched(way, memory) == sorted(FILES)


# --- what is known already ------------------------------------------------------------------------------------------


def test_same_listing_is_nothing_new_and_nothing_is_read(way: Way) -> None:
    way.drop()
    memory = way.taken()
    way.slept = 0
    assert isinstance(refused(way, memory), NothingNewError)
    assert (way.fetched, way.slept) == ([], 0)
    assert fetched(way, memory, again=True) == sorted(FILES)


def test_same_content_at_another_time_is_nothing_new_and_then_known_by_its_listing(way: Way) -> None:
    way.drop({f"{name[:-4]}_2026-11-21.csv": content for name, content in FILES.items()})
    memory = way.taken()
    for path in way.folder.iterdir():
        path.unlink()
    way.drop({f"{name[:-4]}_2026-11-22.csv": content for name, content in FILES.items()})
    source = way.source(memory)
    with pytest.raises(NothingNewError, match="same content"):
        source.arrive()
    assert len(way.fetched) == 3
    assert source.memory.files == memory.files
    way.fetched.clear()
    assert isinstance(refused(way, source.memory), NothingNewError)
    assert way.fetched == []


@pytest.mark.parametrize(
    "files", [{"users.csv": MORE_USERS}, {"guardians.csv": FILES["users.csv"]}], ids=["changed", "one more"]
)
def test_other_content_is_new(way: Way, files: dict[str, bytes]) -> None:
    way.drop()
    memory = way.taken()
    way.drop(files)
    assert fetched(way, memory) == sorted(FILES | files)


def test_part_of_a_new_upload_is_waited_for_though_the_rest_is_known(way: Way) -> None:
    way.drop(FILES | {"users.csv.part": b"1"})
    memory = way.taken()
    way.slept = 0
    assert isinstance(refused(way, memory), NothingNewError)
    assert (way.slept, way.fetched) == (60, [])
    way.slept = 0
    way.while_waiting = lambda: way.drop({"users.csv.part": b"12"})
    assert isinstance(refused(way, memory), DropNotReadyError)


# --- what cannot be read --------------------------------------------------------------------------------------------


def test_drop_that_is_too_large_is_refused(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    way.drop()
    monkeypatch.setattr(connectors.drops.source, "MOST_FILES", 2)
    error = refused(way)
    assert isinstance(error, DistrictActionError)
    assert "3 files of 0 MB" in error.for_admin
    monkeypatch.setattr(connectors.drops.source, "MOST_FILES", 3)
    monkeypatch.setattr(connectors.drops.source, "MOST_BYTES", 100)
    assert isinstance(refused(way), DistrictActionError)
    assert way.fetched == []


def test_folder_of_something_else_is_refused(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    way.drop()
    assert MOST_ENTRIES == 10_000
    for module in ("folder", "sftp"):
        monkeypatch.setattr(f"connectors.drops.{module}.MOST_ENTRIES", 2)
    error = refused(way)
    assert isinstance(error, DistrictActionError)
    assert "more than 2 entries" in error.for_admin


def test_missing_folder_names_the_setting(way: Way) -> None:
    error = refused(way, path="/nowhere")
    assert isinstance(error, (DistrictActionError, SettingsError))
    assert "/nowhere" in error.for_admin
    assert "does not exist" in error.for_admin
    assert "setting path" in error.for_admin


def test_nothing_that_can_be_used(way: Way) -> None:
    way.drop({"menu.csv": b"monday,tuesday\nsoup,soup\n"})
    with pytest.raises(DistrictActionError, match="None of the files that came is a roster file"):
        list(way.source().pull())


@pytest.mark.parametrize("moment", ["waiting", "fetching"])
def test_person_need_not_wait(way: Way, moment: str) -> None:
    way.drop()
    stopped: list[int] = []
    way.cancelled = lambda: bool(stopped)
    if moment == "waiting":
        way.while_waiting = lambda: stopped.append(1)
    else:
        way.before_read = lambda _name: stopped.append(1)
    assert isinstance(refused(way), CancelledError)
    assert way.slept == (1 if moment == "waiting" else 60)
    assert len(way.fetched) == (0 if moment == "waiting" else 1)


# --- the done folder ------------------------------------------------------------------------------------------------


def applied(way: Way, **settings: object) -> tuple[Memory, list[str]]:
    """A drop that is read, applied and moved; what is remembered then, and what could not be moved."""
    source = way.source(**settings)
    list(source.pull())
    said = source.put_away()
    return source.memory, said


def test_what_was_applied_moves_to_the_done_folder(way: Way) -> None:
    way.drop({"users_20261121.csv": MORE_USERS}, LONG_AGO)
    way.drop({"users_20261122.csv": FILES["users.csv"], "classes.csv": FILES["classes.csv"]})
    memory, failures = applied(way, done_folder="done")
    assert failures == []
    assert sorted(way.state()) == ["done/classes.csv", "done/users_20261121.csv", "done/users_20261122.csv"]
    # From now on an empty folder is what one expects to find.
    assert isinstance(refused(way, memory, done_folder="done"), NothingNewError)
    assert isinstance(refused(way, memory, again=True, done_folder="done"), DropNotReadyError)


def test_nothing_in_the_done_folder_is_written_over(way: Way) -> None:
    (way.folder / "done").mkdir()
    way.drop({"done/users.csv": b"first", "done/users-2.csv": b"second"})
    way.drop({"users.csv": FILES["users.csv"]})
    assert applied(way, done_folder="done")[1] == []
    assert {name: content for name, (content, _) in way.state().items()} == {
        "done/users.csv": b"first",
        "done/users-2.csv": b"second",
        "done/users-3.csv": FILES["users.csv"],
    }


def test_done_folder_that_cannot_be_made_is_told(way: Way) -> None:
    way.drop({"users.csv": FILES["users.csv"]})
    before = way.state()
    [sentence] = applied(way, done_folder="far/away")[1]
    assert sentence.startswith("users.csv could not be moved to far/away: ")
    assert way.state() == before


def test_file_that_came_anew_since_it_was_read_stays(way: Way) -> None:
    way.drop()
    source = way.source(done_folder="done")
    list(source.pull())
    way.drop({"users.csv": MORE_USERS})
    assert source.put_away() == ["users.csv could not be moved to done: it has changed since it was read."]
    assert sorted(way.state()) == ["done/classes.csv", "done/enrollments.csv", "users.csv"]


def test_newer_file_stays_where_the_older_one_does(way: Way) -> None:
    way.drop({"users_20261121.csv": MORE_USERS, "users_20261122.csv": FILES["users.csv"]})
    way.drop({"classes.csv": text(CLASSES), "enrollments.csv": text(ENROLLMENTS)})
    source = way.source(done_folder="done")
    list(source.pull())
    way.drop({"users_20261121.csv": b"written again"})
    [sentence] = source.put_away()
    assert sentence.startswith("users_20261121.csv could not be moved")
    assert sorted(way.state()) == [
        "done/classes.csv", "done/enrollments.csv", "users_20261121.csv", "users_20261122.csv",
    ]  # fmt: skip


def left_over(way: Way, monkeypatch: pytest.MonkeyPatch) -> Memory:
    """A drop of which users.csv could not be moved any more, as the connection broke; what is remembered."""
    way.drop()
    kind = Folder if type(way).__name__ == "FolderWay" else SftpVisit
    move = kind.move

    def breaks(self: object, entry: Entry, folder: str) -> None:
        if entry.name == "users.csv":
            raise SourceUnavailableError("The connection broke.")
        move(self, entry, folder)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(kind, "move", breaks)
        memory, said = applied(way, done_folder="done")
    assert said == ["The files could not be moved to done: The connection broke."]
    assert sorted(way.state()) == ["done/classes.csv", "done/enrollments.csv", "users.csv"]
    way.fetched.clear()
    return memory


@pytest.mark.parametrize("again", [False, True])
def test_what_is_left_of_a_drop_is_nothing_new_and_moves_on(
    way: Way, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    memory = left_over(way, monkeypatch)
    source = way.source(memory, done_folder="done")
    with pytest.raises(NothingNewError):
        source.arrive(again=again)
    assert source.memory == memory
    assert source.put_away() == []
    assert sorted(way.state()) == ["done/classes.csv", "done/enrollments.csv", "done/users.csv"]
    assert way.fetched == []
    assert isinstance(refused(way, source.memory, done_folder="done"), NothingNewError)


def test_drop_is_known_by_what_is_left_if_its_worker_was_killed(way: Way) -> None:
    way.drop()
    source = way.source(done_folder="done")
    list(source.pull())
    memory = source.memory  # as it is remembered before anything is moved
    (way.folder / "classes.csv").unlink()
    assert isinstance(refused(way, memory, done_folder="done"), NothingNewError)
    assert isinstance(refused(way, memory), NothingNewError)  # a done folder that is set no more


def test_new_drop_is_whole_without_what_is_left_of_the_last_one(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = left_over(way, monkeypatch)
    way.drop({"classes.csv": FILES["classes.csv"], "enrollments.csv": FILES["enrollments.csv"]})
    error = refused(way, memory, done_folder="done")
    assert isinstance(error, DropNotReadyError)
    assert "users.csv should be in the folder " in error.for_admin
    assert "still lies there does not count (users.csv)" in error.for_admin
    way.drop({"users.csv": MORE_USERS})
    source = way.source(memory, done_folder="done")
    source.arrive()
    assert source.put_away() == []
    assert sorted(way.state()) == [
        "done/classes-2.csv", "done/classes.csv", "done/enrollments-2.csv", "done/enrollments.csv", "done/users.csv",
    ]  # fmt: skip
    assert source.memory.drop_entries == ()


def test_what_is_left_moves_with_the_next_drop(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = left_over(way, monkeypatch)
    way.drop({"roster.zip": archive(FILES)})
    source = way.source(memory, done_folder="done")
    source.arrive()
    assert way.fetched == ["roster.zip"]
    assert source.put_away() == []
    assert sorted(way.state()) == ["done/classes.csv", "done/enrollments.csv", "done/roster.zip", "done/users.csv"]


def test_files_with_the_times_of_those_that_were_moved_are_a_new_drop(way: Way) -> None:
    way.drop(mtime=LONG_AGO)
    memory, _ = applied(way, done_folder="done")
    assert memory.drop_entries == ()
    way.drop(mtime=LONG_AGO)
    way.drop({"users.csv": MORE_USERS})
    assert fetched(way, memory, done_folder="done") == sorted(FILES)


def test_part_of_a_new_drop_is_refused_where_all_was_moved(way: Way) -> None:
    way.drop()
    memory, _ = applied(way, done_folder="done")
    way.drop({"users.csv": MORE_USERS})
    error = refused(way, memory, done_folder="done")
    assert isinstance(error, DropNotReadyError)
    assert "classes.csv, enrollments.csv should be in" in error.for_admin
    assert "does not count" not in error.for_admin


def test_drop_that_nothing_was_moved_of_is_read_again_for_a_person(way: Way) -> None:
    way.drop()
    (way.folder / "done").write_text("in the way")
    memory, said = applied(way, done_folder="done")
    assert len(said) == len(memory.drop_entries) == 3
    assert isinstance(refused(way, memory, done_folder="done"), NothingNewError)
    assert fetched(way, memory, again=True, done_folder="done") == sorted(FILES)


def test_without_a_done_folder_nothing_moves(way: Way) -> None:
    way.drop()
    before = way.state()
    assert applied(way)[1] == []
    assert way.state() == before
