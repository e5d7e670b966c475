"""What can go wrong with a request, in words for people; nothing here quotes more of an address than its host.

``what`` names the request in the words that its caller gave ("users").
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import requests
from urllib3.exceptions import (
    HTTPError,
    LocationValueError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    ReadTimeoutError,
)

from connectors.http.bodies import TooLargeError
from connectors.http.retry import Transient
from connectors.http.times import retry_after, source_time, window_left
from models.errors import (
    CredentialsRefusedError,
    RosterSyncError,
    SettingsError,
    SourceProtocolError,
    SourceUnavailableError,
)

#: What sending a request and reading its answer was seen to raise. A ValueError comes of what cannot be put into a header.
SENDING_FAILS: Final = (requests.RequestException, HTTPError, OSError, ValueError, TooLargeError)
#: Another try may get another answer; 429 and 503 may say when.
_PASSING: Final = frozenset({429, 500, 502, 503, 504})
_ENTER_AGAIN: Final = "Enter them again, or ask the district for new ones."
_LAST_DAY: Final = 253_402_214_400.0  # of the year 9999


def of_address(what: str) -> SettingsError:
    return SettingsError(
        "An address in the connection's settings is not valid; it has to look like https://sis.example.org/path.",
        f"{what}: the address cannot be parsed",
    )


def of_sending(error: Exception, what: str, host: str, most_bytes: int) -> Exception:
    """For an answer that did not come, or not whole. The result knows nothing of ``error``, whose text may hold secrets."""
    if isinstance(error, TooLargeError):
        return SourceProtocolError(
            f"What {host} sent when it was asked for {what} is larger than {most_bytes // 1_000_000:,} MB. Make page_size "
            "smaller in the connection's settings.",
            f"{what}: a body of more than {most_bytes:,} bytes, decompressed",
        )
    if _is_about_certificate(error):
        return SourceUnavailableError(
            f"The certificate of {host} is not valid. Check the address in the connection's settings; if it is right, "
            "the source has to renew its certificate.",
            f"{what}: TLS certificate of {host} refused",
        )
    if isinstance(error, (requests.exceptions.InvalidURL, LocationValueError)):
        return of_address(what)
    if isinstance(error, (requests.RequestException, HTTPError, OSError)):
        return Transient(_why_none_came(error))
    return SettingsError(
        "A key, secret or token in the connection's credentials holds characters that cannot be sent; enter it again.",
        f"{what}: {type(error).__name__} from the request's headers",
    )


def of_status(status: int, headers: Mapping[str, str], now: float, what: str, host: str, hint: str) -> Exception:
    """For a status that nobody wanted. ``hint`` says what may be wrong with the credentials, blank where that is unknown."""
    seen = f"{what}: status {status} from {host}"
    if status in _PASSING:
        asked = retry_after(headers, now)
        if asked is None and status == 429:
            asked = window_left(headers, now)
        return Transient(f"it answered with status {status}", asked=asked, limit=status == 429)
    if 300 <= status < 400:
        return SettingsError(
            f"{host} answers with a redirect to another address when it is asked for {what}, and none is followed. "
            "Correct the setting that holds this address (base_url, token_url, …).",
            seen,
        )
    if status == 401:
        return CredentialsRefusedError(
            f"The source refused our credentials when it was asked for {what}. {hint or _ENTER_AGAIN}",
            seen + _skew(headers, now),
        )
    if status == 403:
        return CredentialsRefusedError(
            f"Our credentials do not allow to read what was asked for: {what}. Ask the district to share it with this "
            "application.",
            seen,
        )
    if status >= 500:
        return SourceUnavailableError(
            f"The source could not answer when it was asked for {what}. Try again later.", seen
        )
    if status == 404:
        return SourceProtocolError(
            f"The source knows no such address (asked for: {what}). Check the address in the connection's settings.",
            seen,
        )
    return SourceProtocolError(
        f"The source did not accept the request for {what} (status {status}). Ask its support what is wrong.", seen
    )


def of_giving_up(failure: Transient, tries: int, now: float, what: str, host: str, patience: float) -> RosterSyncError:
    """After the last try. ``patience``: seconds that may still be waited."""
    seen = f"{what}: {failure.reason}, from {host}, tries: {tries}"
    if failure.torn:
        return SourceProtocolError(
            f"The source's answer cannot be read (asked for: {what}): {failure.reason}. Nothing was changed; ask its "
            "support if this goes on.",
            seen,
        )
    when = "Try again later."
    if failure.asked is not None and failure.asked > patience:
        when = _try_again_at(now + failure.asked)
    unavailable = SourceUnavailableError(f"{host} could not be asked for {what}: {failure.reason}. {when}", seen)
    unavailable.retry_after = failure.asked
    return unavailable


def of_window(seconds: float, now: float, what: str, host: str) -> SourceUnavailableError:
    """For a limit that lasts longer than a run may wait."""
    unavailable = SourceUnavailableError(
        f"{host} has reached its limit of requests. {_try_again_at(now + seconds)}",
        f"{what}: {host} takes no request for {seconds:.0f} s",
    )
    unavailable.retry_after = seconds
    return unavailable


def _try_again_at(time: float) -> str:
    at = datetime.fromtimestamp(min(time, _LAST_DAY), UTC)
    return f"It asks to be left alone until {at:%Y-%m-%d %H:%M} UTC; try again then."


def _is_about_certificate(error: Exception) -> bool:
    return isinstance(error, requests.exceptions.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error)


def _why_none_came(error: Exception) -> str:
    if isinstance(error, requests.ConnectTimeout):
        return "no connection came about in time"
    if isinstance(error, (requests.Timeout, ReadTimeoutError)):
        return "it did not answer in time"
    inner = error.args[0] if error.args else None
    cause = inner.reason if isinstance(inner, MaxRetryError) else inner
    if isinstance(cause, NameResolutionError):
        return "no host of that name was found"
    if isinstance(cause, NewConnectionError) or isinstance(error, requests.exceptions.SSLError):
        return "no connection came about"
    return "the connection broke off"


def _skew(headers: Mapping[str, str], now: float) -> str:
    theirs = source_time(headers)
    return "" if theirs is None else f"; its clock is {theirs - now:+.0f} s from ours"
