"""manifest.csv of a OneRoster set: which files belong to it, and whether each lists everything or changes only."""

from collections.abc import Sequence
from typing import NamedTuple

from connectors.csvfiles.layouts import LAYOUT_OF
from connectors.csvfiles.table import Table
from connectors.normalize.listing import Listing
from models.problems import Problem

#: No manifest has more properties than this; what follows is not one.
_MOST_ROWS = 1000


class Manifest(NamedTuple):
    """``modes`` says bulk, delta or absent per role; empty where there is no manifest or it says nothing."""

    modes: dict[str, str]
    file: str = ""

    def is_delta(self, role: str) -> bool:
        return self.modes.get(role) == "delta"

    def missing(self, present: Sequence[str]) -> list[str]:
        """Roster files that are announced and did not come."""
        announced = [role for role, mode in self.modes.items() if mode in ("bulk", "delta") and role in LAYOUT_OF]
        return sorted(set(announced) - set(present))

    def denies(self, role: str) -> bool:
        """Whether a file came that the manifest calls absent."""
        return self.modes.get(role) == "absent"


def read_manifest(table: Table, listing: Listing, present: Sequence[str]) -> tuple[Manifest, list[Problem]]:
    """The manifest, and where it does not agree with the roster files that came (``present``: their roles)."""
    pick = table.getter("propertyName", "value")
    roles = {role.lower(): role for role in LAYOUT_OF}
    modes: dict[str, str] = {}
    for _, cells, fault in table.rows(listing):
        if table.rows_read > _MOST_ROWS:
            break
        name, value = (text.lower() for text in pick(cells))
        prefix, _, file = name.partition("file.")
        if fault is None and not prefix and file:
            modes[roles.get(file, file)] = value
    manifest = Manifest(modes, table.file)
    problems = [
        Problem("manifest_mismatch", table.file, detail=f"({role}.csv is announced and did not come)")
        for role in manifest.missing(present)
    ]
    problems += [
        Problem("manifest_mismatch", table.file, detail=f"({role}.csv came and is said to be absent)")
        for role in present
        if manifest.denies(role)
    ]
    return manifest, problems
