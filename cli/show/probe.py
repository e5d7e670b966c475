"""What a test of a connection found: who it is, what is shared, what would be left out and why."""

import shlex
from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from cli.show.words import SEVERITY_STYLES, bullets, clean, commands, facts, heading, number, plural, table
from models.connections import FILE_CONNECTORS
from models.sources import Finding, ProbeReport, SharedListing, SharedSchool
from models.vocabulary import PLURALS

#: Schools that are shown; ``--json`` has them all.
SCHOOLS_SHOWN = 40
#: What was proven, by whether it was files that came.
_VERDICT = {False: "the credentials work", True: "a whole drop is there"}
_STANDING = {
    "known": Text("known"),
    "new": Text("would be created", style="green"),
    "unknown": Text("not known: would be left out", style="red"),
}


def show_probe(report: ProbeReport) -> RenderableType:
    """The whole test, in the order in which a district admin asks."""
    return Group(*_sections(report))


def _sections(report: ProbeReport) -> Iterator[RenderableType]:
    yield Text.assemble(
        ("Connection ", "bold"), clean(report.connection, "bold"), " of ", clean(report.tenant), ": ",
        Text(_VERDICT[report.connector in FILE_CONNECTORS], style="green"), "; nothing was changed",
    )  # fmt: skip
    yield facts(_facts(report))
    if report.missing:
        yield from (heading("What may not be read"), bullets(clean(text, "yellow") for text in report.missing))
    if report.notes:
        yield from (heading("Notes"), bullets(report.notes))
    yield from (heading("What is shared"), _kinds(report))
    if report.roles:
        yield heading("People by role")
        yield facts((role, f"{count:,}") for role, count in report.roles.items())
    if report.schools:
        yield from (heading("Schools"), _schools(report.schools))
    if report.coverage:
        yield from (
            heading("Which listings are whole: only these can show that something is gone"),
            _coverage(report.coverage),
        )
    if report.findings:
        yield from (heading("What would be left out, changed, or worth knowing"), _findings(report.findings))
    yield from (heading("Next"), commands(_next_steps(report)))


def _facts(report: ProbeReport) -> list[tuple[str, Text | str]]:
    district = " ".join(filter(None, (report.district_name, f"({report.district_id})" if report.district_id else "")))
    lines: list[tuple[str, Text | str]] = [("source", report.connector)]
    if district or report.connector not in FILE_CONNECTORS:
        lines.append(("district", district or "(not told)"))
    if report.scopes:
        lines.append(("may read", ", ".join(report.scopes)))
    if report.state == "paused":
        lines.append(("state", "paused: no sync asks it"))
    elif report.state == "disconnected":
        lines.append(("state", "disconnected until a sync gets through"))
    return [*lines, ("took", f"{report.seconds:.1f} s")]


def _kinds(report: ProbeReport) -> RenderableType:
    if not report.kinds:
        return Text("Nothing at all.", style="red")
    return table(
        (("Kind", "left"), ("Records", "right"), ("Not taken", "right")),
        ([Text(PLURALS[k.kind]), number(k.received), number(k.refused, "red")] for k in report.kinds),
    )


def _schools(schools: list[SharedSchool]) -> RenderableType:
    """Those that are not known first, as somebody has to decide about them."""
    ordered = sorted(schools, key=lambda school: school.standing != "unknown")
    shown = table(
        (("Source id", "left"), ("Name", "left"), ("People", "right"), ("Classes", "right"), ("Here", "left")),
        (
            [clean(s.source_id), clean(s.name), number(s.people), number(s.classes), _STANDING[s.standing]]
            for s in ordered[:SCHOOLS_SHOWN]
        ),
    )
    more = len(schools) - SCHOOLS_SHOWN
    return Group(shown, Text(f"… and {more:,} more; --json lists all of them.")) if more > 0 else shown


def _coverage(coverage: list[SharedListing]) -> RenderableType:
    """Whether what is missing from a listing may be taken for gone."""
    return table(
        (("Listing", "left"), ("Kind", "left"), ("Records", "right"), ("Whole", "left")),
        (
            [
                clean(c.listing),
                Text(PLURALS[c.kind]),
                number(c.received),
                Text("yes") if c.verdict == "complete" else clean(f"no: {c.reason}", "yellow"),
            ]
            for c in coverage
        ),
    )


def _findings(findings: list[Finding]) -> RenderableType:
    return bullets(
        Text.assemble(
            (f"{finding.severity} ", SEVERITY_STYLES.get(finding.severity, "")),
            (f"{plural(finding.count, 'time')}: ", "bold"),
            clean(finding.sentence),
            (f" [{finding.code}]", "dim"),
            clean(f" ({finding.kind} {', '.join(finding.examples)})" if finding.examples else "", "dim"),
        )
        for finding in findings
    )


def _next_steps(report: ProbeReport) -> list[tuple[str, str]]:
    steps = []
    unknown = next((school for school in report.schools if school.standing == "unknown"), None)
    if unknown:
        name = shlex.quote(unknown.name) if unknown.name else "NAME"
        if not report.may_create_schools:
            steps.append(("let all schools in", f"rostersync tenant set {report.tenant} create_schools true"))
        steps.append(
            ("or one by one", f"rostersync school add {report.tenant} {shlex.quote(unknown.source_id)} {name}")
        )
    if report.state == "paused":
        steps.append(("let it go on", f"rostersync connection resume {report.tenant} {report.connection}"))
    dry_run = f"rostersync sync {report.tenant} --connection {report.connection} --dry-run"
    return [*steps, ("see what a sync would do", dry_run)]
