"""Writes the reference pages that say what the program itself says: ``make docs``. A test keeps them up to date.

``commands.md`` comes from the commands' own help, ``problems.md`` from the catalog of problems.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from cli.main import app
from models.problems import CATALOG, ProblemType

DOCS = Path(__file__).parent
SEVERITIES = {
    "error": "Errors: the row (or file) was refused; what is stored of it stays as it was",
    "warning": "Warnings: the row was taken; one value was left out or changed",
    "notice": "Notices: nothing is wrong with a row, but a person should know",
}
#: What stands in the gaps of a sentence.
GAPS = {"field": "*COLUMN*", "detail": "*…*"}


def commands_page() -> str:
    """Every command with its arguments and options."""
    lines = [
        "# Commands",
        "",
        "Made from the program's own help by `make docs`. Exit codes are in [operators.md](operators.md#exit-codes);",
        "every command also takes `--help`.",
    ]
    for path, command in _commands(typer.main.get_command(app), ("rostersync",)):
        lines += ["", f"## {' '.join(path)}", "", *_command(path, command)]
    return "\n".join(lines) + "\n"


def _commands(item: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    children = getattr(item, "commands", None)
    if children is None:
        yield path, item
        return
    for name, child in children.items():
        yield from _commands(child, (*path, name))


def _command(path: tuple[str, ...], command: Any) -> Iterator[str]:
    arguments = [item for item in command.params if item.param_type_name == "argument"]
    options = [item for item in command.params if item.param_type_name == "option" and item.name != "help"]
    usage = [*path, *(item.metavar for item in arguments), *(["[OPTIONS]"] if options else [])]
    yield from ("```", " ".join(usage), "```", "", " ".join(command.help.split()))
    yield ""
    for item in arguments:
        yield f"- `{item.metavar}`: {item.help}"
    for item in options:
        yield f"- `{_spelling(item)}`: {item.help}{_default(item)}"


def _spelling(option: Any) -> str:
    names = ", ".join(option.opts)
    return names if option.is_flag else f"{names} {_value(option)}"


def _value(option: Any) -> str:
    """What the option takes, in capitals, or its choices."""
    shown: str = option.metavar or option.display_type(typer.Context(typer.main.get_command(app)))
    return shown.strip("<>")


def _default(option: Any) -> str:
    if option.is_flag or option.default in (None, ""):
        return ""
    return f" Default: `{getattr(option.default, 'value', option.default)}`."


def problems_page() -> str:
    """Every problem code with its sentence and advice."""
    lines = [
        "# Problems",
        "",
        "What can be wrong with a file or row, and what to do. Made by `make docs` from the program's own catalog",
        "(`models/problems.py`). *COLUMN* stands for a column's name, *…* for ids, header names and counts.",
    ]
    for severity, meaning in SEVERITIES.items():
        lines += [
            "",
            f"## {meaning}",
            "",
            "| code | what it says | what to do, or what was done |",
            "| --- | --- | --- |",
        ]
        lines += [_row(entry) for entry in CATALOG.values() if entry.severity == severity]
    return "\n".join(lines) + "\n"


def _row(entry: ProblemType) -> str:
    sentence, advice = (" ".join(text.format(**GAPS).split()) for text in (entry.sentence, entry.advice))
    return f"| `{entry.code}` | {sentence} | {advice} |"


PAGES = {"commands.md": commands_page, "problems.md": problems_page}


def main() -> None:
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")
        sys.stdout.write(f"docs/{name}: written\n")


if __name__ == "__main__":
    main()
