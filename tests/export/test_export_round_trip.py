"""Export, then upload: nothing changes. Where a format has no place for something, the report says so."""

import csv
import string
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.report import FileReport, RunReport
from sync.export import export_oneroster, export_product
from sync.service import Service
from sync.tenants import add_school, add_tenant, list_tenants
from sync.upload import upload

from .conftest import TENANT, Load, changes, read

Reread = Callable[[Path], RunReport]
Write = Callable[[Service, Path], list[FileReport]]


def product(service: Service, target: Path) -> list[FileReport]:
    return export_product(service, TENANT, target)


def version_11(service: Service, target: Path) -> list[FileReport]:
    return export_oneroster(service, TENANT, target)


def version_12(service: Service, target: Path) -> list[FileReport]:
    return export_oneroster(service, TENANT, target, "1.2")


EXACT = [
    (form, write)
    for form in ("product", "product-guardians-file", "oneroster11", "oneroster12")
    for write in (product, version_11, version_12)
    if write is not product or form.startswith("product")
]


@pytest.mark.parametrize(("form", "write"), EXACT)
def test_an_export_reads_back_to_the_same_roster(
    service: Service, generated: Callable[[str], None], reread: Reread, tmp_path: Path, form: str, write: Write
) -> None:
    generated(form)
    reports = write(service, tmp_path / "export")
    assert not [report.note for report in reports if report.note.startswith("Left out")]
    report = reread(tmp_path / "export")
    assert changes(report) == {}
    assert not [count for count in report.problem_counts if count.severity != "notice"]
    received = {kind.kind: kind.received for kind in report.kinds}
    assert received["person"] > 500
    assert received["enrollment"] > 1_000
    assert received["guardianship"] > 300


def test_the_product_form_says_what_it_has_no_place_for(
    service: Service, generated: Callable[[str], None], reread: Reread, tmp_path: Path
) -> None:
    generated("oneroster12")
    notes = {report.file: report.note for report in export_product(service, TENANT, tmp_path / "export")}
    for word in (
        "middle names",
        "usernames",
        "identifiers",
        "enabled marks",
        "unknown languages",
        "primary marks of roles",
    ):
        assert word in notes["users.csv"]
    for word in ("class codes", "course titles", "subjects", "terms"):
        assert word in notes["classes.csv"]
    assert "dates" in notes["enrollments.csv"]
    done = changes(reread(tmp_path / "export"))
    assert "guardianship" not in done
    assert {"created", "archived", "restored"}.isdisjoint(name for counts in done.values() for name in counts)


def test_a_zip_reads_back_too(
    service: Service, generated: Callable[[str], None], reread: Reread, tmp_path: Path
) -> None:
    generated("oneroster11")
    export_oneroster(service, TENANT, tmp_path / "set.zip")
    assert changes(reread(tmp_path / "set.zip")) == {}


def test_two_exports_are_equal_byte_for_byte(
    service: Service, generated: Callable[[str], None], tmp_path: Path
) -> None:
    generated("oneroster11")
    for name in ("one", "two"):
        export_oneroster(service, TENANT, tmp_path / name)
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert one == two
    assert set(one) >= {"manifest.csv", "orgs.csv", "academicSessions.csv", "courses.csv", "users.csv"}


ONEROSTER_USERS = (
    "sourcedId,enabledUser,orgSourcedIds,role,username,userIds,givenName,familyName,middleName,identifier,email,sms,phone,"
    "agentSourcedIds,grades,userMasterIdentifier,preferredGivenName,language"
)
MIXED = {
    "academicSessions": [
        "sourcedId,title,type,startDate,endDate,schoolYear",
        "SY,Year,schoolYear,2026-08-17,2027-06-12,2027",
        "S1,Fall,semester,2026-08-17,,2027",
    ],
    "courses": [
        "sourcedId,title,courseCode,subjects",
        'A,"Algebra, first part",ALG1,Mathematics',
        "B,,ONLY-A-NUMBER,",
        "C,Only a title,,",
    ],
    "classes": [
        "sourcedId,title,grades,courseSourcedId,classCode,location,schoolSourcedId,termSourcedIds,subjects,periods",
        'C1,"Algebra ""1"", first","08,09",A,ALG1-1,Room 1,0100,"SY,S1",,"1,2"',
        "C2,Second,,B,,,0100,,,",
        "C3,Third,UG,C,,,0101,SY,Reading,",
        "C4,Fourth,KG,,,,0101,,,",
    ],
    "users": [
        ONEROSTER_USERS,
        "007,true,,,u7,{stateId:S-7},Ana,Ñandú,Luz,N-7,ana@example.org,,,G1,08,M-7,Anita,",
        'T1,false,,,t1,"{staff number:88},{Badge No.:B:1}",=1+1,@cmd,,,t1@example.org,,2125550101,,,,,en',
        "G1,,,,,,Bo,Li,,,bo@example.com,2125550102,,007,,,,zh-Hans",
        "X1,,,,,,No,Role,,,,,,,,,,",
    ],
    "roles": [
        "sourcedId,userSourcedId,roleType,role,orgSourcedId",
        "r1,007,primary,student,0100",
        "r2,T1,primary,teacher,0100",
        "r3,T1,secondary,ext:coach,0101",
        "r4,T1,,districtAdministrator,D-0001",
        "r5,G1,,relative,0100",
    ],
    "enrollments": [
        "sourcedId,classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate",
        "e1,C1,0100,007,student,,2026-08-17,2027-06-12",
        "e2,C1,0100,T1,teacher,true,,2026-12-24",
        "e3,C3,0101,T1,ext:coach,false,,",
    ],
}


@pytest.mark.parametrize("write", [version_11, version_12])
def test_everything_that_a_record_can_hold_survives(
    tenant: Service, load: Load, reread: Reread, tmp_path: Path, write: Write
) -> None:
    loaded = load(MIXED)
    assert not [kind for kind in loaded.kinds if kind.refused]
    reports = write(tenant, tmp_path / "export")
    assert not [report.note for report in reports if report.note.startswith("Left out")]
    assert changes(reread(tmp_path / "export")) == {}
    users = {row["sourcedId"]: row for row in read(tmp_path / "export" / "users.csv")}
    assert users["007"]["identifier"] == "N-7"
    assert users["007"]["preferredGivenName"] == "Anita"
    assert users["007"]["userMasterIdentifier"] == "M-7"
    assert (users["T1"]["givenName"], users["T1"]["familyName"]) == ("=1+1", "@cmd")
    assert users["G1"]["language"] == "zh-Hans"
    assert users["G1"]["agentSourcedIds"] == "007"
    courses = {(row["title"], row["courseCode"]) for row in read(tmp_path / "export" / "courses.csv")}
    assert courses == {("Algebra, first part", "ALG1"), ("", "ONLY-A-NUMBER"), ("Only a title", "")}


#: Without quotes: at the ends of a value they are taken for remnants of quoting, one pair in each reading.
_LISTS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Pi", "Pf"), exclude_characters="\"'„")
    | st.sampled_from(",;|= @+-\t\n<>éñ李\u200b\u00a0"),
    max_size=12,
)
_TEXTS = _LISTS | _LISTS.map(lambda text: f"a{text}\" “{text}'b")
_IDS = st.text(string.ascii_letters + string.digits + "-_.:/{}@", min_size=1, max_size=8)
_PEOPLE = st.lists(
    st.tuples(_IDS, _TEXTS, _TEXTS, _LISTS, st.sampled_from(["", "en", "es", "zh-Hans", "Klingon"]), _TEXTS),
    min_size=1,
    max_size=6,
    unique_by=lambda person: person[0],
)
_CLASSES = st.lists(st.tuples(_TEXTS, _LISTS), max_size=3)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    people=_PEOPLE,
    classes=_CLASSES,
    form=st.sampled_from(["product", "1.1", "1.2"]),
)
def test_whatever_was_taken_reads_back_unchanged(
    sqlite_service: Service,
    tmp_path_factory: pytest.TempPathFactory,
    people: list[tuple[str, str, str, str, str, str]],
    classes: list[tuple[str, str]],
    form: str,
) -> None:
    folder = tmp_path_factory.mktemp("property")
    name = f"t{len(list_tenants(sqlite_service))}"
    add_tenant(sqlite_service, name)
    add_school(sqlite_service, name, "0100", "Pine School")
    files = {
        "users": [
            ("sourceId", "orgSourcedIds", "role", "givenName", "familyName", "email", "grades", "language"),
            *(
                (i, "0100", "student", given, family, mail, grades, lang)
                for i, given, family, grades, lang, mail in people
            ),
        ],
        "classes": [
            ("sourcedId", "title", "grades", "location", "schoolSourcedId", "periods"),
            *((f"C{number}", text, "", text, "0100", lists) for number, (text, lists) in enumerate(classes)),
        ],
        "enrollments": [
            ("classSourcedId", "schoolSourcedID", "userSourcedId", "role"),
            *(("C0", "0100", person[0], "student") for person in people),
        ],
    }
    for file, rows in files.items():
        with (folder / f"{file}.csv").open("w", encoding="utf-8", newline="") as opened:
            csv.writer(opened).writerows(rows)
    upload(sqlite_service, name, [folder], results="none", started_by="test")
    target = folder / "export"
    if form == "product":
        export_product(sqlite_service, name, target)
    else:
        export_oneroster(sqlite_service, name, target, form)
    if not (target / "users.csv").exists():
        return
    report = upload(sqlite_service, name, [target], dry_run=True, results="none", started_by="test")
    assert changes(report) == {}
