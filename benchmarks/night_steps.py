"""The measured steps of a night that need no worker; ``address`` is a ``benchmarks.api_server.Address``."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.api_steps import KEY, quiet

Body = Callable[[], Any]


def set_up(url: str, data_dir: str, address: list[Any], tenants: int) -> Body:
    """Make tenants with a connection each, which will sync every night, but not while this benchmark runs. Answers the
    connections' ids. Not a measured step, but run like one."""
    import msgspec
    from sqlalchemy import text

    import connectors.oneroster  # noqa: F401 (so that no later step compiles it)
    from benchmarks.api_server import Address
    from models.timetable import Nightly, Timetable
    from store import schedules
    from store.database import reading
    from sync.connections import add_connection
    from sync.service import open_service
    from sync.settings import Settings
    from sync.tenants import add_tenant, set_setting

    source = Address(*address)
    begins = datetime.now(UTC) + timedelta(hours=10)
    nightly = Nightly(f"{begins:%H:%M}", f"{begins + timedelta(hours=9):%H:%M}")
    timetable = msgspec.json.encode(Timetable(nightly=nightly)).decode()
    settings = Settings(data_dir=Path(data_dir), database_url=url, allow_hosts=source.host, secret_keys=KEY)

    def body() -> list[int]:
        with open_service(settings) as service:
            for number in range(tenants):
                name = name_of(number)
                add_tenant(service, name, district_id="bench-district")
                set_setting(service, name, "create_schools", "true")
                add_connection(
                    service, name, source.connector, "api", settings=source.settings, credentials=source.credentials
                )
            with reading(service.engine) as connection:
                made = "SELECT id, tenant_id FROM connection WHERE name = 'api' ORDER BY tenant_id"
                rows = connection.execute(text(made)).all()
            for connection_id, tenant_id in rows:
                schedules.save(service.engine, connection_id, tenant_id, {"timetable": timetable})
        return [int(connection_id) for connection_id, _ in rows]

    return body


def bare(url: str, data_dir: str, host: str, first: int, last: int) -> Body:
    """The syncs of some tenants, one after the other, with nothing around them. Answers how many were applied."""
    import connectors.oneroster  # noqa: F401
    from sync.pull import sync
    from sync.service import open_service
    from sync.settings import Settings

    quiet()
    settings = Settings(data_dir=Path(data_dir), database_url=url, allow_hosts=host, secret_keys=KEY)

    def body() -> int:
        with open_service(settings) as service:
            reports = [sync(service, name_of(number), "api", started_by="benchmark") for number in range(first, last)]
        return sum(report.state == "applied" for report in reports)

    return body


def name_of(number: int) -> str:
    """The name of a tenant."""
    return f"t{number:05d}"
