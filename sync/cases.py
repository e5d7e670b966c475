"""A case: a folder that holds a few nights of a source, and what a sync must make of them (docs/replay.md)."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from models.connections import CREDENTIALS_OF, SETTINGS_OF, Memory, SourceCredentials, SourceSettings
from models.errors import SettingsError
from models.settings import GuardSettings, TenantSettings
from sync.snapshot import Snapshot

CASE_FILE: Final = "case.toml"
EXPECTED_FILE: Final = "expected.json"
#: The code of an error in rostersync itself.
UNEXPECTED: Final = "unexpected"


class Outcome(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a step ends: the run's state, the code of its error (or UNEXPECTED), counts by kind and problems by code.

    In ``case.toml`` it holds only what the author insists on; a count that is left out may be anything there, while in
    ``expected.json`` it is zero.
    """

    state: Literal["applied", "held", "failed"] = "applied"
    error: str = ""
    counts: dict[str, dict[str, int]] = {}
    problems: dict[str, int] = {}


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One night. ``exchanges`` names a file of recorded exchanges, ``files`` a folder (or file) of CSVs; one of the two.

    ``now`` is the time of the night (ISO, UTC), ``memory`` what the connection remembered before it (by default what the
    steps before have left). ``expect`` is what the author insists on; what happens in full stands in ``expected.json``.
    """

    name: str
    exchanges: str = ""
    files: str = ""
    now: str = "2026-01-01T00:00:00+00:00"
    memory: Memory | None = None
    expect: Outcome | None = None

    @property
    def time(self) -> datetime:
        """``now``; raises ValueError where it is no time."""
        found = datetime.fromisoformat(self.now)
        return found.replace(tzinfo=found.tzinfo or UTC)


class PlacedSchool(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A school that was set up by hand before the first night."""

    id: str
    name: str
    number: str | None = None


class CaseTenant(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The district: its own id in its data, its schools, and the tenant's settings."""

    district_id: str = "district"
    create_schools: bool = False
    guard: GuardSettings = GuardSettings()
    schools: tuple[PlacedSchool, ...] = ()

    @property
    def settings(self) -> TenantSettings:
        return TenantSettings(create_schools=self.create_schools, guard=self.guard)


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What ``case.toml`` says. ``connector`` is one of an API, or "csv"; ``credentials`` are the names of those that the
    connection had (replays use made-up ones); ``settings`` are the connection's, for CSV ``school`` as in ``upload``."""

    title: str
    shows: str
    connector: Literal["clever", "classlink", "oneroster", "csv"]
    steps: tuple[Step, ...]
    connection: str = ""
    credentials: tuple[str, ...] = ()
    settings: dict[str, Any] = {}
    tenant: CaseTenant = CaseTenant()

    def source_settings(self) -> SourceSettings:
        """The settings of a connection to an API. Raises SettingsError that names what is wrong."""
        assert self.connector != "csv"
        try:
            return msgspec.convert(self.settings, type=SETTINGS_OF[self.connector])
        except msgspec.ValidationError as error:
            raise SettingsError(f"The settings of the case are wrong: {error}.", "case settings") from None

    def made_up_credentials(self) -> SourceCredentials:
        """Credentials that no source would take, for a connection to an API. Raises SettingsError for a name that is none."""
        assert self.connector != "csv"
        values = {name: f"replay-{name}" for name in self.credentials}
        try:
            return msgspec.convert(values, type=CREDENTIALS_OF[self.connector])
        except msgspec.ValidationError as error:
            raise SettingsError(f"The credentials of the case are wrong: {error}.", "case credentials") from None


class Expected(msgspec.Struct, frozen=True):
    """What ``expected.json`` says: how each step ends in full, and the roster after the last one."""

    steps: tuple[Outcome, ...]
    roster: Snapshot


def is_case(folder: Path) -> bool:
    return (folder / CASE_FILE).is_file()


def cases_in(folder: Path) -> list[Path]:
    """The case that a folder is, or the cases in it, by name. Raises SettingsError where there is none."""
    found = [folder] if is_case(folder) else sorted(path.parent for path in folder.glob(f"*/{CASE_FILE}"))
    if not found:
        raise SettingsError(f"There is no case in {folder}: neither it nor a folder in it has a {CASE_FILE}.")
    return found


def load_case(folder: Path) -> Case:
    """The case in a folder. Raises SettingsError that says what is wrong with it."""
    try:
        case = msgspec.toml.decode((folder / CASE_FILE).read_bytes(), type=Case)
    except OSError as error:
        raise SettingsError(f"{folder / CASE_FILE} cannot be read ({error.strerror}).", type(error).__name__) from None
    except (msgspec.DecodeError, ValueError) as error:
        raise SettingsError(f"{folder / CASE_FILE} is wrong: {error}.", "case") from None
    for step in case.steps:
        if bool(step.exchanges) == bool(step.files):
            raise SettingsError(f"The step {step.name!r} of {folder} needs either exchanges or files.")
        if step.exchanges and case.connector == "csv":
            raise SettingsError(f"The step {step.name!r} of {folder} has exchanges, but its connector reads files.")
        _check_time(step, folder)
    if not case.steps:
        raise SettingsError(f"{folder / CASE_FILE} has no steps.")
    return case


def _check_time(step: Step, folder: Path) -> None:
    try:
        _ = step.time
    except ValueError:
        raise SettingsError(
            f"The step {step.name!r} of {folder} has a time that is none; write it as 2026-09-01T20:00:00Z."
        ) from None


def load_expected(folder: Path) -> Expected:
    """What is expected of a case. Raises SettingsError where that was not yet written down."""
    try:
        return msgspec.json.decode((folder / EXPECTED_FILE).read_bytes(), type=Expected)
    except OSError:
        raise SettingsError(
            f"{folder} has no {EXPECTED_FILE}; look at what a replay does, then write it down with: rostersync replay "
            f"{folder} --update"
        ) from None
    except msgspec.DecodeError as error:
        raise SettingsError(f"{folder / EXPECTED_FILE} is wrong: {error}.", "expected") from None


def save_expected(folder: Path, expected: Expected) -> None:
    """Write ``expected.json``: one line per step and record, so that a change of it can be read."""
    steps = ",\n".join(f"    {_line(step)}" for step in expected.steps)
    kinds = ",\n".join(
        f'    "{kind}": ['
        + ",".join(f"\n      {_line(record)}" for record in records)
        + ("\n    ]" if records else "]")
        for kind, records in expected.roster.items()
    )
    text = f'{{\n  "steps": [\n{steps}\n  ],\n  "roster": {{\n{kinds}\n  }}\n}}\n'
    (folder / EXPECTED_FILE).write_text(text, encoding="utf-8")


def _line(value: object) -> str:
    return msgspec.json.encode(value).decode()


def save_case(folder: Path, case: Case) -> None:
    """Write ``case.toml``."""
    table = msgspec.to_builtins(case)
    steps = table.pop("steps")
    text = "".join(
        [*_toml(table, ()), *(line for step in steps for line in ("\n[[steps]]\n", *_toml(step, ("steps",))))]
    )
    (folder / CASE_FILE).write_text(text, encoding="utf-8")


_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def _toml(table: Mapping[str, Any], path: Sequence[str]) -> list[str]:
    """The lines of a table: values first, then the tables in it. JSON's texts, numbers and lists are TOML's as well."""
    lines, tables = [], []
    for key, value in table.items():
        name = key if _BARE_KEY.fullmatch(key) else _line(key)
        if isinstance(value, dict):
            inner = (*path, name)
            tables += [f"\n[{'.'.join(inner)}]\n", *_toml(value, inner)]
        elif isinstance(value, list | tuple) and value and isinstance(value[0], dict):
            for item in value:
                tables += [f"\n[[{'.'.join((*path, name))}]]\n", *_toml(item, (*path, name))]
        elif value is not None:
            lines.append(f"{name} = {_line(value)}\n")
    return lines + tables
