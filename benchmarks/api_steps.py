"""The measured steps of a sync over the network; ``address`` is a ``benchmarks.api_server.Address``."""

import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

Body = Callable[[], Any]


def fetch(address: list[Any], decoder: str, pages: str) -> Body:
    """Merely fetch and decode all prepared pages, one after the other, over the session that a sync uses.

    ``decoder``: "msgspec" or "json" (what ``requests.Response.json`` does). Answers how many records came.
    """
    import json

    import msgspec

    from benchmarks.api_server import Address
    from connectors.http.auth import Bearer
    from connectors.http.client import Answer, HttpClient, HttpRules
    from connectors.http.oauth2 import ClientCredentials
    from connectors.watch import Watch
    from fixtures.api import Prepared

    quiet()
    source = Address(*address)
    decode: Callable[[bytes], Any] = msgspec.json.decode if decoder == "msgspec" else json.loads
    index = msgspec.json.decode((Path(pages) / "index.json").read_bytes(), type=Prepared)

    def read(answer: Answer) -> int:
        document = decode(answer.body)
        return max(len(value) for value in document.values() if isinstance(value, list))

    def body() -> int:
        client = HttpClient(HttpRules(allowed_hosts=frozenset({source.host})), Watch())
        with closing(client):
            if source.connector == "clever":
                auth: Any = Bearer(f"{1:040x}")
                base, place = f"{source.settings['api_url']}/v3.1", "starting_after"
            else:
                given = source.credentials
                auth = ClientCredentials(
                    client, source.settings["token_url"], given["client_id"], given["client_secret"], (), "basic"
                )
                base, place = source.settings["base_url"], "offset"
            total = 0
            for name, collection in index.collections.items():
                size = index.page_size
                for number in range(len(collection.last_ids)):
                    at = str(number * size) if place == "offset" else collection.last_ids[number - 1]
                    query = [("limit", str(size))] + ([(place, at)] if number or place == "offset" else [])
                    total += client.get(f"{base}/{name}", query, what=name, read=read, auth=auth)
            return total

    return body


def set_up(url: str, data_dir: str, address: list[Any]) -> Body:
    """Make the tenant "bench" with a connection to the server. Not a measured step, but run like one."""
    import connectors.clever
    import connectors.oneroster  # noqa: F401 (so that no later step compiles them)
    from benchmarks.api_server import Address
    from sync.connections import add_connection
    from sync.service import open_service
    from sync.settings import Settings
    from sync.tenants import add_tenant, set_setting

    source = Address(*address)

    def body() -> None:
        settings = Settings(data_dir=Path(data_dir), database_url=url, allow_hosts=source.host, secret_keys=KEY)
        with open_service(settings) as service:
            add_tenant(service, "bench", district_id="bench-district")
            set_setting(service, "bench", "create_schools", "true")
            add_connection(
                service, "bench", source.connector, "api", settings=source.settings, credentials=source.credentials
            )

    return body


def pull(address: list[Any]) -> Body:
    """Fetch, normalize and keep until whole; let go of the records. Answers how many there were."""
    import msgspec

    import connectors
    from benchmarks.api_server import Address
    from connectors.http.client import HttpClient, HttpRules
    from connectors.source import Access
    from connectors.watch import Watch
    from models.connections import CREDENTIALS_OF, SETTINGS_OF
    from models.pages import Page

    quiet()
    source = Address(*address)
    settings = msgspec.convert(source.settings, SETTINGS_OF[source.connector], strict=False)  # type: ignore[index]
    credentials = msgspec.convert(source.credentials, CREDENTIALS_OF[source.connector])  # type: ignore[index]

    def body() -> int:
        client = HttpClient(HttpRules(allowed_hosts=frozenset({source.host})), Watch())
        with closing(client), tempfile.TemporaryDirectory() as scratch:
            access = Access(client, Path(scratch), Watch(), lambda: "2026-10-01T20:00:00Z")
            opened = connectors.open_source(source.connector, settings, credentials, access)  # type: ignore[arg-type]
            return sum(len(event.records) for event in opened.pull() if isinstance(event, Page))

    return body


def sync(url: str, data_dir: str, address: list[Any]) -> Body:
    """One sync. Answers its state and what it did."""
    from benchmarks.api_server import Address
    from sync.pull import sync as run_sync
    from sync.service import open_service
    from sync.settings import Settings

    quiet()
    source = Address(*address)
    settings = Settings(data_dir=Path(data_dir), database_url=url, allow_hosts=source.host, secret_keys=KEY)

    def body() -> dict[str, Any]:
        with open_service(settings) as service:
            report = run_sync(service, "bench", "api", started_by="benchmark")
        totals = {
            name: sum(getattr(kind, name) for kind in report.kinds)
            for name in ("received", "created", "updated", "archived", "unchanged", "refused", "held")
        }
        return {"state": report.state, **totals}

    return body


#: A key for throw-away databases.
KEY: Any = "3q2-7w9kqv0Yy5rJx8nC1aXn0mJ1cV1eP4sUuQkS0bA="


def quiet() -> None:
    import logging

    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
