"""``rostersync demo``: a made-up district, a few days of its files, and what rostersync makes of them.

Each step is a real command, printed as one would type it and run against a throw-away SQLite database.
"""

import contextlib
import io
import json
import os
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from cli.console import stdout, write_json
from cli.failures import EXIT_DONE, EXIT_HELD, EXIT_UNEXPECTED
from cli.options import JsonOption

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "demo"
MARKER = ".rostersync-demo"
TENANT = "springfield"
STUDENT = "0000001"


@dataclass(frozen=True)
class Step:
    """One command of the demo, why it is run, and the exit code that it has to end with."""

    why: str
    arguments: tuple[str, ...]
    exit_code: int = EXIT_DONE


def demo(
    directory: Annotated[
        Path,
        typer.Option("--dir", metavar="DIR", help="The demo's own data directory, made anew each time."),
    ] = Path("var/demo"),
    as_json: JsonOption = False,
) -> None:
    """See it work: a made-up district uploads its files, then the next day's, then a broken export."""
    data = _fresh_directory(directory)
    results = []
    with _settings_of_the_demo(data):
        for step in steps():
            code, answer = _run_quietly(step) if as_json else _run_shown(step)
            results.append({"command": _typed(step.arguments), "exit_code": code, "answer": answer})
            if code != step.exit_code:
                break
    complete = code == step.exit_code
    if as_json:
        write_json({"directory": str(data), "complete": complete, "steps": results})
    elif complete:
        _say(f"That was the demo. Its database and result files are in {data}; to go on with them, type first:")
        _type(f"  export ROSTERSYNC_DATA_DIR={shlex.quote(str(data))}\n")
    if not complete:
        raise typer.Exit(code or EXIT_UNEXPECTED)


def steps() -> list[Step]:
    """The story. Run numbers are known because the database is new."""
    day0, day1, broken = (_shown(FIXTURES / name) for name in ("day-0", "day-1", "broken"))
    return [
        Step("A district gets a place of its own, and its schools, with the ids that its files use.",
             ("tenant", "add", TENANT)),
        Step("", ("school", "add", TENANT, "--file", _shown(FIXTURES / "schools.csv"))),
        Step("Its first files. A dry run stops at the plan: nothing is stored yet.",
             ("upload", TENANT, day0, "--dry-run")),
        Step("The plan looks right, so exactly this plan is applied.", ("plan", "approve", "1", "--yes")),
        Step("The next day's files: only what differs is applied.", ("upload", TENANT, day1, "--yes")),
        Step("What changed, record by record.", ("run", "changes", "2", "--limit", "12")),
        Step("One night the export breaks: a school is missing. The safe part goes on, the removals are held.",
             ("upload", TENANT, broken, "--yes"), EXIT_HELD),
        Step("A person looks at what waits …", ("plan", "show", "3", "--limit", "8")),
        Step("… sees that the export was broken, and drops it. Nobody lost a class.", ("plan", "discard", "3")),
        Step("Why is this student here?", ("explain", TENANT, STUDENT)),
        Step("Every run is kept.", ("runs", TENANT)),
    ]  # fmt: skip


def _fresh_directory(directory: Path) -> Path:
    """An empty directory; one that holds anything but a former demo is never cleared. Raises SettingsError."""
    from models.errors import SettingsError

    if directory.exists():
        if any(directory.iterdir()) and not (directory / MARKER).exists():
            raise SettingsError(f"{directory} holds other things than a demo; name another folder with --dir.")
        shutil.rmtree(directory)
    directory.mkdir(parents=True)
    (directory / MARKER).touch()
    return directory


@contextlib.contextmanager
def _settings_of_the_demo(data: Path) -> Iterator[None]:
    """Point the commands at the demo's own database, whatever the environment says, and put it back afterwards."""
    before = dict(os.environ)
    os.environ.update(ROSTERSYNC_DATA_DIR=str(data), ROSTERSYNC_DATABASE_URL="")
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _run_shown(step: Step) -> tuple[int, None]:
    from cli.main import execute

    _say(step.why)
    _type(f"$ {_typed(step.arguments)}")
    return execute(step.arguments), None


def _run_quietly(step: Step) -> tuple[int, object]:
    from cli.main import execute

    with contextlib.redirect_stdout(io.StringIO()) as answer:
        code = execute((*step.arguments, "--json"))
    return code, json.loads(answer.getvalue())


def _say(text: str) -> None:
    stdout().print(f"\n# {text}" if text else "", style="dim", markup=False)


def _type(line: str) -> None:
    stdout().print(line, style="bold cyan", markup=False, soft_wrap=True)


def _typed(arguments: tuple[str, ...]) -> str:
    return shlex.join(("rostersync", *arguments))


def _shown(path: Path) -> str:
    """A path as a person in the current directory would type it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
