"""Internal ids as people know them: source ids and school names."""

from sqlalchemy import Connection, text

from models.vocabulary import Kind


class Names:
    """Looks up names one by one, for the few records that a person is shown; remembers them."""

    def __init__(self, connection: Connection, tenant_id: int, connection_id: int | None = None) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self._connection_id = connection_id or 0
        self._known: dict[tuple[Kind, int], str] = {}

    def entity(self, kind: Kind, entity_id: int) -> str:
        """The source id (the preferred connection's, else any), or ``#id`` where no source knows the entity."""
        known = self._known.get((kind, entity_id))
        if known is None:
            known = self._known[kind, entity_id] = self._look_up(kind, entity_id)
        return known

    def _look_up(self, kind: Kind, entity_id: int) -> str:
        found = self._connection.execute(
            text(
                "SELECT source_id FROM link WHERE tenant_id = :tenant AND kind = :kind AND entity_id = :entity "
                "ORDER BY CASE connection_id WHEN :preferred THEN 0 ELSE connection_id END LIMIT 1"
            ),
            {"tenant": self._tenant_id, "kind": kind, "entity": entity_id, "preferred": self._connection_id},
        ).scalar()
        return str(found) if found is not None else f"#{entity_id}"

    def relation(self, kind: Kind, first: int, second: int, role: str | None) -> str:
        """A relation in words, by its ends' source ids (``first`` and ``second`` as in the packed key)."""
        if kind == "enrollment":
            return f"{self.entity('person', second)} in class {self.entity('class', first)} as {role}"
        if kind == "affiliation":
            return f"{self.entity('person', first)} at school {self.entity('school', second)} as {role}"
        return f"{self.entity('person', second)} as guardian of {self.entity('person', first)}"
