"""Records and databases that misbehave: what cannot be stored is one row's problem, what the driver says is understood."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from models.errors import RetryLaterError
from models.pages import Page, PullEvent
from models.problems import Problem
from models.records import Class, School
from models.report import RunReport
from models.tables import ProblemRow
from store import runs
from store.bulk import insert_rows
from store.database import reading, writing
from sync import plans, tenants
from sync.history import list_runs
from sync.problems import LONGEST_ID
from sync.pull import sync
from sync.service import Service, open_service
from sync.settings import Settings
from tests.sync.district import codes, counts
from tests.sync.fake_source import Shared

#: Longer than an index of PostgreSQL can hold, and not to be compressed into it.
LONG = "".join(f"{number:x}" for number in range(20_000))


def run(service: Service) -> RunReport:
    return sync(service, "springfield", "sis", started_by="tests")


def stored(service: Service, query: str) -> list[tuple[Any, ...]]:
    with reading(service.engine) as connection:
        return [tuple(row) for row in connection.execute(text(query))]


# --- what cannot be stored --------------------------------------------------------------------------------------------


def test_ids_longer_than_an_index_holds_are_refused_one_by_one(place: Service, shared: Shared) -> None:
    shared.people[LONG] = ("student", ("pine",))
    shared.classes[LONG] = "pine"
    shared.enrollments.append((LONG, LONG, "student"))
    report = run(place)
    assert report.state == "applied"
    assert (counts(report, "person").created, counts(report, "person").refused) == (6, 1)
    assert (counts(report, "class").created, counts(report, "class").refused) == (2, 1)
    assert codes(report)["cell_too_long"] == 2
    assert max(len(problem.source_id or "") for problem in report.first_problems) == LONGEST_ID


def test_longest_id_is_stored(place: Service, shared: Shared) -> None:
    shared.people["\N{CJK UNIFIED IDEOGRAPH-4E00}" * LONGEST_ID] = ("student", ("pine",))
    assert counts(run(place), "person").created == 7
    assert counts(run(place), "person").unchanged == 7


@pytest.mark.parametrize("what", ["a\0b", LONG])
def test_problem_with_an_id_that_cannot_be_stored_is_told_all_the_same(
    place: Service, shared: Shared, what: str
) -> None:
    shared.problems.append(Problem("record_malformed", "users", 1, "person", what, "", what))
    assert run(place).state == "applied"
    ((source_id, detail),) = stored(place, "SELECT source_id, detail FROM problem")
    assert source_id == detail
    assert "\0" not in source_id
    assert len(source_id) <= LONGEST_ID


# --- what the driver says ---------------------------------------------------------------------------------------------


def _fill_disk(service: Service) -> None:
    """From now on the database may grow by a few pages only."""

    @event.listens_for(service.engine, "connect")
    def let_it_grow_by_four_pages(connection: Any, _record: Any) -> None:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count={pages + 4}")


def test_full_disk_while_rows_are_written_is_a_matter_of_trying_again(here: Service, shared: Shared) -> None:
    shared.people.update({f"x{number}": ("student", ("pine",)) for number in range(1_000)})
    _fill_disk(here)
    with pytest.raises(RetryLaterError, match="busy, unreachable or full"):
        run(here)
    assert [entry.state for entry in list_runs(here, "springfield")] == ["failed"]
    assert tenants.show_tenant(here, "springfield").counts["person"] == 0


def test_full_disk_while_a_plan_is_approved_leaves_it_waiting(here: Service, shared: Shared) -> None:
    shared.people.update({f"x{number}": ("student", ("pine",)) for number in range(1_000)})
    waiting = sync(here, "springfield", "sis", dry_run=True, started_by="tests")
    _fill_disk(here)
    with pytest.raises(RetryLaterError, match="busy, unreachable or full"):
        plans.approve_plan(here, waiting.run_id, decided_by="ann")
    assert plans.show_plan(here, waiting.run_id).stale is False


@pytest.mark.parametrize("transaction", [writing, reading])
def test_errors_of_the_driver_itself_come_as_sqlalchemys(service: Service, transaction: Callable[..., Any]) -> None:
    with pytest.raises(DBAPIError), transaction(service.engine) as connection:
        connection.connection.driver_connection.cursor().execute("SELECT nonsense")


def test_rows_that_are_there_already_come_as_an_integrity_error(service: Service) -> None:
    columns = ("run_id", "seq", "tenant_id", "code", "severity", "file", "line", "field", "detail")
    row = (1, 1, 1, "id_missing", "error", "users", 1, "", "")
    table = ProblemRow.__table__  # type: ignore[attr-defined]
    with pytest.raises(IntegrityError), writing(service.engine) as connection:
        insert_rows(connection, table, columns, [row, row])


def test_only_one_transaction_at_a_time_builds_on_a_revision(postgresql_url: str) -> None:
    """The second waits for the first, and then sees that the roster has moved."""
    with open_service(Settings(data_dir=Path("unused"), database_url=postgresql_url)) as service:
        tenants.add_tenant(service, "springfield")
        with writing(service.engine) as first:
            before = runs.revision_of(first, 1, lock=True)
            with writing(service.engine) as second:
                second.execute(text("SET LOCAL lock_timeout = '50ms'"))
                with pytest.raises(OperationalError, match="lock timeout"):
                    runs.revision_of(second, 1, lock=True)
            with reading(service.engine) as reader:
                assert runs.revision_of(reader, 1) == before
            runs.bump_revision(first, 1)
        with writing(service.engine) as second:
            assert runs.revision_of(second, 1, lock=True) == before + 1


# --- what was taken with something left out ---------------------------------------------------------------------------


def _changed(shared: Shared, change: Callable[[Any], Any]) -> Callable[[], Any]:
    events = shared.events

    def changed() -> Any:
        for found in events():
            yield _with_records(found, change) if isinstance(found, Page) else found

    return changed


def _with_records(page: Page, change: Callable[[Any], Any]) -> PullEvent:
    return msgspec.structs.replace(page, records=[change(record) for record in page.records])


def test_record_that_stays_unsettled_still_changes(
    place: Service, shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its term, or its parent, is as unknown as the night before; its title is another one."""
    tenants.set_setting(place, "springfield", "create_schools", "true")
    shared.schools["oak"] = "Oak School"
    names = {"c1": "Algebra", "oak": "Oak"}

    def unsettled(record: Any) -> Any:
        named = names.get(record.source_id, "") if isinstance(record, (Class, School)) else ""
        if isinstance(record, Class):
            return msgspec.structs.replace(record, title=named or record.title, term_source_ids=("nowhere",))
        return msgspec.structs.replace(record, name=named, parent_source_id="nowhere") if named else record

    monkeypatch.setattr(shared, "events", _changed(shared, unsettled))
    run(place)
    assert counts(run(place), "class").updated == 0
    names.update({"c1": "Geometry", "oak": "Oak Grove"})
    report = run(place)
    assert (counts(report, "class").updated, counts(report, "class").unchanged) == (1, 1)
    assert counts(report, "school").updated == 1
    assert ("Geometry",) in stored(place, "SELECT title FROM class")
    assert ("Oak Grove",) in stored(place, "SELECT name FROM school")
