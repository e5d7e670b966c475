"""The measured steps that use dlt: its ``merge`` of the rows of a users.csv. See ``benchmarks.measure``.

dlt gets its best settings for the job: on PostgreSQL the upsert strategy, on SQLite (which has none) delete-insert with
primary keys, without which it takes quadratic time. Its telemetry is off.
"""

import csv
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_BATCH = 10_000


def merge(url: str, pipelines: str, path: str, arrow: bool) -> Callable[[], int]:
    """Merge a users.csv into the table users; ``arrow`` hands over Arrow tables instead of dicts. Answers nothing new."""
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    os.environ["RUNTIME__LOG_LEVEL"] = "ERROR"
    import dlt

    postgresql = url.startswith("postgresql")
    if postgresql:
        destination: Any = dlt.destinations.postgres(_credentials(url))
    else:
        destination = dlt.destinations.sqlalchemy(url, create_primary_keys=True)
    pipeline = dlt.pipeline("bench", pipelines_dir=pipelines, destination=destination, dataset_name="bench")
    with open(path, encoding="utf-8", newline="") as file:
        names = next(csv.reader(file))

    @dlt.resource(  # type: ignore[call-overload,untyped-decorator,unused-ignore]
        name="users",
        primary_key="sourceId",
        write_disposition={"disposition": "merge", "strategy": "upsert" if postgresql else "delete-insert"},
        columns={name: {"data_type": "text"} for name in names},
    )
    def users() -> Iterator[Any]:
        yield from (_tables(path, names) if arrow else _dicts(path))

    def body() -> int:
        pipeline.run(users()).raise_on_failed_jobs()
        return 0

    return body


def _credentials(url: str) -> str:
    """The url with a host and a password in it: dlt wants both, even where the query names a Unix socket and trust."""
    return url.replace(":@/", ":unused@localhost/")


def _dicts(path: str) -> Iterator[list[dict[str, str]]]:
    with Path(path).open(encoding="utf-8", newline="") as file:
        batch = []
        for row in csv.DictReader(file):
            batch.append(row)
            if len(batch) == _BATCH:
                yield batch
                batch = []
        yield batch


def _tables(path: str, names: list[str]) -> Iterator[Any]:
    import pyarrow
    from pyarrow import csv as arrow_csv

    types = arrow_csv.ConvertOptions(column_types={name: pyarrow.string() for name in names})
    with arrow_csv.open_csv(path, convert_options=types) as reader:
        for batch in reader:
            yield pyarrow.Table.from_batches([batch])
