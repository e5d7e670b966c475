"""From bytes to text: which encoding a file is in, and what is odd about its characters.

UTF-8 is the rule, ASCII included; UTF-16 comes from spreadsheets, Windows-1252 (of which ISO-8859-1's printable part is
a subset) from older exports. A file is scanned once, in pieces, before it is read: only then is its encoding certain.
"""

import codecs
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from models.problems import Problem

_PIECE = 1 << 20
#: No line of a roster file is longer; longer ones are cut while reading, so that memory stays bounded.
LINE_LIMIT = 65_536

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SIGNATURES = (
    (b"PGDMP", "a database dump"),
    (b"SQLite format 3\0", "a database"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"%PDF", "a PDF"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook"),
)
_TEXT_CONTROLS = frozenset(b"\t\n\r\f\v\x1a\x1b\0")

_NOT_DECODED = re.compile("[\udc80-\udcff\ufffd]")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")

#: Shown to people; every other codec is shown under its own name.
_SHOWN = {"cp1252": "Windows-1252", "utf-8": "UTF-8"}
_FALLBACK = "rostersync.windows1252"


def _as_windows_1252(error: UnicodeError) -> tuple[str, int]:
    """Bytes that are not UTF-8 in a file that otherwise is: one exporter's line among others', nearly always this."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


codecs.register_error(_FALLBACK, _as_windows_1252)


class NotTextError(Exception):
    """The file is binary; the message says what it looks like, in parentheses."""


class TextFacts(NamedTuple):
    """How a file is to be decoded, and what was noticed while finding out."""

    encoding: str
    bom: int = 0
    errors: str = "strict"
    nul_bytes: bool = False
    long_lines: bool = False
    mixed_line_ends: bool = False
    #: Number of the last line if it has no line end: where a file that was cut off breaks; else 0.
    unended_line: int = 0

    @property
    def shown(self) -> str:
        return _SHOWN.get(self.encoding, self.encoding.upper())

    def problems(self, file: str) -> list[Problem]:
        found: list[Problem] = []
        if self.encoding == "cp1252":
            found.append(Problem("encoding_guessed", file, detail=self.shown))
        elif self.errors != "strict":
            found.append(Problem("encoding_mixed", file))
        if self.nul_bytes:
            found.append(Problem("nul_bytes", file))
        if self.mixed_line_ends:
            found.append(Problem("mixed_line_ends", file))
        return found


def guess_encoding(head: bytes) -> tuple[str, int]:
    """The encoding that a file's first bytes show, and the length of its byte order mark. Raises ``NotTextError``."""
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return encoding, len(mark)
    for signature, what in _SIGNATURES:
        if head.startswith(signature):
            raise NotTextError(f"(it looks like {what})")
    even, odd = head[0:4096:2].count(0), head[1:4096:2].count(0)
    half = max(1, min(len(head), 4096) // 2)
    if max(even, odd) > half * 0.4 and min(even, odd) < half * 0.1:
        return ("utf-16-le" if odd > even else "utf-16-be"), 0
    controls = sum(head.count(bytes([code])) for code in range(32) if code not in _TEXT_CONTROLS)
    if controls > len(head) * 0.05 or head.count(0) > len(head) * 0.5:
        raise NotTextError("(it is not text)")
    return "utf-8", 0


def decode_head(head: bytes) -> str:
    """The text of a file's first bytes, good enough to read its header. Raises ``NotTextError``."""
    encoding, bom = guess_encoding(head)
    decoder = codecs.getincrementaldecoder(encoding)(_FALLBACK if encoding == "utf-8" else "replace")
    return decoder.decode(head[bom:]).replace("\0", "")


def scan(path: Path) -> TextFacts:
    """Read the whole file once and say how to decode it. Raises ``NotTextError`` and ``OSError``."""
    with path.open("rb") as raw:
        encoding, bom = guess_encoding(raw.read(_PIECE))
        raw.seek(bom)
        tally = _Tally(encoding)
        while piece := raw.read(_PIECE):
            tally.add(piece)
        return tally.facts(encoding, bom)


class _Tally:
    """What is counted while a file goes by."""

    def __init__(self, encoding: str) -> None:
        make = codecs.getincrementaldecoder(encoding)
        self._strict = make("strict")
        self._lenient = make("surrogateescape" if encoding == "utf-8" else "replace")
        self._broken = 0
        self._wide = 0
        self._nul = False
        self._long = False
        self._ends = [0, 0, 0]
        self._last = ""

    def add(self, piece: bytes, *, final: bool = False) -> None:
        state = self._strict.getstate()
        try:
            text = self._strict.decode(piece, final)
            self._wide += len(piece) - len(text)
        except UnicodeDecodeError:
            self._lenient.setstate(state)
            text = self._lenient.decode(piece, final)
            broken = len(_NOT_DECODED.findall(text))
            self._broken += broken
            self._wide += len(_NOT_ASCII.findall(text)) - broken
            self._strict.setstate(self._lenient.getstate())
        self._count(text)

    def _count(self, text: str) -> None:
        if not text:
            return
        pairs = text.count("\r\n") + (self._last == "\r" and text[0] == "\n")
        feeds, returns = text.count("\n"), text.count("\r")
        self._ends[0] += pairs
        self._ends[1] += feeds - pairs
        self._ends[2] += returns - text.count("\r\n") - (self._last == "\r" and text[0] == "\n")
        self._long = self._long or (len(text) > LINE_LIMIT and not (feeds or returns))
        self._nul = self._nul or "\0" in text
        self._last = text[-1]

    def facts(self, encoding: str, bom: int) -> TextFacts:
        self.add(b"", final=True)
        errors = "strict"
        if self._broken:
            errors = _FALLBACK if encoding == "utf-8" else "replace"
            # A file in which most of what is not ASCII is not UTF-8 either was written as Windows-1252 throughout.
            if encoding == "utf-8" and not bom and self._broken > self._wide:
                encoding, errors = "cp1252", "replace"
        mixed = sum(count > 0 for count in self._ends) > 1
        unended = 0 if self._last in "\r\n" else sum(self._ends) + 1
        return TextFacts(encoding, bom, errors, self._nul, self._long, mixed, unended)


def open_text(path: Path, facts: TextFacts) -> IO[str]:
    """The file as text with its line ends left as they are; the caller closes it."""
    raw = path.open("rb", buffering=_PIECE)
    raw.seek(facts.bom)
    return io.TextIOWrapper(raw, encoding=facts.encoding, errors=facts.errors, newline="")


def text_lines(stream: IO[str], facts: TextFacts) -> Iterator[str]:
    """The stream's physical lines, without NULs, each cut after ``LINE_LIMIT`` plus one characters."""
    lines: Iterator[str] = _bounded_lines(stream) if facts.long_lines else iter(stream)
    return (line.replace("\0", "") for line in lines) if facts.nul_bytes else lines


def _bounded_lines(stream: IO[str]) -> Iterator[str]:
    carried = ""
    while line := carried or stream.readline(LINE_LIMIT + 1):
        carried = ""
        rest = line
        while len(rest) == LINE_LIMIT + 1 and not rest.endswith("\n"):
            after = stream.readline(LINE_LIMIT + 1)
            if rest.endswith("\r") and after != "\n":
                carried = after
                break
            rest = after
        yield line
