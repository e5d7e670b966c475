"""Where and how a OneRoster provider is read; ClassLink finds its own and then reads as any other provider is read."""

from typing import NamedTuple

from connectors.http.auth import Auth


class Endpoint(NamedTuple):
    """``base_url`` is full, up to and with the version, without a slash at its end; it is used verbatim."""

    base_url: str
    auth: Auth


class PullSettings(NamedTuple):
    """What of a connection's settings the pull itself needs; see ``models.connections.OneRosterSettings``."""

    page_size: int
    sort: bool
    delta: bool
    overlap_hours: int
    full_every_days: int


class SourceChangedError(Exception):
    """Raised by a pull's ``inspect`` hook: the source changed under us (ClassLink's ``x-perm-rev``); begin anew."""
