"""``rostersync record`` and ``replay``: a source's answers kept without secrets and names, and played back."""

from pathlib import Path
from typing import Annotated

import typer

from cli import logs
from cli.console import deliver
from cli.failures import EXIT_DIFFERENT
from cli.options import JsonOption, TenantArgument
from cli.progress import progress_shown
from cli.session import open_service, whoami

CASES = Path(__file__).resolve().parents[2] / "fixtures" / "cases"


def record(
    tenant: TenantArgument,
    directory: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="The folder of the new case (or, with --step, of its case).", show_default=False
        ),
    ],
    connection: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Which connection; may be left out where there is one.", show_default=False),
    ] = None,
    title: Annotated[str, typer.Option(help="What the case is called.", show_default=False)] = "",
    key_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where the key of the pseudonyms lies (made if it does not); without it the key is forgotten.",
            show_default=False,
        ),
    ] = None,
    step: Annotated[
        bool, typer.Option("--step", help="Add a night to the case in DIR, with the key file of the nights before.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a dry run of a connection and keep what the source answers as a case that `replay` runs.

    Passwords, tokens and demographics are left out; names, ids, addresses and everything else that is not a word of a
    vocabulary become other words of the same shape. Look through the files before you give them to anybody. A dry run that
    fails is kept, too.
    """
    from cli.show.replay import show_recording
    from sync.record import record as record_case

    with open_service() as service:
        with progress_shown(quiet=as_json) as progress:
            recording = record_case(
                service,
                tenant,
                directory,
                connection=connection,
                title=title,
                key_file=key_file,
                further=step,
                started_by=whoami(),
                progress=progress,
            )
        deliver(recording, as_json, show_recording)
    if not recording.faithful:
        raise typer.Exit(EXIT_DIFFERENT)


def replay(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FIXTURE...", help="Cases, or folders of cases.", exists=True, show_default=False),
    ] = None,
    all_cases: Annotated[bool, typer.Option("--all", help="All cases that come with rostersync.")] = False,
    update: Annotated[
        bool, typer.Option("--update", help="Write down what happens as what is expected (expected.json).")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Run the real connector against recorded exchanges, into a roster of its own, and say what differs from the expected.

    Nothing goes over the network, nobody waits, and no stored roster is touched.
    """
    from cli.show.replay import show_replays
    from models.errors import SettingsError
    from sync import service
    from sync.replay import replay_all

    chosen = [*(folders or ()), *([CASES] if all_cases else ())]
    if not chosen:
        raise SettingsError("Name a case, a folder of cases, or --all.")
    settings = service.load_settings()
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with logs.logging_to(settings.data_dir, settings.log_level):
        replays = replay_all(chosen, update=update)
    deliver(replays, as_json, show_replays)
    if not all(replayed.as_expected for replayed in replays):
        raise typer.Exit(EXIT_DIFFERENT)
