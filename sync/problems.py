"""The problems of one run: exact counts, the first ones whole, and for every row which codes it has."""

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec import structs

from models.problems import CATALOG, Problem, sentence
from models.report import ProblemCount, ProblemView

#: How many problems of one code and file are kept whole; the counts stay exact, and result files name every row.
KEPT_PER_CODE = 1000

#: Characters of an id that can be stored: PostgreSQL's indexes take no more than 2,700 bytes.
LONGEST_ID = 500

_CODES = list(CATALOG)
_NUMBER = {code: number for number, code in enumerate(_CODES)}
_RANK = {"error": 0, "warning": 1, "notice": 2}


class ProblemLog:
    """Collects problems as they are met."""

    def __init__(self) -> None:
        self.kept: list[Problem] = []
        self._counts: Counter[tuple[str, str]] = Counter()
        self._rows: dict[str, tuple[array[int], array[int]]] = {}
        self._fields: dict[tuple[str, int, int], str] = {}

    def add(self, problem: Problem) -> None:
        place = (problem.code, problem.file)
        self._counts[place] += 1
        if self._counts[place] <= KEPT_PER_CODE:
            self.kept.append(_storable(problem))
        if problem.line:
            lines, numbers = self._rows.setdefault(problem.file, (array("I"), array("H")))
            lines.append(problem.line)
            numbers.append(_NUMBER[problem.code])
            if problem.field and len(self._fields) < 50_000:
                self._fields[problem.file, problem.line, _NUMBER[problem.code]] = problem.field

    def extend(self, problems: Iterable[Problem]) -> None:
        for problem in problems:
            self.add(problem)

    def has_rows(self, file: str) -> bool:
        """Whether any row of the file has a problem."""
        return file in self._rows

    def by_line(self, file: str) -> dict[int, list[tuple[str, str]]]:
        """(code, field) of every problem of a file, by line, worst first."""
        lines, numbers = self._rows.get(file, (array("I"), array("H")))
        answer: dict[int, list[tuple[str, str]]] = {}
        for line, number in zip(lines, numbers, strict=True):
            field = self._fields.get((file, line, number), "")
            answer.setdefault(line, []).append((_CODES[number], field))
        for entries in answer.values():
            entries.sort(key=lambda entry: _RANK[CATALOG[entry[0]].severity])
        return answer

    def counted(self) -> list[ProblemCount]:
        """How often each code occurred in each file, worst and most frequent first."""
        counts = [
            ProblemCount(code, CATALOG[code].severity, file, count, sentence(code, field="…"))
            for (code, file), count in self._counts.items()
        ]
        return sorted(counts, key=lambda entry: (_RANK[entry.severity], -entry.count, entry.file, entry.code))

    def first(self, limit: int, per_code: int = 5) -> list[ProblemView]:
        """The first problems, errors before warnings before notices, and of each code and file only a few."""
        shown: Counter[tuple[str, str]] = Counter()
        views: list[ProblemView] = []
        for problem in sorted(self.kept, key=lambda problem: _RANK[problem.severity]):
            place = (problem.code, problem.file)
            shown[place] += 1
            if shown[place] <= per_code:
                views.append(view(problem))
        return views[:limit]

    def main_error(self, files: Sequence[str]) -> ProblemCount | None:
        """The most frequent error of the first file (in their order of arrival) that has one; later files suffer from it."""
        errors = [entry for entry in self.counted() if entry.severity == "error"]
        return next((entry for file in files for entry in errors if entry.file == file), None)

    def count(self, severity: str, file: str | None = None) -> int:
        return sum(
            count
            for (code, where), count in self._counts.items()
            if CATALOG[code].severity == severity and (file is None or where == file)
        )


def _storable(problem: Problem) -> Problem:
    """The problem as every database takes it, whatever stood where an id should be: else the one bad row would end the
    run that reports it."""
    source_id, detail = problem.source_id or "", problem.detail
    if max(len(source_id), len(detail)) <= LONGEST_ID and "\0" not in source_id + detail:
        return problem
    return structs.replace(problem, source_id=_cut(source_id) or None, detail=_cut(detail))


def _cut(text: str) -> str:
    text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return text if len(text) <= LONGEST_ID else f"{text[: LONGEST_ID - 1]}…"


def view(problem: Problem) -> ProblemView:
    return ProblemView(
        code=problem.code,
        severity=problem.severity,
        file=problem.file,
        line=problem.line,
        kind=problem.kind,
        source_id=problem.source_id,
        field=problem.field,
        message=problem.message,
    )
