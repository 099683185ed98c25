"""Set and unset values in the text of a settings file of any of the agents' formats. PURE."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from typing import Any

from launchpad.connect import jsonc
from launchpad.errors import ConfigError

Values = Mapping[tuple[str, ...], Any]
MISSING = object()
_START = {"config.yaml": "name: Local\nversion: 1.0.0\nschema: v1\n"}  # what an agent wants of a new file


def changed(text: str, kind: str, values: Values, name: str = "") -> str:
    """The text with the values set; everything else in it stays. Raises `ConfigError`."""
    if kind == "toml":
        import tomli_w

        return tomli_w.dumps(values[()])  # the whole file is launchpad's own
    if kind == "yaml":
        return _yaml(text or _START.get(name, ""), values)
    try:
        for path, value in values.items():
            text = jsonc.put(text, path, value)
        return text
    except jsonc.NotJson as error:
        raise _unreadable(str(error)) from error


def restored(text: str, kind: str, values: Values) -> str:
    """The text with the former values, and without those that are `MISSING`. Raises `ConfigError`."""
    if kind == "toml":
        return ""
    if kind == "yaml":
        return _yaml(text, values)
    try:
        for path, value in values.items():
            text = jsonc.drop(text, path) if value is MISSING else jsonc.put(text, path, value)
        return text
    except jsonc.NotJson as error:
        raise _unreadable(str(error)) from error


def found(text: str, kind: str, path: tuple[str, ...]) -> Any:
    """The value at the place, or `MISSING`. Raises `ConfigError`."""
    if kind == "toml":
        return MISSING
    try:
        value = _load(text) if kind == "yaml" else jsonc.parse(text)
    except jsonc.NotJson as error:
        raise _unreadable(str(error)) from error
    for key in path:
        if isinstance(value, list):
            value = next((item for item in value if _is(item, key)), MISSING)
        else:
            value = value.get(key, MISSING) if isinstance(value, dict) else MISSING
    return _plain(value)


def _is(item: Any, key: str) -> bool:
    """Whether this is the item of a list that `name=value` means."""
    name, _, value = key.partition("=")
    return isinstance(item, dict) and item.get(name) == value


def _plain(value: Any) -> Any:
    """Without the classes of the YAML library."""
    if isinstance(value, dict):
        return {str(key): _plain(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_plain(child) for child in value]
    return str(value) if isinstance(value, str) else value


# -- YAML ---------------------------------------------------------------------------------------------------------


def _reader() -> Any:
    from ruamel.yaml import YAML

    yaml = YAML()  # keeps comments, order and quotes
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _load(text: str) -> Any:
    from ruamel.yaml.error import YAMLError

    try:
        document = _reader().load(text)
    except YAMLError as error:
        raise _unreadable(str(error).splitlines()[0]) from error
    if document is not None and not isinstance(document, dict):
        raise _unreadable("it is no mapping")
    return {} if document is None else document


def _yaml(text: str, values: Values) -> str:
    document = _load(text)
    for path, value in values.items():
        if len(path) == 2:
            _set_item(document, path[0], path[1], value)
        elif value is MISSING:
            document.pop(path[0], None)
        else:
            document[path[0]] = value
    out = StringIO()
    _reader().dump(document, out)
    return out.getvalue() if document else ""


def _set_item(document: Any, name: str, which: str, value: Any) -> None:
    """Replace the item of the list, append it, or remove it."""
    items = document.get(name)
    if items is None:
        items = document[name] = []
    place = next((index for index, item in enumerate(items) if _is(item, which)), None)
    if value is MISSING:
        if place is not None:
            del items[place]
        if not items:
            del document[name]
    elif place is None:
        items.append(value)
    else:
        items[place] = value


def _unreadable(why: str) -> ConfigError:
    return ConfigError(
        "The agent's settings cannot be read.",
        why=why,
        hint="Mend the file, or see the settings with --dry-run.",
    )
