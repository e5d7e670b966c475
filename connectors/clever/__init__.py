"""Clever's Data API v3: a district's roster, as pages of normalized records."""

from connectors.clever.check import check
from connectors.clever.source import CleverSource

__all__ = ["CleverSource", "check"]
