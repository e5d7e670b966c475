"""Users: in v3 everybody is one of them.

Whoever is nothing but a contact is a guardian and stands in the listing "contacts", as apps may be kept from reading
contacts: then nothing is known of guardians, while all is known of the others.
"""

from collections.abc import Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Final, NamedTuple

from connectors.clever.answers import Malformed
from connectors.clever.members import Arrived, keep_shared
from connectors.clever.person import (
    CleverRelationship,
    CleverRole,
    CleverRoles,
    CleverUser,
    Held,
    held_roles,
    person_of,
    strings_of,
)
from connectors.clever.text import clean, clean_ids, refuse_malformed
from connectors.normalize.cleaning import Shape
from connectors.staging import Staging
from models.connections import CleverSettings
from models.records import Affiliation, Guardianship

_LINK_SHAPES: Final[tuple[tuple[str, Shape], ...]] = (
    ("student", "id"), ("relationship", "text"), ("type", "text"),
)  # fmt: skip
_NO_ROLES: Final = CleverRoles()
#: How many lists of schools are remembered.
_MOST_PLACES: Final = 10_000


class _Places(NamedTuple):
    """The schools of a role, and for each whether it is the primary one; None where nobody says which that is."""

    schools: tuple[str, ...]
    flagged: tuple[tuple[str, bool | None], ...]


class Users:
    """Takes the list of users. Contacts are left out altogether if the settings say so."""

    def __init__(self, staging: Staging, settings: CleverSettings) -> None:
        self.people = staging.part("person", "users")
        self.affiliations = staging.part("affiliation", "users")
        self.contacts = staging.part("person", "contacts")
        self.contact_affiliations = staging.part("affiliation", "contacts")
        self.guardianships = staging.part("guardianship", "contacts")
        #: Guardianships as the contacts name them, until it is known who of the students came.
        self._named = staging.part("guardianship", "contacts")
        self._parts = (
            self.people, self.affiliations, self.contacts, self.contact_affiliations, self.guardianships, self._named,
        )  # fmt: skip
        self.wants_contacts = settings.contacts
        self._skip_types = frozenset(map(str.casefold, settings.skip_contact_types))
        self._skip_relationships = frozenset(map(str.casefold, settings.skip_relationships))
        self._known_places: dict[tuple[str | None, ...], _Places] = {}
        self.arrived = Arrived()
        #: Contacts that came, and those of them that are left out because of their links.
        self.contacts_listed = 0
        self.contacts_skipped = 0
        #: Fields that are not shared are left out (2.3): people whose schools, contacts whose students are not told.
        self.schools_untold = 0
        self.students_untold = 0

    def take(self, records: Sequence[CleverUser | Malformed], first: int) -> None:
        came = []
        for line, user in enumerate(records, first):
            if isinstance(user, Malformed):
                refuse_malformed(self.people.listing, line, user.id)
                came.append(user.id)
            else:
                came.append(self._take_user(line, user))
        self.arrived.add(came)
        for part in self._parts:
            part.keep_full()

    def settle(self) -> int:
        """Keep the guardianships of students who came; how many name somebody else."""
        return keep_shared(self._named, self.guardianships, attrgetter("student_source_id"), self.arrived)

    def _take_user(self, line: int, user: CleverUser) -> str:
        """Take one user; their id, "" if they have none or are left out."""
        roles = user.roles or _NO_ROLES
        held = held_roles(roles)
        contact, links = roles.contact, None
        if contact is not None:
            links = self._wanted_links(contact, held)
            if links is None and not held:
                return ""
        parts = [part for _, part in held]
        if contact is not None and links is not None:
            parts.append(contact)
        is_contact = not held and links is not None
        strings = strings_of(self.contacts.listing if is_contact else self.people.listing, line, user, parts)
        source_id = strings[0]
        if not source_id:
            refuse_malformed(self.people.listing, line, "")
        elif is_contact:
            if self._add_contact(line, strings):
                self._add_guardian(line, source_id, links or [])
        elif not held:
            self.people.listing.tell("unknown_role", line, source_id, "roles")
            self.people.listing.protect(line, (source_id,))
        elif self._add_person(line, strings, held) and links is not None:
            self._add_guardian(line, source_id, links)
        return source_id

    def _add_person(self, line: int, strings: Sequence[str], held: Held) -> bool:
        """Take someone who is more than a contact; False if they are refused."""
        listing, affiliations, source_id = self.people.listing, self.affiliations.listing, strings[0]
        named: tuple[str, ...] = ()
        placed: list[Affiliation] = []
        everywhere = untold = False
        for role, part in held:
            if role == "districtAdministrator":
                everywhere = True
                placed.append(Affiliation(source_id, None, role))
                continue
            places = self._places(line, part)
            placed += [Affiliation(source_id, school, role, primary) for school, primary in places.flagged]
            named = (*named, *places.schools) if named else places.schools
            untold = untold or part.schools is None
        if not placed:
            listing.tell("required_missing", line, source_id, "schools")
            listing.protect(line, (source_id,))
            return False
        self.schools_untold += untold
        affiliations.records += placed
        affiliations.lines += [line] * len(placed)
        listing.records.append(person_of(listing, line, strings))
        listing.lines.append(line)
        # Whoever works for the whole district is taken even if none of their schools is known here.
        listing.schools.append(() if everywhere else tuple(dict.fromkeys(named)))
        return True

    def _places(self, line: int, role: CleverRole) -> _Places:
        """The schools of a role, each once. Thousands of people have the same ones, so they are looked at once."""
        raw = (role.school, *(role.schools or ()))
        places = self._known_places.get(raw)
        if places is None:
            if len(self._known_places) >= _MOST_PLACES:
                self._known_places.clear()
            first, *others = clean_ids(raw, "schools", self.people.listing, line)
            schools = tuple(dict.fromkeys(filter(None, (*others, first))))
            places = _Places(schools, tuple((school, school == first if first else None) for school in schools))
            self._known_places[raw] = places
        return places

    def _add_contact(self, line: int, strings: Sequence[str]) -> bool:
        """Take someone who is a contact only; False if they are refused."""
        listing = self.contacts.listing
        person = person_of(listing, line, strings)
        if person.email is None and person.sms is None:
            listing.tell("guardian_no_contact", line, person.source_id)
            listing.protect(line, (person.source_id,), "guardian")
            return False
        listing.add(person, line)
        return True

    def _wanted_links(self, contact: CleverRole, held: Held) -> list[CleverRelationship] | None:
        """Whose contact it is, as far as the settings want to know; None if it is to be left out."""
        self.contacts_listed += not held
        if not self.wants_contacts:
            return None
        links = contact.student_relationships
        if links is None:
            self.students_untold += 1
            return []
        wanted = [
            link
            for link in links
            if _folded(link.type) not in self._skip_types and _folded(link.relationship) not in self._skip_relationships
        ]
        if links and not wanted:
            self.contacts_skipped += not held
            return None
        return wanted

    def _add_guardian(self, line: int, source_id: str, links: list[CleverRelationship]) -> None:
        """Take the role of a contact, and each student's first link: there is one per entry in the SIS (2.4).

        It stands in the listing "contacts" whoever has it: an app without their scope is not shown the role of a
        teacher who is a contact, too, and so nothing is proved of it.
        """
        self.contact_affiliations.listing.add(Affiliation(source_id, None, "guardian"), line)
        named, students = self._named.listing, set()
        for link in links:
            student, relationship, kind = clean(
                (link.student, link.relationship, link.type), _LINK_SHAPES, self.guardianships.listing, line
            )
            if not student:
                self.guardianships.listing.tell("record_malformed", line, source_id, "student_relationships")
                self.guardianships.listing.protect(line, None)
            elif student not in students:
                students.add(student)
                named.add(Guardianship(student, source_id, relationship or None, kind or None), line)


@lru_cache(maxsize=1024)
def _folded(word: str | None) -> str:
    return (word or "").strip().casefold()
