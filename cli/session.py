"""What a command needs before it can work: settings, the log, an open database, and who is asking."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sync.service import Service


@contextmanager
def open_service() -> Iterator["Service"]:
    """The service of the settings in the environment. Raises SettingsError."""
    from cli import logs
    from sync import service

    settings = service.load_settings()
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)  # it holds personal data
    with logs.logging_to(settings.data_dir, settings.log_level), service.open_service(settings) as opened:
        yield opened


def whoami() -> str:
    """The name that a run keeps as "started by": LOGNAME or USER, else the account's own."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
