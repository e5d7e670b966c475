"""The log: of a command one JSON object a line in ``<data dir>/log/rostersync.log``, of a worker the same on stderr, or lines
for people where that is a terminal.

It never holds a payload. An exception's own text may quote one (a database error repeats the row), so of an exception
only the types and the places in the code are written. Of what libraries log, warnings and errors are written, without
what was filled in: a message is kept if it stands word for word in the code that logged it.
"""

import linecache
import logging
import os
import sys
import tempfile
import threading
import traceback
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor

    from sync.settings import Settings

FILE_NAME = "rostersync.log"
#: What stands in the place of a message that may quote something.
UNQUOTED = "a message without its text"


def log_path(data_dir: Path) -> Path:
    """Where the log of a data directory lies."""
    return data_dir / "log" / FILE_NAME


@contextmanager
def logging_to(data_dir: Path, level: str) -> Iterator[Path]:
    """Send structlog's events of ``level`` and above, and the libraries' warnings, to the log file while the context lasts;
    yields its path."""
    from structlog.processors import JSONRenderer

    path = log_path(data_dir)
    path.parent.mkdir(parents=True, exist_ok=True)
    file = _open_private(path)
    try:
        with _logging(file, level, JSONRenderer()):
            yield path
    finally:
        with suppress(OSError):  # the disk is full: the line is lost, what the command did is not
            file.close()


@contextmanager
def logging_to_stderr(settings: "Settings") -> Iterator[None]:
    """The same to stderr, in the form that ``settings.log_format`` asks for. What breaks in a thread is logged, too."""
    with _logging(sys.stderr, settings.log_level, _renderer(settings.log_format, sys.stderr)), _strays_logged():
        yield


def _renderer(log_format: str, stream: TextIO) -> "Processor":
    from structlog.dev import ConsoleRenderer
    from structlog.processors import JSONRenderer

    for_people = log_format == "console" or (log_format == "auto" and stream.isatty())
    colors = stream.isatty() and not os.environ.get("NO_COLOR")
    return ConsoleRenderer(colors=colors, pad_event_to=24) if for_people else JSONRenderer()


@contextmanager
def _logging(stream: TextIO, level: str, render: "Processor") -> Iterator[None]:
    """Send everything to ``stream``; afterwards all is as it was, so that contexts may be nested."""
    import structlog
    from structlog.stdlib import ProcessorFormatter

    before = structlog.get_config()
    out: Any = _Deaf(stream)
    ours: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _errors_without_values,
    ]
    structlog.configure(
        processors=[*ours, render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=False,
    )
    libraries = logging.StreamHandler(out)
    libraries.setLevel(logging.WARNING)
    libraries.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[_quoting_nothing, *ours],
            processors=[ProcessorFormatter.remove_processors_meta, render],
            use_get_message=False,
        )
    )
    logging.getLogger().addHandler(libraries)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(libraries)
        structlog.configure(**before)


class _Deaf:
    """Work goes on when the log cannot be written any more: its reader is gone, or the disk is full."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with suppress(OSError):
            self._stream.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


@contextmanager
def _strays_logged() -> Iterator[None]:
    """Python itself would print the texts of errors that end a thread or are lost in a destructor, and of warnings."""
    import structlog

    log = structlog.get_logger()
    hooks = threading.excepthook, sys.unraisablehook
    threading.excepthook = lambda stray: log.error("thread ended by an error", exc_info=stray.exc_value)
    sys.unraisablehook = lambda stray: log.error("error lost", exc_info=stray.exc_value)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        threading.excepthook, sys.unraisablehook = hooks


def _quoting_nothing(_logger: object, _method: str, event: "EventDict") -> "EventDict":
    """A library's record with the name of its logger and its place in the code. A message that does not stand there word for
    word has something filled in."""
    record: logging.LogRecord = event["_record"]
    constant = isinstance(record.msg, str) and record.msg in "".join(linecache.getlines(record.pathname))
    event["event"] = record.msg if constant else UNQUOTED
    event["logger"] = record.name
    event["place"] = f"{record.pathname}:{record.lineno} {record.funcName}"
    event.pop("stack_info", None)
    return event


def _errors_without_values(_logger: object, _method: str, event: "EventDict") -> "EventDict":
    """``errors`` in the place of ``exc_info``."""
    given = event.pop("exc_info", None)
    if given:
        error = (
            given if isinstance(given, BaseException) else (given if isinstance(given, tuple) else sys.exc_info())[1]
        )
        event["errors"] = list(_without_values(error))
    return event


def write_crash(error: BaseException) -> tuple[Path | None, str]:
    """Log an error that nobody expected. Returns the log's path (None: not writable) and a reference to find it by."""
    import structlog

    reference = uuid.uuid4().hex[:8]
    try:
        with logging_to(_data_dir(), "error") as path:
            structlog.get_logger().error("unexpected_error", reference=reference, exc_info=error)
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
