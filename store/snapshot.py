"""Every stored row of one tenant, archived ones as well, for pictures of small rosters: a kind is in memory at once."""

from typing import Any

from sqlalchemy import Connection, text

from models.plan import COLUMNS
from models.state import ENDS
from models.vocabulary import ENTITY_KINDS, Kind
from store.bulk import quoted


def all_links(connection: Connection, tenant_id: int, kind: Kind) -> list[tuple[int, str, str]]:
    """(entity id, connection's name, source id) of a kind: by entity, the managing connection's first."""
    query = text(
        "SELECT link.entity_id, connection.name, link.source_id FROM link "
        "JOIN connection ON connection.id = link.connection_id WHERE link.tenant_id = :tenant AND link.kind = :kind "
        "ORDER BY link.entity_id, link.manages DESC, link.connection_id, link.source_id"
    )
    return [tuple(row) for row in connection.execute(query, {"tenant": tenant_id, "kind": kind})]


def all_rows(connection: Connection, tenant_id: int, kind: Kind) -> list[dict[str, Any]]:
    """Rows of a kind as they are stored: ``id`` or both ends (and ``role``), the kind's columns, ``status``,
    ``archived_cause``, and ``managed_by``, the managing connection's name or None."""
    keys = ("id",) if kind in ENTITY_KINDS else ENDS[kind]
    role = () if kind in (*ENTITY_KINDS, "guardianship") else ("role",)
    columns = ", ".join(f"t.{name}" for name in (*keys, *role, *COLUMNS[kind], "status", "archived_cause"))
    query = text(
        f"SELECT {columns}, connection.name AS managed_by FROM {quoted(kind)} AS t "
        "LEFT JOIN connection ON connection.id = t.connection_id WHERE t.tenant_id = :tenant"
    )
    return [dict(row) for row in connection.execute(query, {"tenant": tenant_id}).mappings()]
