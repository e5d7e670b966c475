"""The log file: one JSON object a line, in ``<data dir>/log/rostersync.log``.

It never holds a payload. An exception's own text may quote one (a database error repeats the row), so of an exception
only the types and the places in the code are written.
"""

import os
import tempfile
import traceback
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

FILE_NAME = "rostersync.log"


def log_path(data_dir: Path) -> Path:
    """Where the log of a data directory lies."""
    return data_dir / "log" / FILE_NAME


@contextmanager
def logging_to(data_dir: Path, level: str) -> Iterator[Path]:
    """Send structlog's events of ``level`` and above to the log file while the context lasts; yields its path."""
    import structlog

    path = log_path(data_dir)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _open_private(path) as file:
        structlog.configure(
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.JSONRenderer(),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(level),
            logger_factory=structlog.WriteLoggerFactory(file=file),
            cache_logger_on_first_use=False,
        )
        try:
            yield path
        finally:
            structlog.reset_defaults()


def write_crash(error: BaseException) -> tuple[Path | None, str]:
    """Log an error that nobody expected. Returns the log's path (None: not writable) and a reference to find it by."""
    import structlog

    reference = uuid.uuid4().hex[:8]
    try:
        with logging_to(_data_dir(), "error") as path:
            structlog.get_logger().error("unexpected_error", reference=reference, errors=list(_without_values(error)))
    except OSError:
        return None, reference
    return path, reference


def _data_dir() -> Path:
    from models.errors import SettingsError
    from sync.service import load_settings

    try:
        return load_settings().data_dir
    except SettingsError:
        return Path(tempfile.gettempdir()) / f"rostersync-{os.getuid()}"


def _without_values(error: BaseException | None) -> Iterator[dict[str, object]]:
    """The error and what led to it, as types and places in the code, without their texts."""
    while error is not None:
        frames = traceback.extract_tb(error.__traceback__)
        yield {
            "type": f"{type(error).__module__}.{type(error).__qualname__}",
            "frames": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
        }
        error = error.__cause__ or error.__context__


def _open_private(path: Path) -> TextIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a", buffering=1, encoding="utf-8")
