"""The one HTTP layer of all connectors."""
