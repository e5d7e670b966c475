"""What is told of connections to sources: how they are set up, what a test of one finds, whom a partner key can read."""

import msgspec

from models.problems import Severity
from models.report import RunSummary
from models.vocabulary import Kind


class FieldView(msgspec.Struct, frozen=True):
    """One setting or credential that a connector takes. ``allowed`` says in words what may stand there ("true or false");
    ``default`` is None for what must be given, too."""

    name: str
    description: str
    allowed: str
    needed: bool
    default: object = None


class SettingView(msgspec.Struct, frozen=True):
    """A setting of a connection and its value."""

    name: str
    value: object
    default: object
    allowed: str
    description: str


class ConnectionSummary(msgspec.Struct, frozen=True):
    """A connection as a list shows it. ``state`` is a ``models.connections.ConnectionState``, ``reason`` half a sentence
    ("paused by ann: summer"), ``since`` when that began (ISO, UTC)."""

    tenant: str
    name: str
    connector: str
    state: str
    reason: str
    since: str
    last_run: RunSummary | None


class ConnectionView(msgspec.Struct, frozen=True):
    """A connection with all that may be shown of it.

    ``credentials`` are the names of those that are stored; ``credentials_problem`` is why they cannot be read, if so.
    """

    tenant: str
    name: str
    connector: str
    state: str
    reason: str
    since: str
    settings: list[SettingView]
    credentials: tuple[str, ...]
    credentials_problem: str
    last_runs: list[RunSummary]


class SharedSchool(msgspec.Struct, frozen=True):
    """A school that a source names. ``name`` is "" where it does not list it. ``people`` and ``classes`` count those that
    name it. ``standing``: "known", "new" (it would be created), or "unknown" (what stands at it only would not be taken).
    """

    source_id: str
    name: str
    type: str
    standing: str
    people: int
    classes: int


class SharedKind(msgspec.Struct, frozen=True):
    """How many records of a kind a source shares, and how many of them would not be taken."""

    kind: Kind
    received: int
    refused: int


class SharedListing(msgspec.Struct, frozen=True):
    """What the pull proved about one listing; ``reason`` is why it is not "complete"."""

    kind: Kind
    listing: str
    verdict: str
    received: int
    refused: int
    reason: str


class Finding(msgspec.Struct, frozen=True):
    """A problem, how often it occurs, and the source ids of the first records that have it."""

    code: str
    severity: Severity
    kind: Kind | None
    count: int
    sentence: str
    examples: tuple[str, ...]


class ProbeReport(msgspec.Struct, frozen=True):
    """What a connection would bring, without anything having been changed, its ``state`` (``ConnectionState``) neither.

    ``scopes`` are what the credentials may read, in the source's words; ``missing`` sentences on what they may not and
    would be wanted; ``notes`` other sentences for a person. ``roles`` counts people by role. ``may_create_schools`` is
    the tenant's setting ``create_schools``.
    """

    tenant: str
    connection: str
    connector: str
    state: str
    seconds: float
    district_name: str
    district_id: str
    scopes: tuple[str, ...]
    missing: list[str]
    notes: list[str]
    may_create_schools: bool
    schools: list[SharedSchool]
    kinds: list[SharedKind]
    roles: dict[str, int]
    coverage: list[SharedListing]
    findings: list[Finding]


class PartnerDistrict(msgspec.Struct, frozen=True):
    """A district as a partner key sees it. ``reason`` says why it cannot be read (not ``eligible``); ``tenants`` are our
    tenants that have a connection to it."""

    tenant_id: str
    name: str
    eligible: bool
    reason: str
    application: str
    tenants: tuple[str, ...]


class Discovery(msgspec.Struct, frozen=True):
    """The districts of a partner key, and those of our tenants that were given a connection to one just now."""

    districts: list[PartnerDistrict]
    added: list[str]
