"""What a pull has proved: which lists arrived, what is wrong with them as a whole, and whose absence counts."""

from typing import Any, NamedTuple

from msgspec import structs

from connectors.clever.paging import Collected
from connectors.clever.schools import Schools
from connectors.clever.sections import Sections
from connectors.clever.terms import Courses, Terms
from connectors.clever.users import Users
from connectors.normalize.listing import Listing, Part
from connectors.staging import Staging
from models.pages import Arrival, Coverage
from models.problems import Problem
from models.vocabulary import Kind


class Roster(NamedTuple):
    """The lists of a district, read to their end; None for those that Clever does not let us read."""

    schools: Collected[Schools]
    terms: Collected[Terms] | None
    courses: Collected[Courses] | None
    sections: Collected[Sections]
    users: Collected[Users]


def conclude(
    staging: Staging, roster: Roster, moved: str, no_contacts: str, untold_roles: tuple[str, ...] = ()
) -> None:
    """Hand all that was read over to ``staging``: arrivals, pages, statements.

    ``moved`` is why none of the lists may be whole, "" for no reason. ``no_contacts`` is why guardians are not read, "" if
    nothing is known against it. ``untold_roles`` are those that Clever does not show us.
    """
    _schools(staging, roster.schools, moved)
    if roster.terms:
        _terms(staging, roster.terms, moved)
    else:
        _refused(staging, "terms", "term")
        staging.state(Coverage("term", "terms", "terms", "none", 0, reason="Clever does not let us read terms"))
    if roster.courses:
        _courses(staging, roster.courses)
    else:
        _refused(staging, "courses", "class")
    everybody = _users(staging, roster.users, moved, untold_roles)
    _sections(staging, roster, moved, everybody, untold_roles)
    _contacts(staging, roster.users.taker, everybody, no_contacts)


def _schools(staging: Staging, schools: Collected[Schools], moved: str) -> None:
    listing = _hand_over(staging, schools.taker.part)
    problems = _problems(schools, listing)
    if moved:
        problems.append(Problem("listing_unstable", "districts", detail=f"({moved})"))
    staging.arrived(Arrival("schools", "schools", schools.rows, problems=problems))
    statement = listing.coverage(moved or schools.doubt, delta=False, scope=None)
    if not schools.rows:
        # The district's own record is always among them.
        statement = structs.replace(statement, verdict="none", reason="Clever lists no schools")
    staging.state(statement)


def _terms(staging: Staging, terms: Collected[Terms], moved: str) -> None:
    listing = _hand_over(staging, terms.taker.part)
    staging.arrived(Arrival("terms", "terms", terms.rows, problems=_problems(terms, listing)))
    staging.state(listing.coverage(moved or terms.doubt, delta=False, scope=None))


def _courses(staging: Staging, courses: Collected[Courses]) -> None:
    """Nothing is ever removed because of a course: it is a few values of its classes."""
    listing = _hand_over(staging, courses.taker.part)
    staging.arrived(Arrival("courses", "courses", courses.rows, problems=_problems(courses, listing)))


def _users(staging: Staging, users: Collected[Users], moved: str, untold_roles: tuple[str, ...]) -> Coverage:
    """Everybody who is more than a contact; the statement on them is returned, as relations prove no more."""
    taker = users.taker
    people, affiliations = _hand_over(staging, taker.people), _hand_over(staging, taker.affiliations)
    rows = users.rows - taker.contacts_listed
    staging.arrived(Arrival("users", "users", rows, problems=_problems(users, people)))
    everybody = people.coverage(moved or users.doubt, delta=False, scope=None)
    everybody = structs.replace(everybody, untold_roles=untold_roles)
    staging.state(everybody)
    doubt = _reason(everybody)
    if not doubt and taker.schools_untold:
        doubt = f"{taker.schools_untold} user(s) do not say at which schools they are"
    statement = affiliations.coverage(doubt, delta=False, scope=None)
    staging.state(structs.replace(statement, untold_roles=untold_roles))
    return everybody


def _sections(staging: Staging, roster: Roster, moved: str, everybody: Coverage, untold_roles: tuple[str, ...]) -> None:
    sections, users = roster.sections, roster.users.taker
    taker = sections.taker
    unshared = taker.settle(users.arrived)
    classes, enrollments = _hand_over(staging, taker.classes), _hand_over(staging, taker.enrollments)
    problems = [*_problems(sections, classes), *_unshared(enrollments, unshared)]
    staging.arrived(Arrival("sections", "sections", sections.rows, problems=problems))
    all_classes = classes.coverage(moved or sections.doubt, delta=False, scope=None)
    if not roster.courses or roster.courses.doubt or not roster.courses.rows:
        # Courses that did not come leave their classes without what these take from them; that says nothing.
        all_classes = structs.replace(all_classes, untold=("course_title", "course_number"))
    staging.state(all_classes)
    # Members who did not come are left out: that they are not shared is known only if everybody else came.
    doubt = _reason(all_classes) or _reason(everybody)
    if not doubt and taker.members_untold:
        doubt = f"{taker.members_untold} section(s) do not say who is in them"
    statement = enrollments.coverage(doubt, delta=False, scope=None)
    staging.state(structs.replace(statement, untold_roles=untold_roles))


def _contacts(staging: Staging, users: Users, everybody: Coverage, no_contacts: str) -> None:
    """Guardians. That there are none is never proved: the app may not see them, or the district does not share them."""
    unshared = users.settle()
    guardians = _hand_over(staging, users.contacts)
    affiliations, links = _hand_over(staging, users.contact_affiliations), _hand_over(staging, users.guardianships)
    problems = [*_problems(None, guardians), *_unshared(links, unshared)]
    if users.contacts_skipped:
        problems.append(Problem("contacts_skipped", "contacts", kind="person", detail=str(users.contacts_skipped)))
    if no_contacts and users.wants_contacts and not users.contacts_listed:
        problems.append(Problem("listing_refused", "contacts", kind="person", detail="contacts"))
    if users.wants_contacts:
        staging.arrived(Arrival("contacts", "contacts", users.contacts_listed, problems=problems))
    proof = guardians.coverage(_reason(everybody), delta=False, scope=None)
    if no_contacts and proof.verdict == "none":
        proof = structs.replace(proof, reason=no_contacts)
    staging.state(proof)
    staging.state(affiliations.coverage_beside(proof))
    doubt = _reason(proof)
    if not doubt and users.students_untold:
        doubt = f"{users.students_untold} contact(s) do not say whose they are"
    staging.state(links.coverage(doubt, delta=False, scope=None))


def _hand_over(staging: Staging, part: Part) -> Listing:
    part.keep_all()
    staging.emit(part.listing.kind, part.spool.pages)
    return part.listing


def _refused(staging: Staging, file: str, kind: Kind) -> None:
    staging.arrived(Arrival(file, file, 0, problems=[Problem("listing_refused", file, kind=kind, detail=file)]))


def _reason(statement: Coverage) -> str:
    return "" if statement.verdict == "complete" else statement.reason


def _problems(collected: Collected[Any] | None, listing: Listing) -> list[Problem]:
    """What is wrong with a list as a whole."""
    problems = []
    if collected and collected.doubt:
        problems.append(Problem("listing_unstable", listing.file, kind=listing.kind, detail=f"({collected.doubt})"))
    if listing.unidentified:
        count = str(listing.unidentified)
        problems.append(Problem("unidentified_rows", listing.file, kind=listing.kind, detail=count))
    return problems


def _unshared(listing: Listing, count: int) -> list[Problem]:
    return [Problem("unshared_members", listing.file, kind=listing.kind, detail=str(count))] if count else []
