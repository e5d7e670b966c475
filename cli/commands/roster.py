"""``rostersync explain``, ``export`` and ``template``: what is stored, and the files that go with it."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from cli.console import deliver
from cli.options import JsonOption, TenantArgument
from cli.session import open_service

#: The file sets that the stored roster can be written as.
ExportFormat = Literal["product", "oneroster"]
OneRosterVersion = Literal["1.1", "1.2"]


def explain(
    tenant: TenantArgument,
    person: Annotated[
        str,
        typer.Argument(
            metavar="PERSON",
            help="The person's id, or one of the numbers that their source gives them.",
            show_default=False,
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Say why a person is here, or is not: where the record stands, which problem, which run changed what."""
    from cli.show.tenants import show_explanation
    from sync.explain import explain as explain_person

    with open_service() as service:
        deliver(explain_person(service, tenant, person), as_json, show_explanation)


def export(
    tenant: TenantArgument,
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="The folder to write to, or the name of a ZIP.", show_default=False)
    ],
    file_format: Annotated[
        ExportFormat, typer.Option("--format", help="The product's own CSVs, or a OneRoster set with manifest.")
    ] = "product",
    version: Annotated[OneRosterVersion, typer.Option(help="The version of a OneRoster set.")] = "1.1",
    as_json: JsonOption = False,
) -> None:
    """Write the stored roster as CSV files that read back to the same roster."""
    from cli.show.tenants import show_exported
    from sync.export import export_oneroster, export_product

    with open_service() as service:
        if file_format == "product":
            files = export_product(service, tenant, directory)
        else:
            files = export_oneroster(service, tenant, directory, version)
        deliver(files, as_json, show_exported)


def template(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="The folder to write to.", file_okay=False, show_default=False)
    ],
    as_json: JsonOption = False,
) -> None:
    """Write an example of each CSV file, with every column, to start from."""
    from cli.show.words import bullets
    from sync.templates import write_templates

    deliver(write_templates(directory), as_json, lambda names: bullets(f"{directory / name}" for name in names))
