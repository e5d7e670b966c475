"""``rostersync status`` as a person and a machine read it."""

from collections.abc import Callable
from typing import Any

import pytest

from cli.show.status import show_status
from models.health import ConnectionStatus, ServiceStatus, WorkerView

Rendered = Callable[..., str]


def line(**values: Any) -> ConnectionStatus:
    known: dict[str, Any] = {
        "tenant": "springfield", "connection": "clever", "connector": "clever", "state": "ok", "health": "ok",
        "turn": "nobody", "reason": "", "last_good_at": "2026-11-22T02:00:00+00:00", "age_hours": 7.0,
        "next_at": "2026-11-22T14:00:00+00:00", "next_words": "in 5 h", "last_run_id": 12, "stale": False,
    }  # fmt: skip
    return ConnectionStatus(**(known | values))


REFUSED = line(
    tenant="pine", state="refused", health="refused", turn="district", age_hours=31.0, reason="Clever refuses the token.",
    last_run_id=40,
)  # fmt: skip
BROKEN = line(
    tenant="oak", connection="sis", state="broken", health="broken", turn="ours", reason="It broke.", stale=True
)
WORKER = WorkerView("w", "host-1", 4711, "0.1", "2026-11-22T02:00:00+00:00", 3.0, True, False, 4, ["elm/sis"])


def status(*lines: ConnectionStatus, workers: tuple[WorkerView, ...] = (WORKER,)) -> ServiceStatus:
    states: dict[str, int] = {}
    for each in lines:
        states[each.state] = states.get(each.state, 0) + 1
    return ServiceStatus("2026-11-22T09:00:00+00:00", list(workers), 2, 1, states, list(lines))


def lines_of(text: str) -> list[str]:
    return [" ".join(each.split()) for each in text.splitlines()]


def test_a_person_sees_workers_counts_lines_and_whose_turn_it_is(rendered: Rendered) -> None:
    text = rendered(show_status(status(BROKEN, REFUSED, line(), line(tenant="elm")), 100))
    lines = lines_of(text)
    assert "Status at 2026-11-22 09:00:00 UTC" in lines
    assert "host-1, pid 4711 1 of 4 slots busy: elm/sis" in lines
    assert "4 connections: 2 ok, 1 broken, 1 refused; 2 due, 1 running" in lines
    assert "pine/clever refused 31 h ago in 5 h district" in lines
    assert "oak/sis broken, stale 7 h ago in 5 h ours" in lines
    assert "springfield/clever ok 7 h ago in 5 h -" in lines
    assert lines[lines.index("Ours to do") + 1] == "• oak/sis (last run 12): It broke."
    assert lines[lines.index("The district's turn") + 1] == "• pine/clever (last run 40): Clever refuses the token."
    assert "its last run: rostersync run show 12" in lines
    assert "what it waits for: rostersync schedule show oak sis" in lines


def test_long_names_and_reasons_fit_80_columns(rendered: Rendered) -> None:
    long = line(
        tenant="the-unified-school-district-of-springfield-and-surroundings", connection="oneroster-secondary",
        state="disconnected", turn="district", reason="The district switched us off. " * 6, stale=True,
        next_words="in 14 h (asked by somebody.with.a.long.name)",
    )  # fmt: skip
    text = rendered(show_status(status(long), 100), 80)
    assert max(map(len, text.splitlines()[:-2])) <= 80


def test_no_worker_is_told_with_what_to_do(rendered: Rendered) -> None:
    assert "to start one: rostersync serve" in " ".join(
        lines_of(rendered(show_status(status(line(), workers=()), 100)))
    )


def test_silent_worker(rendered: Rendered) -> None:
    silent = WorkerView("w", "host-1", 4711, "0.1", "2026-11-22T02:00:00+00:00", 600.0, False, False, 4, [])
    text = rendered(show_status(status(line(), workers=(silent,)), 100))
    assert "host-1, pid 4711 silent for 10 min" in lines_of(text)
    assert "No worker is alive" in text


def test_what_is_left_out_is_counted(rendered: Rendered) -> None:
    found = status(REFUSED, *[line(tenant=f"t{number}") for number in range(30)])
    text = rendered(show_status(found, 10))
    assert "… and 21 more: --limit N shows them" in text
    assert "t8/" in text
    assert "t9/" not in text


def test_names_cannot_steer_the_terminal(rendered: Rendered) -> None:
    evil = line(tenant="pine\x1b[2J", reason="\x1b]0;gone\x07", turn="ours")
    assert "\x1b" not in rendered(show_status(status(evil), 100))


@pytest.mark.parametrize("arguments", [(), ("--troubled",), ("--tenant", "springfield")])
def test_exit_code_is_0_whatever_it_shows(
    command: Callable[..., tuple[int, str, str]], answers: Callable[..., Any], arguments: tuple[str, ...]
) -> None:
    answers("tenant", "add", "springfield")
    code, out, err = command("status", *arguments)
    assert (code, err) == (0, "")
    assert "No connections" in out
    assert answers("status", *arguments)["connections"] == []


def test_tenant_that_does_not_exist(command: Callable[..., tuple[int, str, str]]) -> None:
    assert command("status", "--tenant", "nowhere")[0] == 2
