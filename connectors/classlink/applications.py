"""The districts that let our app in: ClassLink's list of applications (reference/oneroster-classlink.md, 1.2)."""

from collections.abc import Iterable
from typing import Final

import msgspec

from connectors.http.auth import Bearer
from connectors.http.client import Answer, HttpClient, Torn
from models.errors import CredentialsRefusedError, DisconnectedError, SettingsError, SourceProtocolError

#: What ClassLink allows; without a limit it sends 100 and does not say that there are more.
_LIMIT: Final = 10_000
_MOST_PAGES: Final = 1_000

#: Statuses whose meaning we know better than the HTTP client does, wherever the partner key is used.
PARTNER_STATUSES: Final = frozenset({401, 403, 404})


class Application(msgspec.Struct, frozen=True):
    """Our app at one district: all values as text, blank where ClassLink gives none. The bearer is a secret.

    ``oneroster_application_id`` is percent-encoded as it came, and goes into an address verbatim. A tenant may have
    several applications; ``id`` tells apart those that have no such id yet.
    """

    id: str
    tenant_id: str
    tenant_name: str
    name: str
    enabled: str
    tenant_status: str
    bearer: str
    oneroster_application_id: str

    def __repr__(self) -> str:
        return f"Application(tenant_id={self.tenant_id!r}, …)"


class District(msgspec.Struct, frozen=True):
    """A district as the partner key sees it. ``reason`` says in words why it is not ``eligible``; ``application`` is
    the name of our app there."""

    tenant_id: str
    name: str
    eligible: bool
    reason: str
    application: str


class _Listing(msgspec.Struct):
    applications: list[dict[str, object]]


_decode_listing = msgspec.json.Decoder(_Listing).decode


def list_applications(client: HttpClient, proxy_url: str, partner_key: str) -> list[Application]:
    """All applications that the partner key may see, each once. Raises RosterSyncError.

    CredentialsRefusedError is about the partner key; SettingsError about the address.
    """
    auth = Bearer(partner_key)
    found: dict[tuple[str, str, str], Application] = {}
    offset = 0
    for _ in range(_MOST_PAGES):
        rows = client.get(
            f"{proxy_url.rstrip('/')}/applications",
            (("limit", str(_LIMIT)), ("offset", str(offset))),
            what="applications",
            read=_read_listing,
            auth=auth,
            accept=PARTNER_STATUSES,
        )
        known = len(found)
        for application in map(_application, rows):
            found[application.tenant_id, application.oneroster_application_id, application.id] = application
        offset += len(rows)
        if len(found) == known or not _may_be_full(len(rows)):
            return list(found.values())
    raise SourceProtocolError(
        "ClassLink's list of districts does not end; nothing was read. Ask ClassLink.",
        f"/applications: still new rows after {_MOST_PAGES} pages",
    )


def obstacle(application: Application) -> str:
    """Why the application cannot be read, in words ("the district has not switched the app on"); blank if it can."""
    if application.enabled != "true":
        return "the district has not switched the app on"
    if application.tenant_status != "Active":
        return "the district is not active at ClassLink"
    if not application.bearer:
        return "ClassLink has not made an access token for it yet"
    if not application.oneroster_application_id:
        return "ClassLink has not given it a OneRoster address yet"
    return ""


def select(applications: Iterable[Application], tenant_id: str) -> Application:
    """The one application of a tenant that can be read. Raises DisconnectedError if there is none, SettingsError if
    there are several."""
    of_tenant = [application for application in applications if application.tenant_id == tenant_id]
    eligible = [application for application in of_tenant if not obstacle(application)]
    if len(eligible) == 1:
        return eligible[0]
    if eligible:
        names = "; ".join(f"{one.name or 'no name'} ({one.oneroster_application_id})" for one in eligible)
        raise SettingsError(
            f"District {tenant_id} has {len(eligible)} of our applications switched on in ClassLink: {names}. "
            "Only one may be: ask the district to switch the others off.",
            f"/applications: {len(eligible)} eligible applications of tenant {tenant_id}",
        )
    if of_tenant:
        reasons = ", ".join(dict.fromkeys(map(obstacle, of_tenant)))
        raise DisconnectedError(
            f"District {tenant_id} cannot be read at ClassLink: {reasons}. Nothing was removed; ask the district to "
            "switch the app on in ClassLink.",
            f"/applications: {len(of_tenant)} application(s) of tenant {tenant_id}, none eligible: {reasons}",
        )
    raise DisconnectedError(
        f"ClassLink does not list district {tenant_id}: the app is not enabled there, or its access was revoked. "
        "Nothing was removed; ask the district to switch the app on in ClassLink (and check the setting tenant_id).",
        f"/applications: no application of tenant {tenant_id}",
    )


def district_of(application: Application) -> District:
    reason = obstacle(application)
    return District(application.tenant_id, application.tenant_name, not reason, reason, application.name)


def raise_refused(answer: Answer, what: str) -> None:
    """Raises CredentialsRefusedError where an answer refuses the partner key."""
    if answer.status == 401:
        raise CredentialsRefusedError(
            "ClassLink does not accept the partner key: check the credential partner_key.", f"{what}: status 401"
        )
    if answer.status == 403:
        raise CredentialsRefusedError(
            "ClassLink does not let the partner key read districts: ask ClassLink to grant access to roster data for "
            "the credential partner_key.",
            f"{what}: status 403",
        )


def _read_listing(answer: Answer) -> list[dict[str, object]]:
    raise_refused(answer, "/applications")
    if answer.status == 404:
        raise SettingsError(
            "There is no list of districts at that address: check the setting proxy_url.", "/applications: status 404"
        )
    try:
        # "status" beside it is not asked: nobody has said what it means.
        return _decode_listing(answer.body).applications
    except (ValueError, RecursionError):
        raise Torn('no JSON with a list under "applications"') from None


def _may_be_full(rows: int) -> bool:
    """Nothing says how many there are, and a server that caps the limit does so at a round number."""
    return rows % 100 == 0


def _application(row: dict[str, object]) -> Application:
    return Application(**{name: _text(row.get(name)) for name in Application.__struct_fields__})


def _text(value: object) -> str:
    """Numbers and truths come as themselves or as strings."""
    match value:
        case bool():
            return "true" if value else "false"
        case str() | int():
            return str(value).strip()
        case _:
            return ""
