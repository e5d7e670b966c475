"""One pull from Clever: every list is read and counted before anything is said of any (reference/clever.md, 2 and 9)."""

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

from connectors.clever.answers import HasId, page_reader
from connectors.clever.check import check
from connectors.clever.district import District, as_school, has_moved, notes_of, only_district
from connectors.clever.paging import Collected, Lists, Taker
from connectors.clever.person import CleverUser
from connectors.clever.proof import Roster, conclude
from connectors.clever.schools import CleverSchool, Schools
from connectors.clever.sections import CleverSection, Sections
from connectors.clever.terms import CleverCourse, CleverTerm, Courses, Terms
from connectors.clever.tokens import DistrictToken
from connectors.clever.users import Users
from connectors.source import Access, SourceFacts
from connectors.staging import Staging
from models.connections import CleverCredentials, CleverSettings, Memory
from models.errors import CredentialsRefusedError
from models.pages import PullEvent

R = TypeVar("R", bound=HasId)
TakerT = TypeVar("TakerT", bound=Taker[Any])

#: How the scopes begin that a whole roster needs (their ends say how much of each is shown), and what they are for.
_SCOPES: Final = {
    "read:students": "students",
    "read:teachers": "teachers",
    "read:school_admins": "school staff",
    "read:district_admins": "district administrators",
    "read:sections": "sections",
}
#: Without these scopes nobody with the role is listed, which must not look as if they had gone.
_SCOPE_OF_ROLE: Final = {
    "student": "read:students",
    "teacher": "read:teachers",
    "administrator": "read:school_admins",
    "districtAdministrator": "read:district_admins",
}
_CONTACTS_SCOPE: Final = "read:student_contacts"
_read_districts = page_reader(District)


class CleverSource:
    """One district's roster at Clever, for one pull (a ``connectors.source.Source``)."""

    def __init__(self, settings: CleverSettings, credentials: CleverCredentials, access: Access) -> None:
        """Asks nothing yet. Raises SettingsError."""
        check(settings, credentials)
        self.facts = SourceFacts(district_id=settings.district_id or "")
        self._settings = settings
        self._access = access
        self._token = DistrictToken(settings, credentials, access.http)
        self._lists = Lists(
            access.http, self._token, settings.api_url, settings.version, settings.page_size, access.watch
        )

    @property
    def memory(self) -> Memory:
        """Nothing is remembered: Clever is read as a whole every time."""
        return self._access.memory

    def pull(self) -> Iterator[PullEvent]:
        """As ``Source.pull``; StoppedError too, if Clever answers for another district."""
        staging = Staging(self._access.scratch, self._access.page_size)
        try:
            self._read(staging)
            yield from staging.events()
        finally:
            staging.close()

    def _read(self, staging: Staging) -> None:
        settings, lists = self._settings, self._lists
        before = self._district()
        self.facts.district_id, self.facts.district_name = before.id, as_school(before).name
        self.facts.notes += notes_of(before)
        no_contacts = self._judge_scopes()
        schools = self._collect("schools", CleverSchool, lambda: Schools(staging, as_school(before)))
        terms = lists.collect("terms", CleverTerm, lambda: Terms(staging))
        courses = lists.collect("courses", CleverCourse, lambda: Courses(staging))
        known = courses.taker.by_id if courses else None
        sections = self._collect("sections", CleverSection, lambda: Sections(staging, known))
        users = self._collect("users", CleverUser, lambda: Users(staging, settings))
        moved = "the district's data changed while it was read" if has_moved(before, self._district()) else ""
        self.facts.missing += [
            f"Clever does not let your app read {name}."
            for name, found in (("terms", terms), ("courses", courses))
            if found is None
        ]
        conclude(staging, Roster(schools, terms, courses, sections, users), moved, no_contacts, self._untold_roles())

    def _collect(self, name: str, shape: type[R], start: Callable[[], TakerT]) -> Collected[TakerT]:
        """A list without which there is no roster. Raises CredentialsRefusedError if Clever refuses it."""
        found = self._lists.collect(name, shape, start)
        if found is None:
            raise _refused(name)
        return found

    def _district(self) -> District:
        """The district of the token, which must stay the one that is meant."""
        page = self._lists.ask("districts", (), _read_districts)
        if page is None:
            raise _refused("districts")
        return only_district(page, self._token.district_id or self.facts.district_id, self._token.is_given)

    def _untold_roles(self) -> tuple[str, ...]:
        """The roles that the token may not read; none if nobody knows."""
        scopes = self.facts.scopes
        return tuple(role for role, scope in _SCOPE_OF_ROLE.items() if scopes and not _among(scope, scopes))

    def _judge_scopes(self) -> str:
        """Say what the token may not read; the answer is why guardians are not read, "" if they are or nobody knows."""
        scopes = self.facts.scopes = self._token.scopes()
        if scopes:
            self.facts.missing += [
                _not_allowed(what, scope) for scope, what in _SCOPES.items() if not _among(scope, scopes)
            ]
        if not self._settings.contacts:
            return "the setting contacts is off"
        if not scopes or _among(_CONTACTS_SCOPE, scopes):
            return ""
        self.facts.missing.append(_not_allowed("contacts, so guardians are not known", _CONTACTS_SCOPE))
        return "your app may not read contacts at Clever"


def _among(scope: str, scopes: tuple[str, ...]) -> bool:
    return any(given.startswith(scope) for given in scopes)


def _not_allowed(what: str, scope: str) -> str:
    return f"Clever does not let your app read {what} (scope {scope})."


def _refused(name: str) -> CredentialsRefusedError:
    scopes = {"sections": "read:sections", "users": "read:students and read:teachers"}.get(name, f"read:{name}")
    return CredentialsRefusedError(
        f"Clever does not let your app read {name}. Ask Clever for the scope {scopes} in your app's settings; if it is "
        "there, ask the district whether it shares its data with your app.",
        f"{name}: status 403",
    )
