"""What a run tells: the report that a person reads, a machine parses (``--json``) and the run row keeps."""

import msgspec

from models.vocabulary import Kind, RunState


class FileReport(msgspec.Struct, frozen=True):
    """One input file: ``role`` is the listing it was read as, or "ignored" / "unreadable"."""

    file: str
    role: str
    rows: int
    refused: int = 0
    warnings: int = 0
    note: str = ""


class KindCounts(msgspec.Struct):
    """What a run does to one kind. ``received`` counts records, not rows; ``held`` counts operations that wait, ``kept`` what
    would have gone on other days (``models.timetable.Timetable.add_only``)."""

    kind: Kind
    received: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    archived: int = 0
    restored: int = 0
    refused: int = 0
    held: int = 0
    kept: int = 0


class Hold(msgspec.Struct, frozen=True):
    """One reason why operations wait: which measure went over which limit, and where.

    ``measure`` is removals, updates, emptied or churn. ``school`` is the school's name, None for the whole district.
    ``sentence`` says it all for the district admin.
    """

    kind: Kind
    measure: str
    count: int
    managed: int
    limit: int
    school: str | None
    sentence: str


class ProblemCount(msgspec.Struct, frozen=True):
    """How often one problem occurred in one file; ``sentence`` is the catalog's text for it."""

    code: str
    severity: str
    file: str
    count: int
    sentence: str


class ProblemView(msgspec.Struct, frozen=True):
    """One stored problem, ready to show."""

    code: str
    severity: str
    file: str
    line: int
    kind: str | None
    source_id: str | None
    field: str
    message: str


class CoverageView(msgspec.Struct, frozen=True):
    """One stored coverage statement: what the pull proved about a listing."""

    seq: int
    kind: Kind
    listing: str
    verdict: str
    received: int
    refused: int
    reason: str
    scope: str | None


class RunReport(msgspec.Struct):
    """A run, explained: what came, what was refused and why, what changed, what waits and for whom.

    Times are ISO 8601 in UTC; ``seconds`` is wall time. ``waits_for`` is "" or who has to act ("district admin").
    ``files`` are a source's listings where the ``connector`` is not csv.

    ``step`` is the verb at which a failed run failed: pull, check, compare, guard or apply. ``steps`` are seconds by verb
    (records are checked while they are compared), ``waited`` those of the pull in which nothing was asked, because the
    source's limit of requests was reached. ``waits_on`` is an earlier run whose plan still waits, since this one could not find
    again what that one holds; ``holds`` are that one's then.
    """

    run_id: int
    tenant: str
    connection: str
    state: RunState
    dry_run: bool
    started_by: str
    started_at: str
    finished_at: str | None = None
    seconds: float = 0.0
    first_sync: bool = False
    waits_for: str = ""
    files: list[FileReport] = []
    kinds: list[KindCounts] = []
    consequences: list[str] = []
    holds: list[Hold] = []
    problem_counts: list[ProblemCount] = []
    first_problems: list[ProblemView] = []
    coverage: list[CoverageView] = []
    notes: list[str] = []
    results_path: str | None = None
    error: str = ""
    error_for_engineer: str = ""
    connector: str = "csv"
    step: str = ""
    steps: dict[str, float] = {}
    waited: float = 0.0
    waits_on: int | None = None


class ChangeView(msgspec.Struct, frozen=True):
    """One stored change. ``before``/``after`` hold only the fields that changed. ``who`` names the record by ids."""

    run_id: int
    seq: int
    kind: Kind
    action: str
    who: str
    cause: str | None
    before: dict[str, object]
    after: dict[str, object]


class RunSummary(msgspec.Struct, frozen=True):
    """One line of the run history."""

    run_id: int
    tenant: str
    connection: str
    state: str
    dry_run: bool
    started_by: str
    started_at: str
    seconds: float
    created: int
    updated: int
    archived: int
    held: int
    refused: int
    waits_for: str


class PlanView(msgspec.Struct, frozen=True):
    """A stored plan: what it would do, why it waits, and whether it can still be applied.

    ``operations`` are the first ones in human terms: (kind, action, who, cause or changed fields). ``connection`` and its
    ``connector`` are where the plan came from.
    """

    run_id: int
    tenant: str
    state: str
    stale: bool
    counts: list[KindCounts]
    holds: list[Hold]
    consequences: list[str]
    operations: list[tuple[str, str, str, str]]
    total_operations: int
    connection: str = "csv"
    connector: str = "csv"


class Explanation(msgspec.Struct, frozen=True):
    """Why a person is here, or not: ``facts`` are whole sentences in order, newest matters last."""

    person: str
    found: bool
    status: str
    facts: list[str]


class TenantView(msgspec.Struct, frozen=True):
    """A tenant as an operator lists it; ``counts`` are the active rows per kind."""

    name: str
    settings: dict[str, object]
    schools: int
    counts: dict[str, int]
    last_applied_at: str | None


class SchoolView(msgspec.Struct, frozen=True):
    """A school as an operator lists it. ``managed_by`` is a connection's name or "hand"."""

    source_id: str
    name: str
    type: str
    status: str
    managed_by: str
