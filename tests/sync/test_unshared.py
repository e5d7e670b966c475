"""A field that vanishes from most records at once: kept and told; from a few, or by setting: gone like any other value."""

from collections import Counter
from copy import deepcopy

from hypothesis import given
from hypothesis import strategies as st

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
