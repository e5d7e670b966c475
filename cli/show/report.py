"""A run's report as a person reads it: what came, what it does, what waits, what was wrong, where the results lie."""

from collections.abc import Iterator

import msgspec
from rich.console import Group, RenderableType
from rich.text import Text

from cli.show.words import (
    SEVERITY_STYLES,
    STATE_STYLES,
    Column,
    bullets,
    clean,
    commands,
    facts,
    heading,
    moment,
    number,
    plural,
    table,
)
from models.connections import FILE_CONNECTORS
from models.problems import CATALOG, sentence_of_many
from models.report import FileReport, Hold, KindCounts, ProblemCount, ProblemView, RunReport
from models.vocabulary import PLURALS

HOLD_TITLES = {"held": "Held: waits for a person", "planned": "Would be held", "discarded": "Was held"}
#: Sentences on holds that a report shows; a large district may have one per school and kind.
HOLDS_SHOWN = 8


def show_report(report: RunReport) -> RenderableType:
    """The whole report, in the order in which a district admin asks."""
    steps = next_steps(report)
    return Group(*_sections(report), *((heading("Next"), commands(steps)) if steps else ()))


def show_question(report: RunReport) -> RenderableType:
    """The report of a plan that somebody is asked about in the next line."""
    return Group(*_sections(report))


def _sections(report: RunReport) -> Iterator[RenderableType]:
    yield _headline(report)
    if report.error:
        yield bullets([clean(report.error, "red")], mark="!")
    if report.files and report.connector in FILE_CONNECTORS:
        yield from (heading("Files"), files_table(report.files))
    elif report.files:
        yield from (heading("What the source listed"), listings_table(report.files))
    yield from _outcome(report)
    if report.problem_counts:
        yield from (heading("Problems"), problem_counts_table(report.problem_counts, report.connector))
    if report.first_problems:
        yield from (heading("The first ones"), problems_list(report.first_problems, report.connector))
    if report.notes:
        yield from (heading("Notes"), bullets(report.notes))


def show_decision(report: RunReport) -> RenderableType:
    """The report after a plan was approved or discarded: only what the decision did."""
    outcome = _outcome(report) if report.state == "applied" else ()
    steps = next_steps(msgspec.structs.replace(report, problem_counts=[]))
    notes = (heading("Notes"), bullets(report.notes))
    return Group(_headline(report), *outcome, *notes, *((heading("Next"), commands(steps)) if steps else ()))


def _outcome(report: RunReport) -> Iterator[RenderableType]:
    """What the run does to the stored roster, and what of it waits."""
    moving = seen(report.kinds)
    if moving:
        yield from (heading(_counts_title(report)), counts_table(moving))
    if report.consequences:
        yield from (heading("What this means"), bullets(report.consequences))
    if report.holds and report.state != "applied":
        yield from (heading(HOLD_TITLES.get(report.state, "Held")), holds_list(report.holds, most=HOLDS_SHOWN))


def _headline(report: RunReport) -> RenderableType:
    state = Text(report.state, style=STATE_STYLES.get(report.state, "bold"))
    title = Text.assemble((f"Run {report.run_id}", "bold"), " of ", clean(report.tenant), ": ", state)
    if report.dry_run and report.state == "planned":
        title.append(" (dry run: nothing was changed)")
    elif report.waits_for:
        title.append_text(Text.assemble(", waits for the ", clean(report.waits_for)))
    took = f"{moment(report.started_at)}, {report.seconds:.1f} s"
    details: list[tuple[str, Text | str]] = [
        ("connection", report.connection),
        ("started", f"{took}, by {report.started_by}"),
    ]
    if report.step:
        details.append(("failed at", report.step))
    if report.results_path and report.state != "failed":
        details.append(("results", report.results_path))
    return Group(title, facts(details))


def _counts_title(report: RunReport) -> str:
    if report.state == "applied":
        return "What it did"
    if report.state == "planned":
        return "What it would do"
    if report.dry_run:
        return "What it would have done"
    return "What it did, and what waits" if report.state == "held" else "What it did, and what was dropped"


def files_table(files: list[FileReport]) -> RenderableType:
    """One line per input file."""
    columns: list[Column] = [("File", "left"), ("Read as", "left")]
    columns += [(name, "right") for name in ("Rows", "Refused", "Warnings")]
    rows = [
        [clean(f.file), clean(f.role), number(f.rows), number(f.refused, "red"), number(f.warnings, "yellow")]
        for f in files
    ]
    if not any(f.note for f in files):
        return table(columns, rows)
    return table([*columns, ("Note", "left")], [[*row, clean(f.note)] for row, f in zip(rows, files, strict=True)])


def listings_table(listings: list[FileReport]) -> RenderableType:
    """One line per listing of a source."""
    columns: list[Column] = [("Listing", "left")]
    columns += [(name, "right") for name in ("Records", "Refused", "Warnings")]
    notes = [listing.note or ("could not be read" if listing.role == "unreadable" else "") for listing in listings]
    rows = [
        [clean(one.file), number(one.rows), number(one.refused, "red"), number(one.warnings, "yellow")]
        for one in listings
    ]
    if not any(notes):
        return table(columns, rows)
    return table([*columns, ("Note", "left")], [[*row, clean(note)] for row, note in zip(rows, notes, strict=True)])


def seen(kinds: list[KindCounts]) -> list[KindCounts]:
    """The kinds of which anything came or moves."""
    return [kind for kind in kinds if any(msgspec.structs.astuple(kind)[1:])]


def counts_table(kinds: list[KindCounts]) -> RenderableType:
    """One line per kind, all eight counts."""
    names = ("Received", "Created", "Updated", "Unchanged", "Archived", "Restored", "Refused", "Held")
    return table(
        [("Kind", "left"), *((name, "right") for name in names)],
        (
            [
                Text(PLURALS[k.kind]),
                number(k.received),
                number(k.created, "green"),
                number(k.updated, "cyan"),
                number(k.unchanged, "dim"),
                number(k.archived, "magenta"),
                number(k.restored, "green"),
                number(k.refused, "red"),
                number(k.held, "yellow"),
            ]
            for k in kinds
        ),
        gap=1,
    )


def holds_list(holds: list[Hold], most: int | None = None) -> RenderableType:
    """Why operations wait, each in its own sentence; those of the whole district first, ``most`` of them."""
    ordered = sorted(holds, key=lambda hold: hold.school is not None)[:most]
    lines = [clean(hold.sentence, "yellow") for hold in ordered]
    if len(holds) > len(lines):
        lines.append(Text(f"… and {len(holds) - len(lines)} more of that sort, as `plan show` lists them."))
    return bullets(lines)


def problem_counts_table(counts: list[ProblemCount], connector: str) -> RenderableType:
    """How often each problem occurred, errors first."""
    order = {"error": 0, "warning": 1, "notice": 2}
    return table(
        (
            ("Times", "right"),
            ("", "left"),
            ("File" if connector in FILE_CONNECTORS else "Listing", "left"),
            ("Problem", "left"),
        ),
        (
            [
                number(p.count),
                Text(p.severity, style=SEVERITY_STYLES.get(p.severity, "")),
                clean(p.file),
                Text.assemble(clean(_sentence(p)), (f" [{p.code}]", "dim")),
            ]
            for p in sorted(counts, key=lambda p: (order.get(p.severity, 3), -p.count))
        ),
    )


def _sentence(counted: ProblemCount) -> str:
    """The catalog's sentence with its gaps open: the count stands for many rows, which the single problems name."""
    return sentence_of_many(counted.code) if counted.code in CATALOG else counted.sentence


def problems_list(problems: list[ProblemView], connector: str) -> RenderableType:
    """Single problems, each with its place."""
    return bullets(
        Text.assemble(
            (f"{p.severity} ", SEVERITY_STYLES.get(p.severity, "")),
            clean(place(p.file, p.line, connector), "bold"),
            clean(f", {p.kind} {p.source_id}" if p.kind and p.source_id else ""),
            ": ",
            clean(p.message),
        )
        for p in problems
    )


def place(file: str, line: int, connector: str) -> str:
    """``users.csv line 12``, ``users record 12``; 0 is the whole file or listing."""
    return f"{file} {'line' if connector in FILE_CONNECTORS else 'record'} {line}" if line else file


def next_steps(report: RunReport) -> list[tuple[str, str]]:
    """The commands that make sense now, as (what for, command)."""
    run = report.run_id
    steps: list[tuple[str, str]] = []
    done = any(k.created or k.updated or k.archived or k.restored for k in report.kinds)
    waiting = sum(k.held for k in report.kinds)
    if report.state in {"held", "planned"} and (done or waiting):
        what = plural(waiting, "held change") if report.state == "held" else "the plan"
        whole = "apply all of it, over the limits or not"
        steps += [
            (f"see {what}", f"rostersync plan show {run}"),
            (whole if report.holds and report.dry_run else "apply it as shown", f"rostersync plan approve {run}"),
            ("drop it", f"rostersync plan discard {run}"),
        ]
    if any(p.code == "schools_not_created" for p in report.problem_counts):
        steps.append(("let all schools in", f"rostersync tenant set {report.tenant} create_schools true"))
    if sum(p.count for p in report.problem_counts) > len(report.first_problems):
        steps.append(("all problems", f"rostersync run problems {run}"))
    if report.state not in {"planned", "failed"} and done:
        steps.append(("what changed", f"rostersync run changes {run}"))
    return steps
