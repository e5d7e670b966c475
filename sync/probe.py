"""A test of a connection: all is pulled and checked as a sync would, and nothing is changed, not even a run is noted."""

import time
from array import array
from collections import Counter, defaultdict
from contextlib import ExitStack, closing
from itertools import chain
from typing import cast

import msgspec
import numpy as np

import connectors
from connectors.source import Access, Source
from connectors.watch import Watch
from models.pages import Arrival, Coverage, Page
from models.problems import CATALOG, sentence_of_many
from models.progress import ProgressCallback
from models.records import Affiliation, Class, School, key_of
from models.sources import Finding, ProbeReport, SharedKind, SharedListing, SharedSchool
from models.vocabulary import KINDS, Kind
from store.reader import RosterReader
from sync.clock import now
from sync.compare import Comparison
from sync.connections import open_connection, open_http
from sync.context import Context
from sync.index import keys_from
from sync.outcomes import Outcomes
from sync.problems import ProblemLog
from sync.service import Service
from sync.spool import Spools
from sync.tenants import tenant_and_settings
from sync.written_out import commands_written_out

_EXAMPLES = 3
_SEVERITIES = ("error", "warning", "notice")


class _Tally:
    """What a source shares, counted while it is pulled: few numbers, and eight bytes for each role that a person has."""

    def __init__(self) -> None:
        self.schools: dict[str, School] = {}
        self.people_at: Counter[str] = Counter()
        self.classes_at: Counter[str] = Counter()
        self._people_as: defaultdict[str, array[int]] = defaultdict(lambda: array("Q"))

    def take(self, page: Page) -> None:
        """Count a page; what the source says is gone is not shared."""
        if page.tombstones:
            return
        if page.kind == "school":
            self.schools.update((school.source_id, school) for school in cast(list[School], page.records))
        elif page.kind == "class":
            self.classes_at.update(clazz.school_source_id for clazz in cast(list[Class], page.records))
        elif page.kind == "person":
            self.people_at.update(chain.from_iterable(set(schools) for schools in page.schools))
        elif page.kind == "affiliation":
            for affiliation in cast(list[Affiliation], page.records):
                self._people_as[affiliation.role].append(key_of(affiliation.person_source_id))

    def roles(self) -> dict[str, int]:
        """People by role, the most frequent first; who has a role at several schools counts once."""
        counts = {role: len(np.unique(np.frombuffer(keys, np.uint64))) for role, keys in self._people_as.items()}
        return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))


def probe(service: Service, tenant: str, connection: str, *, progress: ProgressCallback | None = None) -> ProbeReport:
    """Pull everything that a connection shares and say what it is, and what of it would not be taken.

    Works for paused and disconnected connections too. Raises RosterSyncError.
    """
    started = time.perf_counter()
    opened = open_connection(service, tenant, connection)
    tenant_id, settings = tenant_and_settings(service, tenant)
    watch = Watch(progress or (lambda _progress: None))
    # Without these two a source is asked for everything, not for changes only.
    memory = msgspec.structs.replace(opened.memory, full_at=None, read_at=None)
    tally = _Tally()
    with (
        closing(open_http(service, opened.settings, watch, connection_id=opened.id)) as http,
        service.scratch() as scratch,
        ExitStack() as files,
    ):
        reader = RosterReader(service.engine, tenant_id, opened.id)
        plan = Spools(scratch, files).chunk_file()  # written and forgotten
        context = Context(reader, settings, ProblemLog(), Outcomes(enabled=False), plan)
        access = Access(http, scratch, watch, now, memory, allowed_hosts=service.settings.allowed_hosts)
        source = connectors.open_source(opened.connector, opened.settings, opened.credentials, access)
        with commands_written_out(tenant, connection):
            _compare(source, context, tally)
    facts = source.facts
    return ProbeReport(
        tenant=tenant,
        connection=connection,
        connector=opened.connector,
        state=opened.row.state,
        seconds=round(time.perf_counter() - started, 3),
        district_name=facts.district_name,
        district_id=facts.district_id,
        scopes=tuple(facts.scopes),
        missing=list(facts.missing),
        notes=list(facts.notes),
        may_create_schools=settings.create_schools,
        schools=_schools(tally, context),
        kinds=_kinds(context),
        roles=tally.roles(),
        coverage=[
            SharedListing(c.kind, c.listing, c.verdict, c.received, c.refused, c.reason) for c in context.coverage
        ],
        findings=_findings(context.problems),
    )


def _compare(source: Source, context: Context, tally: _Tally) -> None:
    """Pull, check and compare, as a run does; what comes of it stays in the context."""
    comparison = Comparison(context)
    for event in source.pull():
        if isinstance(event, Arrival):
            context.problems.extend(event.problems)
        elif isinstance(event, Coverage):
            comparison.take_coverage(event)
        else:
            tally.take(event)
            comparison.take_page(event)


def _kinds(context: Context) -> list[SharedKind]:
    counts = [context.counts[kind] for kind in KINDS]
    return [SharedKind(c.kind, c.received, c.refused) for c in counts if c.received or c.refused]


def _schools(tally: _Tally, context: Context) -> list[SharedSchool]:
    """The schools that the source lists, then those that it only names; each by what the rules made of it."""
    named = list(dict.fromkeys(chain(tally.schools, tally.people_at, tally.classes_at)))
    book = context.entities("school")
    answer = []
    for source_id, school_id in zip(named, book.resolve(keys_from(named)).tolist(), strict=True):
        school = tally.schools.get(source_id)
        standing = "unknown" if not school_id else "new" if school_id >= book.first_new_id else "known"
        answer.append(
            SharedSchool(
                source_id,
                school.name if school else "",
                school.type if school else "",
                standing,
                tally.people_at[source_id],
                tally.classes_at[source_id],
            )
        )
    return answer


def _findings(problems: ProblemLog) -> list[Finding]:
    """Problems by code, each with the first records that have it: errors first, and what comes first in KINDS before
    what merely follows from it."""
    counts: Counter[str] = Counter()
    for counted in problems.counted():
        counts[counted.code] += counted.count
    findings = []
    for code, count in counts.items():
        having = [problem for problem in problems.kept if problem.code == code]
        ids = dict.fromkeys(problem.source_id for problem in having if problem.source_id)
        words = sentence_of_many(code) if count > 1 else having[0].message
        findings.append(Finding(code, CATALOG[code].severity, having[0].kind, count, words, tuple(ids)[:_EXAMPLES]))
    return sorted(
        findings, key=lambda finding: (_SEVERITIES.index(finding.severity), _rank(finding.kind), -finding.count)
    )


def _rank(kind: Kind | None) -> int:
    return KINDS.index(kind) if kind else -1
