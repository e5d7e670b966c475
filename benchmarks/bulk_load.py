"""The bare bulk load: csv.reader, and the driver's executemany (SQLite) or COPY (PostgreSQL), of the same roster rows.

Nothing is normalized, checked, linked or remembered; internal ids are counted up. It is what loading these files into
these tables costs at the least.
"""

import csv
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

Row = tuple[Any, ...]

#: connection, status and history of a row that nothing manages.
_HISTORY = (None, "active", None, None, None, None, None)
_TENANT = 1


def make_tables(url: str) -> Callable[[], None]:
    """Make the tables in an empty database; not a measured step."""
    from store import database, schema

    def body() -> None:
        engine = database.create(url)
        schema.upgrade(engine)
        engine.dispose()

    return body


def load(url: str, folder: str, schools: str) -> Callable[[], int]:
    """Load the product's users.csv, classes.csv and enrollments.csv into empty tables. Answers the rows."""
    from sqlalchemy import text

    from store import database

    engine = database.create(url)
    files = Path(folder)

    def body() -> int:
        with database.writing(engine) as connection:
            driver: Any = connection.connection.driver_connection
            put = _put_sqlite if database.is_sqlite(connection) else _put_postgresql
            connection.execute(text("INSERT INTO tenant VALUES (1, 'bare', '{}', 0, '')"))
            rows = _Rows(files)
            count = put(driver, "school", rows.schools(Path(schools)))
            count += put(driver, "person", rows.people())
            count += put(driver, "affiliation", rows.affiliations)
            count += put(driver, "guardianship", rows.guardianships())
            count += put(driver, "class", rows.classes())
            count += put(driver, "enrollment", rows.enrollments())
        engine.dispose()
        return count

    return body


def _columns(table: str) -> list[str]:
    from sqlmodel import SQLModel

    import models.tables  # noqa: F401 (declares them)

    return [f'"{column.name}"' for column in SQLModel.metadata.tables[table].columns]


def _put_sqlite(driver: Any, table: str, rows: Iterable[Row]) -> int:
    columns = _columns(table)
    marks = ", ".join("?" * len(columns))
    cursor = driver.executemany(f'INSERT INTO "{table}" ({", ".join(columns)}) VALUES ({marks})', rows)
    return int(cursor.rowcount)


def _put_postgresql(driver: Any, table: str, rows: Iterable[Row]) -> int:
    count = 0
    with driver.cursor().copy(f'COPY "{table}" ({", ".join(_columns(table))}) FROM STDIN') as copy:
        for count, row in enumerate(rows, 1):  # noqa: B007
            copy.write_row(row)
    return count


class _Rows:
    """Rows of the tables, with the ids that the files' rows get in the order in which they come."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._schools: dict[str, int] = {}
        self._people: dict[str, int] = {}
        self._classes: dict[str, int] = {}
        self._agents: list[tuple[int, str, int]] = []
        self.affiliations: list[Row] = []

    def _read(self, name: str) -> Iterator[list[str]]:
        with (self._folder / name).open(encoding="utf-8", newline="") as file:
            rows = csv.reader(file)
            next(rows)
            yield from rows

    def schools(self, path: Path) -> Iterator[Row]:
        with path.open(encoding="utf-8", newline="") as file:
            for number, row in enumerate(csv.DictReader(file), 1):
                self._schools[row["sourcedId"]] = number
                yield (_TENANT, number, row["name"], row["number"], "school", None, *_HISTORY)

    def people(self) -> Iterator[Row]:
        for number, cells in enumerate(self._read("users.csv"), 1):
            source_id, orgs, role, given, family, email, sms, phone, agents, grades, language = cells
            self._people[source_id] = number
            for org in orgs.split(","):
                self.affiliations.append(
                    (_TENANT, number, self._schools[org], role, None, 0, "users", number, *_HISTORY)
                )  # fmt: skip
            if agents:
                self._agents.append((number, agents, number))
            yield (
                _TENANT, number, given, None, family, None, None, email or None, sms or None, phone or None,
                f'["{grades}"]' if grades else "[]", language or None, None, "{}", *_HISTORY,
            )  # fmt: skip

    def guardianships(self) -> Iterator[Row]:
        for student, agents, line in self._agents:
            for agent in agents.split(","):
                yield (_TENANT, student, self._people[agent], None, None, 0, "users", line, *_HISTORY)

    def classes(self) -> Iterator[Row]:
        for number, (source_id, title, grades, location, school, periods) in enumerate(self._read("classes.csv"), 1):
            self._classes[source_id] = number
            yield (
                _TENANT, number, title, self._schools[school], None, None, None, "[]", f'["{grades}"]', f'["{periods}"]',
                location, "[]", *_HISTORY,
            )  # fmt: skip

    def enrollments(self) -> Iterator[Row]:
        for line, (class_id, _, person, role) in enumerate(self._read("enrollments.csv"), 2):
            yield (
                _TENANT, self._classes[class_id], self._people[person], role, None, None, None, 0, "enrollments", line,
                *_HISTORY,
            )  # fmt: skip
