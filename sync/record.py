"""Record: what a source answers to a dry run, kept as a case without secrets and without anybody's names."""

import os
import secrets
from pathlib import Path
from typing import Any, Final

import msgspec

from connectors.http.client import Observer
from connectors.recording.clean import Cleaner
from connectors.recording.exchanges import Recorder
from connectors.recording.pseudonyms import Pseudonyms
from models.connections import ApiConnector, Memory, SourceSettings
from models.errors import RosterSyncError, SettingsError
from models.progress import ProgressCallback
from sync import cases, pull
from sync.cases import UNEXPECTED, Case, CaseTenant, PlacedSchool, Step
from sync.clock import now
from sync.connection_fields import given
from sync.connections import OpenConnection, open_connection
from sync.replay import CaseReplay, replay
from sync.service import Service
from sync.tenants import list_schools, tenant_and_settings

_KEY_BYTES: Final = 32
#: Settings whose value is a path.
_PATHS: Final = frozenset({"version_path"})


class Recording(msgspec.Struct, frozen=True):
    """A night that was kept as a step of the case in ``folder``. ``state`` and ``error`` (a code) are how the real dry run ended,
    ``replay`` what a replay of the whole case came to; ``faithful`` says whether both ended the same way."""

    folder: str
    step: str
    exchanges: int
    state: str
    error: str
    faithful: bool
    replay: CaseReplay


def record(
    service: Service,
    tenant: str,
    folder: Path,
    *,
    connection: str | None = None,
    title: str = "",
    key_file: Path | None = None,
    further: bool = False,
    started_by: str,
    progress: ProgressCallback | None = None,
) -> Recording:
    """Make a dry run of a connection and write the case; ``further`` adds a night to the case that ``folder`` holds.

    ``key_file`` holds the key of the pseudonyms and is made where there is none; without it the key is forgotten. A dry run
    that fails is recorded as well. Raises SettingsError for what is wrong with the arguments, and what the dry run raises if
    it failed before the source answered anything.
    """
    name = connection or _only_connection(service, tenant)
    opened = open_connection(service, tenant, name)
    connector = _of_api(opened)
    pseudonyms = Pseudonyms(_key(key_file, further))
    cleaner = Cleaner(pseudonyms)
    case = _case(service, tenant, opened, connector, title, cleaner, pseudonyms)
    if further:
        case = _continued(folder, case)
    else:
        _make_empty(folder)
    step = Step(
        f"night {len(case.steps) + 1}",
        exchanges=f"night-{len(case.steps) + 1}.jsonl.gz",
        now=now(),
        memory=None if opened.memory == Memory() else opened.memory,
    )
    path = folder / step.exchanges
    with Recorder(path, cleaner) as recorder:
        try:
            state, error = _dry_run(service, tenant, name, started_by, progress, recorder), ""
        except KeyboardInterrupt:  # nothing stays in the way of the next try
            path.unlink()
            raise
        except Exception as failure:  # an error in rostersync is what one would most like to replay
            if not recorder.exchanges:
                path.unlink()
                raise
            state, error = "failed", failure.code if isinstance(failure, RosterSyncError) else UNEXPECTED
    cases.save_case(folder, msgspec.structs.replace(case, steps=(*case.steps, step)))
    replayed = replay(folder, update=True)
    outcome = replayed.steps[-1].outcome
    faithful = (outcome.state == "failed") == (state == "failed") and outcome.error == error
    return Recording(str(folder), step.name, recorder.exchanges, state, error, faithful, replayed)


def _of_api(opened: OpenConnection) -> ApiConnector:
    """The connector, if it asks an API. Raises SettingsError."""
    connector = opened.connector
    if connector == "sftp" or connector == "folder":
        raise SettingsError(
            f"The connection {opened.row.name} reads files, and there is nothing to record of them: keep the files, and let "
            "a step of a case name them (docs/replay.md)."
        )
    return connector


def _only_connection(service: Service, tenant: str) -> str:
    names = pull.connections_to_sync(service, tenant)
    if len(names) > 1:
        raise SettingsError(f"{tenant} has several connections; name one of them: {', '.join(names)}.")
    return names[0]


def _dry_run(
    service: Service,
    tenant: str,
    connection: str,
    started_by: str,
    progress: ProgressCallback | None,
    observe: Observer,
) -> str:
    report = pull.sync(
        service, tenant, connection, dry_run=True, started_by=started_by, progress=progress, observe=observe
    )
    return report.state


def _key(key_file: Path | None, further: bool) -> bytes:
    """The key in a file, or a new one, written there for the owner only."""
    if key_file is None:
        if further:
            raise SettingsError("Name the key file of the nights before with --key-file, so that ids stay the same.")
        return secrets.token_bytes(_KEY_BYTES)
    try:
        return bytes.fromhex(_written_key(key_file, further))
    except ValueError:
        raise SettingsError(f"{key_file} does not hold a key; one is {2 * _KEY_BYTES} hexadecimal digits.") from None
    except OSError as error:
        raise SettingsError(f"The key file {key_file} cannot be used ({error.strerror}).") from None


def _written_key(key_file: Path, further: bool) -> str:
    if not key_file.exists() and not further:
        with os.fdopen(os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(_KEY_BYTES) + "\n")
    text = key_file.read_text(encoding="ascii").strip()
    if len(text) != 2 * _KEY_BYTES:
        raise ValueError
    return text


def _make_empty(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SettingsError(f"{folder} is not empty; name a new folder, or add a night to its case with --step.")
    folder.mkdir(parents=True, exist_ok=True)


def _case(
    service: Service,
    tenant: str,
    opened: OpenConnection,
    connector: ApiConnector,
    title: str,
    cleaner: Cleaner,
    pseudonyms: Pseudonyms,
) -> Case:
    """The case without its steps. Schools that the connection did not bring are set up in it as if by hand."""
    _, settings = tenant_and_settings(service, tenant)
    district, *schools = list_schools(service, tenant)
    placed = tuple(
        PlacedSchool(pseudonyms.text(school.source_id), pseudonyms.text(school.name))
        for school in schools
        if school.source_id and school.managed_by != opened.row.name and school.status == "active"
    )
    return Case(
        title=title or f"A recorded sync from {connector}",
        shows="Recorded with rostersync record; ids, names and addresses are pseudonyms.",
        connector=connector,
        steps=(),
        credentials=given(opened.credentials),
        settings=_cleaned(opened.settings, cleaner, pseudonyms),
        tenant=CaseTenant(
            pseudonyms.text(district.source_id), settings.create_schools, settings.guard, placed
        ),
    )  # fmt: skip


def _cleaned(settings: SourceSettings, cleaner: Cleaner, pseudonyms: Pseudonyms) -> dict[str, Any]:
    """Settings with the district's ids and addresses replaced just as they are in the exchanges."""
    cleaned: dict[str, Any] = {}
    for name, value in msgspec.to_builtins(settings).items():
        if isinstance(value, str) and name.endswith("_id"):
            value = pseudonyms.text(value)
        elif isinstance(value, str) and name.endswith("_url"):
            value = cleaner.address(value)
        elif isinstance(value, str) and name in _PATHS:
            value = cleaner.path(value)
        if value is not None:
            cleaned[name] = value
    return cleaned


def _continued(folder: Path, this: Case) -> Case:
    """The case in the folder, if this connection with this key can go on with it. Raises SettingsError."""
    case = cases.load_case(folder)
    same = case.connector == this.connector and case.tenant.district_id == this.tenant.district_id
    if not same or case.source_settings() != this.source_settings():
        raise SettingsError(
            f"The case in {folder} is of another connection, of other settings, or was recorded with another key; record "
            "a new one."
        )
    return case
