"""Replay: the nights of a case, through the real connector and the real engine, into a roster of its own."""

import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

import connectors
from connectors.http.client import HttpClient, HttpRules
from connectors.recording.exchanges import ReplayAdapter
from connectors.source import Access, Source
from connectors.watch import Watch
from models.connections import ConnectorName, DropSettings, Memory
from models.errors import RosterSyncError
from models.pages import PullEvent
from models.report import RunReport
from store.tenants import ensure_connection, save_settings
from sync import cases, tenants
from sync.cases import Case, Expected, Outcome, Step
from sync.clock import now
from sync.expected import expected_differences, insisted_differences, outcome_of
from sync.history import get_run, list_runs
from sync.run import Order, run
from sync.service import Service, open_service
from sync.settings import Settings
from sync.snapshot import Snapshot, difference, snapshot
from sync.tenants import tenant_and_settings
from sync.upload import upload

_TENANT: Final = "replay"
_STARTED_BY: Final = "replay"
_DATABASE: Final = "rostersync.db"
#: Where a step fails, the whole roster may differ.
_MOST_DIFFERENCES: Final = 20
_HOUSE: Final = Path(__file__).parents[1]
_UNKNOWN_STEP: Final = f"{cases.EXPECTED_FILE} does not know this step; write it down with --update"


class StepReplay(msgspec.Struct):
    """What one step came to. ``where`` is the place of an error in rostersync ("KeyError in sync/plan.py, line 12"), ``unasked``
    counts recorded answers that nobody asked for; ``differences`` are sentences, none where all is as expected."""

    name: str
    outcome: Outcome
    report: RunReport
    where: str = ""
    unasked: int = 0
    differences: list[str] = []


class CaseReplay(msgspec.Struct):
    """What a case came to; ``differences`` are those of the roster after its last step."""

    case: str
    title: str
    shows: str
    as_expected: bool
    steps: list[StepReplay]
    differences: list[str] = []
    updated: bool = False


def replay(folder: Path, *, update: bool = False) -> CaseReplay:
    """Replay one case and compare it with what is expected; ``update`` writes down what happened as expected.

    What the author insists on in ``case.toml`` is never rewritten, so a case can differ even then. Raises SettingsError
    for a case that cannot be read.
    """
    case = cases.load_case(folder)
    expected = None if update else cases.load_expected(folder)
    steps, roster = play(folder, case)
    if update:
        expected = Expected(tuple(step.outcome for step in steps), roster)
        cases.save_expected(folder, expected)
    assert expected is not None
    for place, (step, told) in enumerate(zip(steps, case.steps, strict=True)):
        insisted = insisted_differences(told.expect, step.outcome) if told.expect else []
        known = place < len(expected.steps)
        others = expected_differences(expected.steps[place], step.outcome) if known else [_UNKNOWN_STEP]
        step.differences = insisted + [line for line in others if not any(said.startswith(line) for said in insisted)]
    differences = difference(expected.roster, roster, most=_MOST_DIFFERENCES)
    if len(expected.steps) > len(steps):
        differences.append(f"{cases.EXPECTED_FILE} knows more steps than the case has; write it anew with --update")
    as_expected = not differences and not any(step.differences for step in steps)
    return CaseReplay(folder.name, case.title, case.shows, as_expected, steps, differences, updated=update)


def replay_all(folders: Sequence[Path], *, update: bool = False) -> list[CaseReplay]:
    """Replay cases, and all cases in folders of cases. Raises SettingsError."""
    return [replay(case, update=update) for folder in folders for case in cases.cases_in(folder)]


def play(folder: Path, case: Case) -> tuple[list[StepReplay], Snapshot]:
    """All steps of a case, one after the other, and the roster after the last. Raises SettingsError."""
    with _throw_away_service() as service:
        tenants.add_tenant(service, _TENANT, district_id=case.tenant.district_id)
        save_settings(service.engine, _TENANT, msgspec.json.encode(case.tenant.settings).decode())
        for school in case.tenant.schools:
            tenants.add_school(service, _TENANT, school.id, school.name, number=school.number)
        player = _Player(service, folder, case)
        return [player.play(step) for step in case.steps], snapshot(service, _TENANT)


@contextmanager
def _throw_away_service() -> Iterator[Service]:
    with tempfile.TemporaryDirectory(prefix="rostersync-replay-") as data:
        settings = Settings(data_dir=Path(data), database_url="")
        (settings.data_dir / _DATABASE).write_bytes(_empty_database())
        # As long as one connection is open, SQLite does not tidy up at the end of each other one.
        with open_service(settings) as service, service.engine.connect():
            yield service


@cache
def _empty_database() -> bytes:
    """A database with all migrations, made once for all cases of a process."""
    with tempfile.TemporaryDirectory(prefix="rostersync-replay-") as data:
        with open_service(Settings(data_dir=Path(data), database_url="")):
            pass
        return (Path(data) / _DATABASE).read_bytes()


class _Player:
    """Plays step after step; remembers between them what a connection would."""

    def __init__(self, service: Service, folder: Path, case: Case) -> None:
        self._service = service
        self._folder = folder
        self._case = case
        self._memory = Memory()

    def play(self, step: Step) -> StepReplay:
        if step.files:
            return self._played(step, lambda: self._upload(step))
        with closing(ReplayAdapter(self._folder / step.exchanges)) as adapter:
            played = self._played(step, lambda: self._sync(step, adapter))
            played.unasked = adapter.unasked()
        return played

    def _played(self, step: Step, start: Callable[[], RunReport]) -> StepReplay:
        """Errors of a run that has begun are outcomes, those in rostersync too; all others mean that the case is wrong."""
        before = self._newest_run()
        try:
            report = start()
        except Exception as error:
            run_id = self._newest_run()
            if run_id == before:
                raise
            report = get_run(self._service, run_id)
            code, where = (error.code, "") if isinstance(error, RosterSyncError) else (cases.UNEXPECTED, _where(error))
            return StepReplay(step.name, outcome_of(report, code), report, where)
        return StepReplay(step.name, outcome_of(report), report)

    def _newest_run(self) -> int:
        return next((entry.run_id for entry in list_runs(self._service, _TENANT, limit=1)), 0)

    def _upload(self, step: Step) -> RunReport:
        school = self._case.settings.get("school") if self._case.connector == "csv" else None
        connection = self._case.connection if self._case.connector == "csv" else ""
        return upload(
            self._service,
            _TENANT,
            [self._folder / step.files],
            connection=connection or "csv",
            school=school,
            results="none",
            started_by=_STARTED_BY,
        )

    def _sync(self, step: Step, adapter: ReplayAdapter) -> RunReport:
        """As ``sync.pull`` does it, with the recording for a network and the night of the recording for a clock."""
        assert self._case.connector != "csv"
        connector: ConnectorName = self._case.connector
        settings, credentials = self._case.source_settings(), self._case.made_up_credentials()
        assert not isinstance(settings, DropSettings)
        name = self._case.connection or connector
        tenant_id, tenant_settings = tenant_and_settings(self._service, _TENANT)
        source: Source | None = None
        clock, watch, memory = _Night(step.time), Watch(), step.memory or self._memory
        rules = HttpRules(requests_per_minute=settings.requests_per_minute)

        with closing(HttpClient(rules, watch, adapter=adapter, sleep=clock.sleep, clock=clock)) as http:

            def pull(scratch: Path) -> Iterator[PullEvent]:
                nonlocal source
                access = Access(http, scratch, watch, step.time.isoformat, memory)
                source = connectors.open_source(connector, settings, credentials, access)
                return source.pull()

            order = Order(
                tenant_id=tenant_id,
                tenant=_TENANT,
                settings=tenant_settings,
                connection_id=ensure_connection(self._service.engine, tenant_id, name, connector, now()),
                connection=name,
                started_by=_STARTED_BY,
                notes=lambda: [*source.facts.notes, *source.facts.missing] if source else (),
            )
            report = run(self._service, order, pull)
        if source:
            self._memory = source.memory
        return report


class _Night:
    """A clock that only sleeping moves, so that nobody waits."""

    def __init__(self, begins_at: datetime) -> None:
        self._now = begins_at.timestamp()

    def __call__(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += seconds


def _where(error: Exception) -> str:
    """The innermost place in our own code that an exception went through; never its text, which may hold a payload."""
    ours = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(_HOUSE)]
    place = f" in {Path(ours[-1].filename).relative_to(_HOUSE)}, line {ours[-1].lineno}" if ours else ""
    return f"{type(error).__name__}{place}"
