"""The order of events: kind by kind, each file read once, and what each has proved.

users.csv and guardians.csv speak of several kinds; what must wait for its turn waits in spools. What a file proves is
stated only by files that came, or that a manifest (or their own name) says should have been readable.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from connectors.csvfiles.classes import Course, read_classes, read_courses
from connectors.csvfiles.enrollments import read_enrollments
from connectors.csvfiles.guardians import read_guardians
from connectors.csvfiles.layouts import LAYOUT_OF
from connectors.csvfiles.manifest import Manifest, read_manifest
from connectors.csvfiles.orgs import read_orgs, read_sessions
from connectors.csvfiles.roles import RoleGroups, read_roles
from connectors.csvfiles.table import InputFile, Table
from connectors.csvfiles.users import UsersReader
from connectors.normalize.links import GuardianLinks
from connectors.normalize.listing import Listing, Part
from connectors.normalize.spool import Spool
from models.errors import DistrictActionError
from models.pages import Coverage, Page, PullEvent
from models.problems import Problem
from models.settings import UploadOptions
from models.vocabulary import KINDS, Kind

#: What each file speaks of. A courses.csv speaks only through its classes.
_SPEAKS_OF: Final[dict[str, tuple[Kind, ...]]] = {
    "orgs": ("school",),
    "academicSessions": ("term",),
    "classes": ("class",),
    "users": ("person", "affiliation", "guardianship"),
    "roles": ("affiliation",),
    "enrollments": ("enrollment",),
    "guardians": ("person", "guardianship"),
}


class Pull:
    """One pass over the files of an upload; ``events`` may be asked for once."""

    def __init__(self, files: Sequence[InputFile], options: UploadOptions, scratch: Path) -> None:
        self._files = files
        self._school = options.school
        self._page_size = options.page_size
        self._tables: dict[str, Table] = {}
        self._manifest = Manifest({})
        self._affiliations = Spool(scratch, "affiliation")
        self._links = Spool(scratch, "guardianship")
        self._reverse = Spool(scratch, "guardianship")
        self._guardian_links = Spool(scratch, "guardianship")
        #: Statements and late pages that wait for their kind's turn.
        self._later: dict[Kind, list[Callable[[], Iterator[PullEvent]]]] = {kind: [] for kind in KINDS}

    def events(self) -> Iterator[PullEvent]:
        """Arrivals of what cannot be used, then all else. Raises ``DistrictActionError`` if nothing can be used."""
        self._open_tables()
        yield from (file.arrival() for file in self._files if file.role not in LAYOUT_OF)
        if not self._tables.keys() & _SPEAKS_OF.keys():
            raise DistrictActionError(
                "None of the files that came is a roster file that can be read. Send users.csv, classes.csv and "
                "enrollments.csv as in the templates, or a OneRoster CSV set.",
                f"{len(self._files)} file(s) came",
            )
        turns: dict[Kind, Callable[[], Iterator[PullEvent]]] = {
            "school": self._schools,
            "term": self._terms,
            "class": self._classes,
            "person": self._people,
            "enrollment": self._enrollments,
        }
        try:
            yield from self._read_manifest()
            self._state_what_is_missing()
            for kind in KINDS:
                if kind in turns:
                    yield from turns[kind]()
                for later in self._later[kind]:
                    yield from later()
        finally:
            for spool in (self._affiliations, self._links, self._reverse, self._guardian_links):
                spool.close()

    # --- before reading ----------------------------------------------------------------------------------------------

    def _open_tables(self) -> None:
        # roles.csv first: whether it can be read decides what users.csv needs.
        files = [file for file in self._files if file.role in LAYOUT_OF]
        for file in sorted(files, key=lambda file: file.role != "roles"):
            table = Table(file, self._needed(file.role))
            if file.role == "guardians" and not (table.has("email") or table.has("sms")):
                table.missing.append("email")
                file.problems.append(Problem("header_missing", file.name, field="email"))
            if table.missing:
                file.named, file.role = file.role, "unreadable"
            else:
                self._tables[file.role] = table

    def _needed(self, role: str) -> list[str]:
        """The columns without which a file cannot be read; at school level the school's id is known anyway."""
        needed = list(LAYOUT_OF[role].needed)
        if role == "users" and "roles" in self._tables:
            needed.remove("role")
        elif self._school is None:
            needed += {"users": ["orgSourcedIds"], "classes": ["schoolSourcedId"]}.get(role, [])
        return needed

    def _read_manifest(self) -> Iterator[PullEvent]:
        table = self._tables.get("manifest")
        if table is None:
            return
        listing = Listing("school", "manifest", table.file, self._page_size)
        # A file that came and cannot be read is told of elsewhere; here only what did not come is news.
        came = {file.named if file.role == "unreadable" else file.role for file in self._files}
        present = sorted(role for role in came if role in LAYOUT_OF and role != "manifest")
        self._manifest, problems = read_manifest(table, listing, present)
        table.source.problems += problems
        yield table.source.arrival(table.rows_read)

    def _state_what_is_missing(self) -> None:
        """Files that came and cannot be read, or that the manifest announces, prove nothing; that is stated too."""
        reasons = {
            file.named: (file.name, f"{file.name} could not be read")
            for file in self._files
            if file.role == "unreadable" and file.named is not None
        }
        for role in self._manifest.missing(list(self._tables)):
            reasons.setdefault(role, (f"{role}.csv", f"{role}.csv is announced in the manifest and did not come"))
        for role, (name, reason) in reasons.items():
            if role in self._tables:
                continue
            for kind in _SPEAKS_OF.get(role, ()):
                statement = Coverage(kind, role, name, "none", 0, 0, reason, self._school)
                self._later[kind].append(lambda statement=statement: iter([statement]))  # type: ignore[misc]

    # --- one kind after the other ------------------------------------------------------------------------------------

    def _schools(self) -> Iterator[PullEvent]:
        if table := self._tables.get("orgs"):
            listing = self._listing("school", table)
            yield from self._read(table, listing, read_orgs(table, listing, self._school))

    def _terms(self) -> Iterator[PullEvent]:
        if table := self._tables.get("academicSessions"):
            listing = self._listing("term", table)
            if self._school is not None:
                table.source.doubt = table.source.doubt or "one school's upload does not list the terms of all"
            yield from self._read(table, listing, read_sessions(table, listing))

    def _classes(self) -> Iterator[PullEvent]:
        courses: dict[str, Course] | None = None
        if table := self._tables.get("courses"):
            courses = {}
            yield from read_courses(table, Listing("class", "classes", table.file, self._page_size), courses)
            yield self._arrival(table)
        if table := self._tables.get("classes"):
            listing = self._listing("class", table)
            yield from self._read(table, listing, read_classes(table, listing, courses, self._school))

    def _enrollments(self) -> Iterator[PullEvent]:
        if table := self._tables.get("enrollments"):
            listing = self._listing("enrollment", table)
            yield from self._read(table, listing, read_enrollments(table, listing, self._school))

    def _people(self) -> Iterator[PullEvent]:
        groups = None
        if table := self._tables.get("roles"):
            groups = RoleGroups()
            yield from self._read_roles(table, groups)
        if table := self._tables.get("users"):
            yield from self._read_users(table, groups)
        if table := self._tables.get("guardians"):
            yield from self._read_guardians(table)

    def _read_roles(self, table: Table, groups: RoleGroups) -> Iterator[PullEvent]:
        listing = self._listing("affiliation", table)
        for page in read_roles(table, listing, groups, self._school):
            self._affiliations.put(page)
        yield self._arrival(table, listing)

        def later() -> Iterator[PullEvent]:
            yield from self._affiliations.pages()
            doubt = self._doubt(table)
            if "users" not in self._tables or self._users_verdict != "complete":
                doubt = doubt or "users.csv does not list everyone"
            yield listing.coverage(doubt, delta=self._manifest.is_delta("roles"), scope=self._school)

        self._users_verdict = ""
        self._later["affiliation"].append(later)

    def _read_users(self, table: Table, groups: RoleGroups | None) -> Iterator[PullEvent]:
        people = self._listing("person", table)
        affiliations = self._listing("affiliation", table)
        links = GuardianLinks(
            Part(self._listing("guardianship", table), self._links),
            Part(self._listing("guardianship", table), self._reverse),
        )
        reader = UsersReader(table, people, Part(affiliations, self._affiliations), links, groups, self._school)
        yield from reader.pages()
        yield self._arrival(table, people)
        proof = people.coverage(self._doubt(table), delta=self._manifest.is_delta("users"), scope=self._school)
        self._users_verdict = proof.verdict
        yield proof

        def later_affiliations() -> Iterator[PullEvent]:
            yield from self._affiliations.pages()
            yield affiliations.coverage_beside(proof)

        def later_links() -> Iterator[PullEvent]:
            yield from links.pages()
            yield links.listing.coverage_beside(proof)

        if groups is None:
            self._later["affiliation"].append(later_affiliations)
        if table.has("agentSourcedIds"):
            self._later["guardianship"].append(later_links)

    def _read_guardians(self, table: Table) -> Iterator[PullEvent]:
        people = self._listing("person", table)
        links = self._listing("guardianship", table)
        yield from read_guardians(table, people, Part(links, self._guardian_links))
        yield self._arrival(table, people)
        proof = people.coverage(self._doubt(table), delta=False, scope=self._school)
        yield proof

        def later() -> Iterator[PullEvent]:
            yield from self._guardian_links.pages()
            yield links.coverage_beside(proof)

        self._later["guardianship"].append(later)

    # --- what they share ---------------------------------------------------------------------------------------------

    def _listing(self, kind: Kind, table: Table) -> Listing:
        return Listing(kind, table.source.role, table.file, self._page_size)

    def _read(self, table: Table, listing: Listing, pages: Iterator[Page]) -> Iterator[PullEvent]:
        """A file that speaks of one kind: its pages, its arrival, its statement."""
        yield from pages
        yield self._arrival(table, listing)
        delta = self._manifest.is_delta(table.source.role)
        yield listing.coverage(self._doubt(table), delta=delta, scope=self._school)

    def _arrival(self, table: Table, listing: Listing | None = None) -> PullEvent:
        """A file that has been read, with what is now known of it as a whole."""
        file, role = table.file, table.source.role
        if table.rows_read == 0 and table.finished and not self._manifest.is_delta(role):
            table.source.problems.append(Problem("file_header_only", file))
        if listing is not None and listing.unidentified:
            count = str(listing.unidentified)
            table.source.problems.append(Problem("unidentified_rows", file, kind=listing.kind, detail=count))
        return table.source.arrival(table.rows_read)

    def _doubt(self, table: Table) -> str:
        """Why a file proves no absence although it was taken; empty if it does."""
        if not table.finished:
            return f"{table.file} could not be read to its end"
        if table.truncated:
            return f"{table.file} ends in the middle of a row"
        if self._manifest.denies(table.source.role):
            return f"the manifest says that {table.file} is absent"
        return table.source.doubt
