"""A connection's requests per minute, held by all processes together: a small bucket that fills up evenly
(``docs/adr/request-budgets.md``)."""

from typing import Final, NamedTuple

from sqlalchemy import Engine, select, text, update

from models.budget import Grant
from models.tables import Budget
from store.database import is_sqlite, writing
from store.workers import clock

_BUDGET = Budget.__table__  # type: ignore[attr-defined]

_MINUTE: Final = 60.0
#: Seconds after which a request that was granted is counted by its source at the latest: it may wait a little for its turn
#: (``connectors.http.pace``), and it travels.
_LATE: Final = 3.0
#: The bucket holds a little more than a second's worth, so that nobody has to ask more often than that.
_SHARE: Final = 1 / 50


class Bucket(NamedTuple):
    """``size`` requests at most, ``rate`` more a second."""

    size: int
    rate: float


def bucket_for(per_minute: int) -> Bucket:
    """Of all the buckets that never let more than ``per_minute`` requests reach a source in any minute, a quick one."""
    size = max(1, int(per_minute * _SHARE))
    # size + rate * (minute + late) < per_minute + 1
    return Bucket(size, (per_minute + 0.9 - size) / (_MINUTE + _LATE))


def take(engine: Engine, connection_id: int, per_minute: int) -> Grant:
    """All the requests that a connection may make now, by the database's clock. They are taken, whether they are made or not."""
    bucket = bucket_for(per_minute)
    place = _BUDGET.c.connection_id == connection_id
    with writing(engine) as connection:
        connection.execute(
            text("INSERT INTO budget (connection_id, remaining, at) VALUES (:id, :full, 0) ON CONFLICT DO NOTHING"),
            {"id": connection_id, "full": bucket.size},
        )
        query = select(_BUDGET.c.remaining, _BUDGET.c.at).where(place)
        remaining, at = connection.execute(query if is_sqlite(connection) else query.with_for_update()).one()
        now = clock(connection)  # with the row locked: nobody who asked before is later
        filled = min(bucket.size, remaining + max(0.0, now - at) * bucket.rate)
        count = int(filled + 1e-6)  # who waited for as long as told must not be told to wait for nothing
        left = max(0.0, filled - count)
        connection.execute(update(_BUDGET).where(place).values(remaining=left, at=now))
    return Grant(count, (1 - left) / bucket.rate)
