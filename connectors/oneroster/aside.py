"""Records that are not taken: malformed, without an id, deleted, or lacking what they need."""

from connectors.normalize.listing import Listing
from connectors.normalize.values import read_status
from models.records import Record


def malformed(listing: Listing, line: int) -> None:
    """An entry of the collection that is no object: nobody can say which record it is."""
    listing.tell("record_malformed", line, detail="(not an object)")
    listing.protect(line, None)


def is_set_aside(listing: Listing, line: int, source_id: str, status: str, gone: Record) -> bool:
    """Deal with records that have no id, are deleted (as ``gone``) or of a status that nobody knows; False for others."""
    if not source_id:
        listing.tell("id_missing", line, field="sourcedId")
        listing.protect(line, None)
        return True
    known = read_status(status)
    if known == "gone":
        listing.add_gone(gone, line)
    elif known is None:
        listing.tell("bad_status", line, source_id, "status")
        listing.protect(line, (source_id,))
    return known != "active"


def lacks(listing: Listing, line: int, source_id: str, field: str, role: str | None = None) -> None:
    """Refuse a record without a field that it needs."""
    listing.tell("required_missing", line, source_id, field)
    listing.protect(line, (source_id,), role)
