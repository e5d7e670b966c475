"""The schema that connections to sources need: it is what the tables say, and older databases keep all that they hold."""

from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, text
from sqlmodel import SQLModel

from store import database, schema
from store.database import reading, writing
from sync import connections
from sync.service import Service, open_service
from sync.settings import Settings

OLD_ROWS = (
    "INSERT INTO tenant (id, name, settings, revision, created_at) VALUES (1, 'springfield', '{}', 3, '2026-08-01')",
    "INSERT INTO connection (id, tenant_id, name, connector, settings, created_at) VALUES "
    "(1, 1, 'manual', 'manual', '{}', '2026-08-01'), (2, 1, 'csv', 'csv', '{}', '2026-08-02')",
    "INSERT INTO run (id, tenant_id, connection_id, state, dry_run, started_by, waits_for, base_revision, created_at, report)"
    " VALUES (7, 1, 2, 'applied', false, 'ann', '', 3, '2026-08-03', '{}')",
    "INSERT INTO link (connection_id, kind, source_id, tenant_id, entity_id, key, fingerprint, manages, active, listing, "
    "line, run_id) VALUES (2, 'person', 's1', 1, 1, 5, 6, true, true, 'users', 2, 7)",
)


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    url = request.getfixturevalue("empty_postgresql_url") if request.param == "postgresql" else ""
    return Settings(data_dir=tmp_path / "data", database_url=url)


def to_version(engine: Engine, version: str) -> None:
    config = schema._config()
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        (command.downgrade if version < (_version(engine) or "") else command.upgrade)(config, version)


def _version(engine: Engine) -> str | None:
    return schema.current_version(engine)


def test_schema_is_what_the_tables_say(service: Service) -> None:
    with reading(service.engine) as connection:
        assert compare_metadata(MigrationContext.configure(connection), SQLModel.metadata) == []


def test_older_database_keeps_all_that_it_holds(settings: Settings) -> None:
    engine = database.create(settings.database)
    to_version(engine, "0001")
    with writing(engine) as connection:
        for statement in OLD_ROWS:
            connection.execute(text(statement))
    with open_service(settings) as service:
        assert schema.current_version(service.engine) == schema.newest_version()
        (entry,) = connections.list_connections(service, "springfield")
        assert (entry.name, entry.state, entry.reason, entry.since) == ("csv", "active", "", "2026-08-02")
        assert entry.last_run is not None
        assert (entry.last_run.run_id, entry.last_run.state) == (7, "applied")
        with reading(service.engine) as connection:
            kept = connection.execute(text("SELECT connection_id, source_id, run_id FROM link")).all()
            new = connection.execute(text("SELECT credentials, memory FROM connection")).all()
        assert [tuple(row) for row in kept] == [(2, "s1", 7)]
        assert {tuple(row) for row in new} == {(None, "{}")}
    engine.dispose()


def test_upgrade_can_be_taken_back(settings: Settings) -> None:
    engine = database.create(settings.database)
    to_version(engine, "0002")
    with writing(engine) as connection:
        for statement in OLD_ROWS:
            connection.execute(text(statement))
    to_version(engine, "0001")
    with reading(engine) as connection:
        assert list(connection.execute(text("SELECT * FROM connection WHERE id = 2")).mappings().one()) == [
            "id", "tenant_id", "name", "connector", "settings", "created_at",
        ]  # fmt: skip
    engine.dispose()
