"""Settings of a tenant and of one upload, and the guard's limits."""

from typing import Annotated, Literal

import msgspec

from models.vocabulary import KINDS, Kind

Percent = Annotated[float, msgspec.Meta(ge=0, le=100)]
Count = Annotated[int, msgspec.Meta(ge=0)]


class Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When removals (or updates) are held: more than ``percent`` of what is managed and more than ``floor`` records,
    or more than ``ceiling`` records whatever the percentage (0: no ceiling).

    Strictly more than: 10 % of 501 allows 50. Measured per school and over the whole tenant.
    """

    percent: Percent = 10.0
    floor: Count = 10
    ceiling: Count = 0


class GuardSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits per kind; a kind without its own uses the default. ``churn_percent``: from which share of re-issued ids on
    both halves are held. ``vanished_percent``: a field that more than this share of the records (and more than
    ``vanished_floor`` of them) would lose at once is no longer shared, and its stored values are kept; 100: never."""

    removals: Limit = Limit()
    updates: Limit = Limit(percent=75.0, floor=50)
    removals_by_kind: dict[Kind, Limit] = {}
    updates_by_kind: dict[Kind, Limit] = {}
    churn_percent: Percent = 25.0
    churn_floor: Count = 10
    vanished_percent: Percent = 50.0
    vanished_floor: Count = 10

    def removal_limit(self, kind: Kind) -> Limit:
        return self.removals_by_kind.get(kind, self.removals)

    def update_limit(self, kind: Kind) -> Limit:
        return self.updates_by_kind.get(kind, self.updates)


class TenantSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an operator can set for a tenant; stored as JSON in its row. ``time_zone`` is an IANA name, by which the days
    and times of its connections' schedules are meant."""

    create_schools: bool = False
    guard: GuardSettings = GuardSettings()
    time_zone: str = "UTC"


class UploadOptions(msgspec.Struct, frozen=True):
    """What one upload may know beside its files.

    ``school`` is the source id of the one school that the files are for (school-level upload), None at district level.
    """

    school: str | None = None
    max_bytes: int = 20_000_000_000
    page_size: int = 5_000


ResultsPolicy = Literal["full", "problems", "none"]

__all__ = ["KINDS", "GuardSettings", "Limit", "ResultsPolicy", "TenantSettings", "UploadOptions"]
