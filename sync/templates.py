"""The templates of the product's own four files, for districts to fill in."""

import shutil
from pathlib import Path

from models.errors import SettingsError

_TEMPLATES = Path(__file__).parent.parent / "connectors" / "csvfiles" / "templates"


def write_templates(directory: Path) -> list[str]:
    """Copy the templates into ``directory`` and return their paths. Raises SettingsError rather than overwrite a file."""
    directory.mkdir(parents=True, exist_ok=True)
    templates = sorted(_TEMPLATES.glob("*.csv"))
    taken = [template.name for template in templates if (directory / template.name).exists()]
    if taken:
        raise SettingsError(f"{directory / taken[0]} exists already; templates never overwrite a file.")
    return [str(shutil.copy(template, directory / template.name)) for template in templates]
