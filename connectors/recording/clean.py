"""What of an exchange is personal or secret, and what stands for it in a recording. Pure.

The rule is that every string becomes a pseudonym; what stays, goes or is marked stands in the lists below, by the names of
JSON keys, query parameters, path segments and headers. Keys themselves stay, but for ids and addresses. What cannot be read
(HTML, torn JSON, plain text) is never kept: something of its sort stands for it.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple
from urllib.parse import quote, unquote_plus, urlsplit

import msgspec

from connectors.normalize.values import words
from connectors.recording.pseudonyms import Pseudonyms

#: Keys whose values are words of a vocabulary, or say how to read and authorize; folded (``fold``).
_KEPT: Final = frozenset(
    words(
        """authorizedby classtype contacttype enabled enableduser expiresin grade grades highgrade homelanguage
        homelanguagecode imsxcodemajor imsxcodeminorfieldname imsxcodeminorfieldvalue imsxseverity language loginmethods
        lowgrade phonetype primary rel relationship role roles roletype schoolyear scope scopes sistype
        status subject subjectcodes subjects tenantstatus tokentype type version"""
    )
)
#: Keys of dates and times; any other value there is replaced.
_DATES: Final = frozenset(
    words(
        """begindate created datelastmodified enddate lastattendancesync lastcleversync lastmodified lastsync launchdate
        pauseend pausestart startdate"""
    )
)
#: Keys of numbers that count.
_COUNTS: Final = frozenset(words("code count limit offset page pagecount pagesize total totalcount"))
_KEPT_NUMBERS: Final = _KEPT | _DATES | _COUNTS
#: Keys whose value stays if it is one of these words: a district's "state" at Clever is one, that of an address is not;
#: an OAuth "error" is a code, any other may name somebody.
_SOMETIMES_KEPT: Final = {
    "state": frozenset(words("running pending error paused success")),
    "error": frozenset(
        words(
            """access_denied invalid_client invalid_grant invalid_request invalid_scope server_error
            temporarily_unavailable unauthorized_client unsupported_grant_type"""
        )
    ),
}
#: Keys and query parameters of secrets: marked, so that code that needs one still runs.
_SECRETS: Final = frozenset(
    words(
        """accesstoken apikey authorization bearer clientid clientsecret consumerkey consumersecret idtoken partnerkey
        refreshtoken secret token"""
    )
)
#: Words in a key ("birthDate", "section_504_status") that make it and its value vanish: passwords, demographics, pictures.
_DROPPED: Final = frozenset(
    words(
        """504 african alaska alaskan allergies allergy asian avatar birth birthdate birthday birthplace caucasian
        citizenship demographic demographics disabilities disability dob ell ethnic ethnicity foster frl gender gifted
        hawaiian health hispanic homeless iep image immigrant income indian latino lep lunch medical migrant nationality
        pacific passwd password photo picture pronoun pronouns pwd race racial religion sex ssn white"""
    )
)
#: Query parameters that hold no id.
_KEPT_QUERY: Final = frozenset(
    words("count fields grant_type limit offset orderBy owner_type primary record_type role scope sort")
)
#: Segments of paths that are the API's own.
_PATH_WORDS: Final = frozenset(
    words(
        """academicSessions api applications classes contacts course courses demographics discovery district districts
        enrollments events gradingPeriods ims me mycontacts mystudents myteachers oauth oneroster orgs proxy resources
        rostering school schools section sections server students teachers term terms token tokeninfo tokens users"""
    )
)
_VERSION: Final = re.compile(r"v\d+(?:[.p]\d+)?")
#: Hosts that are the same for everybody.
_VENDOR_HOSTS: Final = frozenset(
    words(
        """api.clever.com clever.com oneroster-proxy.apis.classlink.com oneroster-proxy.classlink.io
        purl.imsglobal.org"""
    )
)
_KEPT_HEADERS: Final = frozenset(words("content-type date link retry-after x-count x-perm-rev x-total-count"))

_KEY_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_DATE = re.compile(r"[\d./-]{6,10}(?:[T ][\d:.]+(?:Z|[+-]\d\d:?\d\d)?)?")
_LOOKS_PERSONAL = re.compile(r"@|\d{5}")
_ADDRESS = re.compile(r"https?://", re.IGNORECASE)
_LINK = re.compile(r"(?<=<)[^>]+(?=>)|https?://[^\s<>;,]+", re.IGNORECASE)
_NOT_IN_HOSTS = re.compile(r"[^\w.-]")
_LITERAL = re.compile(r"'([^']*)'")
_FILTER_WORDS: Final = frozenset(words("active tobedeleted true false"))

#: What stands for a body that is no JSON: at most so many bytes of filling.
_MOST_FILLING: Final = 65_536
TORN: Final = '{"torn":'


class Body(NamedTuple):
    """A cleaned body: ``json`` encoded, or ``text``; both None where it was empty."""

    json: bytes | None = None
    text: str | None = None


class Cleaner:
    """Replaces what is personal or secret with the pseudonyms of one key.

    ``address`` cleans a whole address (``https://host/path?query``): hosts that are a district's own become hosts of
    example.org.
    """

    def __init__(self, pseudonyms: Pseudonyms) -> None:
        self._pseudonyms = pseudonyms
        self.address = lru_cache(maxsize=65536)(self._address)

    def value(self, value: Any, key: str = "") -> Any:
        """A decoded JSON value that stands under ``key``."""
        if isinstance(value, dict):
            kept = {name: inner for name, inner in value.items() if not _is_dropped(name)}
            # What hangs below a secret is one as well.
            return {self._key(name): self.value(inner, key if is_secret(key) else name) for name, inner in kept.items()}
        if isinstance(value, list):
            return [self.value(inner, key) for inner in value]
        if isinstance(value, str):
            return self._string(value, key)
        if isinstance(value, bool) or value is None or fold(key) in _KEPT_NUMBERS:
            return value
        return self._number(value, key)

    def _key(self, name: str) -> str:
        """A key as it is, unless it is somebody's id or address: some objects hold their entries by id."""
        return self._pseudonyms.text(name) if _LOOKS_PERSONAL.search(name) else name

    def _string(self, text: str, key: str) -> str:
        folded = fold(key)
        if is_secret(key):
            return self._pseudonyms.secret(text)
        if folded in _KEPT and not _LOOKS_PERSONAL.search(text):
            return text
        if (folded in _DATES and _DATE.fullmatch(text)) or text in _SOMETIMES_KEPT.get(folded, ()):
            return text
        if _ADDRESS.match(text):
            return self.address(text)
        if folded in ("uri", "href"):
            return self.path(text)
        return self._pseudonyms.text(text)

    def _number(self, number: int | float, key: str) -> int | float | str:
        if is_secret(key):
            return self._pseudonyms.secret(str(number))
        if isinstance(number, int):
            return self._pseudonyms.number(number)
        return 0.0  # a coordinate, most likely; no id is a fraction

    def _address(self, url: str) -> str:
        try:
            parts = urlsplit(url)
            host = (parts.hostname or "").lower()
        except ValueError:  # only looks like one
            return self._pseudonyms.text(url)
        if host not in _VENDOR_HOSTS:
            own = self._pseudonyms.text(host.rpartition(".")[0] or host)
            host = f"{_NOT_IN_HOSTS.sub('-', own)}.example.org"
        return f"https://{host}{self.path(parts.path + (parts.query and '?' + parts.query))}"

    def path(self, path: str) -> str:
        """A path with its query, as it goes over the wire. Segments that are not the API's own words, and values that may be
        ids, become what those ids become in bodies; escapes stay as they are."""
        path, question, query = path.partition("#")[0].partition("?")
        segments = (part if _is_path_word(part) else self._pseudonyms.text(part) for part in path.split("/"))
        return "/".join(segments) + question + "&".join(self._parameter(part) for part in query.split("&"))

    def _parameter(self, parameter: str) -> str:
        name, equals, value = parameter.partition("=")
        if is_secret(name):
            value = self._pseudonyms.secret(value)
        elif name == "filter":
            value = quote(_LITERAL.sub(self._literal, unquote_plus(value)), safe="")
        elif name not in _KEPT_QUERY:
            value = self._pseudonyms.text(value)
        return name + equals + value

    def _literal(self, match: re.Match[str]) -> str:
        text = match[1]
        return match[0] if _DATE.fullmatch(text) or text in _FILTER_WORDS else f"'{self._pseudonyms.text(text)}'"

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """The few headers that matter, their names in lower case."""
        kept = {name.lower(): value for name, value in headers.items() if _is_kept_header(name.lower())}
        if "link" in kept:
            kept["link"] = _LINK.sub(lambda match: self._link(match[0]), kept["link"])
        return kept

    def _link(self, url: str) -> str:
        return self.address(url) if _ADDRESS.match(url) else self.path(url)

    def body(self, body: bytes) -> Body:
        """JSON with its values cleaned; HTML of a similar size; ``TORN`` for JSON that is torn; a row of "x" for other text."""
        if not body.strip():
            return Body()
        try:
            return Body(json=msgspec.json.encode(self.value(msgspec.json.decode(body))))
        except (ValueError, RecursionError):
            pass
        size = min(len(body), _MOST_FILLING)
        if body.lstrip().startswith(b"<"):
            return Body(text=f"<html>{' ' * max(size - 13, 0)}</html>")
        if body.lstrip().startswith((b"{", b"[")):
            return Body(text=TORN)
        return Body(text="x" * size)


@lru_cache(maxsize=4096)
def fold(key: str) -> str:
    """A key without case and separators: "access_token" and "accessToken" are one."""
    return re.sub(r"[^a-z0-9]", "", key.lower())


def is_secret(name: str) -> bool:
    """Whether what stands under a key, or in a query parameter, is a secret."""
    return fold(name) in _SECRETS


@lru_cache(maxsize=4096)
def _is_dropped(key: str) -> bool:
    return not _DROPPED.isdisjoint(word.lower() for word in _KEY_WORDS.findall(key))


def _is_path_word(segment: str) -> bool:
    return segment in _PATH_WORDS or _VERSION.fullmatch(segment) is not None


def _is_kept_header(name: str) -> bool:
    return name in _KEPT_HEADERS or name.startswith("x-ratelimit-")
