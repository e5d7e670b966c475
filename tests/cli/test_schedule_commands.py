"""The commands about schedules: what a person types, what they are told, and the same for machines."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.show.schedule import show_schedules
from models.health import ScheduleView, Standing
from tests.sync import fake_source
from tests.sync.fake_source import BASE_URL, SECRET

Command = Callable[..., tuple[int, str, str]]
Answers = Callable[..., Any]


@pytest.fixture
def sis(answers: Answers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A tenant in Chicago with one connection; returns the tenant's name."""
    for name in [name for name in os.environ if name.startswith(("ROSTERSYNC_CREDENTIALS_", "ROSTERSYNC_SECRET_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setattr("cli.commands.schedule.whoami", lambda: "ann")
    fake_source.install(monkeypatch)
    file = tmp_path / "secrets.toml"
    file.write_text(f'client_id = "the-id"\nclient_secret = "{SECRET}"\n')
    answers("tenant", "add", "springfield")
    answers("tenant", "set", "springfield", "time_zone", "America/Chicago")
    answers(
        "connection", "add", "oneroster", "springfield", "--name", "sis", "--set", f"base_url={BASE_URL}",
        "--credentials-file", file,
    )  # fmt: skip
    return "springfield"


def words(text: str) -> str:
    return " ".join(text.split())


def test_a_schedule_is_set_shown_listed_and_taken_away(sis: str, command: Command, answers: Answers) -> None:
    code, out, err = command("schedule", "set", sis, "--nightly", "20:00-05:00", "--days", "mon-fri")
    assert (code, err) == (0, "")
    for said in (
        "Schedule of springfield/sis (oneroster)",
        "On Monday, Tuesday, Wednesday, Thursday and Friday between 20:00 and 05:00 of the next day (America/Chicago)",
        "It was never synced.",
        "It is synced next on ",
        "No worker is running",
        "Next times (America/Chicago)",
        "rostersync schedule now springfield sis",
    ):
        assert said in words(out)
    assert "time_zone" not in out
    view = answers("schedule", "set", sis, "sis", "--cron", "17  3 * * *", "--stale-hours", 72)
    assert (view["timetable"]["cron"], view["timetable"]["stale_hours"], view["recurs"]) == ("17 3 * * *", 72, True)
    assert [text[11:16] for text in view["upcoming"]] == ["03:17"] * 5
    assert answers("schedule", "show", sis) == view
    assert answers("schedule", "list") == answers("schedule", "list", sis) == [view]
    table = words(command("schedule", "list")[1])
    assert "springfield sis cron 17 3 * * * (America/Chicago)" in table
    assert f"{view['next_at'][:16].replace('T', ' ')} UTC new" in table
    assert "only when somebody asks for it" in command("schedule", "off", sis)[1]
    assert "springfield sis when asked for - new" in words(command("schedule", "list")[1])


def test_a_district_without_a_time_zone_is_told_how_to_set_it(sis: str, command: Command, answers: Answers) -> None:
    answers("tenant", "set", sis, "time_zone", "UTC")
    out = command("schedule", "set", sis, "--cron", "17 3 * * *")[1]
    assert "rostersync tenant set springfield time_zone America/Chicago" in out


def test_special_days(sis: str, command: Command, answers: Answers) -> None:
    summer = ("--dates", "2127-06-12..2127-08-15")
    out = words(command("schedule", "blackout", "add", sis, *summer, "--note", "summer")[1])
    assert "Nothing is synced from 12 June to 15 August 2127 (summer)." in out
    out = words(command("schedule", "add-only", "add", sis, "sis", "--dates", "2127-08-16", "--note", "first day")[1])
    assert "Nothing is removed on 16 August 2127 (first day)." in out
    out = words(command("schedule", "rollover", "start", sis, "--until", "2127-09-15", "--removals", "45")[1])
    assert "A rollover goes on until 15 September 2127: more than 45 % removals are held, no updates are held." in out
    assert answers("schedule", "rollover", "end", sis)["timetable"]["rollover"] is None
    assert answers("schedule", "add-only", "remove", sis, "--dates", "2127-08-16")["timetable"]["add_only"] == []
    assert answers("schedule", "blackout", "remove", sis, *summer)["timetable"]["blackouts"] == []


#: One district for all of them, as none changes it.
WRONG: list[tuple[tuple[str, ...], str]] = [
    (("set", "springfield"), "either nightly, such as 20:00-05:00, or a cron expression"),
    (("set", "springfield", "--nightly", "tonight"), "two times of day, such as 20:00-05:00"),
    (("set", "springfield", "--nightly", "20:00-05:00", "--days", "soon"), "'soon' is none"),
    (("set", "springfield", "--cron", "0 0 30 2 *"), "never comes"),
    (("set", "springfield", "--cron", "0 3 * * *", "--stale-hours", "never"), "it takes a whole number"),
    (("set", "springfield", "--cron", "0 3 * * *", "--stale-hours", "24"), "give more, such as 36"),
    (("set", "springfield", "clever", "--cron", "0 3 * * *"), "no connection 'clever'"),
    (("set", "shelbyville", "--cron", "0 3 * * *"), "no tenant 'shelbyville'"),
    (("blackout", "add", "springfield", "--dates", "summer"), "such as 2027-06-12"),
    (("blackout", "add", "springfield"), "--dates"),
    (("blackout", "remove", "springfield", "--dates", "2127-06-12"), "none is set"),
    (("add-only", "add", "springfield", "--dates", "2001-01-01"), "gone by"),
    (("rollover", "start", "springfield", "--until", "2127-09-15", "--removals", "200"), "from 0 to 100 percent"),
    (("rollover", "end", "springfield"), "no rollover"),
]


def test_wrong_input_gets_a_clear_sentence(sis: str, command: Command, answers: Answers) -> None:
    for arguments, says in WRONG:
        code, out, err = command("schedule", *arguments)
        assert (code, out) == (2, ""), arguments
        assert says in err
        assert "Traceback" not in err
    (view,) = answers("schedule", "list")
    assert (view["recurs"], view["next_at"]) == (False, None)


def test_a_sync_is_asked_for_and_taken_back(sis: str, command: Command, answers: Answers) -> None:
    code, out, _ = command("schedule", "now", sis)
    assert code == 0
    assert "Asked for a sync of springfield/sis." in out
    assert "No worker is running: it begins when one is started" in words(out)
    assert "rostersync cancel springfield sis" in out
    assert "ann asked for a sync; it begins as soon as a worker is free." in words(command("schedule", "show", sis)[1])
    code, out, _ = command("cancel", sis)
    assert code == 0
    assert "was taken back. It is synced when somebody asks for it." in words(out)
    request = answers("schedule", "now", sis)
    assert (request["connection"], request["asked_by"], request["workers"]) == ("sis", "ann", 0)
    assert answers("cancel", sis, "sis")["what"] == "waiting"
    error = answers("cancel", sis, exit_code=2)["error"]
    assert (error["code"], "Nothing of springfield is being synced" in error["message"]) == ("settings", True)


def test_resume_tells_nothing_of_a_schedule_that_is_not_there(sis: str, answers: Answers) -> None:
    answers("connection", "pause", sis, "sis")
    assert answers("connection", "resume", sis, "sis")["state"] == "active"
    (view,) = answers("schedule", "list")
    assert (view["recurs"], view["next_at"]) == (False, None)


def test_the_table_of_schedules(rendered: Callable[..., str], command: Command) -> None:
    assert "Nothing is scheduled." in command("schedule", "list")[1]
    nightly: dict[str, object] = {"cron": None, "nightly": {"begins": "20:00", "ends": "05:00", "days": ("mon", "tue")}}
    ok, new = Standing(health="ok"), Standing()
    at = "2027-01-04T21:41:00+00:00"
    views = [
        ScheduleView("springfield", "sis", "oneroster", "UTC", nightly, True, [], [], at, ok),
        ScheduleView("springfield", "csv", "csv", "UTC", {"cron": None, "nightly": None}, False, [], [], None, new),
    ]
    lines = [" ".join(line.split()) for line in rendered(show_schedules(views), 120).splitlines()]
    assert lines[2:] == [
        "springfield sis 20:00-05:00 mon tue (UTC) 2027-01-04 21:41 UTC ok",
        "springfield csv when uploaded - new",
    ]
