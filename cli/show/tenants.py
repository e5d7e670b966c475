"""Tenants, schools, a person's explanation and exported files."""

from collections.abc import Iterator, Mapping

from rich.console import Group, RenderableType
from rich.text import Text

from cli.show.words import Column, bullets, clean, commands, facts, heading, moment, number, table
from models.report import Explanation, FileReport, SchoolView, TenantView
from models.vocabulary import KINDS, PLURALS, Kind


def show_tenants(tenants: list[TenantView]) -> RenderableType:
    """One line per tenant."""
    if not tenants:
        return Text("No tenants yet. Add one with: rostersync tenant add NAME")
    kinds: tuple[Kind, ...] = ("person", "class", "enrollment", "guardianship")
    return table(
        [("Tenant", "left"), ("Schools", "right"), *((PLURALS[kind].capitalize(), "right") for kind in kinds),
         ("Last applied", "left")],
        (
            [clean(t.name), number(t.schools), *(number(t.counts.get(kind, 0)) for kind in kinds),
             clean(_last_applied(t))]
            for t in tenants
        ),
    )  # fmt: skip


def _last_applied(tenant: TenantView) -> str:
    return moment(tenant.last_applied_at) if tenant.last_applied_at else "never"


def show_added_tenant(tenant: TenantView) -> RenderableType:
    """A new tenant, and what it needs next."""
    schools = f"rostersync school add {tenant.name}"
    return Group(
        Text.assemble(("Added tenant ", "bold"), clean(tenant.name, "bold"), "."),
        heading("Next"),
        commands([("add a school", f"{schools} SOURCE_ID NAME"), ("or all of them", f"{schools} --file schools.csv")]),
    )


def show_tenant(tenant: TenantView) -> RenderableType:
    """One tenant: what is stored, and every setting under the name that ``tenant set`` takes."""
    counts = {**tenant.counts, "school": tenant.schools}
    stored = [(PLURALS[kind], f"{counts[kind]:,}") for kind in KINDS if kind in counts]
    return Group(
        Text.assemble(("Tenant ", "bold"), clean(tenant.name, "bold")),
        facts([("last applied", _last_applied(tenant))]),
        heading("Stored and active"),
        facts(stored),
        heading("Settings"),
        facts([(name, _setting(value)) for name, value in flat_settings(tenant.settings)]),
    )


def flat_settings(settings: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Nested settings as dotted names: ``guard.removals.percent``."""
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from flat_settings(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _setting(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "(none)" if value in ({}, None, "") else str(value)


def show_schools(schools: list[SchoolView]) -> RenderableType:
    """One line per school."""
    if not schools:
        return Text("No schools yet. Add one with: rostersync school add TENANT SOURCE_ID NAME")
    return table(
        (("Source id", "left"), ("Name", "left"), ("Type", "left"), ("Status", "left"), ("Managed by", "left")),
        ([clean(s.source_id), clean(s.name), clean(s.type), clean(s.status), clean(s.managed_by)] for s in schools),
    )


def show_explanation(explanation: Explanation) -> RenderableType:
    """Why a person is here, or not."""
    status = explanation.status if explanation.found else "not stored"
    title = Text.assemble(("Person ", "bold"), clean(explanation.person, "bold"), ": ", clean(status))
    return Group(title, bullets(explanation.facts))


def show_exported(files: list[FileReport]) -> RenderableType:
    """The files of an export, and what this form has no place for."""
    columns: list[Column] = [("File", "left"), ("Rows", "right"), ("Note", "left")]
    return table(columns, ([clean(f.file), number(f.rows), clean(f.note)] for f in files))
