"""A small district for the tests of the engine: rows by hand, written as the product's own files."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import text

from models.report import KindCounts, RunReport
from store.database import reading
from sync import tenants
from sync.service import Service
from sync.upload import upload

USERS = (
    "sourcedId", "orgSourcedIds", "role", "givenName", "familyName", "email", "sms", "phone", "agentSourcedIds", "grades",
    "language",
)  # fmt: skip
CLASSES = ("sourcedId", "title", "grades", "location", "schoolSourcedId", "periods")
ENROLLMENTS = ("classSourcedId", "schoolSourcedId", "userSourcedId", "role")
GUARDIANS = (
    "studentSourcedId", "guardianSourcedId", "givenName", "familyName", "email", "sms", "phone", "language", "relationship",
)  # fmt: skip
COLUMNS = {"users": USERS, "classes": CLASSES, "enrollments": ENROLLMENTS, "guardians": GUARDIANS}

Rows = dict[str, dict[str, Any]]


def user(role: str = "student", schools: str = "pine", **fields: str) -> dict[str, str]:
    return {"orgSourcedIds": schools, "role": role, "givenName": "Ada", "familyName": "Byron", **fields}


def guardian(**fields: str) -> dict[str, str]:
    return user("parent", **{"email": "parent@example.org", **fields})


def clazz(title: str = "Algebra", school: str = "pine", **fields: str) -> dict[str, str]:
    return {"title": title, "grades": "09", "schoolSourcedId": school, **fields}


@dataclass
class Files:
    """The files of one upload; a table that is None is not sent. ``users`` and ``classes`` are by id."""

    users: Rows | None = None
    classes: Rows | None = None
    enrollments: list[tuple[str, str, str]] | None = None
    guardians: list[dict[str, str]] | None = None
    school_of: dict[str, str] = field(default_factory=dict)

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        if self.users is not None:
            write_csv(folder / "users.csv", USERS, ({"sourcedId": key, **row} for key, row in self.users.items()))
        if self.classes is not None:
            write_csv(folder / "classes.csv", CLASSES, ({"sourcedId": key, **row} for key, row in self.classes.items()))
        if self.enrollments is not None:
            rows = (
                {"classSourcedId": c, "schoolSourcedId": self.school_of.get(c, "pine"), "userSourcedId": u, "role": r}
                for c, u, r in self.enrollments
            )
            write_csv(folder / "enrollments.csv", ENROLLMENTS, rows)
        if self.guardians is not None:
            write_csv(folder / "guardians.csv", GUARDIANS, self.guardians)
        return folder


def write_csv(path: Path, columns: Iterable[str], rows: Iterable[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, list(columns), restval="", extrasaction="raise")
        writer.writeheader()
        writer.writerows(rows)


def district(students: int = 20, classes: int = 4) -> Files:
    """Students spread over classes at Pine School, a teacher per class, a parent per student."""
    users: Rows = {}
    enrollments: list[tuple[str, str, str]] = []
    for number in range(students):
        users[f"s{number}"] = user(
            givenName=f"Kim{number}", familyName="Lee", agentSourcedIds=f"p{number}", grades="09"
        )
        users[f"p{number}"] = guardian(givenName=f"Max{number}", familyName="Lee", email=f"p{number}@example.org")
        enrollments.append((f"c{number % classes}", f"s{number}", "student"))
    for number in range(classes):
        users[f"t{number}"] = user("teacher", givenName=f"Tess{number}", familyName="Ray")
        enrollments.append((f"c{number}", f"t{number}", "teacher"))
    return Files(users, {f"c{number}": clazz(f"Class {number}") for number in range(classes)}, enrollments)


class District:
    """A tenant ``test`` with the schools Pine and Oak, and the ways to upload to it and look at it."""

    def __init__(self, service: Service, folder: Path) -> None:
        self.service = service
        self._folder = folder
        self._uploads = 0
        tenants.add_tenant(service, "test", district_id="district")
        tenants.add_school(service, "test", "pine", "Pine School")
        tenants.add_school(service, "test", "oak", "Oak School")

    def write(self, files: Files) -> Path:
        self._uploads += 1
        return files.write(self._folder / f"upload-{self._uploads}")

    def upload(self, files: Files, **options: Any) -> RunReport:
        return self.upload_paths([self.write(files)], **options)

    def upload_paths(self, paths: list[Path], **options: Any) -> RunReport:
        return upload(self.service, "test", paths, **{"started_by": "tests", "results": "none", **options})

    def rows(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        with reading(self.service.engine) as connection:
            return [tuple(row) for row in connection.execute(text(query), values)]

    def people(self, status: str = "active") -> dict[str, int]:
        """Source ids -> internal ids."""
        return dict(
            self.rows(
                "SELECT source_id, id FROM person JOIN link ON link.tenant_id = person.tenant_id AND kind = 'person' "
                "AND entity_id = person.id WHERE status = :status",
                status=status,
            )
        )

    def enrollments(self, status: str = "active") -> set[tuple[str, str, str]]:
        return set(
            self.rows(
                "SELECT c.source_id, p.source_id, role FROM enrollment AS e "
                "JOIN link AS c ON c.tenant_id = e.tenant_id AND c.kind = 'class' AND c.entity_id = class_id "
                "JOIN link AS p ON p.tenant_id = e.tenant_id AND p.kind = 'person' AND p.entity_id = person_id "
                "WHERE status = :status",
                status=status,
            )
        )

    def guardianships(self, status: str = "active") -> set[tuple[str, str]]:
        return set(
            self.rows(
                "SELECT s.source_id, p.source_id FROM guardianship AS g "
                "JOIN link AS s ON s.tenant_id = g.tenant_id AND s.kind = 'person' AND s.entity_id = student_id "
                "JOIN link AS p ON p.tenant_id = g.tenant_id AND p.kind = 'person' AND p.entity_id = guardian_id "
                "WHERE status = :status",
                status=status,
            )
        )

    def snapshot(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every roster row, for comparing the roster before and after."""
        kinds = ("school", "term", "class", "person", "affiliation", "enrollment", "guardianship", "link")
        return {kind: sorted(self.rows(f'SELECT * FROM "{kind}"'), key=repr) for kind in kinds}


def counts(report: RunReport, kind: str) -> KindCounts:
    return next(entry for entry in report.kinds if entry.kind == kind)


def codes(report: RunReport) -> dict[str, int]:
    """Problem codes with their numbers."""
    answer: dict[str, int] = {}
    for entry in report.problem_counts:
        answer[entry.code] = answer.get(entry.code, 0) + entry.count
    return answer
