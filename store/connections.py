"""The rows of connections to sources: settings, encrypted credentials, state and memory."""

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import Connection as DatabaseConnection
from sqlalchemy import Engine, literal, select, update
from sqlalchemy.exc import IntegrityError

from models.connections import ConnectionState
from models.errors import ParkedError, SettingsError
from models.tables import Connection, Contact, Tenant
from store.database import reading, writing

_CONNECTION = Connection.__table__  # type: ignore[attr-defined]
_CONTACT = Contact.__table__  # type: ignore[attr-defined]
_TENANT = Tenant.__table__  # type: ignore[attr-defined]

_TAKEN = (
    "The connection {!r} exists already; change it with `connection set`, or give the new one another name with --name."
)


def connections_of(engine: Engine, tenant_id: int) -> list[Connection]:
    """All connections of a tenant in the order in which they were made, removed ones too."""
    query = select(_CONNECTION).where(_CONNECTION.c.tenant_id == tenant_id).order_by(_CONNECTION.c.id)
    with reading(engine) as connection:
        return [Connection(**row) for row in connection.execute(query).mappings()]


def of_connector(engine: Engine, connector: str) -> list[tuple[str, Connection]]:
    """(tenant's name, connection) of all tenants' connections of one sort, by tenant."""
    query = (
        select(_TENANT.c.name.label("tenant_name"), _CONNECTION)
        .join(_TENANT, _TENANT.c.id == _CONNECTION.c.tenant_id)
        .where(_CONNECTION.c.connector == connector)
        .order_by(_TENANT.c.name, _CONNECTION.c.id)
    )
    with reading(engine) as connection:
        rows = [dict(row) for row in connection.execute(query).mappings()]
    return [(row.pop("tenant_name"), Connection(**row)) for row in rows]


def add(
    engine: Engine,
    tenant_id: int,
    name: str,
    connector: str,
    settings: str,
    seal: Callable[[int], str | None],
    now: str,
) -> None:
    """Make a connection, or revive a removed one, so that what it once brought is known again.

    ``seal`` is given the connection's id, as encrypted credentials are bound to it; None stands for none. Raises
    SettingsError when the name is taken.
    """
    values = {"settings": settings, "memory": "{}", "state": "active", "state_reason": "", "state_since": now}
    try:
        with writing(engine) as connection:
            named = (_CONNECTION.c.tenant_id == tenant_id) & (_CONNECTION.c.name == name)
            found = connection.execute(select(_CONNECTION).where(named)).first()
            if found is None:
                made = {"tenant_id": tenant_id, "name": name, "connector": connector, "created_at": now, **values}
                added = connection.execute(_CONNECTION.insert().values(made).returning(_CONNECTION.c.id)).scalar_one()
            else:
                _check_revivable(found.state, found.connector, name, connector)
                added = found.id
            connection.execute(
                update(_CONNECTION).where(_CONNECTION.c.id == added).values(values | {"credentials": seal(int(added))})
            )
    except IntegrityError:  # somebody else has just made it
        raise SettingsError(_TAKEN.format(name)) from None


def _check_revivable(state: str, before: str, name: str, connector: str) -> None:
    if state != "removed":
        raise SettingsError(_TAKEN.format(name))
    if before != connector:
        raise SettingsError(
            f"The connection {name!r} was for {before} before it was removed, and what it brought is still stored; give "
            "the new one another name with --name."
        )


def change(
    engine: Engine,
    connection_id: int,
    memory: Callable[[str], str],
    *,
    settings: str | None = None,
    credentials: str | None = None,
) -> None:
    """New settings or credentials. ``memory`` is given what is remembered, and says what of it holds for what is read now."""
    place = _CONNECTION.c.id == connection_id
    values = {"settings": settings, "credentials": credentials}
    given = {name: value for name, value in values.items() if value}
    with writing(engine) as connection:
        query = select(_CONNECTION.c.memory).where(place).with_for_update(key_share=True)
        before = connection.execute(query).scalar_one()
        connection.execute(update(_CONNECTION).where(place).values({"memory": memory(before)} | given))


def remove(engine: Engine, connection_id: int, reason: str, now: str) -> None:
    """Forget the credentials and what was learned; what the connection brought stays."""
    gone = {"state": "removed", "state_reason": reason, "state_since": now, "credentials": None, "memory": "{}"}
    _update(engine, connection_id, gone)


def _update(engine: Engine, connection_id: int, values: Mapping[str, str | None]) -> None:
    with writing(engine) as connection:
        connection.execute(update(_CONNECTION).where(_CONNECTION.c.id == connection_id).values(values))


def move(
    engine: Engine, connection_id: int, before: Sequence[ConnectionState], state: ConnectionState, reason: str, now: str
) -> None:
    """Put a connection into a state if it is in one of those ``before``: a person may have paused or removed it meanwhile."""
    place = _CONNECTION.c.id == connection_id
    values = {"state": state, "state_reason": reason, "state_since": now}
    with writing(engine) as connection:
        connection.execute(update(_CONNECTION).where(place, _CONNECTION.c.state.in_(before)).values(values))


def check_as_opened(connection: DatabaseConnection, row: Connection) -> None:
    """Raises ParkedError when somebody has paused or removed a connection since it was opened as ``row``, or has set it
    to read something else: what it was due for is still to come."""
    query = select(_CONNECTION.c.state, _CONNECTION.c.settings).where(_CONNECTION.c.id == row.id)
    state, settings = connection.execute(query).one()
    if state in ("paused", "removed"):
        raise ParkedError(
            f"The connection {row.name} was {state} while the run was going on; the roster is as it was.",
            f"now {state}",
        )
    if settings != row.settings:
        raise ParkedError(
            f"The settings of the connection {row.name} were changed while the run was going on; the roster is as it was. "
            "Start it again.",
            "settings changed",
        )


def remember(engine: Engine, row: Connection, memory: str) -> None:
    """Keep what a pull learned, unless the connection reads something else now than when it was opened as ``row``."""
    same = (_CONNECTION.c.settings == row.settings) & (_CONNECTION.c.credentials == row.credentials)
    with writing(engine) as connection:
        connection.execute(update(_CONNECTION).where(_CONNECTION.c.id == row.id, same).values(memory=memory))


def sealed_credentials(engine: Engine, connection_id: int) -> str | None:
    """The credentials of a connection as they are stored now, encrypted."""
    with reading(engine) as connection:
        query = select(_CONNECTION.c.credentials).where(_CONNECTION.c.id == connection_id)
        sealed: str | None = connection.execute(query).scalar_one_or_none()
    return sealed


def renew_secrets(engine: Engine, renew: Callable[[str], str | None]) -> tuple[int, list[str]]:
    """Put all stored credentials and contacts' addresses through ``renew`` in one transaction. Returns how many it renewed, and
    whose it did not (None): if there are any of these, nothing was changed."""
    whose = _TENANT.c.name + "/" + _CONNECTION.c.name
    tenants = _CONNECTION.join(_TENANT, _TENANT.c.id == _CONNECTION.c.tenant_id)
    credentials = select(whose, _CONNECTION.c.id, _CONNECTION.c.credentials).select_from(tenants)
    addresses = select(literal("contact ") + _CONTACT.c.name, _CONTACT.c.id, _CONTACT.c.address)
    changes, unopened = [], []
    with writing(engine) as connection:
        for column, query in ((_CONNECTION.c.credentials, credentials), (_CONTACT.c.address, addresses)):
            for name, row_id, sealed in connection.execute(
                query.where(column.is_not(None)).order_by(column.table.c.id)
            ):
                if anew := renew(sealed):
                    # What somebody has just replaced is left as it is now.
                    place = (column.table.c.id == row_id, column == sealed)
                    changes.append(update(column.table).where(*place).values({column: anew}))
                else:
                    unopened.append(str(name))
        for change in changes if not unopened else ():
            connection.execute(change)
    return len(changes), unopened
