"""Many rows at once, inside SQLAlchemy's own connection and transaction: executemany on SQLite, COPY on PostgreSQL."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from operator import itemgetter
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


def insert_rows(
    connection: Connection,
    table: Table,
    columns: Sequence[str],
    rows: Sequence[Row],
    picks: Sequence[int] | None = None,
    shared: Mapping[str, int | str | bool] | None = None,
) -> None:
    """Insert ``rows``; the value of ``columns[i]`` is ``row[picks[i]]`` (by default ``row[i]``).

    ``shared`` are further columns that have one value in all rows. The last value of a row must be picked. On SQLite the
    rows go to the driver as they are, and what is shared stands in the statement.
    """
    if not rows:
        return
    picks, shared = picks or range(len(columns)), shared or {}
    names = ", ".join(map(quoted, (*columns, *shared)))
    driver = connection.connection.driver_connection
    assert driver is not None
    if is_sqlite(connection):
        values = ", ".join([*(f"?{pick + 1}" for pick in picks), *map(_literal, shared.values())])
        driver.executemany(f"INSERT INTO {quoted(table.name)} ({names}) VALUES ({values})", rows)
        return
    constants = tuple(shared.values())
    take = itemgetter(*picks)
    with driver.cursor() as cursor, cursor.copy(f"COPY {quoted(table.name)} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(take(row) + constants)


def _literal(value: int | str | bool) -> str:
    return str(int(value)) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


def update_rows(
    connection: Connection, table: Table, columns: Sequence[str], keys: Sequence[str], rows: Sequence[Row]
) -> int:
    """Set ``columns`` in the rows found by ``keys``; each row holds the columns' values, then the keys'. Returns how many.

    One statement per row, by primary key: a set-based UPDATE … FROM plans badly on PostgreSQL for a tenant that it has
    no statistics on yet.
    """
    if not rows:
        return 0
    mark = "?" if is_sqlite(connection) else "%s"
    sets = ", ".join(f"{quoted(column)} = {mark}" for column in columns)
    where = " AND ".join(f"{quoted(key)} = {mark}" for key in keys)
    driver = connection.connection.driver_connection
    assert driver is not None
    cursor = driver.cursor()
    cursor.executemany(f"UPDATE {quoted(table.name)} SET {sets} WHERE {where}", rows)
    return int(cursor.rowcount)


def fetch_integers(connection: Connection, select: str, width: int) -> Iterator[Int64s]:
    """The answer of a SELECT of ``width`` bigint columns named v0, v1, … (never null), as blocks of shape (n, width).

    PostgreSQL packs each block into byte strings, which numpy reads without a Python object per value: three times
    faster than binary COPY, which the driver hands over row by row.
    """
    driver = connection.connection.driver_connection
    assert driver is not None
    if is_sqlite(connection):
        cursor = driver.execute(select)
        while rows := cursor.fetchmany(_FETCH):
            flat = np.fromiter(chain.from_iterable(rows), dtype=np.int64, count=len(rows) * width)
            yield flat.reshape(-1, width)
        return
    packed = ", ".join(f"string_agg(int8send(v{position}), ''::bytea)" for position in range(width))
    numbered = f"SELECT *, row_number() OVER () / {_FETCH} AS block FROM ({select}) AS answer"
    with driver.cursor(binary=True) as cursor:
        for columns in cursor.stream(f"SELECT {packed} FROM ({numbered}) AS numbered GROUP BY block"):
            yield np.stack([np.frombuffer(column, dtype=">i8").astype(np.int64) for column in columns], axis=1)
