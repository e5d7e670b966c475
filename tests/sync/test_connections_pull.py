"""A sync of a connection: the same run as for files; what is learned, who is switched off, who is paused."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from connectors.http.client import HttpClient, HttpRules
from models import errors
from models.connections import Memory
from models.errors import CancelledError, DisconnectedError, RosterSyncError, SettingsError
from models.problems import Problem
from models.progress import Progress
from models.report import RunReport
from store.database import reading
from sync import connections, plans, tenants
from sync.history import get_run, list_runs
from sync.pull import connections_to_sync, sync
from sync.service import Service
from tests.sync import fake_source
from tests.sync.district import counts
from tests.sync.fake_source import SECRET, Shared, add


def run(service: Service, connection: str | None = "sis", **options: Any) -> RunReport:
    return sync(service, "springfield", connection, **{"started_by": "tests", **options})


def remembered(service: Service) -> Memory:
    return connections.open_connection(service, "springfield", "sis").memory


def state(service: Service) -> tuple[str, str]:
    view = connections.show_connection(service, "springfield", "sis")
    return view.state, view.reason


def test_sync_is_a_run_with_the_sources_own_notes(place: Service, shared: Shared) -> None:
    shared.facts.notes.append("The district is paused at the source.")
    shared.facts.missing.append("Guardians are not shared.")
    report = run(place)
    assert (report.state, report.connection, report.started_by, report.results_path) == (
        "applied",
        "sis",
        "tests",
        None,
    )
    assert counts(report, "person").created == 6
    assert report.notes[:2] == ["The district is paused at the source.", "Guardians are not shared."]
    assert get_run(place, report.run_id).notes == report.notes
    again = run(place)
    assert (counts(again, "person").unchanged, counts(again, "person").created) == (6, 0)
    assert [entry.run_id for entry in connections.show_connection(place, "springfield", "sis").last_runs] == [2, 1]


def test_memory_is_kept_by_what_was_applied_and_given_to_the_next_pull(place: Service, shared: Shared) -> None:
    assert run(place, dry_run=True).state == "planned"
    assert remembered(place) == Memory()
    run(place)
    assert remembered(place) == shared.learned
    run(place)
    assert [access.memory for _, _, access in shared.opened] == [Memory(), Memory(), shared.learned]


def test_what_is_held_or_failed_moves_no_time_so_its_changes_are_asked_for_again(here: Service, shared: Shared) -> None:
    shared.people |= {f"x{number}": ("student", ("pine",)) for number in range(30)}
    shared.learned = Memory(full_at="sunday", read_at="monday")
    run(here)
    shared.people = {"s0": ("student", ("pine",)), "t1": ("teacher", ("pine",))}
    shared.learned = Memory(full_at="tuesday", read_at="tuesday", refused=("filter",))
    assert run(here).state == "held"
    assert remembered(here) == Memory(full_at="sunday", read_at="monday", refused=("filter",))
    shared.learned = Memory(read_at="failed")
    shared.error = errors.SourceUnavailableError("The source does not answer.")
    with pytest.raises(errors.SourceUnavailableError):
        run(here)
    assert remembered(here).read_at == "monday"


def test_approved_dry_run_leaves_the_memory_alone(here: Service, shared: Shared) -> None:
    plan = run(here, dry_run=True)
    assert plans.approve_plan(here, plan.run_id, decided_by="ann").state == "applied"
    assert remembered(here) == Memory()
    assert run(here).state == "applied"
    assert remembered(here) == shared.learned


def test_memory_is_not_kept_for_credentials_that_changed_meanwhile(here: Service, shared: Shared) -> None:
    fresh = {"client_id": "another", "client_secret": "another"}
    shared.while_pulled = lambda _: connections.set_credentials(here, "springfield", "sis", fresh)
    assert run(here).state == "applied"
    assert remembered(here) == Memory()


@pytest.mark.parametrize("dry_run", [True, False])
def test_roster_pulled_with_settings_that_are_no_more_is_not_applied(
    place: Service, shared: Shared, dry_run: bool
) -> None:
    other = "https://other.example.org/ims/oneroster/v1p1"
    shared.while_pulled = lambda _: connections.set_setting(place, "springfield", "sis", "base_url", other)
    with pytest.raises(CancelledError, match="settings of the connection sis were changed"):
        run(place, dry_run=dry_run)
    assert tenants.show_tenant(place, "springfield").counts["person"] == 0
    assert [entry.state for entry in list_runs(place, "springfield")] == ["failed"]
    shared.while_pulled = lambda _: None
    assert run(place).state == "applied"


def test_database_that_goes_after_the_run_does_not_hide_how_it_ended(
    here: Service, shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object, **__: object) -> None:
        raise OperationalError(None, None, Exception("gone"))

    monkeypatch.setattr("store.connections.move", gone)
    monkeypatch.setattr("store.connections.remember", gone)
    assert run(here).state == "applied"
    shared.error = DisconnectedError("Off.")
    with pytest.raises(DisconnectedError):
        run(here)


def test_disconnected_source_removes_nothing_is_noted_and_comes_back(place: Service, shared: Shared) -> None:
    run(place)
    shared.error = DisconnectedError("The district has switched the app off.", "401, no token")
    for dry_run in (True, False):
        with pytest.raises(DisconnectedError) as caught:
            run(place, dry_run=dry_run)
        assert state(place) == ("disconnected", "The district has switched the app off.")
    assert get_run(place, caught.value.run_id or 0).error == "The district has switched the app off."
    assert tenants.show_tenant(place, "springfield").counts["person"] == 6
    assert connections_to_sync(place, "springfield") == ["sis"]
    shared.error = None
    run(place, dry_run=True)
    assert state(place) == ("active", "")


@pytest.mark.parametrize(
    "error",
    [
        errors.CredentialsRefusedError("The client secret is wrong."),
        errors.SourceUnavailableError("Later."),
        errors.SourceProtocolError("No envelope."),
        errors.SettingsError("base_url is wrong."),
    ],
    ids=lambda error: error.code,
)
def test_other_errors_fail_the_run_and_leave_the_state(here: Service, shared: Shared, error: RosterSyncError) -> None:
    shared.error = error
    with pytest.raises(type(error)) as caught:
        run(here)
    assert caught.value is error
    assert [entry.state for entry in list_runs(here, "springfield")] == ["failed"]
    assert state(here) == ("active", "")


def test_source_that_refuses_to_open_fails_the_run(
    here: Service, shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise SettingsError("token_url is needed.")

    monkeypatch.setattr(fake_source.FakeSource, "__init__", refuse)
    with pytest.raises(SettingsError, match="token_url"):
        run(here)
    assert [entry.state for entry in list_runs(here, "springfield")] == ["failed"]


def test_person_who_pauses_or_removes_during_a_run_is_heeded(here: Service, shared: Shared) -> None:
    shared.error = DisconnectedError("Off.")
    shared.while_pulled = lambda _: connections.pause_connection(here, "springfield", "sis", "", by="ann")
    with pytest.raises(DisconnectedError):
        run(here)
    assert state(here) == ("paused", "paused by ann")
    connections.resume_connection(here, "springfield", "sis")
    shared.error = None
    shared.while_pulled = lambda _: connections.remove_connection(here, "springfield", "sis", by="ann")
    with pytest.raises(CancelledError, match="was removed while the run was going on"):
        run(here)
    assert state(here) == ("removed", "removed by ann")
    assert tenants.show_tenant(here, "springfield").counts["person"] == 0


def test_paused_connection_is_refused_with_who_when_and_how(here: Service, shared: Shared) -> None:
    connections.pause_connection(here, "springfield", "sis", "summer", by="ann")
    for name in ("sis", None):
        with pytest.raises(SettingsError) as caught:
            run(here, name)
        assert "was paused by ann: summer (20" in caught.value.for_admin
        assert "rostersync connection resume springfield sis" in caught.value.for_admin
    assert shared.opened == []
    assert list_runs(here, "springfield") == []


def test_which_connections_are_synced(here: Service) -> None:
    add(here, "other")
    add(here, "gone")
    connections.remove_connection(here, "springfield", "gone", by="ann")
    assert connections_to_sync(here, "springfield") == ["sis", "other"]
    with pytest.raises(SettingsError, match="several connections; name one of them: sis, other"):
        run(here, None)
    connections.pause_connection(here, "springfield", "sis", "", by="ann")
    assert connections_to_sync(here, "springfield") == ["other"]
    assert run(here, None).connection == "other"
    tenants.add_tenant(here, "shelbyville")
    with pytest.raises(SettingsError, match="shelbyville has no connection to sync"):
        connections_to_sync(here, "shelbyville")


def test_revived_connection_knows_again_what_it_brought(place: Service) -> None:
    run(place)
    connections.remove_connection(place, "springfield", "sis", by="ann")
    assert tenants.show_tenant(place, "springfield").counts["person"] == 6
    add(place, "sis")
    report = run(place)
    assert (counts(report, "person").unchanged, counts(report, "person").created) == (6, 0)


def test_run_can_be_stopped_between_pages(here: Service) -> None:
    with pytest.raises(CancelledError):
        run(here, cancelled=lambda: True)
    assert tenants.show_tenant(here, "springfield").counts["person"] == 0


def test_client_has_the_operators_rules_and_is_closed(
    here: Service, shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[HttpRules] = []
    closed: list[HttpClient] = []
    watching: list[object] = []

    class Client(HttpClient):
        def __init__(self, rules: HttpRules, *arguments: Any, observe: Any = None, **options: Any) -> None:
            made.append(rules)
            watching.append(observe)
            super().__init__(rules, *arguments, observe=observe, **options)

        def close(self) -> None:
            closed.append(self)
            super().close()

    monkeypatch.setattr(connections, "HttpClient", Client)
    here.settings = here.settings.model_copy(update={"allow_hosts": "sis.internal:8443"})
    connections.set_setting(here, "springfield", "sis", "requests_per_minute", "90")

    def observe(_request: object, _answer: object) -> None:
        return

    run(here, observe=observe)
    shared.error = errors.SourceUnavailableError("Later.")
    with pytest.raises(errors.SourceUnavailableError):
        run(here)
    assert [(rules.allowed_hosts, rules.requests_per_minute) for rules in made] == [
        (frozenset({"sis.internal:8443"}), 90)
    ] * 2
    assert watching == [observe, None]
    assert len(closed) == 2


def test_progress_tells_pages_then_what_is_compared(here: Service) -> None:
    told: list[Progress] = []
    run(here, progress=told.append)
    assert Progress("pull", "users", records=6, pages=2, expected=6) in told
    assert any(progress.step == "compare" and progress.kind == "enrollment" for progress in told)


def test_problems_of_the_source_are_in_the_report(here: Service, shared: Shared) -> None:
    shared.problems = [Problem("unshared_members", "users", detail="4")]
    assert {problem.code for problem in run(here).problem_counts} == {"unshared_members"}


def test_nothing_secret_is_stored_by_a_run(here: Service, shared: Shared) -> None:
    shared.error = DisconnectedError("Off.")
    with pytest.raises(DisconnectedError):
        run(here)
    with reading(here.engine) as connection:
        stored = [
            connection.execute(text(f"SELECT * FROM {table}")).all() for table in ("run", "connection", "problem")
        ]
    assert SECRET not in str(stored)
