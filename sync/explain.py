"""Why is this person here, or not: which file and line, which problem, which run changed what."""

from typing import Any

import msgspec
from sqlalchemy import Connection

from models.connections import FILE_CONNECTORS, SETTINGS_OF
from models.problems import CATALOG, sentence
from models.report import Explanation
from store import dossier, history, runs
from store.database import reading
from store.names import Names
from sync.check import zero_variants
from sync.service import Service
from sync.tenants import tenant_and_settings

_PROBLEMS = 10
#: People who have one number in common that are told of.
_PEOPLE = 3

_CAUSES = {
    "absent": "the source no longer listed it",
    "tombstone": "the source marked it as deleted",
    "parent_removed": "what it belonged to was archived",
    "unshared": "the source no longer shares it",
    "term_ended": "its term ended",
    "re_keyed": "the source gave it a new id",
}


def explain(service: Service, tenant: str, person: str) -> Explanation:
    """Explain a person by a source id, by an identifier (student number …), or by ``#`` and the internal id.

    Raises NotFoundError for an unknown tenant.
    """
    tenant_id, _ = tenant_and_settings(service, tenant)
    with reading(service.engine) as connection:
        writer = _Explainer(connection, tenant_id)
        if person.startswith("#") and person.isascii() and person[1:].isdigit() and len(person) < 12:
            return writer.by_internal_id(person, int(person[1:]))
        return writer.by_source_id(person)


class _Explainer:
    """Collects the sentences."""

    def __init__(self, connection: Connection, tenant_id: int) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self._names = Names(connection, tenant_id)

    def by_internal_id(self, asked: str, person_id: int) -> Explanation:
        stored = dossier.person(self._connection, self._tenant_id, person_id)
        if stored is None:
            return Explanation(asked, False, "unknown", [f"There is no person {asked}."])
        source_ids = dossier.links_to(self._connection, self._tenant_id, person_id)
        facts = [f"Sources know this person as {', '.join(source_ids) or 'nobody (made by hand)'}."]
        return Explanation(asked, True, stored["status"], facts + self._story(stored, source_ids))

    def by_source_id(self, source_id: str) -> Explanation:
        links = dossier.links_of(self._connection, self._tenant_id, source_id)
        if not links:
            return self._by_identifier(source_id)
        facts = [self._link(link) for link in links]
        status = "archived"
        for person_id in dict.fromkeys(link["entity_id"] for link in links):
            stored = dossier.person(self._connection, self._tenant_id, person_id)
            assert stored is not None
            status = "active" if stored["status"] == "active" else status
            facts += self._story(stored, [source_id])
        return Explanation(source_id, True, status, facts)

    def _by_identifier(self, value: str) -> Explanation:
        """At Clever people are known by ids that nobody has ever seen: they are asked for by their numbers."""
        people = dossier.people_with(self._connection, self._tenant_id, value, _PEOPLE)
        if not people:
            return Explanation(value, False, "unknown", self._absence(value))
        facts = [
            f"No source knows anybody as {value}, but it is a number of {' and '.join(f'#{one}' for one in people)}."
        ]
        told = [self.by_internal_id(f"#{one}", one) for one in people]
        status = "active" if any(one.status == "active" for one in told) else "archived"
        return Explanation(value, True, status, facts + [fact for one in told for fact in one.facts])

    # --- a person who is (or was) here -----------------------------------------------------------------------------

    def _link(self, link: dict[str, Any]) -> str:
        place = _place(link["file"] or link["listing"], link)
        return (
            f"Connection {link['connection_name']} knows {link['source_id']} as person #{link['entity_id']}; "
            f"the record last changed in run {link['run_id']} ({place})."
        )

    def _story(self, stored: dict[str, Any], source_ids: list[str]) -> list[str]:
        facts = [self._origin(stored)]
        for row in dossier.relations(self._connection, self._tenant_id, stored["id"]):
            facts.append(self._relation(row))
        for change in history.changes_about(self._connection, self._tenant_id, stored["id"]):
            facts.append(self._change(change))
        if stored["status"] == "archived":
            cause = _CAUSES.get(stored["archived_cause"], "unknown")
            at = _moment(stored["archived_at"])
            facts.append(f"Archived by run {stored['archived_run_id']} at {at}, because {cause}.")
        for source_id in source_ids:
            facts += self._problems(source_id)
        return facts + self._waiting(stored["id"])

    def _origin(self, stored: dict[str, Any]) -> str:
        if stored["connection_id"] is None:
            return "Made by hand; no sync changes this person."
        made = f"created by run {stored['created_run_id']}"
        made += f" at {_moment(stored['created_at'])}" if stored["created_at"] else ""
        return f"Managed by connection {stored['connection_name']}; {made}."

    def _relation(self, row: dict[str, Any]) -> str:
        name = self._names.relation(row["kind"], row["first"], row["second"], row["role"])
        if row["status"] == "active":
            return f"{row['kind'].capitalize()}: {name} ({_place(row['listing'], row)} when it last changed)."
        cause = _CAUSES.get(row["archived_cause"], "unknown")
        return f"Former {row['kind']}: {name}; archived by run {row['archived_run_id']}, because {cause}."

    @staticmethod
    def _change(change: history.StoredChange) -> str:
        """Which fields, never their values."""
        cause = f" ({change.cause})" if change.cause else ""
        names = ", ".join(msgspec.json.decode(change.after))
        return f"Run {change.run_id}: {change.action} of the {change.kind}{cause}{f': {names}' if names else ''}."

    # --- a person who is not here ----------------------------------------------------------------------------------

    def _absence(self, source_id: str) -> list[str]:
        facts = self._problems(source_id)
        near = dossier.known_ids(self._connection, self._tenant_id, zero_variants(source_id))
        facts += [f"There is {other}, which differs only by leading zeros; ids are compared exactly." for other in near]
        coverage = dossier.last_coverage(self._connection, self._tenant_id)
        if facts:
            return facts
        if coverage is None:
            return [f"Nobody is known as {source_id}: no run has read a list of people yet."]
        return [
            f"Nobody is known as {source_id}: nothing that was read had a record with this id or number. "
            f"The newest list of people was {coverage['file']} in run {coverage['run_id']} "
            f"({_moment(coverage['run_at'])}, {coverage['received']} records, {coverage['verdict']})."
        ]

    def _problems(self, source_id: str) -> list[str]:
        rows = dossier.problems_about(self._connection, self._tenant_id, source_id, _PROBLEMS)
        return [
            f"Run {row['run_id']}, {_place(row['file'], row)}, {row['severity']}: "
            + (sentence(row["code"], row["field"], row["detail"]) if row["code"] in CATALOG else row["code"])
            for row in rows
        ]

    def _waiting(self, person_id: int) -> list[str]:
        """What a waiting plan would do to the person."""
        facts = []
        for run_id in dossier.waiting_runs(self._connection, self._tenant_id):
            for chunk in runs.load_plan(self._connection, run_id):
                if chunk.kind == "person" and chunk.operation != "create":
                    facts += [
                        f"Run {run_id} waits for a decision and would {chunk.operation} this person."
                        for row in chunk.rows
                        if row[0] == person_id
                    ]
        return facts


def _place(file: str, row: dict[str, Any]) -> str:
    """``users.csv line 12``; what a source listed has no lines."""
    listed = row["connector"] in SETTINGS_OF.keys() - FILE_CONNECTORS
    return f"{file} {'record' if listed else 'line'} {row['line']}"


def _moment(iso: str) -> str:
    return f"{iso[:16].replace('T', ' ')} UTC"
