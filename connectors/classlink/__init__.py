"""The ClassLink connector: districts of a partner through ClassLink's proxy, or a roster server directly."""

from connectors.classlink.applications import District
from connectors.classlink.check import check
from connectors.classlink.source import ClassLinkSource, districts

__all__ = ["ClassLinkSource", "District", "check", "districts"]
