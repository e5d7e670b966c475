"""Connections to sources: lists, one in full, and the districts of a partner key."""

import shlex
from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from cli.show.words import STATE_STYLES, clean, commands, facts, heading, moment, plural, table
from models.report import RunSummary
from models.sources import ConnectionSummary, ConnectionView, Discovery, PartnerDistrict, SettingView

_STYLES = {"active": "green", "paused": "yellow", "disconnected": "red", "removed": "dim"}


def show_connections(connections: list[ConnectionSummary]) -> RenderableType:
    """One line per connection."""
    if not connections:
        return Text("No connections yet. Add one with: rostersync connection add CONNECTOR TENANT")
    return table(
        (("Name", "left"), ("Connector", "left"), ("State", "left"), ("Last run", "left"), ("Why", "left")),
        (
            [
                clean(c.name),
                clean(c.connector),
                Text(c.state, style=_STYLES.get(c.state, "")),
                _last_run(c.last_run),
                clean(c.reason),
            ]
            for c in connections
        ),
    )


def _last_run(run: RunSummary | None) -> Text:
    if run is None:
        return Text("never", style="dim")
    return Text.assemble(clean(moment(run.started_at)[:16]), " ", _run_state(run))


def _run_state(run: RunSummary) -> Text:
    state = "dry run" if run.dry_run and run.state == "planned" else run.state
    return Text(state, style=STATE_STYLES.get(run.state, ""))


def show_added_connection(connection: ConnectionView) -> RenderableType:
    """A new connection, and what it needs next."""
    tenant, name = connection.tenant, connection.name
    return Group(
        Text.assemble(("Added connection ", "bold"), clean(name, "bold"), " to ", clean(tenant), "."),
        facts([("credentials", _credentials(connection))]),
        heading("Next"),
        commands(
            [
                ("see what it shares", f"rostersync connection test {tenant} {name}"),
                ("let it create schools", f"rostersync tenant set {tenant} create_schools true"),
                ("see what a sync would do", f"rostersync sync {tenant} --connection {name} --dry-run"),
            ]
        ),
    )


def show_connection(connection: ConnectionView) -> RenderableType:
    """One connection: state, credentials by name, every setting with what it means, the last runs."""
    settings = (heading("Settings"), _settings(connection.settings)) if connection.settings else ()
    runs = facts(
        (f"run {run.run_id}", Text.assemble(moment(run.started_at), " ", _run_state(run)))
        for run in connection.last_runs
    )
    last = runs if connection.last_runs else Text("No runs yet.")
    return Group(*_head(connection), *settings, heading("Last runs"), last, *_next(connection))


def show_changed_connection(connection: ConnectionView) -> RenderableType:
    """A connection after a setting or its credentials were changed."""
    steps = [("see if it works", f"rostersync connection test {connection.tenant} {connection.name}")]
    return Group(
        *_head(connection), heading("Settings"), _settings(connection.settings), heading("Next"), commands(steps)
    )


def show_connection_state(connection: ConnectionView) -> RenderableType:
    """What became of a connection, without its settings."""
    return Group(*_head(connection), *_next(connection))


def _head(connection: ConnectionView) -> Iterator[RenderableType]:
    yield Text.assemble(
        ("Connection ", "bold"), clean(connection.name, "bold"), " of ", clean(connection.tenant), ": ",
        Text(connection.state, style=_STYLES.get(connection.state, "")),
    )  # fmt: skip
    details: list[tuple[str, Text | str]] = [("connector", connection.connector), ("since", moment(connection.since))]
    if connection.reason:
        details.append(("because", connection.reason))
    if connection.settings:
        details.append(("credentials", _credentials(connection)))
    yield facts(details)


def _next(connection: ConnectionView) -> Iterator[RenderableType]:
    """How to get on, where the connection does not sync."""
    tenant, name = connection.tenant, connection.name
    steps = {
        "paused": ("let it go on", f"rostersync connection resume {tenant} {name}"),
        "disconnected": ("ask the source again", f"rostersync sync {tenant} --connection {name} --dry-run"),
        "removed": ("use it again", _adding(connection)),
    }
    if connection.state in steps:
        yield from (heading("Next"), commands([steps[connection.state]]))


def _adding(connection: ConnectionView) -> str:
    """The command that adds a connection with the settings that it had."""
    chosen = [f"{s.name}={_typed(s.value)}" for s in connection.settings if s.value != s.default]
    settings = "".join(f" --set {shlex.quote(text)}" for text in chosen)
    return f"rostersync connection add {connection.connector} {connection.tenant} --name {connection.name}{settings}"


def _typed(value: object) -> str:
    return "null" if value is None else "" if value in ("", (), []) else setting_text(value)


def _credentials(connection: ConnectionView) -> Text:
    """Names only, or why not even those can be read."""
    if connection.credentials_problem:
        return clean(connection.credentials_problem, "red")
    stored = ", ".join(connection.credentials)
    return clean(f"{stored} (stored encrypted)" if stored else "none")


def _settings(settings: list[SettingView]) -> RenderableType:
    """Every setting; what differs from the default stands out."""
    return table(
        (("Setting", "left"), ("Value", "left"), ("What it is", "left")),
        (
            [clean(s.name), Text(setting_text(s.value), "bold" if s.value != s.default else ""), clean(s.description)]
            for s in settings
        ),
    )


def setting_text(value: object) -> str:
    """A setting's value as ``connection set`` takes it; "(none)" where there is none."""
    match value:
        case bool():
            return "true" if value else "false"
        case tuple() | list():
            return ", ".join(map(str, value)) or "(blank)"
        case None | "":
            return "(none)"
        case _:
            return str(value)


def show_discovery(discovery: Discovery) -> RenderableType:
    """The districts of a partner key, one line each, and what comes next for those that were added."""
    parts: list[RenderableType] = []
    if not discovery.districts:
        parts.append(Text("ClassLink lists no district for this partner key."))
    else:
        parts.append(_districts(discovery.districts))
    for tenant in discovery.added:
        parts.append(Text.assemble("\n", ("Added ", "bold"), clean(tenant, "bold"), " with a connection classlink."))
        parts.append(commands([("see what it shares", f"rostersync connection test {tenant} classlink")]))
    if not discovery.added and any(d.eligible and not d.tenants for d in discovery.districts):
        example = "rostersync classlink discover --add TENANT_ID=TENANT"
        parts += [heading("Next"), commands([("add one of them", example)])]
    return Group(*parts)


def _districts(districts: list[PartnerDistrict]) -> RenderableType:
    eligible = sum(district.eligible for district in districts)
    return Group(
        Text(f"{plural(len(districts), 'district')}, {eligible:,} of them can be read"),
        table(
            (
                ("TenantId", "left"),
                ("District", "left"),
                ("App", "left"),
                ("Tenant here", "left"),
                ("Why it cannot be read", "left"),
            ),
            (
                [
                    clean(d.tenant_id),
                    clean(d.name),
                    clean(d.application),
                    clean(", ".join(d.tenants)),
                    clean(d.reason, "yellow"),
                ]
                for d in districts
            ),
        ),
    )
