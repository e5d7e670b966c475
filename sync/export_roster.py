"""The stored roster with the ids and roles that exported files use: what all formats share."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from models.plan import COLUMNS
from models.vocabulary import ROLES, RoleGroup, role_group
from store.export import Row, SourceIds, StoredRoster

#: Of the roles of one person, which one counts where a file has room for one: a guardian is one who is nothing else.
_GROUP_ORDER: Final[tuple[RoleGroup, ...]] = ("student", "teacher", "administrator", "guardian")
_PERSON: Final = {name: place for place, name in enumerate(("id", *COLUMNS["person"]))}

_texts = msgspec.json.Decoder(list[str]).decode
_ids = msgspec.json.Decoder(list[int]).decode
_pairs = msgspec.json.Decoder(dict[str, str]).decode


class Place(NamedTuple):
    """One affiliation: the id of the school (or of the district), the role, and whether it is the primary one."""

    school: str
    role: str
    primary: bool | None


class Relative(NamedTuple):
    """The other end of a guardianship; ``apart`` as in ``Person``."""

    person: str
    relationship: str | None
    contact_type: str | None
    apart: bool


class Person(NamedTuple):
    """Somebody to export. ``apart`` says that they have no role anywhere and are known as a guardian only.

    Such guardians come from a guardians.csv and go into one again; they are not among the agents of users.csv.
    """

    source_id: str
    columns: Row
    places: list[Place]
    guardians: list[Relative]
    students: list[Relative]
    apart: bool

    def text(self, name: str) -> str:
        """A column's value as a cell."""
        return self.columns[_PERSON[name]] or ""

    @property
    def enabled(self) -> bool | None:
        value = self.columns[_PERSON["enabled"]]
        return None if value is None else bool(value)

    @property
    def grades(self) -> list[str]:
        return _texts(self.text("grades"))

    @property
    def identifiers(self) -> dict[str, str]:
        return _pairs(self.text("identifiers"))


class Roster:
    """A tenant's active roster in exported ids. Relations with an end that is not active are left out."""

    def __init__(self, stored: StoredRoster) -> None:
        self.stored = stored
        self.school_ids: SourceIds = stored.source_ids("school")
        self.term_ids: SourceIds = stored.source_ids("term")
        self.class_ids: SourceIds = stored.source_ids("class")
        self.person_ids: SourceIds = stored.source_ids("person")
        self._without_role = stored.guardians_without_role()

    @property
    def has_apart(self) -> bool:
        """Whether there is any guardian who has no role anywhere."""
        return bool(self._without_role.any())

    def people(self) -> Iterator[Person]:
        """Everybody, in the order of their internal ids."""
        for batch in self.stored.people():
            for columns in batch.people:
                source_id = self.person_ids(columns[0])
                assert source_id is not None
                yield Person(
                    source_id,
                    columns,
                    self._places(batch.affiliations.get(columns[0], ())),
                    self._relatives(batch.guardians.get(columns[0], ())),
                    self._relatives(batch.students.get(columns[0], ())),
                    self._is_apart(columns[0]),
                )

    def enrollments(self) -> Iterator[tuple[str, str, Row]]:
        """(class id, person id, stored row) of all enrollments, class by class."""
        for row in self.stored.enrollments():
            class_id, person_id = self.class_ids(row[0]), self.person_ids(row[1])
            if class_id is not None and person_id is not None:
                yield class_id, person_id, row

    def _is_apart(self, person_id: int) -> bool:
        return person_id < len(self._without_role) and bool(self._without_role[person_id])

    def _places(self, rows: Sequence[Row]) -> list[Place]:
        places = []
        for school_id, role, primary in rows:
            school = self.school_ids(school_id)
            if school is not None:
                places.append(Place(school, role, primary))
        return places

    def _relatives(self, rows: Sequence[Row]) -> list[Relative]:
        relatives = []
        for person_id, relationship, contact_type in rows:
            person = self.person_ids(person_id)
            if person is not None:
                relatives.append(Relative(person, relationship, contact_type, self._is_apart(person_id)))
        return relatives


def leading_place(places: Sequence[Place]) -> Place:
    """The affiliation whose role stands for a person where a file has room for one role.

    Groups go before each other as student, teacher, administrator, guardian; within a group the primary affiliation,
    then the order of the vocabulary, then the id of the school.
    """
    return min(places, key=_rank)


def _rank(place: Place) -> tuple[int, bool, int, str]:
    group = role_group(place.role) or "guardian"
    known = ROLES.index(place.role) if place.role in ROLES else len(ROLES)
    return _GROUP_ORDER.index(group), place.primary is not True, known, place.school


def texts(value: str) -> list[str]:
    """A stored JSON list of texts."""
    return _texts(value)


def internal_ids(value: str) -> list[int]:
    """A stored JSON list of internal ids."""
    return _ids(value)


def columns_of(kind: Any, row: Row) -> dict[str, Any]:
    """An entity's row from the store as a mapping by column name, with its ``id``."""
    return dict(zip(("id", *COLUMNS[kind]), row, strict=True))
