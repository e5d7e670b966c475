"""A year of a service, in minutes: its own clock, many connections in many time zones, sources that fail in every way, people
who ask, cancel, pause and set other timetables, and workers that die. What must hold whatever happens is looked at as it
happens, and worked out from the calendar here, not with the rules that are being tested."""

import heapq
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from itertools import count, pairwise
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import pytest
from sqlalchemy import Connection, QueuePool, text

from models.errors import (
    CancelledError,
    CredentialsRefusedError,
    DistrictActionError,
    ParkedError,
    RetryLaterError,
    RosterSyncError,
    SettingsError,
    SourceProtocolError,
    SourceUnavailableError,
)
from models.report import Hold, RunReport
from models.tables import Schedule
from store import database, runs, schedules
from store.connections import connections_of
from store.database import reading, writing
from sync import attempt as attempts
from sync import by_hand, connections, replan, requests, scheduler, tenants
from sync import schedules as verbs
from sync.jobs import JobState
from sync.service import Service, open_service
from sync.settings import Settings
from sync.tenants import tenant_and_settings
from tests.sync import fake_source

BEGIN = datetime(2027, 6, 1, 12, tzinfo=UTC)  # the winter that follows has a 29 February
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ZONES = (
    "America/Chicago", "America/New_York", "America/Los_Angeles", "America/Phoenix", "Pacific/Honolulu", "UTC",
    "America/St_Johns", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo", "Pacific/Auckland",
    "America/Asuncion", "Africa/Casablanca",
)  # fmt: skip
RHYTHMS: tuple[dict[str, Any], ...] = (
    {"nightly": "20:00-05:00"}, {"nightly": "22:00-04:00"}, {"nightly": "01:30-03:30"},
    {"nightly": "20:00-05:00", "days": ["sun-thu"]}, {"nightly": "00:00-00:00"}, {"cron": "17 3 * * *"},
    {"cron": "0 */6 * * *"}, {"cron": "30 2 * * 1-5"}, {"cron": "0 * * * *"},
)  # fmt: skip
FAILURES: tuple[tuple[str, Callable[[], RosterSyncError]], ...] = (
    ("away", lambda: SourceUnavailableError("The source did not answer.")),
    ("refused", lambda: CredentialsRefusedError("The source refuses our credentials.")),
    ("district", lambda: DistrictActionError("The source lists no records.")),
    ("broken", lambda: SourceProtocolError("The answer cannot be read.")),
)


class Killed(BaseException):
    """The worker's process ends here."""


class Wrong(BaseException):
    """What must hold does not; an attempt takes each Exception for the trouble of a sync."""


def hold(true: object, *told: object) -> None:
    if not true:
        raise Wrong(*map(str, told))


class Ran(NamedTuple):
    """An attempt that got as far as the source."""

    began: datetime
    slot: str
    outcome: str
    health: str


class Place:
    """A connection, with what its source does and what has happened to it."""

    def __init__(self, number: int, tenant: str, connection_id: int, tenant_id: int, steady: bool) -> None:
        self.number = number
        self.tenant = tenant
        self.id = connection_id
        self.tenant_id = tenant_id
        #: Its source always works, and nobody but the calendar keeps it from being synced.
        self.steady = steady
        self.source = "well"
        self.paused = False
        self.zone = ZoneInfo("UTC")
        self.rhythm: dict[str, Any] = {}
        #: When anybody last touched when it is synced.
        self.changed = BEGIN
        self.blackouts: set[tuple[str, str]] = set()
        self.ran: list[Ran] = []
        self.applied: Counter[str] = Counter()


class Queue:
    """What stands in the place of dbos."""

    def __init__(self) -> None:
        self.jobs: list[tuple[str, int]] = []
        self.known: set[str] = set()

    def queue(self, job: str, connection_id: int, *, asked: bool, large: bool) -> None:
        assert job not in self.known
        self.known.add(job)
        self.jobs.append((job, connection_id))

    def states(self, jobs: list[str]) -> dict[str, JobState]:
        return {job: JobState("waiting" if job in self.known else "unknown") for job in jobs}


class World:
    def __init__(self, service: Service, size: int, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.service = service
        self.dice = random.Random(seed)
        self.at = BEGIN
        self.down_until = BEGIN
        self.downs: list[tuple[datetime, datetime]] = []
        self.queue = Queue()
        self.events: list[tuple[datetime, int, Callable[[], None]]] = []
        self.order = count()
        self.calm = False
        self.acts = []
        for module in (scheduler, attempts, requests, replan, verbs, by_hand, connections):
            monkeypatch.setattr(module, "now", self.now)
        monkeypatch.setattr(attempts, "sync", self.sync)
        monkeypatch.setattr(random, "random", self.dice.random)
        self.places = {place.id: place for place in self.make(size)}

    def now(self) -> str:
        return self.at.isoformat(timespec="seconds")

    # --- making it ------------------------------------------------------------------------------------------------------

    def make(self, size: int) -> Iterator[Place]:
        for number in range(size):
            tenant = f"t{number:03d}"
            tenants.add_tenant(self.service, tenant)
            tenants.set_setting(self.service, tenant, "time_zone", ZONES[number % len(ZONES)])
            connections.add_connection(
                self.service, tenant, "oneroster", "sis", settings={"base_url": fake_source.BASE_URL},
                credentials=fake_source.CREDENTIALS,
            )  # fmt: skip
            tenant_id, _ = tenant_and_settings(self.service, tenant)
            (row,) = [row for row in connections_of(self.service.engine, tenant_id) if row.name == "sis"]
            assert row.id is not None
            place = Place(number, tenant, row.id, tenant_id, steady=number % 3 == 0)
            place.zone = ZoneInfo(ZONES[number % len(ZONES)])
            self.set_rhythm(place, RHYTHMS[(number + number // len(RHYTHMS)) % len(RHYTHMS)])
            yield place

    def set_rhythm(self, place: Place, rhythm: dict[str, Any]) -> None:
        verbs.set_schedule(self.service, place.tenant, **rhythm)
        place.rhythm, place.changed = rhythm, self.at
        place.applied.clear()

    # --- what happens ---------------------------------------------------------------------------------------------------

    def later(self, wait: timedelta, event: Callable[[], None]) -> None:
        heapq.heappush(self.events, (self.at + wait, next(self.order), event))

    def live(self, until: datetime) -> None:
        while True:
            due = self.next_due()
            event = self.events[0][0] if self.events else until
            self.at = max(self.at, min(due or until, event, until))
            if self.at >= until:
                return
            if event <= self.at:
                heapq.heappop(self.events)[2]()
            else:
                self.tick()

    def next_due(self) -> datetime | None:
        query = (
            "SELECT min(next_at) FROM schedule JOIN connection ON connection.id = connection_id "
            "WHERE job IS NULL AND state IN ('active', 'disconnected')"
        )
        with reading(self.service.engine) as connection:
            found = connection.execute(text(query)).scalar()
        return max(datetime.fromisoformat(found), self.down_until, self.at) if found else None

    def tick(self) -> None:
        scheduler.queue_due(self.service, self.queue)  # type: ignore[arg-type]
        for job, connection_id in self.queue.jobs:
            self.work(job, connection_id)
        self.queue.jobs.clear()
        self.at += timedelta(seconds=1)

    def work(self, job: str, connection_id: int) -> None:
        """Workers take a job until one of them lives on."""
        for worker in count():
            try:
                attempts.attempt(self.service, connection_id, job, f"w{worker}")
            except Killed:
                self.at += timedelta(seconds=self.dice.randint(45, 120))
            else:
                break
        place = self.places[connection_id]
        self.check_row(place, self.row(place))

    def sync(
        self, service: Service, tenant: str, _connection: str, *, slot: str, began: Callable[[int], None],
        check: Callable[[Connection], None], **_: object,
    ) -> RunReport:  # fmt: skip
        """A sync of no roster at all."""
        (place,) = [place for place in self.places.values() if place.tenant == tenant]
        self.check_may_begin(place, slot)
        begin = self.at
        row = self.row(place)
        run_id = runs.begin_run(
            service.engine, place.tenant_id, place.id, dry_run=False, started_by="schedule", slot=slot, now=self.now()
        )[0]
        began(run_id)
        self.at += timedelta(seconds=self.dice.choice((3, 20, 60, 60, 600)))
        if not self.calm and self.dice.random() < 0.02:
            raise Killed
        if not self.calm and not place.steady and self.dice.random() < 0.02:
            self.somebody_meddles(place)
        report, error = self.came_to(place, run_id)
        place.ran.append(Ran(begin, slot, report.state if report else place.source, row.health))
        if report is None:
            self.end_run(run_id, "failed", "{}", error.code)
            raise error
        with writing(service.engine) as connection:
            if by := runs.stop_asked_by(connection, run_id):
                raise CancelledError(f"The run was stopped by {by}.")
            if place.paused:
                raise ParkedError("The connection was paused while the run was going on.")
            check(connection)
            self.end_run_in(connection, run_id, report.state, msgspec.json.encode(report).decode(), None)
        if place.changed < begin:
            place.applied[slot] += 1
            hold(place.applied[slot] == 1, place.tenant, slot, place.changed, place.ran[-4:])
        if not self.calm and self.dice.random() < 0.01:
            raise Killed
        return report

    def came_to(self, place: Place, run_id: int) -> tuple[RunReport | None, RosterSyncError]:
        for source, error in FAILURES:
            if place.source == source:
                return None, error()
        held = place.source == "held"
        holds = [Hold("enrollment", "removals", 50, 60, 10, None, "50 enrollments would go; held.")] if held else []
        state = "held" if held else "applied"
        return RunReport(
            run_id, place.tenant, "sis", state, False, "schedule", self.now(), holds=holds
        ), CancelledError("")

    def end_run(self, run_id: int, state: str, report: str, code: str) -> None:
        with writing(self.service.engine) as connection:
            self.end_run_in(connection, run_id, state, report, code)

    def end_run_in(self, connection: Connection, run_id: int, state: str, report: str, code: str | None) -> None:
        query = "UPDATE run SET state = :state, report = :report, error_code = :code, finished_at = :at WHERE id = :id"
        values = {"state": state, "report": report, "code": code, "at": self.now(), "id": run_id}
        connection.execute(text(query), values)

    # --- people, sources, machines --------------------------------------------------------------------------------------

    def stir(self) -> None:
        """Every hour or so something happens to each of some places."""
        for place in self.places.values():
            chance = self.dice.random()
            if not place.steady and chance < 0.004:
                place.source = self.dice.choice([*(name for name, _ in FAILURES), "away", "held", "well"])
            elif not place.steady and chance < 0.02:
                place.source = "well"
            elif not place.steady and chance < 0.024:
                self.somebody_meddles(place)
            elif chance > 0.999:
                self.tolerated(lambda place=place: requests.ask_for_sync(self.service, place.tenant, by="ann"))
            elif chance > 0.9985:
                day = self.dice.randint(2, 40)
                first = self.at.date() + timedelta(days=day)
                self.close(place, str(first), str(first + timedelta(days=self.dice.randint(0, 12))))
        if self.dice.random() < 0.004:
            self.down_until = self.at + timedelta(hours=self.dice.choice((0.2, 3, 12, 70)))
            self.downs.append((self.at, self.down_until))
        self.later(timedelta(minutes=self.dice.randint(50, 70)), self.stir)

    def close(self, place: Place, first: str, last: str) -> None:
        verbs.add_blackout(self.service, place.tenant, None, f"{first}..{last}")
        place.blackouts.add((first, last))

    def somebody_meddles(self, place: Place) -> None:
        """Somebody asks, cancels, pauses, resumes, or sets another timetable or time zone."""
        what = self.dice.randrange(7)
        self.acts.append((str(self.at), place.tenant, what))
        service, tenant = self.service, place.tenant
        if what <= 1:
            self.tolerated(lambda: requests.ask_for_sync(service, tenant, by="ann"))
        elif what == 2:
            self.tolerated(lambda: requests.cancel_sync(service, tenant, by="bob"))
            place.changed = self.at
        elif what == 3 and not place.paused:
            connections.pause_connection(service, tenant, "sis", "", by="ann")
            place.paused, place.changed = True, self.at
            self.later(timedelta(hours=self.dice.randint(1, 200)), lambda: self.resume(place))
        elif what == 4:
            self.set_rhythm(place, self.dice.choice(RHYTHMS))
        elif what == 5:
            zone = self.dice.choice(ZONES)
            tenants.set_setting(service, tenant, "time_zone", zone)
            place.zone, place.changed = ZoneInfo(zone), self.at
            place.applied.clear()
        else:
            self.set_rhythm(place, place.rhythm)

    def resume(self, place: Place) -> None:
        connections.resume_connection(self.service, place.tenant, "sis")
        place.paused, place.changed = False, self.at

    def tolerated(self, verb: Callable[[], object]) -> None:
        with suppress(SettingsError, RetryLaterError):
            verb()

    def look(self) -> None:
        """Alarms are raised, and all rows looked at."""
        if self.at >= self.down_until:
            scheduler.raise_alarms(self.service)
            for found in schedules.all_scheduled(self.service.engine):
                place = self.places[found.row.connection_id]
                self.check_row(place, found.row)
                self.check_alarm(place, found.row)
        self.later(2 * HOUR, self.look)

    def calm_down(self) -> None:
        """From now on all is well."""
        self.calm, self.events, self.down_until = True, [], self.at
        for place in self.places.values():
            place.source = "well"
            if place.paused:
                self.resume(place)
            for first, last in place.blackouts:
                verbs.remove_blackout(self.service, place.tenant, None, f"{first}..{last}")
            place.blackouts.clear()

    # --- what must hold -------------------------------------------------------------------------------------------------

    def row(self, place: Place) -> Schedule:
        row = schedules.find(self.service.engine, place.id)
        assert row is not None
        return row

    def is_black(self, place: Place, day: date) -> bool:
        return any(first <= str(day) <= last for first, last in place.blackouts)

    def check_may_begin(self, place: Place, slot: str) -> None:
        """Not in a blackout or a pause, nor by day what is for the night."""
        local = self.at.astimezone(place.zone)
        hold(not self.is_black(place, local.date()), place.tenant, self.at, slot)
        hold(not place.paused, place.tenant, "is paused")
        row = self.row(place)
        if slot.startswith("night ") and row.attempt == 1 and place.changed < self.at - 2 * DAY:
            begins, ends = (time.fromisoformat(text) for text in place.rhythm["nightly"].split("-"))
            late = (local - 2 * HOUR).time()  # a worker does one after the other
            inside = begins <= local.time() or local.time() < ends or late < ends or begins == ends
            if begins < ends:
                inside = begins <= local.time() < ends or begins <= late < ends
            hold(inside, place.tenant, self.at, slot, place.rhythm, local)

    def check_row(self, place: Place, row: Schedule) -> None:
        hold(row.job is None, place.tenant)
        hold(row.next_at is not None, place.tenant)
        if not place.paused and self.at >= self.down_until + HOUR:
            hold(datetime.fromisoformat(row.next_at) > self.at - 4 * HOUR, place.tenant, row.next_at, self.at)
        ahead = datetime.fromisoformat(row.next_at) - self.at
        hold(ahead < 4 * DAY or place.blackouts, place.tenant, row.next_at, self.at)

    def check_alarm(self, place: Place, row: Schedule) -> None:
        """Of nightly ones to whom nothing special happened."""
        since = self.at - 6 * DAY
        if place.paused or place.rhythm.get("days") or "nightly" not in place.rhythm or place.changed > since:
            return
        if any(self.is_black(place, (self.at + timedelta(days=day)).date()) for day in range(-7, 2)):
            return
        if any(end > since for _, end in self.downs):
            return
        ago = self.at - datetime.fromisoformat(row.last_good_at or "2000-01-01T00:00:00+00:00")
        if ago > 2 * DAY:
            hold(row.stale_since is not None, place.tenant, self.at, row.last_good_at)
        elif ago < 36 * HOUR:
            hold(row.stale_since is None, place.tenant, self.at, row.last_good_at)

    def check_rates(self) -> None:
        """A source is never hammered; one that is sick is asked about daily."""
        for place in self.places.values():
            unasked = [ran for ran in place.ran if not ran.slot.startswith("asked")]
            for first, last in zip(unasked, unasked[60:], strict=False):
                hold(last.began - first.began > 12 * HOUR, place.tenant, first, last)
            sick = [ran for ran in unasked if ran.health == "quarantined" and ran.outcome not in ("applied", "held")]
            gaps = [later.began - earlier.began for earlier, later in pairwise(sick)]
            close = [gap for gap in gaps if gap < 10 * HOUR]
            hold(len(close) <= 3 + len(gaps) // 10, place.tenant, close)  # after timetables were changed

    def check_nights(self) -> None:
        """Each night of a steady connection was synced once, for itself or because somebody asked."""
        looked_at = 0
        for place in self.places.values():
            if not place.steady or "nightly" not in place.rhythm or place.rhythm["nightly"] == "00:00-00:00":
                continue
            begins, ends = (time.fromisoformat(text) for text in place.rhythm["nightly"].split("-"))
            on = {"sun-thu": (6, 0, 1, 2, 3)}.get(*place.rhythm.get("days", [""]), tuple(range(7)))
            runs_of = defaultdict(list)
            for ran in place.ran:
                runs_of[ran.slot].append(ran)
            day = BEGIN.date() + 2 * DAY
            while day < self.at.date() - 2 * DAY:
                opens = datetime.combine(day, begins, place.zone).astimezone(UTC)
                closes = datetime.combine(day if ends > begins else day + DAY, ends, place.zone).astimezone(UTC)
                done = [ran for ran in runs_of[f"night {day}"] if ran.outcome == "applied"]
                hold(len(done) <= 1, place.tenant, done)
                disturbed = any(down < closes and opens < up for down, up in self.downs) or any(
                    self.is_black(place, day + timedelta(days=more)) for more in (-1, 0, 1)
                )
                if day.weekday() in on and not disturbed:
                    looked_at += 1
                    asked = [ran for ran in place.ran if opens - HOUR <= ran.began <= closes + HOUR]
                    hold(done or asked, place.tenant, place.rhythm, str(place.zone), day)
                elif day.weekday() not in on:
                    hold(not done, place.tenant, day)
                day += DAY
        assert looked_at > len(self.places)

    def check_notices(self) -> None:
        """Told is what changed, once; and what is told to be over was told of before."""
        told: dict[int, tuple[str, str]] = {}
        silent: set[int] = set()
        with reading(self.service.engine) as connection:
            query = text("SELECT connection_id, event, code FROM notice ORDER BY id")
            notices = connection.execute(query).all()
        assert {event for _, event, _ in notices} >= {"failed", "held", "refused", "district", "quarantined", "stale"}
        for place, event, code in notices:
            was_silent = place in silent
            if event == "stale":
                hold(not was_silent, "the alarm is raised once")
                silent.add(place)
                continue
            if event in ("recovered", "held"):
                silent.discard(place)
            if event == "recovered":
                hold(place in told or was_silent, "nothing that nobody was told of is over")
                told.pop(place, None)
            else:
                hold(told.get(place) != (event, code) or was_silent, event, code)
                told[place] = (event, code)

    def check_recovered(self) -> None:
        """When nothing is wrong for some days, nothing is wrong."""
        for place in self.places.values():
            row = self.row(place)
            hold((row.health, row.stale_since) == ("ok", None), place.tenant, str(place.zone), row, place.ran[-5:])
            hold(str(row.last_good_at) > str(self.at - 5 * DAY).replace(" ", "T"), place.tenant, row)


def live_a_year(folder: Path, size: int, seed: int, days: int, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_source.install(monkeypatch)
    monkeypatch.setattr(
        database, "NullPool", QueuePool
    )  # one process, one thread: connecting would be half of the time
    with open_service(Settings(data_dir=folder, database_url="")) as service:
        world = World(service, size, seed, monkeypatch)
        world.later(HOUR, world.stir)
        world.later(HOUR, world.look)
        world.live(BEGIN + days * DAY)
        world.check_rates()
        world.check_nights()
        world.check_notices()
        world.calm_down()
        world.live(world.at + 6 * DAY)
        world.check_recovered()


@pytest.mark.slow
def test_a_year(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live_a_year(tmp_path, size=18, seed=1, days=366, monkeypatch=monkeypatch)
