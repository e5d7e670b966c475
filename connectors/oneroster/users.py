"""``/users``: each yields a person, an affiliation for each role at each org, and a guardianship for each agent.

Guardians come only as users and as ``agents`` (there is no ``/guardians``); the language of a person is nowhere in
OneRoster (reference/oneroster-classlink.md, 2.1 and 6).
"""

from collections.abc import Sequence
from typing import Any, Final

from msgspec import UNSET
from msgspec.structs import astuple

from connectors.normalize import people
from connectors.normalize.links import GuardianLinks
from connectors.normalize.listing import Part
from connectors.oneroster import wire
from connectors.oneroster.aside import is_set_aside, malformed
from connectors.oneroster.roles import RolesReader, role_texts
from connectors.oneroster.texts import clean_texts, distinct, entries, fields, grades, text_of
from models.records import Person
from models.vocabulary import RoleGroup

#: The first fields of ``wire.User``, in its order.
_FIELDS: Final = fields(
    "sourcedId:id status:code role:code givenName:text middleName:text familyName:text preferredFirstName:text "
    "username:text email:text sms:text phone:text identifier:id userMasterIdentifier:id enabledUser:code"
)
_LISTS: Final = fields("orgs:id agents:id grades:list roles:id userIds:id")


class UsersReader:
    """Reads one pass over the users. The parts are for people, affiliations, and the links that students' and that
    guardians' records name; ``links`` has these together.

    ``shares_agents`` is whether any user carried agents at all, be it none: otherwise the provider does not share who
    is whose guardian.
    """

    def __init__(self, people_part: Part, affiliations: Part, forward: Part, reverse: Part) -> None:
        self.parts = (people_part, affiliations, forward, reverse)
        self.links = GuardianLinks(forward, reverse)
        self.shares_agents = False
        self._people = people_part.listing
        self._affiliations = affiliations.listing
        self._roles = RolesReader(people_part.listing, affiliations.listing)

    def take(self, lines: Sequence[int], rows: Sequence[object]) -> None:
        """Records of one page, with their positions in the collection."""
        for line, row in zip(lines, rows, strict=True):
            if isinstance(row, wire.User):
                self._take(line, row)
            else:
                malformed(self._people, line)

    def _take(self, line: int, row: wire.User) -> None:
        listing = self._people
        id_types, user_ids = _user_ids(row.user_ids)
        orgs, agents, levels, roles, _ = lists = (
            entries(row.orgs, row.org_sourced_ids, row.primary_org),
            entries(row.agents, row.agent_sourced_ids),
            entries(row.grades, row.grade),
            role_texts(row.roles),
            user_ids,
        )
        values = list(astuple(row)[: len(_FIELDS)])
        values[-1] = text_of(values[-1])  # enabledUser, which is a boolean where it should be
        texts = clean_texts(listing, line, values, _FIELDS, lists, _LISTS)
        source_id, status, role_text = texts[:3]
        if row.agents is not UNSET and row.agents is not None:
            self.shares_agents = True
        if (status != "active" or not source_id) and is_set_aside(listing, line, source_id, status, Person(source_id)):
            return
        standing = self._roles.standing(line, source_id, role_text, distinct(orgs), roles)
        if standing is None:
            return
        pairs = list(zip(id_types, user_ids, strict=True))
        person = self._person(line, standing.group, texts, levels, pairs)
        if person is None:
            listing.protect(line, (source_id,), standing.role)
            return
        listing.records.append(person)
        listing.lines.append(line)
        listing.schools.append(standing.schools)
        for place in standing.affiliations:
            self._affiliations.add(place, line)
        if agents:
            self.links.add(line, source_id, standing.groups, distinct(agents))

    def _person(
        self,
        line: int,
        group: RoleGroup | None,
        texts: Sequence[str],
        levels: list[str],
        user_ids: list[tuple[str, str]],
    ) -> Person | None:
        """The person; None for a guardian who cannot be reached."""
        (source_id, _, _, given, middle, family, preferred, username, email_text, sms_text, phone_text, identifier,
         master, enabled) = texts  # fmt: skip
        listing = self._people
        email, sms, phone = people.contact(listing, line, source_id, email_text, sms_text, phone_text)
        if group == "guardian" and email is None and sms is None:
            listing.tell("guardian_no_contact", line, source_id)
            return None
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
            grades(listing, line, source_id, levels),
            None,
            people.flag(listing, line, source_id, "enabledUser", enabled) if enabled else None,
            people.identifiers(group, user_ids, identifier, master) if user_ids or identifier or master else (),
        )


def _user_ids(value: Any) -> tuple[list[str], list[str]]:
    """Types, and the ids beside them: objects as they should be, or the text that a CSV file holds."""
    types: list[str] = []
    ids: list[str] = []
    if not value:
        return types, ids
    if type(value) is list or type(value) is wire.UserId:
        for one in value if type(value) is list else [value]:
            if type(one) is wire.UserId:
                types.append(text_of(one.type))
                ids.append(text_of(one.identifier))
    else:
        for name, text in people.user_id_pairs(text_of(value)):
            types.append(name)
            ids.append(text)
    return types, ids
