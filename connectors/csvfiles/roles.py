"""roles.csv of OneRoster 1.2: who is what, where. It is read before users.csv, which no longer says it itself."""

from collections.abc import Iterator
from typing import Final

from connectors.csvfiles.records import Fault
from connectors.csvfiles.table import Table
from connectors.normalize.compact import CompactMap
from connectors.normalize.listing import Listing
from connectors.normalize.values import read_role, read_status
from models.pages import Page
from models.records import Affiliation
from models.vocabulary import GROUP_BITS, RoleGroup

#: More schools than any district has; later ones count as the last of these.
_MOST_SCHOOLS: Final = 2**16 - 1
_PRIMARY: Final = {"primary": True, "secondary": False}


class RoleGroups:
    """The role groups and schools of each person, compactly: what reading users.csv needs of roles.csv."""

    def __init__(self) -> None:
        self._map = CompactMap()
        self._schools = CompactMap(bits=16)
        self._school_ids: list[str] = []
        self._numbers: dict[str, int] = {}

    def add(self, person: str, group: RoleGroup, school: str) -> None:
        self._map.add(person, GROUP_BITS[group])
        number = self._numbers.setdefault(school, len(self._school_ids))
        if number == len(self._school_ids):
            self._school_ids.append(school)
        self._schools.add(person, min(number, _MOST_SCHOOLS))

    def schools(self, person: str) -> tuple[str, ...]:
        """Source ids of the schools at which a person has a role."""
        return tuple(self._school_ids[number] for number in sorted(set(self._schools.entries(person))))

    def group(self, person: str) -> RoleGroup | None:
        """The group that decides how a person is read: a guardian is one who is nothing else."""
        bits = self.bits(person)
        return next((group for group, bit in GROUP_BITS.items() if bits & bit), None)

    def bits(self, person: str) -> int:
        """All groups of a person as ``GROUP_BITS``; 0 for none."""
        return self._map.bits(person)


def read_roles(table: Table, listing: Listing, groups: RoleGroups, school: str | None) -> Iterator[Page]:
    """Affiliations, one per row; fills ``groups`` on the way."""
    pick = table.getter("userSourcedId", "orgSourcedId", "role", "roleType", "status")
    for line, cells, fault in table.rows(listing):
        if listing.is_full():
            yield from listing.take()
        person, org, role_text, kind_of_role, status_text = pick(cells)
        if fault is not None:
            _refuse_faulty(table, listing, line, cells, fault)
            continue
        ends = (person, org or school or "") if person and (org or school) else None
        role, group = read_role(role_text)
        status = read_status(status_text) if status_text else "active"
        if ends is None:
            listing.tell("id_missing", line, person or None, "orgSourcedId" if person else "userSourcedId")
        elif role is None or group is None:
            listing.tell("unknown_role" if role_text else "required_missing", line, person, "role")
        elif status is None:
            listing.tell("bad_status", line, person, "status")
        elif school is not None and ends[1] != school:
            listing.tell("wrong_school", line, person, "orgSourcedId", f"({ends[1]})")
        elif status == "gone":
            listing.add_gone(Affiliation(*ends, role), line)
            continue
        else:
            groups.add(person, group, ends[1])
            listing.add(Affiliation(*ends, role, _PRIMARY.get(kind_of_role.lower())), line)
            continue
        listing.protect(line, ends, role)
    yield from listing.take()


def _refuse_faulty(table: Table, listing: Listing, line: int, cells: list[str], fault: Fault) -> None:
    listing.tell(fault.code, line, detail=fault.detail)
    person, org = (table.trusted_id(cells, name, fault) for name in ("userSourcedId", "orgSourcedId"))
    listing.protect(line, (person, org) if person and org else None)
