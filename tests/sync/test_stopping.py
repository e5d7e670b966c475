"""A run can be stopped from elsewhere until its transaction begins, and knows where it was and for how long."""

from collections.abc import Callable

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from connectors.http.client import HttpClient, HttpRules
from connectors.source import Access
from connectors.watch import Watch
from models.errors import CancelledError, DistrictActionError, ParkedError, SourceUnavailableError
from models.progress import Progress
from store import runs
from store.runs import load_run
from sync import history, tenants
from sync.pull import sync
from sync.service import Service
from sync.steps import Steps
from sync.stopping import Stopping
from tests.connectors.http.http_cases import BASE, FakeClock, Say, Script, body_of
from tests.sync.district import District, Files, district, user
from tests.sync.fake_source import Shared


def stopped(service: Service, tenant: str) -> tuple[str, str | None, str]:
    """State, error code and step of a tenant's newest run."""
    newest = history.list_runs(service, tenant, limit=1)[0].run_id
    row, _, _ = load_run(service.engine, newest)
    return row.state, row.error_code, history.get_run(service, newest).step


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run looks at its row at every page."""
    monkeypatch.setattr("sync.stopping._LOOK_EVERY", 0.0)


def ann_stops(service: Service) -> Callable[[int], None]:
    def began(run_id: int) -> None:
        assert runs.ask_to_stop(service.engine, run_id, "ann")

    return began


# --- stopped by a person ----------------------------------------------------------------------------------------------


def test_while_a_connector_pulls(place: Service, shared: Shared, at_once: None) -> None:
    asked: list[int] = []

    def pulls(access: Access) -> None:
        asked.append(1)
        access.watch.page("users", 3, 9)

    shared.while_pulled = pulls
    with pytest.raises(CancelledError) as caught:
        sync(place, "springfield", "sis", started_by="tests", began=ann_stops(place))
    assert caught.value.for_admin == "The run was stopped by ann; nothing was changed."
    assert asked == []
    assert stopped(place, "springfield") == ("failed", "cancelled", "pull")
    assert tenants.show_tenant(place, "springfield").counts["person"] == 0


@pytest.mark.parametrize("step", ["compare", "guard", "apply"])
def test_while_the_engine_works(pine: District, at_once: None, step: str) -> None:
    """Files are read as they are compared; the last moment is just before the transaction."""

    def tell(progress: Progress) -> None:
        if progress.step == step:
            newest = history.list_runs(pine.service, limit=1)[0].run_id
            runs.ask_to_stop(pine.service.engine, newest, "ann")

    with pytest.raises(CancelledError, match="was stopped by ann"):
        pine.upload(district(), progress=tell)
    assert stopped(pine.service, "test") == ("failed", "cancelled", step)
    assert pine.people() == {}
    assert pine.upload(district()).state == "applied"


def test_run_that_has_ended_cannot_be_stopped(oak: District) -> None:
    assert not runs.ask_to_stop(oak.service.engine, oak.upload(district()).run_id, "ann")


def test_row_is_looked_at_once_a_second_at_most(sqlite_service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    now, looks = [100.0], []
    monkeypatch.setattr(runs, "asked_to_stop", lambda *_: looks.append(now[0]))
    stopping = Stopping(sqlite_service.engine, lambda: False, clock=lambda: now[0])
    assert not stopping()
    stopping.begins(7)
    for _ in range(12):
        now[0] += 0.25
        assert not stopping()
    assert looks == [101.0, 102.0, 103.0]


def test_database_that_does_not_answer_stops_nothing(
    here: Service, shared: Shared, at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        raise OperationalError(None, None, Exception("gone"))

    monkeypatch.setattr(runs, "asked_to_stop", gone)
    assert sync(here, "springfield", "sis", started_by="tests").state == "applied"


# --- parked -----------------------------------------------------------------------------------------------------------


def parking_after(pages: int) -> Callable[[], bool]:
    left = [pages]

    def parking() -> bool:
        left[0] -= 1
        if left[0] < 0:
            raise ParkedError("The worker was told to stop.", "parked")
        return False

    return parking


@pytest.mark.parametrize("pages", [0, 1, 3, 8])
def test_parked_at_any_page_the_roster_is_as_it_was(here: Service, shared: Shared, pages: int) -> None:
    sync(here, "springfield", "sis", started_by="tests")
    shared.people["new"] = ("student", ("pine",))
    with pytest.raises(ParkedError):
        sync(here, "springfield", "sis", started_by="tests", cancelled=parking_after(pages))
    assert stopped(here, "springfield")[:2] == ("failed", "parked")
    assert tenants.show_tenant(here, "springfield").counts["person"] == 6


def test_parking_goes_through_the_waits_of_a_client() -> None:
    clock, watch = FakeClock(), Watch(cancelled=parking_after(2))
    http = HttpClient(HttpRules(), watch, adapter=Script(Say(503)), sleep=clock.sleep, clock=clock)
    with pytest.raises(ParkedError):
        http.get(f"{BASE}/users", what="users", read=body_of)
    assert clock.waited <= 3


def test_whoever_checks_in_the_transaction_stops_it(place: Service, shared: Shared) -> None:
    def taken_over(_connection: Connection) -> None:
        raise ParkedError("Another worker took it over.", "taken over")

    with pytest.raises(ParkedError):
        sync(place, "springfield", "sis", started_by="tests", check=taken_over)
    assert stopped(place, "springfield") == ("failed", "parked", "apply")
    assert tenants.show_tenant(place, "springfield").counts["person"] == 0


# --- what a run knows of itself ---------------------------------------------------------------------------------------


def test_run_knows_its_slot_and_tells_its_id_at_once(place: Service, shared: Shared) -> None:
    began: list[int] = []
    report = sync(place, "springfield", "sis", started_by="schedule", slot="night 2026-11-22", began=began.append)
    assert began == [report.run_id]
    assert load_run(place.engine, report.run_id)[0].slot == "night 2026-11-22"
    by_hand = sync(place, "springfield", "sis", started_by="ann")
    assert load_run(place.engine, by_hand.run_id)[0].slot is None


def test_report_says_how_long_each_step_took(oak: District) -> None:
    report = oak.upload(district())
    assert list(report.steps) == ["pull", "compare", "check", "guard", "apply"]
    assert abs(sum(report.steps.values()) - report.seconds) < 0.05
    assert report.step == ""
    assert history.get_run(oak.service, report.run_id).steps == report.steps


def test_steps_that_alternate_are_added_up() -> None:
    now = [0.0]
    steps = Steps(lambda: now[0])
    for _ in range(3):
        now[0] += 2
        steps.enter("compare")
        now[0] += 0.5
        steps.enter("pull")
    steps.enter("guard")
    now[0] += 1
    assert steps.current == "guard"
    assert steps.seconds() == {"pull": 6.0, "compare": 1.5, "guard": 1.0}
    assert steps.total() == 8.5


def test_waiting_for_a_sources_limit_is_reported_even_if_the_run_fails(here: Service, shared: Shared) -> None:
    def pulls(access: Access) -> None:
        access.http.waited += 12.5

    shared.while_pulled = pulls
    assert sync(here, "springfield", "sis", started_by="tests").waited == 12.5
    shared.error = SourceUnavailableError("Later.")
    with pytest.raises(SourceUnavailableError) as caught:
        sync(here, "springfield", "sis", started_by="tests")
    report = history.get_run(here, caught.value.run_id or 0)
    assert (report.waited, report.step) == (12.5, "pull")


def test_failed_run_says_at_which_step(oak: District, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DistrictActionError):
        oak.upload(Files(users={"x": user("wizard")}))
    assert stopped(oak.service, "test") == ("failed", "district_action", "check")

    def boom(*_: object) -> None:
        raise RuntimeError

    for name, step in (("keep_unshared", "guard"), ("RosterWriter", "apply")):
        with monkeypatch.context() as patch:
            patch.setattr(f"sync.run.{name}", boom)
            with pytest.raises(RuntimeError):
                oak.upload(district())
        assert stopped(oak.service, "test") == ("failed", "unexpected", step)


def test_whoever_is_told_of_a_run_may_end_it(here: Service, shared: Shared) -> None:
    def refuse(_run_id: int) -> None:
        raise ParkedError("Not now.")

    with pytest.raises(ParkedError, match="Not now"):
        sync(here, "springfield", "sis", started_by="tests", began=refuse)
    assert stopped(here, "springfield") == ("failed", "parked", "pull")
    assert shared.opened == []
