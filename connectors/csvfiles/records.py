"""From lines to cells: CSV reading that a stray quotation mark cannot lead astray.

A quote that is opened and not closed makes a CSV reader swallow the lines after it, and with them the ids that prove
that people are still there. So the lines of the record under way are kept: when a record that spans lines is not sound,
its first line is given up as a fault, and the others are read again on their own.
"""

import csv
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from connectors.csvfiles.recognize import Dialect, split_line
from connectors.csvfiles.text import LINE_LIMIT

#: Most lines that one record may span; an address in a cell has three or four.
_LINES_LIMIT = 500


class Fault(NamedTuple):
    """Why a record could not be read as a row: a problem's code and detail."""

    code: str
    detail: str = ""


#: 1-based line where the record starts, its cells, and what is wrong with it as a whole. The cells of a faulty record
#: are those that could be made out.
Record = tuple[int, list[str], Fault | None]


def read_records(lines: Iterator[str], dialect: Dialect, width: int, first_line: int) -> Iterator[Record]:
    """Yield the records of ``lines`` (which begin at ``first_line``) except blank lines. Never raises on content."""
    pending: list[str] = []
    again: deque[str] = deque()
    number = first_line
    while True:
        feed = _feed(again, lines, pending)
        rows = csv.reader(feed, delimiter=dialect.delimiter, skipinitialspace=dialect.skip_space)
        try:
            for cells in rows:
                if len(pending) > 1 and not _is_sound(pending, cells, dialect, width):
                    break
                if cells:
                    yield number, cells, None
                number += len(pending)
                pending.clear()
        except csv.Error:
            pass  # pending holds the record at fault
        if not pending:
            return
        yield number, *_given_up(pending, dialect)
        number += 1
        again.extendleft(line for line in reversed(pending[1:]) if line)
        pending = []


def _feed(again: deque[str], lines: Iterator[str], pending: list[str]) -> Iterator[str]:
    """Hand out lines, those to be read again first, and note them in ``pending``; stop where a record grows too large.

    Where the input ends inside of a record, an empty line is noted behind it.
    """
    size = 0
    while True:
        line = again.popleft() if again else next(lines, "")
        if not line:
            break
        size = size + len(line) if pending else len(line)
        pending.append(line)
        if size > LINE_LIMIT or len(pending) > _LINES_LIMIT:
            return
        yield line
    if pending:
        pending.append("")


def _is_sound(pending: list[str], cells: list[str], dialect: Dialect, width: int) -> bool:
    """Whether a record of several lines is what its writer meant: strictly quoted, of the right width, and none of its
    further lines a whole row by itself."""
    if not pending[-1] or len(cells) != width or sum(map(len, pending)) > LINE_LIMIT or len(pending) > _LINES_LIMIT:
        return False
    strict = csv.reader(pending, delimiter=dialect.delimiter, skipinitialspace=dialect.skip_space, strict=True)
    try:
        next(strict)
    except csv.Error:
        return False
    return width == 1 or all(len(split_line(line, dialect)) != width for line in pending[1:])


def _given_up(pending: list[str], dialect: Dialect) -> tuple[list[str], Fault]:
    if len(pending) == 1:
        fault = Fault("cell_too_long", f"(the row has more than {LINE_LIMIT:,} characters)")
    elif len(pending) == 2 and not pending[1]:
        fault = Fault("file_truncated", "(inside of a quoted value)")
    else:
        fault = Fault("quote_unclosed")
    return split_line(pending[0][:LINE_LIMIT], dialect), fault
