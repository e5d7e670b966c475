"""Tenants, their connections and the schools that people set up by hand."""

from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, func, select

from models.errors import NotFoundError, SettingsError
from models.records import key_of
from models.tables import (
    DISTRICT_SCHOOL_ID,
    Connection,
    Link,
    Run,
    School,
    Tenant,
)
from models.vocabulary import KINDS
from store.bulk import quoted
from store.database import writing

MANUAL = "manual"


def find_tenant(session: Session, name: str) -> Tenant:
    """The tenant of that name. Raises NotFoundError."""
    tenant = session.exec(select(Tenant).where(Tenant.name == name)).first()
    if tenant is None:
        raise NotFoundError(f"There is no tenant {name!r}. See: rostersync tenant list")
    return tenant


def add_tenant(engine: Engine, name: str, district_id: str, settings: str, now: str) -> None:
    """Make a tenant with its district (school 1) and the connection that stands for what people set by hand."""
    with writing(engine) as connection, Session(bind=connection) as session:
        if session.exec(select(Tenant).where(Tenant.name == name)).first():
            raise SettingsError(f"The tenant {name!r} exists already.")
        tenant = Tenant(name=name, settings=settings, created_at=now)
        session.add(tenant)
        session.flush()
        assert tenant.id is not None
        manual = Connection(tenant_id=tenant.id, name=MANUAL, connector=MANUAL, created_at=now)
        session.add(manual)
        session.flush()
        _add_school(session, tenant.id, DISTRICT_SCHOOL_ID, district_id, name, None, "district")
        session.commit()


def add_schools(engine: Engine, tenant_name: str, schools: list[tuple[str, str, str | None]]) -> None:
    """Add schools (source id, name, number) by hand; all or none. Raises SettingsError for an id that is taken."""
    with writing(engine) as connection, Session(bind=connection) as session:
        tenant = find_tenant(session, tenant_name)
        assert tenant.id is not None
        next_id = (session.exec(select(func.max(School.id)).where(School.tenant_id == tenant.id)).one() or 0) + 1
        for offset, (source_id, name, number) in enumerate(schools):
            _add_school(session, tenant.id, next_id + offset, source_id, name, number, "school")
        tenant.revision += 1
        session.add(tenant)
        session.commit()


def _add_school(
    session: Session, tenant_id: int, school_id: int, source_id: str, name: str, number: str | None, school_type: str
) -> None:
    manual = connection_named(session, tenant_id, MANUAL)
    assert manual is not None
    assert manual.id is not None
    if session.get(Link, (manual.id, "school", source_id)):
        raise SettingsError(f"The school id {source_id!r} is taken already.")
    parent = None if school_id == DISTRICT_SCHOOL_ID else DISTRICT_SCHOOL_ID
    session.add(
        School(
            tenant_id=tenant_id, id=school_id, name=name, number=number, type=school_type, parent_id=parent,
            connection_id=None, status="active", created_run_id=None, changed_run_id=None, archived_run_id=None,
            archived_cause=None, archived_at=None,
        )
    )  # fmt: skip
    session.flush()
    key = key_of(source_id)
    session.add(
        Link(
            connection_id=manual.id, kind="school", source_id=source_id, tenant_id=tenant_id, entity_id=school_id,
            key=key if key < 2**63 else key - 2**64, fingerprint=0, manages=True, active=True, listing=MANUAL, line=0,
            run_id=None,
        )
    )  # fmt: skip
    session.flush()


def connection_named(session: Session, tenant_id: int, name: str) -> Connection | None:
    return session.exec(select(Connection).where(Connection.tenant_id == tenant_id, Connection.name == name)).first()


def ensure_connection(engine: Engine, tenant_id: int, name: str, connector: str, now: str) -> int:
    """The id of a tenant's connection, made when it is new. Raises SettingsError when it is of another sort."""
    try:
        return _ensure_connection(engine, tenant_id, name, connector, now)
    except IntegrityError:  # somebody else has just made it
        return _ensure_connection(engine, tenant_id, name, connector, now)


def _ensure_connection(engine: Engine, tenant_id: int, name: str, connector: str, now: str) -> int:
    with writing(engine) as connection, Session(bind=connection) as session:
        found = connection_named(session, tenant_id, name)
        if found is None:
            found = Connection(tenant_id=tenant_id, name=name, connector=connector, created_at=now)
            session.add(found)
            session.commit()
        if found.connector != connector:
            raise SettingsError(f"The connection {name!r} is for {found.connector}, not for {connector}.")
        assert found.id is not None
        return found.id


def list_tenants(session: Session) -> list[Tenant]:
    return list(session.exec(select(Tenant).order_by(Tenant.name)))


def active_counts(session: Session, tenant_id: int) -> dict[str, int]:
    """Active rows of each kind."""
    query = "SELECT count(*) FROM {} WHERE tenant_id = :tenant AND status = 'active'"
    values = {"tenant": tenant_id}
    connection = session.connection()
    return {kind: connection.execute(text(query.format(quoted(kind))), values).scalar_one() for kind in KINDS}


def list_schools(session: Session, tenant_id: int) -> list[tuple[School, str, str]]:
    """Schools with the id that people (or else a source) gave them, and the name of what manages them."""
    names = {c.id: c.name for c in session.exec(select(Connection).where(Connection.tenant_id == tenant_id))}
    links = session.exec(
        select(Link).where(Link.tenant_id == tenant_id, Link.kind == "school").order_by(col(Link.connection_id))
    )
    source_ids: dict[int, str] = {}
    for link in links:
        source_ids.setdefault(link.entity_id, link.source_id)
    schools = session.exec(select(School).where(School.tenant_id == tenant_id).order_by(col(School.id)))
    return [(school, source_ids.get(school.id, ""), names.get(school.connection_id, "hand")) for school in schools]


def save_settings(engine: Engine, tenant_name: str, settings: str) -> None:
    with writing(engine) as connection, Session(bind=connection) as session:
        tenant = find_tenant(session, tenant_name)
        tenant.settings = settings
        session.add(tenant)
        session.commit()


def last_applied(session: Session, tenant_id: int) -> str | None:
    """When a run last ended well (applied, or applied in part)."""
    query = select(func.max(Run.finished_at)).where(Run.tenant_id == tenant_id, col(Run.state).in_(["applied", "held"]))
    return session.exec(query).one()
