"""The order of organizations."""

from collections.abc import Iterator

from models.records import School


def parents_first(orgs: list[tuple[School, int]]) -> Iterator[tuple[School, int]]:
    """Orgs ordered by their depth in the file's own tree; a parent from elsewhere, or a circle, ends the climb."""
    parent_of = {record.source_id: record.parent_source_id for record, _ in orgs}

    def depth(record: School) -> int:
        climbed = {record.source_id}
        parent = record.parent_source_id
        while parent is not None and parent in parent_of and parent not in climbed:
            climbed.add(parent)
            parent = parent_of[parent]
        return len(climbed)

    yield from sorted(orgs, key=lambda entry: depth(entry[0]))
