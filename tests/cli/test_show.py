"""What a person reads of a report: every section, in words, at 80 columns, safe for a terminal."""

from collections.abc import Callable
from io import BytesIO, StringIO, TextIOWrapper

import msgspec
from rich.console import Console, Group

from cli.progress import Steps, Throttled, progress_text
from cli.show.history import change_text, show_changes, show_problems, show_runs
from cli.show.plan import show_plan
from cli.show.report import next_steps, show_question, show_report
from cli.show.tenants import flat_settings, show_explanation, show_schools, show_tenant, show_tenants
from cli.show.words import clean, commands, table
from models.progress import Progress
from models.report import (
    ChangeView,
    Explanation,
    FileReport,
    KindCounts,
    PlanView,
    RunReport,
    RunSummary,
    SchoolView,
    TenantView,
)
from models.settings import TenantSettings

Rendered = Callable[..., str]


def _lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def test_report_tells_every_section(rendered: Rendered, held_report: RunReport) -> None:
    text = rendered(show_report(held_report))
    lines = _lines(text)
    assert "Run 12 of springfield: held, waits for the district admin" in lines
    assert "started 2026-08-31 06:00:00 UTC, 1.9 s, by ann" in lines
    assert "users.csv users 1,204 3 12" in lines
    assert "people 1,204 4 31 1,166 - 1 3 -" in lines
    assert "enrollments 900 - - 900 - - - 310" in lines
    assert "• 31 students would lose their last class (held)" in lines
    assert "• 310 of 400 enrollments would go; held." in lines
    assert "• No classes are removed for not being in classes.csv: it was not sent." in lines
    assert "• error users.csv line 4, person s-17: The school 09 is not known here." in lines
    assert "results var/rostersync/results/run-12" in lines


def test_report_fits_80_columns(rendered: Rendered, held_report: RunReport) -> None:
    assert max(map(len, rendered(show_report(held_report), 80).splitlines())) <= 80


def test_errors_stand_before_warnings(rendered: Rendered, held_report: RunReport) -> None:
    text = rendered(show_report(held_report), 100)
    assert text.index("[unknown_school]") < text.index("[bad_email]")


def test_held_run_names_the_commands_to_decide(held_report: RunReport) -> None:
    steps = dict(next_steps(held_report))
    assert steps["see 310 held changes"] == "rostersync plan show 12"
    assert steps["apply it as shown"] == "rostersync plan approve 12"
    assert steps["drop it"] == "rostersync plan discard 12"
    assert steps["all problems"] == "rostersync run problems 12"
    assert steps["what changed"] == "rostersync run changes 12"


def test_applied_run_has_nothing_to_decide(held_report: RunReport) -> None:
    done = msgspec.structs.replace(
        held_report, state="applied", waits_for="", holds=[], problem_counts=[], first_problems=[],
        kinds=[KindCounts("person", 5, unchanged=5)],
    )  # fmt: skip
    assert next_steps(done) == []


def test_dry_run_says_that_nothing_was_changed(rendered: Rendered, held_report: RunReport) -> None:
    plan = msgspec.structs.replace(held_report, state="planned", dry_run=True, waits_for="")
    text = rendered(show_report(plan))
    assert "Run 12 of springfield: planned (dry run: nothing was changed)" in text
    assert "What it would do" in text
    assert "apply all of it, over the limits or not: rostersync plan approve 12" in text
    assert "run changes" not in text


def test_failed_run_says_why(rendered: Rendered, held_report: RunReport) -> None:
    failed = msgspec.structs.replace(held_report, state="failed", kinds=[], holds=[], error="No file could be read.")
    assert "! No file could be read." in _lines(rendered(show_report(failed)))


def test_plan_tells_why_what_and_how_to_decide(rendered: Rendered, held_plan: PlanView) -> None:
    lines = _lines(rendered(show_plan(held_plan)))
    assert "Plan of run 12 of springfield: held, 310 changes waiting" in lines
    assert "• 310 enrollments" in lines
    assert "The first 1 of 310 changes" in lines
    assert "enrollment archive student s-1 in class c-1 parent removed" in lines
    assert "apply exactly this: rostersync plan approve 12" in lines


def test_stale_plan_offers_no_approval(rendered: Rendered, held_plan: PlanView) -> None:
    text = " ".join(_lines(rendered(show_plan(msgspec.structs.replace(held_plan, stale=True)))))
    assert "can no longer be applied" in text
    assert "plan approve" not in text
    assert "rostersync upload springfield PATH --dry-run" in text


def test_runs_say_whose_they_are_on_a_narrow_terminal(rendered: Rendered) -> None:
    run = RunSummary(7, "springfield", "csv", "planned", True, "ann", "2026-08-31T06:00:00Z", 1.0, 1, 2, 3, 4, 5, "")
    lines = _lines(rendered(show_runs([run]), 80))
    first = lines.index("7 springfield dry run 2026-08-31 1 2 3 5 4")
    assert lines[first + 1] == "csv ann 06:00"
    assert "No runs yet." in rendered(show_runs([]))


def test_change_shows_cause_and_both_values() -> None:
    update = ChangeView(
        7, 1, "person", "update", "person s-1", None, {"grades": ["05"], "sms": None}, {"grades": ["06"], "sms": "x"}
    )
    assert change_text(update) == "grades: 05 → 06; sms: (blank) → x"
    archive = ChangeView(7, 2, "person", "archive", "person s-2", "parent_removed", {}, {})
    assert change_text(archive) == "parent removed"


def test_report_of_a_source_speaks_of_listings_and_records(rendered: Rendered, held_report: RunReport) -> None:
    listings = [FileReport("users", "users", 1204, refused=3), FileReport("courses", "unreadable", 0)]
    problems = [msgspec.structs.replace(held_report.first_problems[0], file="users")]
    counts = [msgspec.structs.replace(held_report.problem_counts[1], code="schools_not_created")]
    report = msgspec.structs.replace(
        held_report, connector="clever", files=listings, first_problems=problems, problem_counts=counts
    )
    text = rendered(show_report(report), 120)
    lines = _lines(text)
    assert "Listing Records Refused Warnings Note" in lines
    assert "courses - - - could not be read" in lines
    assert "• error users record 4, person s-17: The school 09 is not known here." in lines
    assert "let all schools in: rostersync tenant set springfield create_schools true" in lines
    assert "File" not in text
    assert "line 4" not in text


def test_plan_that_somebody_is_asked_about_ends_with_the_question(rendered: Rendered, held_report: RunReport) -> None:
    assert "Next" in rendered(show_report(held_report))
    assert "Next" not in rendered(show_question(held_report))


def test_empty_lists_are_answered_in_words(rendered: Rendered) -> None:
    assert "No problems" in rendered(show_problems([], "csv"))
    assert "changed nothing" in rendered(show_changes([]))
    assert "No tenants yet" in rendered(show_tenants([]))
    assert "No schools yet" in rendered(show_schools([]))


def test_tenant_shows_every_setting_by_the_name_that_set_takes(rendered: Rendered) -> None:
    settings = msgspec.to_builtins(TenantSettings())
    view = TenantView("springfield", settings, 3, {"person": 1200}, "2026-08-31T06:00:00Z")
    lines = _lines(rendered(show_tenant(view)))
    assert "create_schools false" in lines
    assert "guard.removals.percent 10.0" in lines
    assert "people 1,200" in lines
    assert dict(flat_settings(settings))["guard.updates.floor"] == 50


def test_schools_and_explanation(rendered: Rendered) -> None:
    school = SchoolView("0100", "Pine Elementary School", "school", "active", "hand")
    assert "0100 Pine Elementary School school active hand" in _lines(rendered(show_schools([school])))
    text = rendered(show_explanation(Explanation("s-1", False, "", ["No file named s-1."])))
    assert "Person s-1: not stored" in text
    assert "• No file named s-1." in text


def test_long_cells_wrap_and_are_never_cut(rendered: Rendered) -> None:
    words = "word " * 40 + "end"
    assert "end" in rendered(table([("A", "left"), ("B", "left")], [[clean("a" * 70), clean(words)]]), 60)


def test_text_of_others_cannot_steer_a_terminal(rendered: Rendered) -> None:
    text = rendered(clean("[red]a\x1b[31mb\rc\u202ed\u2028e"))
    assert text == "[red]a\ufffd[31mb\ufffdc\ufffdd\ufffde\n"
    assert "\x1b" not in rendered(commands([("or one by one", "rostersync school add t 1 'Pine\x1b[31m School'")]))


def test_output_survives_a_terminal_without_unicode(held_report: RunReport) -> None:
    stream = TextIOWrapper(BytesIO(), encoding="ascii", errors="replace")
    Console(file=stream, width=80).print(Group(show_report(held_report)))
    stream.flush()
    assert b"310 of 400 enrollments" in stream.buffer.getvalue()  # type: ignore[attr-defined]


def test_progress_names_step_count_and_file() -> None:
    assert progress_text(Progress("compare", "u.csv", "person", 12000)).plain == "comparing: 12,000 people (u.csv)"
    assert progress_text(Progress("pull", "users.csv", None, 7)).plain == "reading: 7 records (users.csv)"
    assert progress_text(Progress("pull", "empty.csv")).plain == "reading: 0 records (empty.csv)"
    assert progress_text(Progress("apply", records=7)).plain == "storing: 7 records"
    assert progress_text(Progress("apply")).plain == "finishing"


def test_moving_line_is_throttled_within_a_listing() -> None:
    times, shown = iter((10.0, 10.01, 10.05, 10.06, 10.2)), []
    moving = Throttled(lambda text: shown.append(text.plain), lambda: next(times))
    for file, records in (("orgs", 1), ("users", 2), ("users", 3), ("users", 4), ("users", 5)):
        moving(Progress("pull", file, records=records))
    assert shown == ["reading: 1 record (orgs)", "reading: 2 records (users)", "reading: 5 records (users)"]


def test_lines_tell_each_file_and_step_once() -> None:
    console = Console(file=StringIO(), width=80)
    steps = Steps(console)
    for progress in (
        Progress("compare", "users.csv", "person", 5000),
        Progress("pull", "users.csv", None, 300),
        Progress("pull", "users.csv", None, 300),
        Progress("pull", "[b]x.csv", None, 1),
        Progress("guard"),
    ):
        steps(progress)
    assert isinstance(console.file, StringIO)
    assert (
        console.file.getvalue()
        == "reading: 300 records (users.csv)\nreading: 1 record ([b]x.csv)\nchecking the limits\n"
    )
