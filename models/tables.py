"""The stored tables. SQLModel declares them; migrations follow them; hot paths derive their SQL from ``__table__``.

Every roster table is keyed by tenant first, so that a tenant's rows lie together and a reference can never leave it.
Internal ids are per tenant and kind, start at 1, and never change. ``school`` 1 of every tenant is the district itself.

The columns that every roster row has:

* ``connection_id``: the connection that manages the row; null means made by hand, and no sync touches it.
* ``status``: active or archived. Nothing is ever deleted.
* ``created_run_id``, ``changed_run_id``, ``archived_run_id``, ``archived_cause``, ``archived_at``: its history in short.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
    text,
)
from sqlmodel import Field, SQLModel

DISTRICT_SCHOOL_ID = 1
#: Ids compare by code point on both databases: PostgreSQL would sort them by the database's collation.
_ID_TEXT: Any = Text().with_variant(Text(collation="C"), "postgresql")
_ROWID_FREE: dict[str, Any] = {"sqlite_with_rowid": False}


class Tenant(SQLModel, table=True):
    """A district. ``revision`` grows by one with every run that changes its roster; plans are bound to it."""

    __tablename__ = "tenant"
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True)
    settings: str = "{}"
    revision: int = 0
    created_at: str


class Connection(SQLModel, table=True):
    """A way in for one tenant's roster. ``connector`` is a key of ``connectors.CONNECTORS``, "csv" for uploaded files, or
    "manual" for what people set.

    ``settings`` is the JSON of what differs from the connector's own defaults, ``credentials`` an encrypted text
    (``sync.secrets``), ``memory`` the JSON of ``models.connections.Memory``. ``state`` is a ConnectionState, in force
    since ``state_since`` (None: since the beginning) because of ``state_reason``, half a sentence.
    """

    __tablename__ = "connection"
    __table_args__ = (UniqueConstraint("tenant_id", "name"),)
    id: int | None = Field(default=None, primary_key=True)
    tenant_id: int = Field(foreign_key="tenant.id")
    name: str
    connector: str
    settings: str = "{}"
    created_at: str
    state: str = Field(default="active", sa_column_kwargs={"server_default": "active"})
    state_reason: str = Field(default="", sa_column_kwargs={"server_default": ""})
    state_since: str | None = None
    credentials: str | None = None
    memory: str = Field(default="{}", sa_column_kwargs={"server_default": "{}"})


class Link(SQLModel, table=True):
    """ "Connection C knows this entity as ``source_id``", with the fingerprint last seen. An entity may have several.

    ``key`` is the 64-bit key of the source id, ``fingerprint`` the hash of the normalized record (both signed).
    ``manages`` says whether this connection manages the entity; ``active`` mirrors the entity's status, so that a sync
    reads this slim table only. ``listing``, ``line`` and ``run_id`` are where the record stood when it last changed.
    """

    __tablename__ = "link"
    __table_args__ = (Index("link_entity", "tenant_id", "kind", "entity_id"), _ROWID_FREE)
    connection_id: int = Field(primary_key=True, foreign_key="connection.id")
    kind: str = Field(primary_key=True, sa_type=Text)
    source_id: str = Field(primary_key=True, sa_type=_ID_TEXT)
    tenant_id: int = Field(foreign_key="tenant.id")
    entity_id: int = Field(sa_type=BigInteger)
    key: int = Field(sa_type=BigInteger)
    fingerprint: int = Field(sa_type=BigInteger)
    manages: bool
    active: bool
    listing: str
    line: int
    run_id: int | None


class School(SQLModel, table=True):
    """An organization; its source ids stand in ``link``."""

    __tablename__ = "school"
    __table_args__ = (_ROWID_FREE,)
    tenant_id: int = Field(primary_key=True, foreign_key="tenant.id")
    id: int = Field(primary_key=True, sa_type=BigInteger)
    name: str
    number: str | None
    type: str
    parent_id: int | None = Field(sa_type=BigInteger)
    connection_id: int | None
    status: str
    created_run_id: int | None
    changed_run_id: int | None
    archived_run_id: int | None
    archived_cause: str | None
    archived_at: str | None


class Term(SQLModel, table=True):
    """An academic session."""

    __tablename__ = "term"
    __table_args__ = (_ROWID_FREE,)
    tenant_id: int = Field(primary_key=True, foreign_key="tenant.id")
    id: int = Field(primary_key=True, sa_type=BigInteger)
    title: str
    type: str
    begins_on: str | None
    ends_on: str | None
    school_year: str | None
    connection_id: int | None
    status: str
    created_run_id: int | None
    changed_run_id: int | None
    archived_run_id: int | None
    archived_cause: str | None
    archived_at: str | None


class Class(SQLModel, table=True):
    """A class. ``subjects``, ``grades``, ``periods`` are JSON lists of texts, ``term_ids`` of internal ids."""

    __tablename__ = "class"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "school_id"], ["school.tenant_id", "school.id"]),
        _ROWID_FREE,
    )
    tenant_id: int = Field(primary_key=True)
    id: int = Field(primary_key=True, sa_type=BigInteger)
    title: str
    school_id: int = Field(sa_type=BigInteger)
    code: str | None
    course_title: str | None
    course_number: str | None
    subjects: str
    grades: str
    periods: str
    location: str | None
    term_ids: str
    connection_id: int | None
    status: str
    created_run_id: int | None
    changed_run_id: int | None
    archived_run_id: int | None
    archived_cause: str | None
    archived_at: str | None


class Person(SQLModel, table=True):
    """A person. ``grades`` is a JSON list; ``identifiers`` a JSON object from type to value."""

    __tablename__ = "person"
    __table_args__ = (_ROWID_FREE,)
    tenant_id: int = Field(primary_key=True, foreign_key="tenant.id")
    id: int = Field(primary_key=True, sa_type=BigInteger)
    given_name: str | None
    middle_name: str | None
    family_name: str | None
    preferred_name: str | None
    username: str | None
    email: str | None
    sms: str | None
    phone: str | None
    grades: str
    language: str | None
    enabled: bool | None
    identifiers: str
    connection_id: int | None
    status: str
    created_run_id: int | None
    changed_run_id: int | None
    archived_run_id: int | None
    archived_cause: str | None
    archived_at: str | None


class Affiliation(SQLModel, table=True):
    """A person's role at a school (school 1: the whole district)."""

    __tablename__ = "affiliation"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "person_id"], ["person.tenant_id", "person.id"]),
        ForeignKeyConstraint(["tenant_id", "school_id"], ["school.tenant_id", "school.id"]),
        _ROWID_FREE,
    )
    tenant_id: int = Field(primary_key=True)
    person_id: int = Field(primary_key=True, sa_type=BigInteger)
    school_id: int = Field(primary_key=True, sa_type=BigInteger)
    role: str = Field(primary_key=True)
    is_primary: bool | None
    fingerprint: int = Field(sa_type=BigInteger)
    listing: str
    line: int
    connection_id: int | None
    status: str
    created_run_id: int | None
    changed_run_id: int | None
    archived_run_id: int | None
    archived_cause: str | None
    archived_at: str | None


class Enrollment(SQLModel, table=True):
    """A person's part in a class."""

    __tablename__ = "enrollment"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "class_id"], ["class.tenant_id", "class.id"]),
        ForeignKeyConstraint(["tenant_id", "person_id"], ["person.tenant_id", "person.id"]),
        Index("enrollment_person", "tenant_id", "person_id"),
        _ROWID_FREE,
    )
    tenant_id: int = Field(primary_key=True)
    class_id: int = Field(primary_key=True, sa_type=BigInteger)
    person_id: int = Field(primary_key=True, sa_type=BigInteger)
    role: str = Field(primary_key=True)
    is_primary: bool | None
    begins_on: str | None
    ends_on: str | None
    fingerprint: int = Field(sa_type=BigInteger)
    listing: str
    line: int
    connection_id: int | None
    status: str
    created_run_id: int | None
    changed_run_id: int | None
    archived_run_id: int | None
    archived_cause: str | None
    archived_at: str | None


class Guardianship(SQLModel, table=True):
    """A guardian of a student."""

    __tablename__ = "guardianship"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "student_id"], ["person.tenant_id", "person.id"]),
        ForeignKeyConstraint(["tenant_id", "guardian_id"], ["person.tenant_id", "person.id"]),
        Index("guardianship_guardian", "tenant_id", "guardian_id"),
        _ROWID_FREE,
    )
    tenant_id: int = Field(primary_key=True)
    student_id: int = Field(primary_key=True, sa_type=BigInteger)
    guardian_id: int = Field(primary_key=True, sa_type=BigInteger)
    relationship: str | None
    contact_type: str | None
    fingerprint: int = Field(sa_type=BigInteger)
    listing: str
    line: int
    connection_id: int | None
    status: str
    created_run_id: int | None
    changed_run_id: int | None
    archived_run_id: int | None
    archived_cause: str | None
    archived_at: str | None


class Run(SQLModel, table=True):
    """A run: the spine of all history. ``report`` is the JSON of ``models.report.RunReport``.

    ``base_revision`` is the tenant's revision that the plan (or its held part) was made against. ``slot`` is the scheduled
    time that the run was for (``models.health.Standing.slot``), None for one that a person started in a terminal.
    ``cancel_by`` is who asked it to stop.
    """

    __tablename__ = "run"
    __table_args__ = (Index("run_tenant", "tenant_id", "id"), Index("run_connection", "connection_id", "id"))
    id: int | None = Field(default=None, primary_key=True)
    tenant_id: int = Field(foreign_key="tenant.id")
    connection_id: int = Field(foreign_key="connection.id")
    state: str
    dry_run: bool
    started_by: str
    waits_for: str = ""
    base_revision: int = 0
    created_at: str
    finished_at: str | None = None
    decided_by: str | None = None
    report: str = Field(default="{}", sa_type=Text)
    error_code: str | None = None
    slot: str | None = None
    cancel_by: str | None = None


class Coverage(SQLModel, table=True):
    """What a pull proved about one listing of one kind; removals name it by (run, seq)."""

    __tablename__ = "coverage"
    __table_args__ = (_ROWID_FREE,)
    run_id: int = Field(primary_key=True, foreign_key="run.id")
    seq: int = Field(primary_key=True)
    kind: str
    listing: str
    file: str
    verdict: str
    received: int
    refused: int
    reason: str
    scope: str | None


class ProblemRow(SQLModel, table=True):
    """A stored problem (the first ones of each code and file; the counts in the report are exact)."""

    __tablename__ = "problem"
    __table_args__ = (Index("problem_source", "tenant_id", "source_id"), _ROWID_FREE)
    run_id: int = Field(primary_key=True, foreign_key="run.id")
    seq: int = Field(primary_key=True)
    tenant_id: int
    code: str
    severity: str
    kind: str | None
    source_id: str | None
    file: str
    line: int
    field: str
    detail: str


class Change(SQLModel, table=True):
    """What a run changed in a row that existed before (what it created stands in the rows' ``created_run_id``).

    ``subject_id`` is the entity, or the person (student) of a relation; ``object_id`` the school, class or guardian.
    ``before`` and ``after`` are JSON objects of the fields that differ. ``coverage_seq`` names the statement that allowed
    a removal.
    """

    __tablename__ = "change"
    __table_args__ = (Index("change_subject", "tenant_id", "subject_id"), _ROWID_FREE)
    run_id: int = Field(primary_key=True, foreign_key="run.id")
    seq: int = Field(primary_key=True)
    tenant_id: int
    kind: str
    action: str
    subject_id: int = Field(sa_type=BigInteger)
    object_id: int | None = Field(sa_type=BigInteger)
    role: str | None
    cause: str | None
    coverage_seq: int | None
    before: str
    after: str


class PlanChunk(SQLModel, table=True):
    """A piece of a plan that waits: ``payload`` is compressed MessagePack of ``models.plan.Chunk``. Gone once decided."""

    __tablename__ = "plan_chunk"
    __table_args__ = (_ROWID_FREE,)
    run_id: int = Field(primary_key=True, foreign_key="run.id")
    seq: int = Field(primary_key=True)
    operations: int
    payload: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class Schedule(SQLModel, table=True):
    """When a connection syncs, and how its syncs are doing. No row means: never scheduled, never asked for.

    ``timetable`` is the JSON of ``models.timetable.Timetable``; the columns from ``next_at`` to ``stale_since`` are
    ``models.health.Standing``. ``job`` names the attempt that is queued or running (at most one per tenant: the unique
    index), ``queued_at`` since when, ``worker`` who runs it (``worker.id``; None while it is queued), ``taken_at`` since when.
    """

    __tablename__ = "schedule"
    __table_args__ = (
        Index("schedule_due", "next_at"),
        Index(
            "schedule_one_job",
            "tenant_id",
            unique=True,
            sqlite_where=text("job IS NOT NULL"),
            postgresql_where=text("job IS NOT NULL"),
        ),
    )
    connection_id: int = Field(primary_key=True, foreign_key="connection.id", sa_column_kwargs={"autoincrement": False})
    tenant_id: int = Field(foreign_key="tenant.id")
    timetable: str = "{}"
    next_at: str | None = None
    next_why: str = "scheduled"
    slot: str = ""
    window_ends_at: str | None = None
    attempt: int = 0
    asked_by: str = ""
    health: str = "new"
    health_code: str = ""
    health_reason: str = ""
    health_since: str | None = None
    failures: int = 0
    failed_slots: int = 0
    first_failed_at: str | None = None
    last_run_id: int | None = None
    last_ended_at: str | None = None
    last_good_at: str | None = None
    stale_since: str | None = None
    job: str | None = None
    queued_at: str | None = None
    worker: str | None = None
    taken_at: str | None = None


class Worker(SQLModel, table=True):
    """A process that runs syncs. ``seen`` is the database's own clock (Unix seconds) when it was last heard of, so that the
    clocks of several machines need not agree."""

    __tablename__ = "worker"
    id: str = Field(primary_key=True)
    host: str
    pid: int
    version: str
    slots: int
    started_at: str
    seen: float = Field(sa_type=Double)
    stopping: bool = False


class Budget(SQLModel, table=True):
    """How much of a connection's requests per minute is left, shared by all processes: a bucket that fills up with time.
    ``remaining`` was left ``at`` (the database's clock, Unix seconds)."""

    __tablename__ = "budget"
    connection_id: int = Field(primary_key=True, foreign_key="connection.id", sa_column_kwargs={"autoincrement": False})
    remaining: float = Field(sa_type=Double)
    at: float = Field(sa_type=Double)


class Contact(SQLModel, table=True):
    """Whom to tell: the operator (``tenant_id`` null) or a district's contact. ``address`` is an encrypted apprise address,
    ``shown`` what may be shown of it; ``events`` is a JSON list of ``models.health.Event``, empty for all."""

    __tablename__ = "contact"
    __table_args__ = (Index("contact_tenant", "tenant_id"),)
    id: int | None = Field(default=None, primary_key=True)
    tenant_id: int | None = Field(default=None, foreign_key="tenant.id")
    name: str
    address: str
    shown: str
    events: str = "[]"
    created_at: str


class Notice(SQLModel, table=True):
    """Something that people are told of, written in the transaction that changed the state, so that it is told once."""

    __tablename__ = "notice"
    __table_args__ = (Index("notice_tenant", "tenant_id", "id"),)
    id: int | None = Field(default=None, primary_key=True)
    tenant_id: int | None = Field(default=None, foreign_key="tenant.id")
    connection_id: int | None = Field(default=None, foreign_key="connection.id")
    run_id: int | None = None
    event: str
    code: str = ""
    reason: str = ""
    created_at: str


class Delivery(SQLModel, table=True):
    """A notice on its way to a contact. ``state``: waiting, sent, given_up. ``next_at`` is when to try (again)."""

    __tablename__ = "delivery"
    __table_args__ = (Index("delivery_due", "state", "next_at"),)
    notice_id: int = Field(primary_key=True, foreign_key="notice.id", sa_column_kwargs={"autoincrement": False})
    contact_id: int = Field(primary_key=True, foreign_key="contact.id", sa_column_kwargs={"autoincrement": False})
    state: str = "waiting"
    attempts: int = 0
    next_at: str
    sent_at: str | None = None
