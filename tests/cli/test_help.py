"""Every command explains itself, at once."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
import typer.main

from cli.main import app

#: Seconds; a person takes this for "at once". The bound holds on a busy machine, so it is looser than the aim (0.3).
AT_ONCE = 1.0
HEAVY = ("sqlalchemy", "sqlmodel", "numpy", "pydantic_settings", "alembic", "structlog", "psycopg", "rich")


def commands() -> Iterator[tuple[str, ...]]:
    """Every command of the program, as it is typed."""

    def walk(item: object, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        children = getattr(item, "commands", None)
        if children is None:
            yield path
        else:
            for name, child in children.items():
                yield from walk(child, (*path, name))

    return walk(typer.main.get_command(app), ())


@pytest.mark.parametrize("path", list(commands()), ids=" ".join)
def test_every_command_has_help_and_json(path: tuple[str, ...], command: Callable[..., tuple[int, str, str]]) -> None:
    code, out, _ = command(*path, "--help")
    assert code == 0
    assert out.startswith("Usage: rostersync " + " ".join(path))
    assert "--json" in out


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; from cli.main import execute; assert execute(['upload', '--help']) == 0;"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines()[-1] == "[]"


def test_help_answers_at_once() -> None:
    def seconds() -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "cli.main", "--help"], capture_output=True, check=True)
        return time.perf_counter() - start

    assert min(seconds() for _ in range(3)) < AT_ONCE


def test_program_without_a_command_shows_its_help(command: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = command()
    assert code == 0
    assert "Commands:" in out
    assert err == ""
