"""Recordings and replays as an engineer reads them: per case its steps, what each came to, and what differs."""

import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from cli.show.words import STATE_STYLES, bullets, clean, commands, plural
from models.vocabulary import PLURALS

if TYPE_CHECKING:
    from sync.record import Recording
    from sync.replay import CaseReplay, StepReplay

#: Counts that say what a run did, in the order of a sentence.
_DONE = ("created", "updated", "restored", "archived", "held", "refused")


def show_replays(replays: "Sequence[CaseReplay]") -> RenderableType:
    """Cases one after the other, and how many are as expected."""
    sections = [part for replayed in replays for part in (*_case(replayed), Text())]
    right = sum(replayed.as_expected for replayed in replays)
    verdict = Text(
        f"{right} of {plural(len(replays), 'case')} as expected.", style="green" if right == len(replays) else "red"
    )
    return Group(*sections, verdict)


def _case(replayed: "CaseReplay") -> Iterator[RenderableType]:
    verdict = ("as expected", "green") if replayed.as_expected else ("differs", "red")
    if replayed.updated:
        verdict = ("written down", "cyan") if replayed.as_expected else verdict
    yield Text.assemble((replayed.case, "bold"), ": ", clean(replayed.title), " — ", verdict)
    for step in replayed.steps:
        headline, *details = _step(step)
        yield bullets([headline])
        yield Padding(bullets(details, mark="-"), (0, 0, 0, 2)) if details else Group()
    if replayed.differences:
        yield bullets(
            ["The roster after the last step:", *(clean(line, "red") for line in replayed.differences)], mark="!"
        )


def _step(step: "StepReplay") -> Iterator[Text]:
    state = step.outcome.state
    line = Text.assemble(clean(step.name), ": ", (state, STATE_STYLES[state]))
    if step.outcome.error:
        line.append(f" ({step.outcome.error})")
    done = "; ".join(_done(step))
    yield line.append_text(clean(f", {done}" if done else ""))
    if step.report.error:
        yield clean(step.report.error)
        yield clean(f"For engineers: {step.where or step.report.error_for_engineer}", "dim")
    if step.unasked:
        yield clean(f"{plural(step.unasked, 'recorded answer')} nobody asked for", "dim")
    for difference in step.differences:
        yield clean(f"Differs: {difference}", "red")


def _done(step: "StepReplay") -> Iterator[str]:
    """``12 people created, 3 archived``; then the codes of problems."""
    for kind, words in PLURALS.items():
        counts = step.outcome.counts.get(kind, {})
        parts = [f"{counts[name]:,} {name}" for name in _DONE if counts.get(name)]
        if parts:
            yield f"{words} {', '.join(parts)}"
    if step.outcome.problems:
        yield "problems " + ", ".join(f"{code} {count:,}" for code, count in step.outcome.problems.items())


def show_recording(recording: "Recording") -> RenderableType:
    """What was kept, whether a replay ends as the real run did, and what to do next."""
    lines = [
        clean(f"{plural(recording.exchanges, 'exchange')} kept as {recording.step} of the case {recording.folder}.")
    ]
    ended = f"The real dry run: {recording.state}" + (f" ({recording.error})" if recording.error else "")
    outcome = recording.replay.steps[-1].outcome
    replayed = outcome.state + (f" ({outcome.error})" if outcome.error else "")
    if recording.faithful:
        lines.append(clean(f"{ended}; a replay into an empty roster: {replayed}."))
    else:
        lines.append(
            clean(f"{ended}; but a replay into an empty roster: {replayed}. The case does not show the same.", "red")
        )
    lines.append(clean("Read through the files before you give them to anybody; say in case.toml what the case shows."))
    return Group(bullets(lines), commands([("replay it", f"rostersync replay {shlex.quote(recording.folder)}")]))
