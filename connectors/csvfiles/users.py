"""users.csv: the product's own, OneRoster 1.1's (role and orgs on the row) and 1.2's (both in roles.csv).

One row yields a person, an affiliation for each of its schools, and a guardianship for each agent.
"""

from collections.abc import Iterator

from connectors.csvfiles.records import Fault
from connectors.csvfiles.roles import RoleGroups
from connectors.csvfiles.table import Table
from connectors.normalize import people
from connectors.normalize.links import GuardianLinks
from connectors.normalize.listing import Listing, Part
from connectors.normalize.values import read_role, read_status, words
from models.pages import Page
from models.records import Affiliation, Person
from models.vocabulary import GROUP_BITS, RoleGroup

_PERSON_FIELDS = words(
    "givenName middleName familyName preferredGivenName username email sms phone grades language "
    "enabledUser userIds identifier userMasterIdentifier"
)


class UsersReader:
    """Reads one users.csv. ``groups`` stands for roles.csv where there is one: then the rows' own roles do not count.

    ``affiliations`` and ``links`` are what else the rows say; they are read out when their kind's turn comes.
    """

    def __init__(
        self,
        table: Table,
        people_listing: Listing,
        affiliations: Part,
        links: GuardianLinks,
        groups: RoleGroups | None,
        school: str | None,
    ) -> None:
        self._table = table
        self._people = people_listing
        self._affiliations = affiliations
        self._links = links
        self._groups = groups
        self._school = school
        # A OneRoster users.csv has no language column: blank says nothing there.
        self._default_language = None if table.is_oneroster and not table.has("language") else people.DEFAULT_LANGUAGE

    def pages(self) -> Iterator[Page]:
        """The pages of people; affiliations and guardianships go to their spools meanwhile."""
        table, listing, groups, school = self._table, self._people, self._groups, self._school
        affiliations = self._affiliations.listing
        pick = table.getter("sourcedId", "status", "role", "orgSourcedIds", "agentSourcedIds")
        pick_person = table.getter(*_PERSON_FIELDS)
        for line, cells, fault in table.rows(listing):
            if listing.is_full():
                yield from listing.take()
            source_id, status, role_text, orgs_text, agents = pick(cells)
            if fault is not None or not source_id or (status and status != "active"):
                self._set_aside(line, cells, source_id, status, fault)
                if fault is not None or not source_id or read_status(status) != "active":
                    continue
            schools: tuple[str | None, ...] = ()
            if groups is not None:
                role, group, bits = None, groups.group(source_id), groups.bits(source_id)
                named = groups.schools(source_id)
            else:
                role, group = read_role(role_text)
                if role is None:
                    listing.tell("unknown_role" if role_text else "required_missing", line, source_id, "role")
                    listing.protect(line, (source_id,))
                    continue
                bits = GROUP_BITS[group] if group else 0
                if orgs_text and orgs_text != school:
                    schools = people.entries(listing, line, "orgSourcedIds", orgs_text)
                if school is not None or not schools:
                    fitting = self._schools(line, source_id, schools, role, group)
                    if fitting is None:
                        continue
                    schools = fitting
                named = tuple(org for org in schools if org is not None)
            person = self._person(line, source_id, group, pick_person(cells))
            if person is None:
                listing.protect(line, (source_id,), role)
                continue
            listing.records.append(person)
            listing.lines.append(line)
            listing.schools.append(named)
            if role is not None:
                for org in schools:
                    affiliations.add(Affiliation(source_id, org, role), line)
            if agents:
                others = people.entries(listing, line, "agentSourcedIds", agents)
                self._links.add(line, source_id, bits, others)
            if len(affiliations.records) >= affiliations.page_size:
                self._affiliations.keep_all()
        yield from listing.take()
        self._affiliations.keep_all()
        self._links.keep_all()

    def _set_aside(self, line: int, cells: list[str], source_id: str, status: str, fault: Fault | None) -> None:
        """Rows that are faulty, without an id, deleted, or of a status that nobody knows."""
        listing = self._people
        if fault is not None:
            listing.tell(fault.code, line, detail=fault.detail)
            trusted = self._table.trusted_id(cells, "sourcedId", fault)
            listing.protect(line, (trusted,) if trusted else None)
        elif not source_id:
            listing.tell("id_missing", line, field="sourcedId")
            listing.protect(line, None)
        elif (known := read_status(status)) is None:
            listing.tell("bad_status", line, source_id, "status")
            listing.protect(line, (source_id,))
        elif known == "gone":
            listing.add_gone(Person(source_id), line)

    def _schools(
        self, line: int, source_id: str, schools: tuple[str | None, ...], role: str, group: RoleGroup | None
    ) -> tuple[str | None, ...] | None:
        """The schools of a row in a school-level upload, or of one that names none; None refuses the row."""
        if self._school is not None:
            if schools and self._school not in schools:
                named = ", ".join(str(org) for org in schools[:3])
                self._people.tell("wrong_school", line, source_id, "orgSourcedIds", f"({named})")
                self._people.protect(line, (source_id,), role)
                return None
            return (self._school,)
        # A guardian without a school belongs to the district; for staff that would be more than the row says.
        if group == "guardian":
            return (None,)
        self._people.tell("required_missing", line, source_id, "orgSourcedIds")
        self._people.protect(line, (source_id,), role)
        return None

    def _person(self, line: int, source_id: str, group: RoleGroup | None, cells: tuple[str, ...]) -> Person | None:
        (given, middle, family, preferred, username, email_text, sms_text, phone_text, grades_text, language_text,
         enabled_text, user_ids, identifier, master) = cells  # fmt: skip
        listing = self._people
        email, sms, phone = people.contact(listing, line, source_id, email_text, sms_text, phone_text)
        if group == "guardian" and email is None and sms is None:
            listing.tell("guardian_no_contact", line, source_id)
            return None
        language = people.language(listing, line, source_id, language_text) if language_text else None
        if language is None and group == "guardian":
            language = self._default_language
        return Person(
            source_id,
            given or None,
            middle or None,
            family or None,
            preferred or None,
            username or None,
            email,
            sms,
            phone,
            people.grades(listing, line, source_id, grades_text) if grades_text else (),
            language,
            people.flag(listing, line, source_id, "enabledUser", enabled_text) if enabled_text else None,
            people.identifiers(group, people.user_id_pairs(user_ids), identifier, master)
            if user_ids or identifier or master
            else (),
        )
