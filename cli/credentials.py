"""Where credentials and addresses come from: a file, the environment, or hidden answers at a terminal. Never from the
command line."""

import getpass
import os
import sys
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import msgspec

from cli.console import person_is_present, stderr
from models.errors import SettingsError


def read_assignments(texts: list[str], option: str, example: str) -> dict[str, str]:
    """``KEY=VALUE`` texts of a repeated option by key. Raises SettingsError, which quotes none of them."""
    pairs = [text.partition("=") for text in texts]
    if not all(name and sign for name, sign, _ in pairs):
        raise SettingsError(f"{option} takes {example}.")
    return {name.strip(): value for name, _, value in pairs}


def gather_credentials(
    connector: str, file: Path | None, *, enough: Callable[[dict[str, object]], bool], may_ask: bool
) -> dict[str, object]:
    """Credentials by name: those of ``file`` ("-": standard input) if there is one, else those of the environment, else
    what a person answers, who is asked for what can be of use until it is ``enough``. Nobody is asked where nothing would
    be enough. Raises SettingsError."""
    from sync.connection_fields import connector_named, credential_fields, environment_name

    if file:
        return _from_file(file)
    known = credential_fields(connector_named(connector))
    found: dict[str, object] = {
        field.name: value for field in known if (value := os.environ.get(environment_name(field.name)))
    }
    useful = _useful([field.name for field in known], enough)
    fields = [field for field in known if field.name in useful]
    if found or not fields:
        return found
    if not (may_ask and person_is_present()):
        variables = ", ".join(environment_name(field.name) for field in fields)
        needed = f"those that you have of {variables}" if len(fields) > 1 else variables
        raise SettingsError(f"Give the credentials with --credentials-file, or in the environment: {needed}.")
    stderr().print("What you type is not shown. Leave blank what you do not have.")
    for field in fields:
        answer = _ask(f"{field.name} ({field.description.rstrip('.')}): ")
        if answer:
            found[field.name] = answer
            if enough(found):
                break
    return found


def gather_address(file: Path | None, *, may_ask: bool) -> str:
    """A contact's address, which holds secrets as well: what stands in ``file`` ("-": standard input) if there is one, else in
    ROSTERSYNC_CONTACT_ADDRESS, else what a person answers. Raises SettingsError."""
    if file:
        return _read(file, "The file with the address cannot be read; check its name.").strip()
    if address := os.environ.get("ROSTERSYNC_CONTACT_ADDRESS"):
        return address
    if not (may_ask and person_is_present()):
        raise SettingsError("Give the address with --address-file, or in the environment: ROSTERSYNC_CONTACT_ADDRESS.")
    stderr().print("What you type is not shown.")
    return _ask("address (an e-mail address, mailtos://…, jsons://…, slack://… and so on): ", "address was")


def _useful(names: list[str], enough: Callable[[dict[str, object]], bool]) -> set[str]:
    """Those that make credentials enough which are not without them; with a partner key, say, no client id is needed."""
    chosen = [set(some) for size in range(len(names) + 1) for some in combinations(names, size)]
    able = [some for some in chosen if enough(dict.fromkeys(some, "given"))]
    return {name for some in able for name in some if some - {name} not in able}


def _ask(prompt: str, what: str = "credentials were") -> str:
    """A hidden answer. Raises SettingsError where the input ends instead (Ctrl-D)."""
    try:
        return getpass.getpass(prompt).strip()
    except EOFError:
        stderr().print()
        raise SettingsError(f"No {what} given; nothing was changed.") from None


def _from_file(file: Path) -> dict[str, object]:
    """A JSON object or a TOML table. Nothing of its content goes into an error."""
    content = _read(file, "The credentials file cannot be read; check its name.")
    decode: Callable[..., Any] = msgspec.json.decode if content.lstrip().startswith("{") else msgspec.toml.decode
    try:
        values = decode(content, type=dict[str, Any])
    except (msgspec.DecodeError, ValueError):
        raise SettingsError(
            'The credentials file is neither TOML (client_id = "…") nor JSON ({"client_id": "…"}).'
        ) from None
    return dict(values)


def _read(file: Path, trouble: str) -> str:
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(trouble, type(error).__name__) from None
