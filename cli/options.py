"""Arguments and options that several commands share, so that they read the same everywhere."""

from typing import Annotated

import typer

JsonOption = Annotated[bool, typer.Option("--json", help="Answer with one JSON document, for machines.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; go on.")]
TenantArgument = Annotated[str, typer.Argument(metavar="TENANT", help="The tenant's name.", show_default=False)]
RunArgument = Annotated[
    int,
    typer.Argument(metavar="RUN", min=1, help="The run's number, as `rostersync runs` lists it.", show_default=False),
]
LimitOption = Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, help="How many to show at most.")]


def command_group(help_text: str) -> typer.Typer:
    """A named group of commands."""
    return typer.Typer(help=help_text, no_args_is_help=False)
