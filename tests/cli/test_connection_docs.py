"""docs/settings.md has every setting and credential of every connector, as the program itself describes them."""

from pathlib import Path

import pytest

from cli.show.connections import setting_text
from models.connections import SETTINGS_OF, ConnectorName
from models.sources import FieldView
from sync.connection_fields import credential_fields, environment_name, setting_fields

PAGE = (Path(__file__).parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")


def setting_row(field: FieldView) -> str:
    default = "must be given" if field.needed else f"`{setting_text(field.default)}`"
    return f"| `{field.name}` | {default} | {field.allowed} | {field.description} |"


def credential_row(field: FieldView) -> str:
    return f"| `{field.name}` | `{environment_name(field.name)}` | {field.description} |"


@pytest.mark.parametrize("connector", SETTINGS_OF)
def test_every_setting_and_credential_is_documented(connector: ConnectorName) -> None:
    section = PAGE.split(f"\n### Of a {connector} connection\n", 1)[1].split("\n### ", 1)[0].split("\n## ", 1)[0]
    rows = [*map(setting_row, setting_fields(connector)), *map(credential_row, credential_fields(connector))]
    assert [line for line in section.splitlines() if line.startswith("| `")] == rows
