"""The documents say what the program does: every command, option, setting, problem code, exit code; links resolve."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer.main

from cli.main import app
from docs.generate import PAGES
from models.errors import RosterSyncError
from models.problems import CATALOG
from models.settings import Limit, TenantSettings
from sync.settings import Settings

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("deploy/*.md"), *ROOT.glob("docs/**/*.md")])


def _text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", list(PAGES))
def test_generated_pages_are_up_to_date(name: str) -> None:
    assert _text(f"docs/{name}") == PAGES[name](), "run: make docs"


def test_every_problem_code_is_explained() -> None:
    page = _text("docs/problems.md")
    assert [code for code in CATALOG if f"| `{code}` |" not in page] == []


def test_every_command_and_option_is_documented() -> None:
    page = _text("docs/commands.md")
    for path, command in _commands(typer.main.get_command(app), ()):
        section = page.split(f"## rostersync {' '.join(path)}\n", 1)[1].split("\n## ", 1)[0]
        options = [name for item in command.params for name in item.opts if name.startswith("-") and name != "--help"]
        assert [name for name in options if name not in section] == [], path


def test_every_setting_is_documented() -> None:
    page = _text("docs/settings.md")
    variables = [f"ROSTERSYNC_{name.upper()}" for name in Settings.model_fields]
    tenant = list(_dotted(msgspec.to_builtins(TenantSettings())))
    assert [name for name in variables + tenant if f"`{name}" not in page] == []
    for default in (TenantSettings().guard.removals, TenantSettings().guard.updates):
        which = "removals" if default == TenantSettings().guard.removals else "updates"
        for name in Limit.__struct_fields__:
            assert f"| `guard.{which}.{name}` | `{getattr(default, name):g}` |" in page


def test_every_exit_code_is_documented() -> None:
    page = _text("docs/operators.md").split("## Exit codes", 1)[1].split("\n## ", 1)[0]
    for error in _subclasses(RosterSyncError):
        row = next(line for line in page.splitlines() if f"`{error.code}`" in line)
        assert row.startswith(f"| {error.exit_code} |")
    for code in (0, 1, 2, 4, 130):
        assert f"\n| {code} |" in page


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_resolve(document: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (document.parent / name).resolve() if name else document
        assert file.exists(), target
        if anchor:
            assert anchor in _anchors(file), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_in_examples_exist(document: Path) -> None:
    known = dict(_commands(typer.main.get_command(app), ()))
    for words in _examples(document.read_text(encoding="utf-8")):
        path = next((path for path in known if tuple(words[: len(path)]) == path), None)
        assert path is not None, words
        options = {name for item in known[path].params for name in item.opts} | {"--help"}
        unknown = [word for word in words if word.startswith("-") and word not in options]
        assert unknown == [], words


def test_no_document_names_this_machine() -> None:
    for document in DOCUMENTS:
        assert not re.search(r"(?<![\w.])/(work|root|home)/", document.read_text(encoding="utf-8")), document


def _commands(item: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    children = getattr(item, "commands", None)
    if children is None:
        yield path, item
        return
    for name, child in children.items():
        yield from _commands(child, (*path, name))


def _dotted(tree: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _dotted(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def _subclasses(error: type[RosterSyncError]) -> Iterator[type[RosterSyncError]]:
    for child in error.__subclasses__():
        yield child
        yield from _subclasses(child)


def _anchors(file: Path) -> set[str]:
    """The anchors that a heading gets on the usual hosts."""
    headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _examples(text: str) -> Iterator[list[str]]:
    """The words after ``rostersync`` of every command in a code block or between backticks."""
    blocks = re.findall(r"```\w*\n(.*?)```", text, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    outside = re.sub(r"```\w*\n.*?```", "", text, flags=re.DOTALL)
    lines += re.findall(r"`(rostersync [^`]+)`", outside)
    for line in lines:
        for match in re.finditer(r"(?:^|\$ |&& |: +|`)(?:\.venv/bin/)?rostersync ([^#&|>]+)", line):
            words = shlex.split(match.group(1))
            if words and words[0] != "--help" and "[OPTIONS]" not in words:
                yield words
