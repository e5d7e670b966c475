"""The OneRoster connector: any provider of OneRoster 1.1 or 1.2 over REST."""

from connectors.oneroster.source import OneRosterSource, check

__all__ = ["OneRosterSource", "check"]
