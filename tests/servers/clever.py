"""Clever: ``/oauth/tokens``, ``/oauth/tokeninfo`` and the Data API v3.0 and v3.1, for one district.

reference/clever.md, 1 to 3.
"""

import math
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from typing import Any, Final

from fixtures.clever import COLLECTIONS, DISTRICT, as_v30, clever_id
from fixtures.oneroster_api import Records
from models.connections import CleverCredentials, CleverSettings
from tests.servers.base import Loopback
from tests.servers.messages import Reply, Request
from tests.servers.prepared import PreparedPages
from tests.servers.tokens import basic, bearer

Record = dict[str, Any]

CLIENT_ID: Final = "4d7c0ffee0000000aaaa"
CLIENT_SECRET: Final = "clever-app-secret"
MOST: Final = 10_000
DEFAULT: Final = 100

#: Collection -> the scope that opens it (by prefix: "read:schools_limited" does, too). ``/districts`` is always open.
SCOPE_OF: Final = {
    "schools": "read:schools",
    "terms": "read:sections",
    "courses": "read:sections",
    "sections": "read:sections",
}
#: Role -> the scope without which its users are not listed.
SCOPE_OF_ROLE: Final = {
    "student": "read:students",
    "teacher": "read:teachers",
    "staff": "read:school_admins",
    "district_admin": "read:district_admins",
    "contact": "read:student_contacts",
}
SCOPES: Final = tuple(sorted({"read:districts", "read:user_id", *SCOPE_OF.values(), *SCOPE_OF_ROLE.values()}))


class CleverServer(Loopback):
    """``roster`` as ``fixtures.api.render(spec, "clever")`` makes it; may be replaced while the server runs, for the next day.

    ``connected`` False: the district switched the app off (no token for it, the old one is refused). ``other_districts`` have
    tokens at the same app. ``scopes`` are what the token may read. At most ``rate_limit`` requests in ``window`` seconds of
    ``clock`` (Unix time) are answered, the others get a 429. ``prepared`` stands for the roster of a large district.
    """

    def __init__(self, roster: Records | None = None, *, prepared: PreparedPages | None = None) -> None:
        super().__init__()
        self.roster = roster or {}
        self.prepared = prepared
        self.connected = True
        self.other_districts: list[str] = []
        self.scopes: tuple[str, ...] = SCOPES
        self.rate_limit, self.window = 1_200, 60.0
        self.clock: Callable[[], float] = time.time
        self._tokens = 1
        self._window_began, self._in_window = 0.0, 0

    # --- what a connection needs -------------------------------------------------------------------------------------

    def settings(self, **changes: Any) -> CleverSettings:
        known: dict[str, Any] = {"district_id": DISTRICT, "page_size": 100, "api_url": self.url, "login_url": self.url}
        return CleverSettings(**(known | changes))

    def credentials(self) -> CleverCredentials:
        """The app's id and secret."""
        return CleverCredentials(client_id=CLIENT_ID, client_secret=CLIENT_SECRET)

    def token_credentials(self) -> CleverCredentials:
        """The district's token itself."""
        return CleverCredentials(token=self.token)

    # --- tokens ------------------------------------------------------------------------------------------------------

    @property
    def token(self) -> str:
        """The district's token that is good now: 40 hex digits."""
        return f"{self._tokens:040x}"

    def revoke(self) -> None:
        self._tokens += 1

    def unauthorized(self) -> Reply:
        document = {"code": 101, "error": "Unrecognized token string", "data": {}}
        return Reply(401, document, headers={"WWW-Authenticate": "Bearer"} | self._rate_headers())

    def _token_list(self, request: Request) -> Reply:
        if basic(request.headers) != (CLIENT_ID, CLIENT_SECRET):
            return Reply(401, {"error": "invalid_client", "error_description": "bad credentials"})
        wanted = request.params
        if wanted.get("owner_type") != "district":
            return Reply(400, {"error": "invalid_request", "error_description": "owner_type"})
        tokens = {DISTRICT: self.token} if self.connected else {}
        tokens |= {district: clever_id("legacy", district) + "f" * 16 for district in self.other_districts}
        if "district" in wanted:
            tokens = {district: token for district, token in tokens.items() if district == wanted["district"]}
        data = [
            {
                "id": clever_id("legacy", token),
                "created": "2024-07-31T21:56:32.335Z",
                "owner": {"type": "district", "id": district},
                "access_token": token,
                "scopes": list(self.scopes),
            }
            for district, token in tokens.items()
        ]
        return Reply(200, {"data": data, "links": [{"rel": "self", "uri": request.target}]}, envelope="data")

    def _token_info(self, request: Request) -> Reply:
        if not self._lets_in(request):
            return Reply(401, {"error": "invalid_token"})
        return Reply(200, {"client_id": CLIENT_ID, "scopes": list(self.scopes)})

    def _lets_in(self, request: Request) -> bool:
        return self.connected and bearer(request.headers) == self.token

    # --- the Data API ------------------------------------------------------------------------------------------------

    def answer(self, request: Request) -> Reply:
        if request.path == "/oauth/tokens":
            return self._token_list(request)
        if request.path == "/oauth/tokeninfo":
            return self._token_info(request)
        _, version, *rest = request.path.split("/")
        if version not in ("v3.0", "v3.1") or request.method != "GET":
            page = f"<!DOCTYPE html><pre>Cannot {request.method} {request.path}</pre>".encode()
            return Reply(404, body=page, headers={"Content-Type": "text/html; charset=utf-8"})
        if not self._within_limit():
            return Reply(429, headers=self._rate_headers())
        if not self._lets_in(request):
            return self.unauthorized()
        return self._data(request, version, rest).but(headers=self._rate_headers())

    def _within_limit(self) -> bool:
        now = self.clock()
        if now >= self._window_began + self.window:
            self._window_began, self._in_window = now, 0
        self._in_window += 1
        return self._in_window <= self.rate_limit

    def _rate_headers(self) -> dict[str, str]:
        return {
            "X-Ratelimit-Bucket": "bearer",
            "X-Ratelimit-Limit": str(self.rate_limit),
            "X-Ratelimit-Remaining": str(max(0, self.rate_limit - self._in_window)),
            "X-Ratelimit-Reset": str(math.ceil(self._window_began + self.window)),
        }

    def _data(self, request: Request, version: str, rest: list[str]) -> Reply:
        collection = rest[0]
        if collection not in COLLECTIONS or len(rest) > 2:
            return Reply(404, {"error": "Resource not found"})
        scope = SCOPE_OF.get(collection)
        if scope and not self._has(scope):
            return Reply(403, {"error": "Resource not in token's scopes"})
        if self.prepared:
            return self._prepared_page(self.prepared, collection, request.params)
        records = self._visible(collection, version, request.params.get("role"))
        if len(rest) == 2:
            return self._single(records, rest[1], request)
        return self._page(records, request)

    def _has(self, scope: str) -> bool:
        return any(own.startswith(scope) for own in self.scopes)

    def _visible(self, collection: str, version: str, role: str | None) -> list[Record]:
        """The records of a collection that the token may see."""
        records = self.roster[collection]
        if collection != "users":
            return records
        roles = {name for name, scope in SCOPE_OF_ROLE.items() if self._has(scope) and role in (None, name)}
        seen = [record for record in records if roles & record["roles"].keys()]
        return seen if version == "v3.1" else [as_v30(record) for record in seen]

    @staticmethod
    def _single(records: list[Record], wanted: str, request: Request) -> Reply:
        found = next((record for record in records if record["id"] == wanted), None)
        if found is None:
            return Reply(404, {"error": "Resource not found"})
        return Reply(200, {"data": found, "links": [{"rel": "self", "uri": request.path}]})

    @staticmethod
    def _prepared_page(prepared: PreparedPages, collection: str, params: dict[str, str]) -> Reply:
        if params.get("count") == "true":
            return Reply(200, {"count": prepared.total(collection), "links": []})
        return prepared.after(collection, params.get("starting_after", ""))

    @staticmethod
    def _page(records: list[Record], request: Request) -> Reply:
        """A page of a list; ``/districts`` has one record and no paging."""
        params = request.params
        if params.get("count") == "true":
            links = [{"rel": "self", "uri": request.target}]
            return Reply(200, {"count": len(records), "links": links})
        if not (text := params.get("limit", str(DEFAULT))).isdecimal() or (limit := int(text)) < 1:
            return Reply(400, {"error": "Could not parse limit"})
        if limit > MOST:
            return Reply(413, {"error": "limit is too large"})
        start, stop = _bounds([record["id"] for record in records], params, limit)
        found = records[start:stop]
        document = {
            "data": [{"data": record, "uri": f"{request.path}/{record['id']}"} for record in found],
            "links": _links(request, records, start, stop),
        }
        return Reply(200, document, envelope="data")


def _bounds(ids: list[str], params: dict[str, str], limit: int) -> tuple[int, int]:
    """Where a page lies in the list. A cursor whose record has gone stands where it would be."""
    if before := params.get("ending_before"):
        stop = len(ids) if before == "last" else bisect_left(ids, before)
        return max(0, stop - limit), stop
    start = bisect_right(ids, params["starting_after"]) if "starting_after" in params else 0
    return start, min(len(ids), start + limit)


def _links(request: Request, records: list[Record], start: int, stop: int) -> list[dict[str, str]]:
    """Paths, not addresses; the query is kept but for the cursor (reference/clever.md, 2.2)."""
    kept = [
        f"{name}={value}" for name, value in request.params.items() if name not in ("starting_after", "ending_before")
    ]
    links = [{"rel": "self", "uri": request.target}]
    if start and stop > start:
        uri = "&".join([*kept, f"ending_before={records[start]['id']}"])
        links.append({"rel": "prev", "uri": f"{request.path}?{uri}"})
    if stop < len(records):
        last = records[stop - 1]["id"] if stop else ""
        uri = "&".join([*kept, f"starting_after={last}"])
        links.append({"rel": "next", "uri": f"{request.path}?{uri}"})
    return links
