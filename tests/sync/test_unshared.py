"""A field that vanishes from most records at once: kept and told; from a few, or by setting: gone like any other value."""

from collections import Counter
from copy import deepcopy
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.normalize.listing import Listing
from models.pages import Coverage
from models.settings import GuardSettings
from store.database import reading
from sync import tenants
from sync.unshared import vanished
from tests.sync.district import District, Files, codes, counts, district


def _grades_and_mail(pine: District) -> dict[str, tuple[str, str | None]]:
    query = "SELECT source_id, grades, email FROM person JOIN link ON kind = 'person' AND entity_id = person.id"
    return {source_id: (grades, email) for source_id, grades, email in pine.rows(query)}


def _without(files: Files, field: str, ids: list[str]) -> Files:
    changed = deepcopy(files)
    assert changed.users is not None
    for source_id in ids:
        changed.users[source_id][field] = ""
    return changed


STUDENTS = [f"s{number}" for number in range(20)]


def test_a_field_that_all_lose_at_once_is_kept_and_told(pine: District) -> None:
    files = district()
    pine.upload(files)
    before = _grades_and_mail(pine)

    report = pine.upload(_without(files, "grades", STUDENTS))

    assert _grades_and_mail(pine) == before
    assert counts(report, "person").updated == 0
    assert counts(report, "person").unchanged == 44
    assert report.state == "applied"
    assert codes(report)["field_unshared"] == 1
    told = next(problem for problem in report.first_problems if problem.code == "field_unshared")
    assert told.message.startswith("grades is gone from most records at once (20 of 20 people)")
    assert told.file == "users.csv"


def test_the_following_nights_write_nothing_and_still_tell(pine: District) -> None:
    files = district()
    pine.upload(files)
    pine.upload(_without(files, "grades", STUDENTS))
    stored = pine.snapshot()

    report = pine.upload(_without(files, "grades", STUDENTS))

    assert pine.snapshot() == stored
    assert codes(report)["field_unshared"] == 1


def test_other_changes_of_the_same_people_go_on(pine: District) -> None:
    files = district()
    pine.upload(files)
    changed = _without(files, "grades", STUDENTS)
    assert changed.users is not None
    changed.users["s3"]["familyName"] = "Lovelace"

    report = pine.upload(changed)

    assert counts(report, "person").updated == 1
    assert pine.rows("SELECT family_name, grades FROM person WHERE given_name = 'Kim3'") == [("Lovelace", '["09"]')]
    change = pine.rows("SELECT after FROM change WHERE action = 'update' AND kind = 'person'")
    assert change == [('{"family_name":"Lovelace"}',)]


def test_when_it_is_shared_again_what_is_blank_then_goes(pine: District) -> None:
    files = district()
    pine.upload(files)
    pine.upload(_without(files, "grades", STUDENTS))

    report = pine.upload(_without(files, "grades", ["s0"]))

    assert "field_unshared" not in codes(report)
    assert counts(report, "person").updated == 1
    assert _grades_and_mail(pine)["s0"][0] == "[]"
    assert _grades_and_mail(pine)["s1"][0] == '["09"]'


def test_a_few_blanks_are_changes_like_any_other(pine: District) -> None:
    files = district()
    pine.upload(files)

    report = pine.upload(_without(files, "grades", STUDENTS[:10]))

    assert "field_unshared" not in codes(report)
    assert counts(report, "person").updated == 10


def test_a_setting_lets_the_values_go(pine: District) -> None:
    files = district()
    pine.upload(files)
    tenants.set_setting(pine.service, "test", "guard.vanished_percent", "100")

    pine.upload(_without(files, "grades", STUDENTS))

    assert _grades_and_mail(pine)["s5"][0] == "[]"


def test_a_dry_run_shows_the_same_and_its_plan_applies(pine: District) -> None:
    from sync import plans

    files = district()
    pine.upload(files)
    changed = _without(files, "grades", STUDENTS)
    assert changed.users is not None
    changed.users["s3"]["familyName"] = "Lovelace"

    report = pine.upload(changed, dry_run=True)
    assert counts(report, "person").updated == 1
    plans.approve_plan(pine.service, report.run_id, decided_by="tests")

    assert pine.rows("SELECT family_name, grades FROM person WHERE given_name = 'Kim3'") == [("Lovelace", '["09"]')]


def test_those_that_come_back_without_it_are_measured_with_those_that_have_it(pine: District) -> None:
    files = district()
    pine.upload(files)
    few = deepcopy(files)
    assert few.users
    for source_id in STUDENTS[5:]:
        del few.users[source_id]
    few.enrollments = [row for row in few.enrollments or [] if row[1] in few.users]
    for kind in ("person", "affiliation", "enrollment", "guardianship"):
        tenants.set_setting(pine.service, "test", f"guard.removals_by_kind.{kind}", '{"percent": 100, "floor": 1000}')
    assert counts(pine.upload(few), "person").archived == 15

    report = pine.upload(_without(files, "grades", STUDENTS[5:]))

    assert counts(report, "person").restored == 15
    told = next(problem for problem in report.first_problems if problem.code == "field_unshared")
    assert told.message.startswith("grades is gone from most records at once (15 of 20 people)")


def test_what_the_pull_could_not_tell_stays_however_few_have_it(
    pine: District, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the courses of a small school's classes could not be read."""
    files = district()
    assert files.classes
    pine.upload(files)
    before = pine.rows("SELECT title, grades, location FROM class ORDER BY id")
    coverage = Listing.coverage

    def without_grades(self: Listing, *args: Any, **options: Any) -> Coverage:
        statement = coverage(self, *args, **options)
        return msgspec.structs.replace(statement, untold=("grades",)) if statement.kind == "class" else statement

    monkeypatch.setattr(Listing, "coverage", without_grades)
    for source_id in ("c0", "c1"):
        files.classes[source_id]["grades"] = ""

    report = pine.upload(files)
    assert pine.rows("SELECT title, grades, location FROM class ORDER BY id") == before
    assert (counts(report, "class").updated, counts(report, "class").unchanged) == (0, 4)
    assert "field_unshared" not in codes(report)

    monkeypatch.undo()
    assert counts(pine.upload(files), "class").updated == 2, "told again, blank is blank"


def test_changes_only_do_not_take_bit_by_bit_what_was_kept(pine: District, monkeypatch: pytest.MonkeyPatch) -> None:
    files = district()
    pine.upload(files)
    pine.upload(_without(files, "grades", STUDENTS))
    before = _grades_and_mail(pine)
    coverage = Listing.coverage

    def changes_only(self: Listing, doubt: str, *, delta: bool, scope: str | None) -> Coverage:
        return coverage(self, doubt, delta=True, scope=scope)

    monkeypatch.setattr(Listing, "coverage", changes_only)
    few = _without(files, "grades", STUDENTS[:3])
    assert few.users
    few.users = {source_id: few.users[source_id] | {"givenName": "Ida"} for source_id in STUDENTS[:3]}
    few.classes = few.enrollments = None

    report = pine.upload(few)
    assert counts(report, "person").updated == 3
    assert _grades_and_mail(pine) == before
    assert counts(pine.upload(few), "person").unchanged == 3

    monkeypatch.undo()
    again = _without(files, "grades", STUDENTS[:3])
    pine.upload(again)
    assert [_grades_and_mail(pine)[source_id][0] for source_id in STUDENTS[:4]] == ["[]", "[]", "[]", '["09"]']


def test_one_type_of_identifier_counts_alone(pine: District) -> None:
    """Identifiers of a type that is no longer shared stay; another type that has come is taken."""
    from models.tables import Person
    from store.reader import RosterReader

    pine.upload(district())
    table = Person.__table__  # type: ignore[attr-defined]
    with pine.service.engine.begin() as connection:
        connection.execute(table.update().where(table.c.id <= 4).values(identifiers='{"sis_id":"1","state_%id":"2"}'))
    with reading(pine.service.engine) as connection:
        (tenant, source), *_ = connection.exec_driver_sql(
            "SELECT tenant_id, id FROM connection WHERE connector = 'csv'"
        ).fetchall()
    reader = RosterReader(pine.service.engine, tenant, source)
    assert reader.count_having("person", "identifiers.sis_id") == 4
    assert reader.count_having("person", "identifiers.state_%id") == 4
    assert reader.count_having("person", "identifiers.state_xid") == 0
    assert reader.count_having("person", "email") == 20
    assert reader.count_having("person", "enabled") == 0


@given(st.integers(0, 200), st.integers(0, 200), st.integers(0, 100), st.integers(0, 30))
def test_strictly_more_than_the_limits(gone: int, kept: int, percent: int, floor: int) -> None:
    settings = GuardSettings(vanished_percent=percent, vanished_floor=floor)
    found = vanished(Counter({("person", "email"): gone}), {("person", "email"): gone + kept}, settings)
    assert bool(found) == (gone > floor and gone * 100 > percent * (gone + kept))


def test_identifiers_are_put_together_again_type_by_type() -> None:
    from sync.columns import difference
    from sync.unshared import _with_old_values

    before = ("Ada", None, None, None, None, None, None, None, "[]", None, None, '{"sis_id":"1","state_id":"2"}')
    after = ("Ida", None, None, None, None, None, None, None, "[]", None, None, '{"sis_id":"9"}')
    differs = difference("person", before, after)
    assert differs is not None
    row = (7, "s7", 123, 456, "users", 3, *after, *differs)

    new, names = _with_old_values("person", row, {"identifiers.state_id"})

    assert names == ["identifiers.state_id"]
    assert new[6:-2] == (*after[:-1], '{"sis_id":"9","state_id":"2"}')
    assert new[3] == 0, "it is looked at again next time"
    assert new[-2:] == (
        '{"given_name":"Ada","identifiers":"{\\"sis_id\\":\\"1\\",\\"state_id\\":\\"2\\"}"}',
        '{"given_name":"Ida","identifiers":"{\\"sis_id\\":\\"9\\",\\"state_id\\":\\"2\\"}"}',
    )
