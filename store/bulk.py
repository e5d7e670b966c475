"""Many rows at once, inside SQLAlchemy's own connection and transaction: executemany on SQLite, COPY on PostgreSQL."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Table

from store.database import is_sqlite

Row = Sequence[Any]
Int64s = NDArray[np.int64]

_FETCH = 50_000


def quoted(name: str) -> str:
    """A table's or column's name as both databases read it."""
    return f'"{name}"'


def insert_rows(connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Insert ``rows``, whose values stand in the order of ``columns``. Raises the driver's IntegrityError."""
    if not rows:
        return
    names = ", ".join(map(quoted, columns))
    driver = connection.connection.driver_connection
    assert driver is not None
    if is_sqlite(connection):
        marks = ", ".join("?" * len(columns))
        driver.executemany(f"INSERT INTO {quoted(table.name)} ({names}) VALUES ({marks})", rows)
        return
    with driver.cursor() as cursor, cursor.copy(f"COPY {quoted(table.name)} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def update_rows(
    connection: Connection, table: Table, columns: Sequence[str], keys: Sequence[str], rows: Sequence[Row]
) -> None:
    """Set ``columns`` in the rows found by ``keys``; each row holds the columns' values, then the keys'.

    One statement per row, by primary key: a set-based UPDATE … FROM plans badly on PostgreSQL for a tenant that it has
    no statistics on yet.
    """
    if not rows:
        return
    mark = "?" if is_sqlite(connection) else "%s"
    sets = ", ".join(f"{quoted(column)} = {mark}" for column in columns)
    where = " AND ".join(f"{quoted(key)} = {mark}" for key in keys)
    driver = connection.connection.driver_connection
    assert driver is not None
    driver.cursor().executemany(f"UPDATE {quoted(table.name)} SET {sets} WHERE {where}", rows)


def fetch_integers(connection: Connection, select: str, width: int) -> Iterator[Int64s]:
    """The answer of a SELECT of ``width`` bigint columns (never null), as blocks of shape (n, width).

    PostgreSQL answers by binary COPY, which numpy reads without a Python object per value.
    """
    driver = connection.connection.driver_connection
    assert driver is not None
    if is_sqlite(connection):
        cursor = driver.execute(select)
        while rows := cursor.fetchmany(_FETCH):
            flat = np.fromiter(chain.from_iterable(rows), dtype=np.int64, count=len(rows) * width)
            yield flat.reshape(-1, width)
        return
    yield from _copy_out(driver, select, width)


def _copy_out(driver: Any, select: str, width: int) -> Iterator[Int64s]:
    """Binary COPY: a header of 19 bytes, then per row a field count and (length, value) per column, then a trailer."""
    fields = [("count", ">i2")]
    for position in range(width):
        fields += [(f"length{position}", ">i4"), (f"value{position}", ">i8")]
    layout = np.dtype(fields)
    pending = bytearray()
    header = 19
    with driver.cursor() as cursor, cursor.copy(f"COPY ({select}) TO STDOUT (FORMAT binary)") as copy:
        for piece in copy:
            pending += piece
            if header:
                if len(pending) < header:
                    continue
                del pending[:header]
                header = 0
            if len(pending) >= _FETCH * layout.itemsize:
                yield _integers(pending, layout, width)
    if len(pending) > 2:
        yield _integers(pending, layout, width)


def _integers(pending: bytearray, layout: "np.dtype[Any]", width: int) -> Int64s:
    whole = len(pending) // layout.itemsize
    rows = np.frombuffer(bytes(memoryview(pending)[: whole * layout.itemsize]), dtype=layout)
    block = np.empty((whole, width), dtype=np.int64)
    for position in range(width):
        block[:, position] = rows[f"value{position}"]
    del pending[: whole * layout.itemsize]
    return block
