"""Small pieces that all reports are made of: safe text, tables, lists, numbers."""

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Literal

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

STATE_STYLES = {
    "applied": "green",
    "planned": "cyan",
    "held": "yellow",
    "failed": "red",
    "discarded": "dim",
}
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
#: Marks that turn the direction of writing (U+202A to U+202E, U+2066 to U+2069): they can make a file name lie.
DIRECTION_MARKS = frozenset(map(chr, [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]))
SEVERITY_STYLES = {"error": "red", "warning": "yellow", "notice": "dim"}


def clean(text: object, style: str = "") -> Text:
    """Text of any origin, safe for a terminal: no markup is read in it, and characters that steer a terminal or turn
    the direction of writing are shown as a replacement character."""
    return Text("".join(REPLACEMENT if _steers(mark) else mark for mark in str(text)), style=style)


def _steers(mark: str) -> bool:
    return mark in DIRECTION_MARKS or unicodedata.category(mark) in {"Cc", "Cs", "Zl", "Zp"}


def number(value: int, style: str = "") -> Text:
    """A count with thousands separated; zero is only hinted at, so that what happened stands out."""
    return Text(f"{value:,}", style=style) if value else Text("-", style="dim")


def moment(iso: str) -> str:
    """An ISO time in UTC as a person writes it, to the second."""
    return iso.replace("T", " ").replace("+00:00", " UTC").replace("Z", " UTC")


def plural(count: int, one: str, many: str = "") -> str:
    """``1 file``, ``2 files``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def heading(text: str) -> RenderableType:
    """A section's title with a blank line above it."""
    return Text.assemble("\n", (text, "bold"))


#: A column's title, and on which side its cells stand.
Column = tuple[str, Literal["left", "right"]]


def table(columns: Sequence[Column], rows: Iterable[Sequence[Text]], gap: int = 2) -> Table:
    """A plain table: bold headers, no frame, ``gap`` blanks between columns; long cells wrap, never get cut."""
    padding = (0, gap - 1, 0, 0)
    result = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=padding, header_style="bold")
    for title, justify in columns:
        result.add_column(title, justify=justify, overflow="fold")
    for row in rows:
        result.add_row(*row)
    return result


def bullets(lines: Iterable[Text | str], mark: str = "•") -> RenderableType:
    """Sentences with hanging indentation."""
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=3, justify="right")
    grid.add_column(overflow="fold")
    for line in lines:
        grid.add_row(mark, line if isinstance(line, Text) else clean(line))
    return grid


def commands(pairs: Iterable[tuple[str, str]]) -> RenderableType:
    """What a person can type next: (what it does, the exact command), each on one line that can be copied."""
    rows = list(pairs)
    width = max((len(meaning) for meaning, _ in rows), default=0)
    return Group(
        *(
            Text.assemble(
                "  ", (f"{meaning}:".ljust(width + 2), "dim"), clean(command, "cyan"), no_wrap=True, overflow="ignore"
            )
            for meaning, command in rows
        )
    )


def facts(pairs: Iterable[tuple[str, Text | str]]) -> RenderableType:
    """Named values, one a line."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim")
    grid.add_column(overflow="fold")
    for name, value in pairs:
        grid.add_row(name, value if isinstance(value, Text) else clean(value))
    return grid
