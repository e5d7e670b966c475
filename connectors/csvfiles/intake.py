"""What came: folders, files and archives, looked through for the files that a roster needs."""

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import structs

from connectors.csvfiles.archives import HEAD_SIZE, MOST_ENTRIES, ZIP_SIGNATURES, Archive, Room, is_clutter
from connectors.csvfiles.layouts import LAYOUT_OF
from connectors.csvfiles.recognize import name_says, recognize
from connectors.csvfiles.table import InputFile
from connectors.csvfiles.text import NotTextError, decode_head, scan
from models.errors import SettingsError
from models.problems import Problem

_DEEPEST = 16
_LONGEST_NAME = 200


def take_in(paths: Sequence[Path], scratch: Path, max_bytes: int) -> list[InputFile]:
    """All files found, by name; at most one of each roster role keeps its role. Raises ``SettingsError`` for a path
    that does not exist."""
    room = Room(scratch, max_bytes)
    found: list[InputFile] = []
    seen: set[Path] = set()
    for path in paths:
        try:
            path.stat()
        except OSError as error:
            raise SettingsError(f"{path} cannot be opened: {error.strerror}.") from None
        top = path.name if path.is_file() else ""
        for name, file in _walk(top, path, 0):
            if isinstance(file, InputFile):
                found.append(file)
            elif file.resolve() not in seen:
                seen.add(file.resolve())
                found.extend(_look_into(name, file, room))
    _name_shortly(found)
    found.sort(key=lambda file: (file.by_name, file.name))
    for file in found:
        _scan(file)
    _keep_one_of_each(found)
    return found


def _walk(name: str, path: Path, depth: int) -> Iterator[tuple[str, Path | InputFile]]:
    """The files under a path by name, without clutter; links and what cannot be opened as closed input files."""
    if not path.is_dir():
        yield name, path
        return
    try:
        entries = sorted(os.scandir(path), key=lambda entry: entry.name)
    except OSError:
        yield name, _closed(name or path.name, "file_unreadable", "(the folder may not be opened)")
        return
    for count, entry in enumerate(entries):
        inner = f"{name}/{entry.name}" if name else entry.name
        if is_clutter((entry.name,)):
            continue
        if entry.is_symlink():
            yield inner, _closed(inner, "file_unsafe_path")
        elif depth >= _DEEPEST or count >= MOST_ENTRIES:
            yield inner, _closed(inner, "file_unreadable", "(there are too many files or folders)")
            return
        else:
            yield from _walk(inner, Path(entry.path), depth + 1)


def _closed(name: str, code: str, detail: str = "") -> InputFile:
    return InputFile(name, named=name_says(name), problems=[Problem(code, name, detail=detail)])


def _look_into(name: str, path: Path, room: Room) -> Iterator[InputFile]:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            yield _closed(name, "file_unreadable", "(it is not a regular file)")
            return
        with path.open("rb") as file:
            head = file.read(HEAD_SIZE)
    except OSError as error:
        yield _closed(name, "file_unreadable", f"({(error.strerror or 'error').lower()})")
        return
    if head.startswith(ZIP_SIGNATURES):
        yield from Archive(name, path, room, judge).files()
    elif name.lower().endswith(".zip") and head:
        yield _closed(name, "file_unreadable", "(it is not a ZIP archive)")
    else:
        found = judge(name, head)
        found.path = path
        yield found


def judge(name: str, head: bytes) -> InputFile:
    """What a file is, from its name and first bytes; its path is not known yet."""
    named = name_says(name)
    file = InputFile(name, named=named)
    try:
        text = decode_head(head)
    except NotTextError as error:
        file.problems.append(Problem("file_not_text", name, detail=str(error)))
        return file
    recognized = recognize(text, name)
    file.head, file.note, file.by_name = recognized.head, recognized.note, recognized.by_name
    if recognized.role == "ignored":
        file.role = "ignored"
        file.problems.append(Problem("file_ignored", name))
    elif recognized.note:
        file.problems.append(Problem("file_not_text", name, detail=recognized.note))
    elif recognized.head is None:
        file.problems.append(Problem("file_empty", name))
    elif not recognized.role:
        file.role = "ignored"
        file.problems.append(Problem("file_not_recognized", name))
    else:
        file.role = recognized.role
        if named is not None and named != file.role:
            file.problems.append(Problem("file_wrong_name", name, detail=f"({file.role})"))
    return file


def _scan(file: InputFile) -> None:
    """Find out how to decode a roster file, now that all of it is here."""
    if file.role not in LAYOUT_OF or file.path is None:
        return
    try:
        file.facts = scan(file.path)
    except NotTextError as error:
        file.role = "unreadable"
        file.problems.append(Problem("file_not_text", file.name, detail=str(error)))
    except OSError:
        file.role = "unreadable"
        file.problems.append(Problem("file_unreadable", file.name, detail="(to its end)"))


def _keep_one_of_each(files: Sequence[InputFile]) -> None:
    """The first file of each role is read; the others are told of, and leave a doubt about its being complete."""
    first: dict[str, InputFile] = {}
    for file in files:
        if file.role not in LAYOUT_OF:
            continue
        kept = first.setdefault(file.role, file)
        if kept is not file:
            file.problems.append(Problem("file_repeated", file.name, detail=f"({file.role}, after {kept.name})"))
            file.role = "ignored"
            kept.doubt = f"a second file of the type {kept.role} came and was not read"


def _name_shortly(files: Sequence[InputFile]) -> None:
    """Call files by their last name where no other has it, else by their whole path in the upload."""
    counts: dict[str, int] = {}
    for file in files:
        last = _last_name(file.name).casefold()
        counts[last] = counts.get(last, 0) + 1
    times: dict[str, int] = {}
    for file in files:
        last = _last_name(file.name)
        name = last if counts[last.casefold()] == 1 else file.name
        name = "".join(char if char.isprintable() else "?" for char in name)[-_LONGEST_NAME:]
        times[name] = times.get(name, 0) + 1
        file.name = name if times[name] == 1 else f"{name} ({times[name]})"
        file.problems = [structs.replace(problem, file=file.name) for problem in file.problems]


def _last_name(name: str) -> str:
    return name.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1] or name
