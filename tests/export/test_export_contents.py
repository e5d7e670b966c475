"""Which rows an export holds: ids, roles, relations, and what is left out."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

import store.export
from models.errors import NotFoundError, SettingsError
from store.database import reading, writing
from store.export import SourceIds
from sync.export import export_oneroster, export_product
from sync.service import Service

from .conftest import TENANT, Load, read

USERS = "sourceId,orgSourcedIds,role,givenName,familyName,email,sms,agentSourcedIds,grades"
CLASSES = "sourcedId,title,grades,location,schoolSourcedId,periods"
ENROLLMENTS = "classSourcedId,schoolSourcedID,userSourcedId,role"
BASIC = {
    "users": [
        USERS,
        '001,0100,student,Ana,Ruiz,,,"G1,G2",03',
        "1,0100,student,Bo,Li,,,G1,03",
        'T1,"0100,0101",teacher,Cy,Ng,cy@example.org,,,',
        "G1,0100,parent,Di,Ruiz,di@example.com,,,",
        "G2,0100,relative,Ed,Ruiz,,2125550101,,",
    ],
    "classes": [CLASSES, "C1,Reading,03,,0100,1"],
    "enrollments": [ENROLLMENTS, "C1,0100,001,student", "C1,0100,T1,teacher"],
}
OTHER_CONNECTION = (
    "INSERT INTO connection (id, tenant_id, name, connector, settings, created_at) VALUES (50, 1, 'z', 'csv', '{}', '')"
)


def manual(service: Service, *statements: str) -> None:
    """Do by SQL what a person does by hand."""
    with writing(service.engine) as connection:
        for statement in statements:
            connection.execute(text(statement))


def test_the_product_files_hold_exactly_the_stored_rows(tenant: Service, load: Load, tmp_path: Path) -> None:
    load(BASIC)
    reports = export_product(tenant, TENANT, tmp_path / "export")
    assert {report.file: report.rows for report in reports} == {
        "users.csv": 5, "classes.csv": 1, "enrollments.csv": 2, "guardians.csv": 0,
    }  # fmt: skip
    assert not (tmp_path / "export" / "guardians.csv").exists()
    users = {row["sourceId"]: row for row in read(tmp_path / "export" / "users.csv")}
    assert set(users) == {"001", "1", "T1", "G1", "G2"}
    assert users["001"]["agentSourcedIds"] == "G1,G2"
    assert users["T1"]["orgSourcedIds"] == "0100,0101"
    assert users["G2"]["role"] == "relative"
    assert read(tmp_path / "export" / "enrollments.csv") == [
        {"classSourcedId": "C1", "schoolSourcedId": "0100", "userSourcedId": "001", "role": "student"},
        {"classSourcedId": "C1", "schoolSourcedId": "0100", "userSourcedId": "T1", "role": "teacher"},
    ]


def test_archived_rows_and_what_hangs_on_them_are_left_out(tenant: Service, load: Load, tmp_path: Path) -> None:
    load(BASIC)
    load({**BASIC, "users": [row for row in BASIC["users"] if not row.startswith("001,")]})
    export_product(tenant, TENANT, tmp_path / "export")
    assert {row["sourceId"] for row in read(tmp_path / "export" / "users.csv")} == {"1", "T1", "G1", "G2"}
    assert [row["userSourcedId"] for row in read(tmp_path / "export" / "enrollments.csv")] == ["T1"]


def test_rows_made_by_hand_get_ids_of_ours(tenant: Service, load: Load, tmp_path: Path) -> None:
    load(BASIC)
    history = "NULL, 'active', NULL, NULL, NULL, NULL, NULL"
    manual(
        tenant,
        "INSERT INTO person (tenant_id, id, given_name, family_name, grades, identifiers, connection_id, status) "
        "VALUES (1, 900, 'Made', 'By Hand', '[]', '{}', NULL, 'active')",
        f"INSERT INTO affiliation VALUES (1, 900, 2, 'teacher', NULL, 0, 'manual', 0, {history})",
        "INSERT INTO class (tenant_id, id, title, school_id, subjects, grades, periods, term_ids, connection_id, status) "
        "VALUES (1, 77, 'Chess', 2, '[]', '[]', '[]', '[]', NULL, 'active')",
        f"INSERT INTO enrollment VALUES (1, 77, 900, 'teacher', NULL, NULL, NULL, 0, 'manual', 0, {history})",
    )
    export_product(tenant, TENANT, tmp_path / "export")
    assert read(tmp_path / "export" / "users.csv")[-1]["sourceId"] == "rs-person-900"
    assert read(tmp_path / "export" / "classes.csv")[-1]["sourcedId"] == "rs-class-77"
    last = read(tmp_path / "export" / "enrollments.csv")[-1]
    assert (last["classSourcedId"], last["userSourcedId"], last["schoolSourcedId"]) == (
        "rs-class-77",
        "rs-person-900",
        "0100",
    )


def test_the_managing_connections_id_is_used(tenant: Service, load: Load) -> None:
    load(BASIC)
    columns = "connection_id, kind, source_id, tenant_id, entity_id, key, fingerprint, manages, active, listing, line"
    manual(
        tenant,
        OTHER_CONNECTION,
        f"INSERT INTO link ({columns}) "
        "SELECT 50, 'person', 'other-' || source_id, 1, entity_id, key + 1, 0, false, true, 'users', 1 "
        "FROM link WHERE kind = 'person' AND connection_id <> 50",
    )
    with reading(tenant.engine) as connection:
        ids = SourceIds(connection, 1, "person")
        assert [ids(number) for number in range(7)] == [None, "001", "1", "T1", "G1", "G2", None]
    manual(tenant, "UPDATE link SET manages = (connection_id = 50) WHERE kind = 'person'")
    with reading(tenant.engine) as connection:
        assert SourceIds(connection, 1, "person")(1) == "other-001"


def test_one_id_for_two_people_is_used_once(tenant: Service, load: Load, tmp_path: Path) -> None:
    """Two systems may number their people alike; in one file each id can stand for one of them only."""
    load(BASIC)
    load({"users": [USERS, "T1,0101,teacher,Another,Person,,,,"]}, connection="annex")
    with reading(tenant.engine) as connection:
        several = connection.scalar(
            text("SELECT count(DISTINCT entity_id) FROM link WHERE kind='person' AND source_id='T1'")
        )
    export_product(tenant, TENANT, tmp_path / "export")
    ids = [row["sourceId"] for row in read(tmp_path / "export" / "users.csv")]
    assert len(ids) == len(set(ids))
    assert sum(source_id.startswith("rs-person-") for source_id in ids) == several - 1


def test_shared_ids_of_distinct_people_stay_apart(tenant: Service, load: Load) -> None:
    load(BASIC)
    manual(
        tenant,
        OTHER_CONNECTION,
        "UPDATE link SET connection_id = 50, source_id = '001', key = (SELECT key FROM link WHERE source_id = '001') "
        "WHERE kind = 'person' AND source_id = '1'",
    )
    with reading(tenant.engine) as connection:
        ids = SourceIds(connection, 1, "person")
        assert (ids(1), ids(2), ids.synthetic) == ("001", "rs-person-2", 1)


def test_of_several_roles_the_row_holds_the_leading_one(tenant: Service, load: Load, tmp_path: Path) -> None:
    load(
        {
            "users": ["sourcedId,givenName,familyName,enabledUser,email", "P1,Ana,Ruiz,,ana@example.com", "P2,Bo,Li,,"],
            "roles": [
                "sourcedId,userSourcedId,roleType,role,orgSourcedId",
                "a,P1,primary,parent,0100",
                "b,P1,secondary,aide,0101",
                "c,P1,secondary,teacher,0101",
                "d,P2,,student,0101",
            ],
        }
    )
    reports = {report.file: report for report in export_product(tenant, TENANT, tmp_path / "product")}
    rows = {row["sourceId"]: row for row in read(tmp_path / "product" / "users.csv")}
    assert (rows["P1"]["role"], rows["P1"]["orgSourcedIds"]) == ("teacher", "0101")
    assert "2 further roles of people with several" in reports["users.csv"].note
    export_oneroster(tenant, TENANT, tmp_path / "set")
    rows = {row["sourcedId"]: row for row in read(tmp_path / "set" / "users.csv")}
    assert (rows["P1"]["role"], rows["P1"]["orgSourcedIds"]) == ("teacher", "0101")
    roles = {(row["userSourcedId"], row["roleType"], row["role"]) for row in read(tmp_path / "set" / "roles.csv")}
    assert ("P1", "secondary", "aide") in roles
    assert len(roles) == 4


def test_guardians_without_a_role_keep_their_own_file(tenant: Service, load: Load, tmp_path: Path) -> None:
    load({**BASIC, "users": [row.replace('"G1,G2"', "G1") for row in BASIC["users"][:-1]]})
    load(
        {
            "guardians": [
                "studentSourcedId,guardianSourcedId,givenName,familyName,email,sms,phone,language,relationship",
                "001,H1,Flo,Ruiz,flo@example.com,,,es,aunt",
                "1,H1,Flo,Ruiz,flo@example.com,,,es,",
            ]
        },
        connection="guardians",
    )
    for write, name in ((export_product, "product"), (export_oneroster, "set")):
        write(tenant, TENANT, tmp_path / name)
        rows = read(tmp_path / name / "guardians.csv")
        assert [(row["studentSourcedId"], row["relationship"], row["language"]) for row in rows] == [
            ("001", "aunt", "es"), ("1", "", "es"),
        ]  # fmt: skip
        users = read(tmp_path / name / "users.csv")
        assert "H1" not in {row.get("sourceId", row.get("sourcedId")) for row in users}
        assert [row["agentSourcedIds"] for row in users if row["role"] == "student"] == ["G1", "G1"]


def test_the_manifest_speaks_of_every_file(tenant: Service, load: Load, tmp_path: Path) -> None:
    load(BASIC)
    for version, present in (("1.1", set()), ("1.2", {"roles"})):
        export_oneroster(tenant, TENANT, tmp_path / version, version)
        manifest = {row["propertyName"]: row["value"] for row in read(tmp_path / version / "manifest.csv")}
        assert manifest["oneroster.version"] == version
        bulk = {name.removeprefix("file.") for name, value in manifest.items() if value == "bulk"}
        assert bulk == {"orgs", "classes", "users", "enrollments"} | present
        assert manifest["file.academicSessions"] == "absent"
        assert {path.stem for path in (tmp_path / version).iterdir()} == bulk | {"manifest"}
        orgs = {row["sourcedId"]: row for row in read(tmp_path / version / "orgs.csv")}
        assert orgs["D-0001"]["type"] == "district"
        assert orgs["0100"]["parentSourcedId"] == "D-0001"


def test_batches_do_not_show(tenant: Service, load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load(BASIC)
    export_oneroster(tenant, TENANT, tmp_path / "whole")
    monkeypatch.setattr(store.export, "BATCH", 2)
    export_oneroster(tenant, TENANT, tmp_path / "pieces")
    for path in (tmp_path / "whole").iterdir():
        assert path.read_bytes() == (tmp_path / "pieces" / path.name).read_bytes()


def test_an_empty_tenant_gives_its_schools_only(tenant: Service, tmp_path: Path) -> None:
    reports = export_oneroster(tenant, TENANT, tmp_path / "export")
    assert {path.name for path in (tmp_path / "export").iterdir()} == {"manifest.csv", "orgs.csv"}
    assert {report.file: report.rows for report in reports}["users.csv"] == 0
    assert [report.note for report in reports if report.file == "users.csv"] == [
        "Not written: there is nothing to put into it."
    ]


def test_other_tenants_do_not_leak_in(tenant: Service, load: Load, tmp_path: Path) -> None:
    from sync.tenants import add_school, add_tenant
    from sync.upload import upload

    load(BASIC)
    add_tenant(tenant, "other")
    add_school(tenant, "other", "0100", "Another Pine School")
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "users.csv").write_text(f"{USERS}\n001,0100,student,Some,Body,,,,04\n")
    upload(tenant, "other", [folder], results="none", started_by="test")
    export_product(tenant, "other", tmp_path / "export")
    assert [row["givenName"] for row in read(tmp_path / "export" / "users.csv")] == ["Some"]


@pytest.mark.parametrize("write", [export_product, export_oneroster])
def test_an_unknown_tenant_is_named(tenant: Service, tmp_path: Path, write: Callable[..., object]) -> None:
    with pytest.raises(NotFoundError, match="nobody"):
        write(tenant, "nobody", tmp_path / "export")
    assert not (tmp_path / "export").exists()


def test_an_unknown_version_is_refused(tenant: Service, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"1\.1 or 1\.2"):
        export_oneroster(tenant, TENANT, tmp_path / "export", "2.0")
