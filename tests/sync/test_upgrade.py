"""An upgrade of the database beside workers that go on: who is in the way of whom, and what becomes of it."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from alembic.config import Config
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError
from tenacity import wait_none

from models.errors import RetryLaterError
from store import database, schema
from store.database import reading, writing
from sync.service import upgrade_database
from sync.settings import Settings
from tests.jobs.fleet import wait_until
from tests.sync.test_connections_migration import to_version

#: What PostgreSQL says to the one that it ends when two wait for each other.
DEADLOCK = text("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40P01'; END $$")


@pytest.fixture
def engine(empty_postgresql_url: str) -> Iterator[Engine]:
    made = database.create(empty_postgresql_url)
    yield made
    made.dispose()


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next try does not wait."""
    retrying: Any = schema.change
    monkeypatch.setattr(retrying.retry, "wait", wait_none())


@pytest.mark.usefixtures("at_once")
def test_a_change_that_was_ended_by_a_deadlock_is_made_at_a_later_try(engine: Engine) -> None:
    tries = []

    def statements(connection: Connection) -> None:
        tries.append(1)
        connection.execute(text("CREATE TABLE made (number integer)"))
        if len(tries) < 3:
            connection.execute(DEADLOCK)

    schema.change(engine, statements)
    assert len(tries) == 3
    with reading(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM made")).scalar() == 0


@pytest.mark.usefixtures("at_once")
def test_any_other_failure_is_not_tried_again(engine: Engine) -> None:
    tries = []

    def statements(connection: Connection) -> None:
        tries.append(1)
        connection.execute(text("SELECT nothing"))

    with pytest.raises(DBAPIError):
        schema.change(engine, statements)
    assert len(tries) == 1


@pytest.mark.usefixtures("at_once")
def test_an_upgrade_that_never_gets_through_says_so_and_changes_nothing(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def upgrade(config: Config, _version: str) -> None:
        connection = config.attributes["connection"]
        connection.execute(text("CREATE TABLE made (number integer)"))
        connection.execute(DEADLOCK)

    monkeypatch.setattr(schema.command, "upgrade", upgrade)
    url = engine.url.render_as_string(False)
    with pytest.raises(RetryLaterError, match=r"could not be upgraded.* nothing was changed"):
        upgrade_database(Settings(database_url=url))
    with reading(engine) as connection:
        assert connection.execute(text("SELECT to_regclass('made')")).scalar() is None


@pytest.mark.slow
def test_an_upgrade_and_a_sync_that_wait_for_each_other_both_get_through(engine: Engine) -> None:
    """The migration from 0002 takes ``tenant`` before ``run``, the transaction beside it the other way round."""
    to_version(engine, "0002")
    url = engine.url.update_query_dict({"options": "-c deadlock_timeout=3s"}).render_as_string(False)
    told: list[str] = []
    upgrading = threading.Thread(target=lambda: told.append(upgrade_database(Settings(database_url=url))))
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'run'::regclass")

    def is_waiting() -> bool:
        with reading(engine) as connection:
            return bool(connection.execute(waiting).scalar())

    with writing(engine) as connection:
        connection.execute(text("SET LOCAL deadlock_timeout = '60s'"))
        connection.execute(text("LOCK TABLE run IN ROW EXCLUSIVE MODE"))
        upgrading.start()
        wait_until(is_waiting, 10, "the migration's way to the table run", every=0.02)
        connection.execute(text("LOCK TABLE tenant IN ROW EXCLUSIVE MODE"))  # goes on when the migration was ended
        assert not told
    upgrading.join(30)
    assert told == [f"Upgraded from 0002 to {schema.newest_version()}."]
