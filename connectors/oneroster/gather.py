"""All collections of a provider, read in the order in which they need each other, into a staging.

Only top-level collections are read: nested ones are often not offered, and ask for a wider scope
(reference/oneroster-classlink.md, 3 and 4.2).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, Protocol, TypeVar

from msgspec import structs

from connectors.normalize.listing import Listing, Part
from connectors.oneroster.classes import ClassesReader, Course, CoursesReader
from connectors.oneroster.enrollments import EnrollmentsReader
from connectors.oneroster.envelope import CLASSES, COURSES, ENROLLMENTS, ORGS, SESSIONS, USERS, Collection
from connectors.oneroster.orgs import OrgsReader
from connectors.oneroster.paging import NotOfferedError, Pass
from connectors.oneroster.provider import Provider
from connectors.oneroster.sessions import SessionsReader
from connectors.oneroster.users import UsersReader
from connectors.source import SourceFacts
from connectors.staging import Staging
from models.errors import CredentialsRefusedError, SettingsError, SourceProtocolError
from models.pages import Arrival, Coverage, Page
from models.problems import Problem
from models.vocabulary import Kind

#: What a person should know of a collection that came empty, which is never read as "all are gone".
_EMPTY: Final = {
    "orgs": "The source lists no orgs: our credentials may not be allowed to see any school; ask the district.",
    **{
        name: f"The source lists no {name}: ask the district whether our credentials may see them."
        for name in ("classes", "users", "enrollments")
    },
}


#: What a class takes from its course, as the columns of a stored class.
_OF_COURSES: Final = ("course_title", "course_number", "subjects", "grades")


class Reader(Protocol):
    """What reads one pass over a collection: thrown away, and made anew, where the pass was not stable."""

    @property
    def parts(self) -> tuple[Part, ...]: ...

    def take(self, lines: Sequence[int], rows: Sequence[object]) -> None: ...


R = TypeVar("R", bound=Reader)


class Gathering:
    """One reading of everything. ``proven`` is whether all of it was whole and stable, so that the next pull may ask for
    what changed since."""

    def __init__(self, provider: Provider, staging: Staging, facts: SourceFacts) -> None:
        self._provider = provider
        self._staging = staging
        self._facts = facts
        self.proven = True
        self._courses_told = False

    def gather(self) -> None:
        """Raises RosterSyncError, SourceChangedError, FilterRefusedError."""
        self._orgs()
        self._sessions()
        self._classes(self._courses())
        self._users()
        self._enrollments()

    # --- one collection after the other ------------------------------------------------------------------------------

    def _orgs(self) -> None:
        reader, run = self._read(ORGS, lambda: OrgsReader(self._part("school", ORGS)))
        reader.finish()
        if len(reader.districts) == 1:
            self._facts.district_name = self._facts.district_name or reader.districts[0].name
            self._facts.district_id = self._facts.district_id or reader.districts[0].source_id
        self._settle(ORGS, run, reader.parts[0])

    def _sessions(self) -> None:
        try:
            reader, run = self._read(SESSIONS, lambda: SessionsReader(self._part("term", SESSIONS)))
        except (NotOfferedError, CredentialsRefusedError):
            self._go_without(SESSIONS, "term", "terms stay as they are stored")
            return
        self._settle(SESSIONS, run, reader.parts[0])

    def _courses(self) -> Mapping[str, Course] | None:
        """The courses by id; None if they cannot be read. Notes whether these are all of them."""
        try:
            reader, run = self._read(COURSES, lambda: CoursesReader(self._part("class", COURSES)))
        except (NotOfferedError, CredentialsRefusedError):
            self._go_without(COURSES, "class", "classes keep what is stored of their course, new ones come without")
            return None
        part = reader.parts[0]
        part.keep_all()
        self._staging.emit("class", part.spool.pages)
        self._arrive(COURSES, run, part.listing)
        self._courses_told = bool(run.received) and not run.doubt
        return reader.courses

    def _classes(self, courses: Mapping[str, Course] | None) -> None:
        reader, run = self._read(CLASSES, lambda: ClassesReader(self._part("class", CLASSES), courses))
        self._settle(CLASSES, run, reader.parts[0], untold=() if self._courses_told else _OF_COURSES)

    def _users(self) -> None:
        def make() -> UsersReader:
            people, affiliations = self._part("person", USERS), self._part("affiliation", USERS)
            return UsersReader(
                people, affiliations, self._part("guardianship", USERS), self._part("guardianship", USERS)
            )

        reader, run = self._read(USERS, make)
        people, affiliations, *_ = reader.parts
        proof = self._settle(USERS, run, people)
        affiliations.keep_all()
        self._staging.emit("affiliation", affiliations.spool.pages)
        self._staging.state(self._beside(affiliations.listing, proof))
        reader.links.keep_all()
        links = self._part("guardianship", USERS)
        for page in reader.links.pages():
            links.spool.put(page)
        self._staging.emit("guardianship", links.spool.pages)
        statement = self._beside(reader.links.listing, proof)
        if not reader.shares_agents and not statement.delta:
            statement = structs.replace(statement, verdict="none", reason="the source shares no agents of any user")
        self._staging.state(statement)

    def _enrollments(self) -> None:
        reader, run = self._read(ENROLLMENTS, lambda: EnrollmentsReader(self._part("enrollment", ENROLLMENTS)))
        reader.repeats.finish()
        self._settle(ENROLLMENTS, run, reader.parts[0], pages=reader.repeats.pages)

    # --- reading -----------------------------------------------------------------------------------------------------

    def _part(self, kind: Kind, collection: Collection) -> Part:
        """A part that is handed out only if the pass that fills it is the one that counts."""
        return self._staging.part(kind, collection.name)

    def _read(self, collection: Collection, make: Callable[[], R]) -> tuple[R, Pass]:
        """A pass over a collection; another one if there is doubt about the first (reference, 2.3 and 4.1)."""
        reader = make()
        run = self._pass(collection, reader)
        if run.doubt:
            for part in reader.parts:
                _forget(part)
            reader = make()
            run = self._pass(collection, reader)
        if run.stuck:
            name = collection.name
            raise SourceProtocolError(
                f"The source does not hand out all {name}: it repeats itself. Ask the provider how its pages are asked for.",
                f"{name}: {run.doubt}, twice",
            )
        if run.clamp and not run.doubt:
            self._provider.page_limit[collection.name] = run.clamp
        return reader, run

    def _pass(self, collection: Collection, reader: Reader) -> Pass:
        run = Pass(self._provider, collection)
        try:
            for lines, rows in run.pages():
                reader.take(lines, rows)
                for part in reader.parts:
                    part.keep_full()
        except NotOfferedError as error:
            if not collection.mandatory:
                raise
            raise SettingsError(
                f"The source has no {collection.name} at its address: check base_url and the version in its path, such as "
                "…/ims/oneroster/v1p1.",
                str(error),
            ) from None
        except CredentialsRefusedError as error:
            if not collection.mandatory:
                raise
            raise CredentialsRefusedError(
                f"{error.for_admin} {self._ask_for(collection)}", error.for_engineer
            ) from None
        return run

    def _ask_for(self, collection: Collection) -> str:
        scopes = f" (scope {' '.join(self._facts.scopes)})" if self._facts.scopes else ""
        return f"What to ask for: permission to read {collection.name}{scopes}."

    # --- what was read -----------------------------------------------------------------------------------------------

    def _settle(
        self,
        collection: Collection,
        run: Pass,
        part: Part,
        *,
        pages: Callable[[], Iterator[Page]] | None = None,
        untold: tuple[str, ...] = (),
    ) -> Coverage:
        """Hand out what a pass has brought (all pages of the part, unless others are given), and state what it proves."""
        part.keep_all()
        listing = part.listing
        self._staging.emit(listing.kind, pages or part.spool.pages)
        self._arrive(collection, run, listing)
        delta = self._provider.since is not None
        doubt = f"{collection.name}: {run.doubt}" if run.doubt else ""
        statement = structs.replace(listing.coverage(doubt, delta=delta, scope=None), untold=untold)
        if delta:
            statement = structs.replace(statement, reason="changes only were asked for")
        elif collection.mandatory and not run.received:
            self.proven = False
            _note(self._facts.notes, _EMPTY[collection.name])
        self._staging.state(statement)
        return statement

    def _beside(self, listing: Listing, proof: Coverage) -> Coverage:
        """What the other kinds prove that stand on the users' records."""
        return structs.replace(listing.coverage_beside(proof), delta=proof.delta)

    def _arrive(self, collection: Collection, run: Pass, listing: Listing) -> None:
        problems = []
        if run.doubt:
            self.proven = False
            problems.append(Problem("listing_unstable", listing.file, kind=listing.kind, detail=f"({run.doubt})"))
        if listing.unidentified:
            count = str(listing.unidentified)
            problems.append(Problem("unidentified_rows", listing.file, kind=listing.kind, detail=count))
        since = self._provider.since if collection.delta else None
        note = f"changes since {since}" if since else ""
        self._staging.arrived(Arrival(listing.file, collection.name, run.received, note=note, problems=problems))

    def _go_without(self, collection: Collection, kind: Kind, consequence: str) -> None:
        """A collection that is refused, or not offered: nothing is stated about it, so nothing of it is removed."""
        problem = Problem("listing_refused", collection.name, kind=kind, detail=collection.name)
        self._staging.arrived(Arrival(collection.name, "unreadable", 0, problems=(problem,)))
        _note(self._facts.missing, f"The source does not let us read {collection.name}: {consequence}.")


def _note(sentences: list[str], sentence: str) -> None:
    if sentence not in sentences:
        sentences.append(sentence)


def _forget(part: Part) -> None:
    """Drop what a pass has left in a part, on the disk too."""
    part.keep_all()
    part.spool.clear()
