"""What must hold for any table and any bytes."""

import contextlib
import csv
import io
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.csvfiles import CsvUpload
from connectors.csvfiles.headers import fold, match_columns
from connectors.csvfiles.layouts import ENROLLMENTS, LAYOUTS
from connectors.csvfiles.recognize import Dialect
from connectors.csvfiles.records import read_records
from models.errors import DistrictActionError
from models.pages import Coverage, Page, PullEvent
from models.problems import CATALOG
from models.settings import UploadOptions
from models.vocabulary import KINDS

HEADER = ["classSourcedId", "schoolSourcedId", "userSourcedId", "role"]


def pull_bytes(name: str, content: bytes, page_size: int = 5000) -> tuple[CsvUpload, list[PullEvent]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        scratch = Path(folder) / "scratch"
        scratch.mkdir()
        upload = CsvUpload([path], UploadOptions(page_size=page_size), scratch)
        events: list[PullEvent] = []
        with contextlib.suppress(DistrictActionError):
            events.extend(upload.pull())
        for file in upload.files:
            for _ in upload.reread(file.name)[1]:
                pass
        return upload, events


# Ids as they may be; a cell of free text may hold line ends, quotes and every delimiter but the one in use.
ids = st.text(st.characters(codec="cp1252", categories=("L", "N")), min_size=1, max_size=8)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.tuples(ids, ids, ids, st.sampled_from(["student", "teacher"])), min_size=1, max_size=8),
    delimiter=st.sampled_from(",;\t|"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    end=st.sampled_from(["\r\n", "\n", "\r"]),
    page_size=st.integers(1, 4),
)
def test_any_table_in_any_dress_reads_the_same(
    rows: list[tuple[str, str, str, str]], delimiter: str, encoding: str, quoting: int, end: str, page_size: int
) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator=end)  # type: ignore[arg-type]
    writer.writerow(HEADER)
    writer.writerows(rows)
    content = out.getvalue().encode(encoding)
    if encoding == "cp1252":
        # A text whose Windows-1252 bytes happen to be UTF-8 is UTF-8 to everyone.
        try:
            content.decode()
            content = out.getvalue().encode("utf-8")
        except UnicodeDecodeError:
            if any(is_utf_8(cell.encode("cp1252")) for row in rows for cell in row if not cell.isascii()):
                return
    _, events = pull_bytes("enrollments.csv", content, page_size)
    pages = [event for event in events if isinstance(event, Page)]
    records: list[Any] = [record for page in pages for record in page.records]
    found = [(record.class_source_id, record.person_source_id, record.role) for record in records]
    assert found == [(row[0], row[2], row[3]) for row in rows]
    assert [line for page in pages for line in page.lines] == list(range(2, len(rows) + 2))
    assert all(len(page.records) <= page_size for page in pages)


def is_utf_8(content: bytes) -> bool:
    return any(
        content[start:stop].isascii() is False and _decodes(content[start:stop])
        for start in range(len(content))
        for stop in range(start + 2, len(content) + 1)
    )


def _decodes(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


cells = st.text(st.characters(codec="utf-8", exclude_characters=",\0"), max_size=12)


@settings(max_examples=120, deadline=None)
@given(rows=st.lists(st.tuples(ids, cells, cells), min_size=1, max_size=6), end=st.sampled_from(["\n", "\r\n"]))
def test_well_formed_cells_of_several_lines_come_through(rows: list[tuple[str, str, str]], end: str) -> None:
    out = io.StringIO()
    csv.writer(out, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(rows)
    text = io.StringIO(out.getvalue(), newline="")
    found = list(read_records(iter(text), Dialect(), 3, 1))
    assert [cells for _, cells, _ in found] == [list(row) for row in rows]
    assert [fault for _, _, fault in found] == [None] * len(rows)


@settings(max_examples=120, deadline=None)
@given(st.lists(st.sampled_from(["a", "b,", '"', '""', ",", "\n", "\r", "\r\n", "x" * 70_000, "é"]), max_size=40))
def test_the_lines_of_any_text_are_all_accounted_for(pieces: list[str]) -> None:
    lines = io.StringIO("".join(pieces), newline="").readlines()
    found = list(read_records(iter(lines), Dialect(), 3, 1))
    numbers = [number for number, _, _ in found]
    assert numbers == sorted(set(numbers))
    assert not numbers or 1 <= numbers[0] <= numbers[-1] <= len(lines)


NAMES = st.sampled_from(["users.csv", "enrollments.csv", "guardians.csv", "manifest.csv", "a.zip", "orgs.csv", "x"])
HEADERS = st.sampled_from([",".join(field.name for field in layout.fields).encode() + b"\n" for layout in LAYOUTS])
CHUNKS = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [b",", b'"', b"\n", b"\r", b"\0", b"student", b"tobedeleted", b"\xef\xbb\xbf", b"\xff\xfe", b"1,S1,"]
    ),
)


@settings(max_examples=150, deadline=None)
@given(name=NAMES, head=st.one_of(st.just(b""), HEADERS), chunks=st.lists(CHUNKS, max_size=25))
def test_no_bytes_ever_raise(name: str, head: bytes, chunks: list[bytes]) -> None:
    _, events = pull_bytes(name, head + b"".join(chunks), page_size=2)
    order = [KINDS.index(event.kind) for event in events if isinstance(event, Page)]
    assert order == sorted(order)
    for event in events:
        if isinstance(event, Page):
            assert len(event.records) == len(event.lines)
        if isinstance(event, Coverage):
            assert (event.verdict == "complete") == (event.reason == "")
        elif not isinstance(event, Coverage):
            assert all(problem.code in CATALOG and problem.message for problem in event.problems)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_one_slip_in_one_header_is_forgiven(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, 2))
    name = HEADER[place]
    at = data.draw(st.integers(0, len(name) - 1))
    slip = data.draw(
        st.sampled_from([name[:at] + name[at + 1 :], name[:at] + "q" + name[at:], name[:at] + "q" + name[at + 1 :]])
    )
    columns = match_columns([slip if name == other else other for other in HEADER], ENROLLMENTS)
    assert columns.place[name] == place
    assert columns.guessed.get(place) == (None if fold(slip) == fold(name) else name)
