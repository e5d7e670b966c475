"""The field's words: kinds, roles and their groups, code lists, run states and causes of removal.

Roles and types are OneRoster's (1.1 and 1.2); grades are the CEDS entry-grade codes that OneRoster 1.1 uses.
"""

from typing import Final, Literal

Kind = Literal["school", "term", "class", "person", "affiliation", "enrollment", "guardianship"]

#: The order in which records must be applied: whatever a record points at comes before it. Removals run in reverse.
KINDS: Final[tuple[Kind, ...]] = ("school", "term", "class", "person", "affiliation", "enrollment", "guardianship")
#: Kinds with an identity of their own at the source; each stored one has an internal id and links.
ENTITY_KINDS: Final[tuple[Kind, ...]] = KINDS[:4]
#: Kinds that are identified by their two ends (and a role).
RELATION_KINDS: Final[tuple[Kind, ...]] = KINDS[4:]

PLURALS: Final[dict[Kind, str]] = {
    "school": "schools",
    "term": "terms",
    "class": "classes",
    "person": "people",
    "affiliation": "affiliations",
    "enrollment": "enrollments",
    "guardianship": "guardianships",
}

RoleGroup = Literal["student", "teacher", "administrator", "guardian"]

#: Role -> group. Parent, guardian and relative are processed alike, and so are teacher, aide and proctor; the role
#: itself is kept. 1.2's roles stand beside 1.1's because one payload may carry both.
ROLE_GROUPS: Final[dict[str, RoleGroup]] = {
    "student": "student",
    "teacher": "teacher",
    "aide": "teacher",
    "proctor": "teacher",
    "counselor": "teacher",
    "administrator": "administrator",
    "districtAdministrator": "administrator",
    "principal": "administrator",
    "siteAdministrator": "administrator",
    "systemAdministrator": "administrator",
    "parent": "guardian",
    "guardian": "guardian",
    "relative": "guardian",
}


def role_group(role: str) -> RoleGroup | None:
    """The group that a role is processed as; an ``ext:`` role is staff (teacher); None for an unknown role."""
    if role.startswith("ext:"):
        return "teacher"
    return ROLE_GROUPS.get(role)


#: Small codes of roles, for packed keys: position in this tuple + 1. Append only (extension roles come after 100).
ROLES: Final[tuple[str, ...]] = tuple(ROLE_GROUPS)

#: The listings of a source in which a record can stand: what a coverage statement speaks of. Append only.
LISTINGS: Final[tuple[str, ...]] = (
    "manual", "orgs", "academicSessions", "classes", "users", "roles", "enrollments", "guardians",
    "schools", "terms", "sections", "contacts",
)  # fmt: skip

#: OneRoster 1.1 grades = CEDS "Entry Grade Level".
GRADES: Final[frozenset[str]] = frozenset(
    [
        "IT",
        "PR",
        "PK",
        "TK",
        "KG",
        "01",
        "02",
        "03",
        "04",
        "05",
        "06",
        "07",
        "08",
        "09",
        "10",
        "11",
        "12",
        "13",
        "PS",
        "UG",
        "Other",
    ]
)

ORG_TYPES: Final[frozenset[str]] = frozenset(["department", "district", "local", "national", "school", "state"])
TERM_TYPES: Final[frozenset[str]] = frozenset(["gradingPeriod", "semester", "schoolYear", "term"])

#: Most guardians that are kept for one student; a rule of the CSV path.
MAX_GUARDIANS: Final = 6

RunState = Literal["queued", "pulling", "checking", "planned", "held", "applying", "applied", "failed", "discarded"]
#: States in which a run is over, or waits for a person, and holds no lock.
RESTING_STATES: Final[frozenset[str]] = frozenset({"planned", "held", "applied", "failed", "discarded"})

#: Why something was archived. Every removal has one.
Cause = Literal["tombstone", "absent", "unshared", "parent_removed", "term_ended", "re_keyed"]

CAUSES: Final[tuple[Cause, ...]] = ("tombstone", "absent", "unshared", "parent_removed", "term_ended", "re_keyed")

#: One bit per role group, so that a person's groups fit into a byte.
GROUP_BITS: Final[dict[RoleGroup, int]] = {"student": 1, "teacher": 2, "administrator": 4, "guardian": 8}
