"""Who is what, where: 1.1's ``role`` with ``orgs`` and 1.2's ``roles``, told apart by shape alone.

The version of a connection says nothing about it: a server labeled 1.2 may send the one, the other, or both
(reference/oneroster-classlink.md, 1.1).
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from connectors.normalize.listing import Listing
from connectors.normalize.values import read_role
from connectors.oneroster import wire
from connectors.oneroster.texts import distinct, one_id, text_of
from models.records import Affiliation
from models.vocabulary import GROUP_BITS, RoleGroup

_PRIMARY: Final = {"primary": True, "secondary": False}
#: The first of the groups, by the bits of them all.
_LEAD: Final = tuple(next((group for group, bit in GROUP_BITS.items() if bits & bit), None) for bits in range(16))


class Standing(msgspec.Struct, frozen=True, gc=False):
    """A user's affiliations and their schools, all groups (``GROUP_BITS``), and the one role of a 1.1 record."""

    affiliations: Sequence[Affiliation]
    schools: tuple[str, ...]
    groups: int
    role: str | None = None

    @property
    def group(self) -> RoleGroup | None:
        """The group as which the user is read: a guardian is one who is nothing else."""
        return _LEAD[self.groups]


class RolesReader:
    """Reads what users' records say of roles; what is wrong with a user is told ``people``, with a role ``places``."""

    def __init__(self, people: Listing, places: Listing) -> None:
        self._people = people
        self._places = places

    def standing(
        self, line: int, source_id: str, role_text: str, schools: tuple[str, ...], roles: Sequence[str]
    ) -> Standing | None:
        """What a user is, from 1.1's ``role`` and ``schools`` or from 1.2's ``roles`` (as ``role_texts`` makes them), all of
        them clean; None refuses the user."""
        if roles:
            return self._by_roles(line, source_id, roles, schools)
        return self._by_role(line, source_id, role_text, schools)

    def _by_role(self, line: int, source_id: str, role_text: str, schools: tuple[str, ...]) -> Standing | None:
        people = self._people
        role, group = read_role(role_text)
        if role is None or group is None:
            people.tell("unknown_role" if role_text else "required_missing", line, source_id, "role")
            people.protect(line, (source_id,))
            return None
        if schools:
            affiliations = [Affiliation(source_id, school, role) for school in schools]
            return Standing(affiliations, schools, GROUP_BITS[group], role)
        # A guardian without a school belongs to the district; for staff that would be more than the record says.
        if group == "guardian":
            return Standing([Affiliation(source_id, None, role)], (), GROUP_BITS[group], role)
        people.tell("required_missing", line, source_id, "orgs")
        people.protect(line, (source_id,), role)
        return None

    def _by_roles(self, line: int, source_id: str, roles: Sequence[str], schools: tuple[str, ...]) -> Standing | None:
        """The roles that can be read; one that cannot protects what is stored, and the user is taken without it."""
        found: dict[tuple[str | None, str], Affiliation] = {}
        refused: list[_Refused] = []
        groups = 0
        for role_text, kind_of_role, school in zip(roles[::3], roles[1::3], roles[2::3], strict=True):
            role, group = read_role(role_text)
            if role is None or group is None:
                refused.append(_Refused("unknown_role" if role_text else "required_missing", "role", school))
                continue
            groups |= GROUP_BITS[group]
            # Where both shapes are sent, a role without an org is one at the user's own orgs.
            places: Sequence[str | None] = (school,) if school else schools or ((None,) if group == "guardian" else ())
            if not places:
                refused.append(_Refused("required_missing", "org", ""))
                continue
            primary = _PRIMARY.get(kind_of_role.lower())
            for place in places:
                found.setdefault((place, role), Affiliation(source_id, place, role, primary))
        if not found and not any(one.school for one in refused):
            self._people.tell(refused[0].code, line, source_id, refused[0].field)
            self._people.protect(line, (source_id,))
            return None
        for code, field, org in refused:
            self._places.tell(code, line, source_id, field)
            self._places.protect(line, (source_id, org) if org else None)
        named = distinct([place or "" for place, _ in found])
        return Standing(list(found.values()), named, groups)


def role_texts(roles: wire.Roles) -> list[str]:
    """1.2's roles as one list of texts, three of each: role, type, and the id of the org."""
    if not roles:
        return []
    texts: list[str] = []
    for entry in roles if isinstance(roles, list) else [roles]:
        if type(entry) is wire.Role:
            texts += (text_of(entry.role), text_of(entry.role_type), one_id(entry.org, entry.org_sourced_id))
    return texts


class _Refused(NamedTuple):
    """A role that cannot be read: the problem, its field, and the school if that can be."""

    code: str
    field: str
    school: str
