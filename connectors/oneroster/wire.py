"""What a provider's records look like on the wire: only the fields that a roster needs, of whatever shape.

What is not named here (passwords, metadata, demographics) is dropped while decoding. Every type takes any JSON value, so
a field of an odd shape costs that field, never the page: what cannot be used is for the readers to say. A text that is
absent is blank.
"""

from typing import Any

from msgspec import UNSET, Struct, UnsetType

Scalar = str | int | float | bool | None


class Ref(Struct, frozen=True, gc=False, rename="camel"):
    """A reference. ``href`` and ``type`` are wrong too often, and only ``sourcedId`` is needed."""

    sourced_id: Any = ""


#: A list as it should be, or the single value that some providers send (reference/oneroster-classlink.md, 4.2); so below.
Refs = Ref | Scalar | list[Ref | Scalar | list[Any]]


class UserId(Struct, frozen=True, gc=False):
    """One of a user's further ids."""

    type: Any = ""
    identifier: Any = ""


UserIds = UserId | Scalar | list[UserId | Scalar | list[Any]]


class Role(Struct, frozen=True, gc=False, rename="camel"):
    """OneRoster 1.2: one role of a user at one org."""

    role: Any = ""
    role_type: Any = ""
    org: Refs = None
    org_sourced_id: Any = ""


Roles = Role | Scalar | list[Role | Scalar | list[Any]]


class Org(Struct, frozen=True, gc=False, rename="camel"):
    sourced_id: Any = ""
    status: Any = ""
    name: Any = ""
    type: Any = ""
    identifier: Any = ""
    parent: Refs = None
    parent_sourced_id: Any = ""


class Session(Struct, frozen=True, gc=False, rename="camel"):
    sourced_id: Any = ""
    status: Any = ""
    title: Any = ""
    type: Any = ""
    start_date: Any = ""
    end_date: Any = ""
    school_year: Any = ""


class Course(Struct, frozen=True, gc=False, rename="camel"):
    sourced_id: Any = ""
    status: Any = ""
    title: Any = ""
    course_code: Any = ""
    grades: Any = ""
    grade: Any = ""
    subjects: Any = ""


class Class(Struct, frozen=True, gc=False, rename="camel"):
    sourced_id: Any = ""
    status: Any = ""
    title: Any = ""
    class_code: Any = ""
    location: Any = ""
    grades: Any = ""
    grade: Any = ""
    subjects: Any = ""
    periods: Any = ""
    course: Refs = None
    course_sourced_id: Any = ""
    school: Refs = None
    school_sourced_id: Any = ""
    terms: Refs = None
    term_sourced_ids: Any = ""


class User(Struct, frozen=True, gc=False, rename="camel"):
    """1.1 has ``role`` and ``orgs``, 1.2 ``roles``; some providers send both."""

    sourced_id: Any = ""
    status: Any = ""
    role: Any = ""
    given_name: Any = ""
    middle_name: Any = ""
    family_name: Any = ""
    preferred_first_name: Any = ""
    username: Any = ""
    email: Any = ""
    sms: Any = ""
    phone: Any = ""
    identifier: Any = ""
    user_master_identifier: Any = ""
    enabled_user: Any = ""
    orgs: Refs = None
    org_sourced_ids: Any = ""
    primary_org: Refs = None
    roles: Roles = None
    agents: Refs | UnsetType = UNSET
    agent_sourced_ids: Any = ""
    user_ids: UserIds = None
    grades: Any = ""
    grade: Any = ""


class Enrollment(Struct, frozen=True, gc=False, rename="camel"):
    sourced_id: Any = ""
    status: Any = ""
    role: Any = ""
    primary: Any = ""
    begin_date: Any = ""
    end_date: Any = ""
    class_: Refs = None
    class_sourced_id: Any = ""
    user: Refs = None
    user_sourced_id: Any = ""
    school: Refs = None
    school_sourced_id: Any = ""


Row = Org | Session | Course | Class | User | Enrollment
