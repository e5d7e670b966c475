"""A connection's settings and credentials between texts, stored JSON and Structs; each wrong one is named. Pure."""

import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar, get_args

import msgspec
from msgspec import inspect, structs

from models.connections import (
    CREDENTIALS_OF,
    FILE_CONNECTORS,
    SETTINGS_OF,
    ConnectorName,
    Memory,
    SourceCredentials,
    SourceSettings,
)
from models.errors import SettingsError
from models.sources import FieldView

_Struct = TypeVar("_Struct", bound=msgspec.Struct)

#: The field that an error of msgspec speaks of: "… - at `$.page_size`", "… missing required field `base_url`".
_FIELD: Final = re.compile(r"`(?:\$\.)?(\w+)[^`]*`$")

#: Settings that say where files are dropped: what was learned at another place does not hold here.
_PLACE: Final = ("host", "path")

#: What stands for "not given" where a setting may be left out.
NOT_GIVEN: Final = "null"


def connector_named(name: str) -> ConnectorName:
    """The connector of that name. Raises SettingsError."""
    for known in SETTINGS_OF:
        if known == name:
            return known
    raise SettingsError(f"There is no connector {name!r}; take one of: {', '.join(SETTINGS_OF)}.")


def setting_fields(connector: ConnectorName) -> list[FieldView]:
    """The settings that a connector takes."""
    return [_view(field) for field in structs.fields(SETTINGS_OF[connector])]


def credential_fields(connector: ConnectorName) -> list[FieldView]:
    """The credentials that a connector takes."""
    return [_view(field) for field in structs.fields(CREDENTIALS_OF[connector])]


def _view(field: structs.FieldInfo) -> FieldView:
    descriptions = (item.description for item in get_args(field.type) if isinstance(item, msgspec.Meta))
    description = next((text for text in descriptions if text), "")
    default = None if field.required else field.default
    return FieldView(field.name, description, _allowed(inspect.type_info(field.type)), field.required, default)


def _allowed(kind: inspect.Type) -> str:
    """What may stand there, in words."""
    match kind:
        case inspect.Metadata():
            return _allowed(kind.type)
        case inspect.UnionType():
            words = " or ".join(_allowed(item) for item in kind.types if not isinstance(item, inspect.NoneType))
            return f"{words}, or {NOT_GIVEN} for none"
        case inspect.LiteralType():
            return " or ".join(map(str, kind.values))
        case inspect.IntType(ge=least, le=most):
            return f"a number from {least:,} to {most:,}" if most is not None else f"a number of {least} or more"
        case inspect.BoolType():
            return "true or false"
        case inspect.VarTupleType():
            return "a list separated by commas"
        case _:
            return "a text"


def with_settings(connector: ConnectorName, texts: Mapping[str, str], stored: str = "{}") -> SourceSettings:
    """Settings from what a person typed (name -> text), the others as they are ``stored`` or by default.

    Lists are separated by commas; "null" stands for what is not given. Raises SettingsError that names what is wrong;
    a credential is refused.
    """
    fields = {field.name: field for field in structs.fields(SETTINGS_OF[connector])}
    values = msgspec.json.decode(stored, type=dict[str, Any])
    for name, text in texts.items():
        if name in CREDENTIALS_OF[connector].__struct_fields__:
            raise SettingsError(_never_typed(name))
        if name not in fields:
            raise SettingsError(f"{connector} has no setting {name!r}; it has: {', '.join(fields)}.")
        values[name] = _value(fields[name], text)
    for name, field in fields.items():
        if field.required and not values.get(name):
            raise SettingsError(f"The setting {name} is needed: {_view(field).description} Give it with --set {name}=…")
    return _read(SETTINGS_OF[connector], values, "setting")


def _value(field: structs.FieldInfo, text: str) -> object:
    value: object = text.strip()
    kind = inspect.type_info(field.type)
    inner = kind.type if isinstance(kind, inspect.Metadata) else kind
    options = inner.types if isinstance(inner, inspect.UnionType) else (inner,)
    optional = any(isinstance(item, inspect.NoneType) for item in options)
    if any(isinstance(item, inspect.VarTupleType) for item in options):
        value = None if optional and value == NOT_GIVEN else tuple(filter(None, map(str.strip, text.split(","))))
    elif optional and value in ("", NOT_GIVEN):
        value = None
    try:
        return msgspec.convert(value, field.type, strict=False)
    except msgspec.ValidationError:
        allowed = _allowed(kind)
        raise SettingsError(f"The setting {field.name} cannot be {text!r}: it takes {allowed}.") from None


def _never_typed(name: str) -> str:
    return (
        f"{name} is a credential and is never given on the command line, where others and the shell's history would see "
        f"it: leave it out and answer the prompt, set {environment_name(name)}, or use --credentials-file."
    )


def environment_name(credential: str) -> str:
    """The environment variable that a credential may come from."""
    return f"ROSTERSYNC_CREDENTIALS_{credential.upper()}"


def with_credentials(connector: ConnectorName, values: Mapping[str, object]) -> SourceCredentials:
    """Credentials by name; blank ones are not given. Raises SettingsError that quotes nothing of what was given."""
    kind = CREDENTIALS_OF[connector]
    names = ", ".join(kind.__struct_fields__) or "none"
    if not set(values) <= set(kind.__struct_fields__):
        raise SettingsError(f"There is a name among the credentials that {connector} does not know; it takes: {names}.")
    wrong = [name for name, value in values.items() if not isinstance(value, str)]
    if wrong:
        raise SettingsError(f"The credential {wrong[0]} must be a text in quotation marks.")
    return kind(**{name: str(value).strip() for name, value in values.items()})


def given(credentials: SourceCredentials) -> tuple[str, ...]:
    """Names of the credentials that are not blank."""
    return tuple(name for name, value in structs.asdict(credentials).items() if value)


# --- as they are stored -----------------------------------------------------------------------------------------------


def stored_settings(settings: SourceSettings) -> str:
    """JSON of what differs from the defaults, so that better defaults of a later version take effect."""
    defaults = {field.name: field.default for field in structs.fields(settings)}
    return _json({name: value for name, value in structs.asdict(settings).items() if value != defaults[name]})


def read_settings(connector: ConnectorName, text: str) -> SourceSettings:
    """Settings from stored JSON. Raises SettingsError that names one which this version cannot read."""
    return _read(SETTINGS_OF[connector], msgspec.json.decode(text, type=dict[str, Any]), "setting")


def read_credentials(connector: ConnectorName, values: dict[str, Any]) -> SourceCredentials:
    """Credentials as they were stored. Raises SettingsError."""
    return _read(CREDENTIALS_OF[connector], values, "credential")


def _read(kind: type[_Struct], values: dict[str, Any], what: str) -> _Struct:
    """A Struct from stored values; fields that another version had and this one has not are left out."""
    known = {name: value for name, value in values.items() if name in kind.__struct_fields__}
    try:
        return msgspec.convert(known, type=kind)
    except msgspec.ValidationError as error:
        found = _FIELD.search(str(error))
        name = found.group(1) if found else ""
        raise SettingsError(
            f"The stored {what} {name} is not one that this version of rostersync knows; give it anew with: "
            "rostersync connection set",
            "stored field",
        ) from None


def stored_memory(memory: Memory) -> str:
    return _json(memory)


def read_memory(text: str) -> Memory:
    """Memory from stored JSON; one that this version cannot read is learned again."""
    try:
        return msgspec.json.decode(text, type=Memory)
    except msgspec.ValidationError:
        return Memory()


def memory_after_change(connector: ConnectorName, setting: str | None, text: str) -> str:
    """What of a memory is still remembered when a setting (None: the credentials) is changed; both as stored JSON.

    Of dropped files it stays known which ones ever came, or half a drop would be taken for a whole one, and that there was a
    drop, or an empty folder would look as if the district had never sent any; but what lies there is read again.
    """
    if connector not in FILE_CONNECTORS or setting in _PLACE:
        return "{}"
    memory = structs.replace(read_memory(text), drop_content="", drop_again=True)
    return stored_memory(structs.replace(memory, files=()) if setting == "expected_files" else memory)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
