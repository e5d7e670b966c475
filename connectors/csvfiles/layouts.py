"""The files that are read and their columns: the product's four and the OneRoster 1.1 and 1.2 CSV sets.

Canonical names are OneRoster's. Header variants come from reference/csv-and-product.md, section 1; ``sourceId`` counts
as ``sourcedId`` everywhere (``headers.fold`` sees to that), so it is not repeated here.

The header names of ``guardians.csv`` are not public. Ours, with what each means (``templates/guardians.csv``):

* ``studentSourcedId``: the student's id as in users.csv (or at Clever or ClassLink, where the students come from there)
* ``guardianSourcedId``: the guardian's id in the SIS; may be blank or left away (see ``guardians.contact_id``)
* ``givenName``, ``familyName``, ``email``, ``sms``, ``phone``, ``language``: as in users.csv
* ``relationship``: mother, father, guardian … in the district's own words; may be left away
"""

from typing import Final, NamedTuple

from connectors.normalize.cleaning import Shape
from connectors.normalize.values import words


class Field(NamedTuple):
    """A column: its canonical name, its shape, and the folded spellings that mean the same."""

    name: str
    shape: Shape
    aliases: tuple[str, ...] = ()


class Layout(NamedTuple):
    """A file type. ``marks`` must all be among the headers to recognize it; ``telling`` sets it apart from the others.

    ``needed`` are the columns without which it cannot be read, ``unused`` known columns that are dropped at the edge.
    """

    role: str
    fields: tuple[Field, ...]
    marks: frozenset[str]
    telling: frozenset[str]
    needed: tuple[str, ...]
    unused: frozenset[str] = frozenset()


def _field(name: str, shape: Shape, aliases: str = "") -> Field:
    return Field(name, shape, tuple(aliases.split()))


def _set(names: str) -> frozenset[str]:
    return frozenset(names.split())


_ID = _field("sourcedId", "id", "id uniqueid")
_STATUS = _field("status", "code")
_SCHOOL_NAMES = "schoolid schoolsourcedids orgsourcedid orgsourcedids orgid"
_CONTACT = (
    _field("givenName", "text", "firstname first given"),
    _field("familyName", "text", "lastname surname last family"),
    _field("email", "text", "emailaddress mail"),
    _field("sms", "text", "mobile mobilephone cell cellphone mobilenumber smsnumber"),
    _field("phone", "text", "homephone telephone phonenumber alternativephone"),
    _field("language", "code", "lang languagecode preferredlanguage homelanguage"),
)
_EDGE = _set("datelastmodified password")

USERS: Final = Layout(
    role="users",
    fields=(
        _ID._replace(aliases=("id", "uniqueid", "userid", "usersourcedid", "personid")),
        _STATUS,
        _field("enabledUser", "code", "enabled"),
        _field("orgSourcedIds", "list", "orgsourcedid orgids orgs schoolsourcedid schoolsourcedids schoolid schoolids"),
        _field("role", "code", "roles userrole"),
        *_CONTACT,
        _field("middleName", "text"),
        _field("preferredGivenName", "text", "preferredfirstname preferredname"),
        _field("username", "text", "login"),
        _field("userIds", "text"),
        _field("identifier", "id"),
        _field("userMasterIdentifier", "id"),
        _field("agentSourcedIds", "list", "agents agentids guardiansourcedids guardianids parentsourcedids parentids"),
        _field("grades", "list", "grade gradelevel gradelevels"),
    ),
    marks=_set("sourcedId givenName familyName"),
    telling=_set("role orgSourcedIds agentSourcedIds username email sms enabledUser userMasterIdentifier"),
    needed=("sourcedId", "role", "givenName", "familyName"),
    unused=_EDGE
    | _set("preferredmiddlename preferredlastname preferredfamilyname primaryorgsourcedid pronouns resourcesourcedids"),
)
GUARDIANS: Final = Layout(
    role="guardians",
    fields=(
        _field("studentSourcedId", "id", "studentid childsourcedid childid studentsisid"),
        _field(
            "guardianSourcedId", "id", "guardianid guardiansisid parentsourcedid parentid contactid contactsourcedid"
        ),
        *_CONTACT,
        _field("relationship", "text", "relation relationshiptype relationshiptostudent"),
    ),
    marks=_set("studentSourcedId"),
    telling=_set("guardianSourcedId givenName familyName relationship email sms"),
    needed=("studentSourcedId", "givenName", "familyName"),
    unused=_EDGE | _set("status"),
)
CLASSES: Final = Layout(
    role="classes",
    fields=(
        _ID._replace(aliases=("id", "uniqueid", "classsourcedid", "classid")),
        _STATUS,
        _field("title", "text", "classtitle classname name"),
        _field("grades", "list", "grade gradelevel gradelevels"),
        _field("courseSourcedId", "id", "courseid"),
        _field("classCode", "text", "code"),
        _field("location", "text", "room"),
        _field("schoolSourcedId", "id", _SCHOOL_NAMES),
        _field("termSourcedIds", "list", "termsourcedid termids termid terms"),
        _field("subjects", "list", "subject"),
        _field("periods", "list", "period"),
    ),
    marks=_set("sourcedId title"),
    telling=_set("schoolSourcedId location periods courseSourcedId classCode termSourcedIds"),
    needed=("sourcedId", "title"),
    unused=_EDGE | _set("classtype subjectcodes resourcesourcedids resources"),
)
ENROLLMENTS: Final = Layout(
    role="enrollments",
    fields=(
        _field("sourcedId", "id", "id"),
        _STATUS,
        _field("classSourcedId", "id", "classid sectionid sectionsourcedid"),
        _field("schoolSourcedId", "id", _SCHOOL_NAMES),
        _field("userSourcedId", "id", "userid personid"),
        _field("role", "code", "userrole"),
        _field("primary", "code", "isprimary"),
        _field("beginDate", "code", "begindate startdate"),
        _field("endDate", "code"),
    ),
    marks=_set("classSourcedId userSourcedId"),
    telling=_set("role schoolSourcedId primary"),
    needed=("classSourcedId", "userSourcedId", "role"),
    unused=_EDGE,
)
ORGS: Final = Layout(
    role="orgs",
    fields=(
        _ID,
        _STATUS,
        _field("name", "text", "orgname schoolname"),
        _field("type", "code", "orgtype"),
        _field("identifier", "id", "schoolnumber"),
        _field("parentSourcedId", "id", "parentorgsourcedid parentid"),
    ),
    marks=_set("sourcedId name type"),
    telling=_set("identifier parentSourcedId"),
    needed=("sourcedId", "name"),
    unused=_EDGE,
)
SESSIONS: Final = Layout(
    role="academicSessions",
    fields=(
        _ID,
        _STATUS,
        _field("title", "text", "name"),
        _field("type", "code", "sessiontype"),
        _field("startDate", "code", "begindate"),
        _field("endDate", "code"),
        _field("schoolYear", "code"),
    ),
    marks=_set("sourcedId title startDate endDate"),
    telling=_set("type schoolYear startDate endDate"),
    needed=("sourcedId", "title"),
    unused=_EDGE | _set("parentsourcedid"),
)
COURSES: Final = Layout(
    role="courses",
    fields=(
        _ID,
        _STATUS,
        _field("title", "text", "coursetitle name"),
        _field("courseCode", "text", "code"),
        _field("grades", "list", "grade"),
        _field("subjects", "list", "subject"),
        _field("schoolYearSourcedId", "id", "schoolyearid"),
        _field("orgSourcedId", "id", "orgid"),
    ),
    marks=_set("sourcedId title"),
    telling=_set("courseCode schoolYearSourcedId orgSourcedId subjects"),
    needed=("sourcedId", "title"),
    unused=_EDGE | _set("subjectcodes resourcesourcedids"),
)
ROLES: Final = Layout(
    role="roles",
    fields=(
        _field("sourcedId", "id"),
        _STATUS,
        _field("userSourcedId", "id", "userid"),
        _field("roleType", "code"),
        _field("role", "code"),
        _field("orgSourcedId", "id", "orgid schoolsourcedid"),
    ),
    marks=_set("userSourcedId role orgSourcedId"),
    telling=_set("roleType orgSourcedId"),
    needed=("userSourcedId", "role", "orgSourcedId"),
    unused=_EDGE | _set("begindate enddate userprofilesourcedid"),
)
MANIFEST: Final = Layout(
    role="manifest",
    fields=(_field("propertyName", "code", "property"), _field("value", "code")),
    marks=_set("propertyName value"),
    telling=_set("propertyName value"),
    needed=("propertyName", "value"),
)

LAYOUTS: Final = (USERS, GUARDIANS, CLASSES, ENROLLMENTS, ORGS, SESSIONS, COURSES, ROLES, MANIFEST)
LAYOUT_OF: Final = {layout.role: layout for layout in LAYOUTS}

#: Known files that hold nothing a roster needs: by folded name, and by a header that no roster file has.
IGNORED_NAMES: Final = frozenset(
    words("""
    demographics resources classresources courseresources userresources categories lineitems results
    lineitemlearningobjectiveids lineitemscorescales resultlearningobjectiveids resultscorescales scorescales
    userprofiles studentattributes
    """)
)
IGNORED_HEADERS: Final = frozenset(
    words("""
    birthdate vendorresourceid resourcesourcedid lineitemsourcedid scorestatus assigndate profiletype scorescalevalue
    """)
)

#: Which files make a OneRoster users.csv rather than the product's own: the product's has none of these columns.
ONEROSTER_COLUMNS: Final = frozenset({"status", "enabledUser", "username", "userMasterIdentifier"})
