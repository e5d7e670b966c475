"""The operator's keys, wherever they are kept: in the environment, in a file, or printed by a command.

A file is read at every use and a command's answer is kept for a minute, so that keys can be exchanged while rostersync runs
(``docs/operators.md``). What a command prints is never shown or logged, not even when it fails.
"""

import os
import shlex
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

import structlog
from cryptography.fernet import Fernet, MultiFernet

from models.errors import SettingsError
from sync.settings import Settings

log = structlog.get_logger("rostersync.keys")

#: Seconds for which a command's answer is kept, and in which it has to come.
_KEPT: Final = 60.0
_PATIENCE: Final = 10.0
_COMMAND: Final = "The command of ROSTERSYNC_SECRET_KEYS_COMMAND"


def read(settings: Settings, *, make: Callable[[], str] | None = None, anew: bool = False) -> MultiFernet:
    """All keys: the first encrypts, each decrypts. Raises SettingsError when there is none, or what is there is no key.

    ``make`` makes the first key beside the built-in SQLite database, if there is none yet. ``anew`` asks a command again,
    however short ago it answered.
    """
    texts = [text for text in _texts(settings, make, anew).replace(",", "\n").splitlines() if text.strip()]
    try:
        keys = [Fernet(text.strip()) for text in texts]
    except ValueError:
        raise SettingsError(
            f"What stands in {place(settings)} is not a key; make one with: rostersync keys new"
        ) from None
    if not keys:
        raise SettingsError(f"There is no key in {place(settings)}; make one with: rostersync keys new")
    return MultiFernet(keys)


def place(settings: Settings) -> str:
    """Where the keys come from, for a person."""
    if settings.secret_keys.get_secret_value():
        return "ROSTERSYNC_SECRET_KEYS"
    if settings.secret_keys_command:
        return "the answer of the command of ROSTERSYNC_SECRET_KEYS_COMMAND"
    return "the file of ROSTERSYNC_SECRET_KEYS_FILE" if settings.secret_keys_file else str(_own_file(settings))


def _texts(settings: Settings, make: Callable[[], str] | None, anew: bool) -> str:
    """The keys, separated by commas or line breaks. Raises SettingsError where there are none."""
    given, file, command = (
        settings.secret_keys.get_secret_value(),
        settings.secret_keys_file,
        settings.secret_keys_command,
    )
    if sum(map(bool, (given, file, command))) > 1:
        raise SettingsError(
            "Set only one of ROSTERSYNC_SECRET_KEYS, ROSTERSYNC_SECRET_KEYS_FILE and ROSTERSYNC_SECRET_KEYS_COMMAND."
        )
    if given:
        return given
    if command:
        return _command(command).answer(anew=anew)
    if file:
        return _read(Path(file), "ROSTERSYNC_SECRET_KEYS_FILE names a file that cannot be read.")
    if settings.database_url:
        raise SettingsError(
            "Credentials and addresses are stored encrypted, and there is no key: make one with `rostersync keys new`, set it as "
            "ROSTERSYNC_SECRET_KEYS (or put it into a file that ROSTERSYNC_SECRET_KEYS_FILE names, or where the command of "
            "ROSTERSYNC_SECRET_KEYS_COMMAND finds it), and keep it safe."
        )
    own = _own_file(settings)
    if make and not own.exists():
        _make_key_file(own, make)
    return _read(
        own,
        f"The key that encrypts the stored credentials is missing or cannot be read: put {own} back, or give the "
        "credentials anew with: rostersync connection set TENANT NAME --credentials",
    )


# --- files ------------------------------------------------------------------------------------------------------------


def _own_file(settings: Settings) -> Path:
    return settings.data_dir / "secret.key"


def _read(path: Path, trouble: str) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(trouble, type(error).__name__) from None


def _make_key_file(path: Path, make: Callable[[], str]) -> None:
    """Write a new key, whole or not at all, readable for this account only; a key that somebody else made first stays."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix="secret-")  # mkstemp makes it 0600
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(make() + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(draft)


# --- a command --------------------------------------------------------------------------------------------------------


class KeyCommand:
    """A command that prints the keys; one for a process, whichever thread asks. ``clock`` gives seconds."""

    def __init__(self, command: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._command = command
        self._clock = clock
        self._answer = ""
        self._asked = 0.0
        self._one_at_a_time = threading.Lock()

    def answer(self, *, anew: bool = False) -> str:
        """What it prints, or printed less than a minute ago. Raises SettingsError when it does not answer.

        With ``anew`` it is run in any case. Otherwise a command that fails now and answered before changes nothing: keys
        that do not fit any more are noticed when they do not fit.
        """
        called = self._clock()
        with self._one_at_a_time:
            if self._answer and (self._asked > called or (not anew and called < self._asked + _KEPT)):
                return self._answer
            try:
                self._answer = _run(self._command)
            except SettingsError as error:
                if anew or not self._answer:
                    raise
                log.warning("the command for the keys fails; those that are known go on", reason=error.for_engineer)
            self._asked = self._clock()
            return self._answer


@cache
def _command(command: str) -> KeyCommand:
    return KeyCommand(command)


def _run(command: str) -> str:
    try:
        code, printed = _printed(shlex.split(command))
    except subprocess.TimeoutExpired:
        raise SettingsError(f"{_COMMAND} did not end within {_PATIENCE:g} seconds.", "timeout") from None
    except (OSError, ValueError, IndexError) as error:
        raise SettingsError(
            f"{_COMMAND} cannot be started; it is a program with its arguments, and no shell reads it.",
            type(error).__name__,
        ) from None
    if code:
        raise SettingsError(
            f"{_COMMAND} failed (exit code {code}); run it by hand, as the account that runs rostersync, to see why.",
            f"exit code {code}",
        )
    keys = printed.decode("ascii", "replace").strip()
    if not keys:
        raise SettingsError(f"{_COMMAND} printed nothing; it has to print the keys, one a line.", "empty output")
    return keys


def _printed(arguments: Sequence[str]) -> tuple[int, bytes]:
    """A program's exit code and what it prints. It gets a session of its own, so that nothing of it is left when it takes too
    long, and none of our own variables, as those hold secrets that are not its affair."""
    with subprocess.Popen(  # noqa: S603 (it is the operator's, and no shell reads it)
        arguments,
        env={name: value for name, value in os.environ.items() if not name.upper().startswith("ROSTERSYNC_")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            printed, _ = process.communicate(timeout=_PATIENCE)
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
        return process.returncode, printed
