"""Result files: for each input file its rows again, with result, action and message; safe to open in a spreadsheet."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from connectors.csvfiles.connector import CsvUpload
from models.problems import CATALOG, sentence
from models.settings import ResultsPolicy
from sync.outcomes import HELD
from sync.plan import Plan
from sync.run import Run

#: A cell that begins like this would run as a formula (OWASP, "CSV injection"); a leading apostrophe makes it text.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_RESULT = {"error": "ERROR", "warning": "WARNING", "notice": "SUCCESS"}


@dataclass(frozen=True)
class Results:
    """The result files of a tenant's runs: where they lie (``folder`` is the tenant's own), and which rows they hold."""

    folder: Path
    policy: ResultsPolicy

    def path(self, run_id: int) -> Path | None:
        """Where those of a run lie, if there are to be any."""
        return None if self.policy == "none" else self.folder / f"run-{run_id}"

    def write(self, source: CsvUpload, this: Run, plan: Plan) -> list[str]:
        """Write those of a run that ended well. That they cannot be written is a note (returned), and no error."""
        folder = self.path(this.id)
        if not folder:
            return []
        try:
            write(source, this, plan, folder, everything=self.policy == "full")
        except OSError as error:
            return [f"The result files could not be written ({error.strerror}); all else is done."]
        return []


def write(source: CsvUpload, this: Run, plan: Plan, folder: Path, *, everything: bool) -> None:
    """One result file per roster file that was read. Without ``everything`` only the rows with a problem, if any.

    The files are private to the user who runs rostersync.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _mark_held(this, plan)
    taken: set[str] = set()
    for arrival in this.arrivals:
        if arrival.role in ("ignored", "unreadable") or not arrival.rows:
            continue
        if not everything and not this.context.problems.has_rows(arrival.file):
            continue
        name = Path(arrival.file).name.removesuffix(".csv")
        while name in taken:
            name += "-2"
        taken.add(name)
        _write_file(source, this, arrival.file, folder / f"{name}.results.csv", everything)


def _mark_held(this: Run, plan: Plan) -> None:
    """Rows whose effect waits for a person show that."""
    files = {(c.kind, c.listing): c.file for c in this.context.coverage}
    for chunk in plan.held:
        if chunk.operation in ("create", "update", "restore"):
            for row in chunk.rows:
                listing, line = row[4], row[5]
                file = files.get((chunk.kind, listing))
                if file:
                    this.context.outcomes.mark(file, [line], HELD)


def _write_file(source: CsvUpload, this: Run, file: str, target: Path, everything: bool) -> None:
    header, rows = source.reread(file)
    problems = this.context.problems.by_line(file)
    outcomes = this.context.outcomes
    with target.open("w", encoding="utf-8-sig", newline="") as handle:
        target.chmod(0o600)
        writer = csv.writer(handle)
        writer.writerow([*_safe(header), "result", "action", "message"])
        for line, cells in rows:
            found = problems.get(line)
            if everything or found:
                writer.writerow([*_safe(cells), *_verdict(found, outcomes.action(file, line))])


def _verdict(found: Sequence[tuple[str, str]] | None, action: str) -> tuple[str, str, str]:
    if not found:
        return "SUCCESS", action, ""
    result = _RESULT[CATALOG[found[0][0]].severity]
    return result, "" if result == "ERROR" and action == "" else action, " ".join(sentence(*entry) for entry in found)


def _safe(cells: Sequence[str]) -> list[str]:
    return [f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell for cell in cells]
