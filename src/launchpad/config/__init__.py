"""Settings in layers: flag > `LAUNCHPAD_*` variable > the project's `launchpad.toml` > the user's `config.toml` > default.

Every value knows where it came from. An unknown key is an error, so that a misspelt one is never silently ignored.
A project's file may have come with somebody else's repository; it can say what to run and never what code to load,
where bytes come from or how much is downloaded unasked.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

from launchpad.config import file as config_file
from launchpad.config.backends import BACKENDS, check_backends
from launchpad.config.sections import (
    BackendConfig,
    EnginesConfig,
    LlamacppConfig,
    OutputConfig,
    PluginsConfig,
    PullConfig,
    PypiConfig,
    RegistriesConfig,
    RunConfig,
    ServeConfig,
    Size,
    VllmConfig,
)
from launchpad.config.words import what_it_takes
from launchpad.errors import ConfigError, UsageError
from launchpad.paths import config_dir
from launchpad.sizes import parse_rate

PROJECT_FILE = "launchpad.toml"
USER_FILE = "config.toml"
DEFAULT = "default"
COMMAND_LINE = "command line"


class Config(Struct, frozen=True, kw_only=True):
    """All settings. `origins` names where each one that is not a default was set."""

    run: RunConfig = RunConfig()
    pull: PullConfig = PullConfig()
    engines: EnginesConfig = EnginesConfig()
    plugins: PluginsConfig = PluginsConfig()
    llamacpp: LlamacppConfig = LlamacppConfig()
    vllm: VllmConfig = VllmConfig()
    pypi: PypiConfig = PypiConfig()
    registries: RegistriesConfig = RegistriesConfig()
    serve: ServeConfig = ServeConfig()
    output: OutputConfig = OutputConfig()
    backends: dict[str, BackendConfig] = {}
    origins: dict[str, str] = {}

    def get(self, key: str) -> Any:
        """The value of "section.key". Raises `ConfigError` for an unknown key."""
        check_key(key)
        section, _, name = key.partition(".")
        return getattr(getattr(self, section), name)

    def origin(self, key: str) -> str:
        """Where the value comes from: "path:line", a variable's name, "command line" or "default"."""
        check_key(key)
        return self.origins.get(key, DEFAULT)

    def describe(self) -> list[tuple[str, Any, str]]:
        """Every (key, value, origin), in the order of the documentation."""
        values = ((key, self.get(key)) for key in KEYS)
        return [(key, int(v) if isinstance(v, Size) else v, self.origin(key)) for key, v in values]


SECTIONS: dict[str, type[Struct]] = {
    "run": RunConfig,
    "pull": PullConfig,
    "engines": EnginesConfig,
    "plugins": PluginsConfig,
    "llamacpp": LlamacppConfig,
    "vllm": VllmConfig,
    "pypi": PypiConfig,
    "registries": RegistriesConfig,
    "serve": ServeConfig,
    "output": OutputConfig,
}
# "section.key" -> its annotated type
KEYS: dict[str, Any] = {
    f"{section}.{name}": hint
    for section, type_ in SECTIONS.items()
    for name, hint in get_type_hints(type_, include_extras=True).items()
}
# Left to the user alone: what code runs, where bytes come from, how much is fetched unasked.
USER_ONLY = frozenset(
    key
    for key in KEYS
    if key.startswith(("plugins.", "llamacpp.", "vllm.", "pypi.", "registries.", "serve."))
) | {
    "run.allow_auto_map",
    "run.max_unattended_download",
    "run.policy",
}
# The two variables that people type have short names; the others are LAUNCHPAD_<SECTION>_<KEY>.
_SHORT = {"plugins.only": "LAUNCHPAD_PLUGINS", "plugins.paths": "LAUNCHPAD_PLUGIN_PATH"}


def variable(key: str) -> str:
    """The environment variable that sets `key`."""
    return _SHORT.get(key, f"LAUNCHPAD_{key.replace('.', '_').upper()}")


def load_config(
    overrides: Mapping[str, object] | None = None,
    *,
    cwd: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Config:
    """Read all layers. `overrides` are flags by key; None means that the flag was not given. Raises `ConfigError`."""
    environ = os.environ if environ is None else environ
    project = find_project_file(cwd or Path.cwd())
    layers = [_file_layer(user_config_path(), project=False)]
    if project is not None:
        layers.append(_file_layer(project, project=True))
    layers.append(_environment_layer(environ))
    layers.append(_flag_layer(overrides or {}))
    return _merged(layers)


def setting(key: str) -> Any:
    """The value of one setting, for plugins, read anew. Raises `ConfigError`."""
    return load_config().get(key)


def named_program(backend: str) -> str | None:
    """The program that the settings name for a backend's engine, a path as a whole one; None: the best one here."""
    key = f"{backend}.program"
    named = setting(key) if key in KEYS else None
    return str(Path(named).expanduser().absolute()) if named and os.sep in named else named


def own_backends() -> dict[str, BackendConfig]:
    """What the user's own file says under `[backends.NAME]`, by name. Raises `ConfigError`."""
    return load_config().backends


def user_config_path() -> Path:
    """The user's own file, whether it exists or not."""
    return config_dir() / USER_FILE


def find_project_file(cwd: Path) -> Path | None:
    """`launchpad.toml` in `cwd` or above it, up to the root of the git work tree or to below the home folder.

    Outside both only `cwd` itself is looked at: a file planted in a shared folder such as /tmp must not reach down.
    """
    folders = [cwd, *cwd.parents]
    root = next((index for index, folder in enumerate(folders) if (folder / ".git").exists()), None)
    if root is not None:
        folders = folders[: root + 1]
    else:
        home = Path(os.path.expanduser("~"))  # noqa: PTH111  Path.home() raises without a home
        folders = folders[: folders.index(home)] if home in folders[1:] else folders[:1]
    return next((folder / PROJECT_FILE for folder in folders if (folder / PROJECT_FILE).exists()), None)


def check_key(key: str, where: str | None = None) -> None:
    """Raise `ConfigError` with the nearest known key unless `key` exists."""
    if key in KEYS:
        return
    from difflib import get_close_matches

    close = get_close_matches(key, KEYS, 1, 0.5)
    hint = f"Did you mean {close[0]}?" if close else "`launchpad config` lists all settings."
    raise ConfigError(
        f"{where}: there is no setting {key!r}." if where else f"There is no setting {key!r}.", hint=hint
    )


def set_value(key: str, text: str) -> Path:
    """Set `key` in the user's file, leaving everything else in it as it is. Raises `ConfigError`."""
    check_key(key)
    value = _from_text(key, text, "the given value")
    literal = _literal(text.strip() if isinstance(value, Size) and not text.strip().isdigit() else value)
    path = user_config_path()
    before = config_file.read_text(path) or ""
    config_file.parse(before, path)
    return _changed(path, key, config_file.replaced(before, key, literal), literal)


def unset_value(key: str) -> Path:
    """Remove `key` from the user's file; unknown keys too, so that a stale one can be cleaned up. Raises `ConfigError`."""
    path = user_config_path()
    text = config_file.read_text(path) or ""
    document = config_file.parse(text, path)
    if key not in _flat(document):
        raise ConfigError(
            f"{key!r} is not set in {path}.", hint="`launchpad config` says where each one is set."
        )
    return _changed(path, key, config_file.removed(text, key), None)


def _changed(path: Path, key: str, after: str | None, literal: str | None) -> Path:
    """Write the new text if it parses to exactly the intended change; otherwise leave the file alone."""
    before = config_file.parse(config_file.read_text(path) or "", path)
    expected = {name: value for name, value in _flat(before).items() if name != key}
    if literal is not None:
        expected[key] = config_file.parse(f"x = {literal}", path)["x"]
    if after is None or _flat(config_file.parse(after, path)) != expected:
        raise ConfigError(
            f"{key} is written in {path} in a way that cannot be edited here.",
            hint=f"Edit line {config_file.line_of(config_file.read_text(path) or '', key)} by hand.",
        )
    config_file.write(path, after)
    return path


class _Layer(Struct):
    values: dict[str, Any]
    origins: dict[str, str]


def _file_layer(path: Path, *, project: bool) -> _Layer:
    layer = _Layer({}, {})
    text = config_file.read_text(path)
    if text is None:
        return layer
    document = config_file.parse(text, path)
    if backends := document.pop(BACKENDS, None):
        where = f"{path}:{config_file.line_of(text, BACKENDS)}"
        if project:
            raise _not_for_projects(where, BACKENDS, f"Remove it, or move it into {user_config_path()}.")
        layer.values[BACKENDS] = check_backends(backends, where)
    for key, raw in _flat(document).items():
        where = f"{path}:{config_file.line_of(text, key)}"
        check_key(key, where)
        if project and key in USER_ONLY:
            hint = f"Remove the line; to set it for yourself: launchpad config set {key} VALUE"
            raise _not_for_projects(where, key, hint)
        value = _converted(key, raw, where, strict=True)
        if key == "plugins.paths":
            value = tuple(str(path.parent / Path(item).expanduser()) for item in value)
        layer.values[key], layer.origins[key] = value, where
    return layer


def _not_for_projects(where: str, key: str, hint: str) -> ConfigError:
    return ConfigError(
        f"{where}: a project cannot set {key}.",
        why="A project's file may be somebody else's, and this decides what code runs or what is downloaded.",
        hint=hint,
    )


def _environment_layer(environ: Mapping[str, str]) -> _Layer:
    layer = _Layer({}, {})
    known = {variable(key): key for key in KEYS}
    for name in sorted(environ):
        if key := known.get(name):
            if environ[name].strip() or "tuple" in str(
                KEYS[key]
            ):  # an empty list is a value, an empty word is not
                layer.values[key] = _from_text(key, environ[name], name)
                layer.origins[key] = name
        elif name.startswith(tuple(f"LAUNCHPAD_{section.upper()}_" for section in SECTIONS)):
            from difflib import get_close_matches

            close = get_close_matches(name, known, 1, 0.5)
            raise ConfigError(
                f"The variable {name} names no setting.", hint=f"Did you mean {close[0]}?" if close else None
            )
    return layer


def _flag_layer(overrides: Mapping[str, object]) -> _Layer:
    layer = _Layer({}, {})
    for key, raw in overrides.items():
        check_key(key)
        if raw is not None:
            layer.values[key] = _converted(key, raw, COMMAND_LINE, strict=True)
            layer.origins[key] = COMMAND_LINE
    return layer


def _merged(layers: list[_Layer]) -> Config:
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for layer in layers:
        values.update(layer.values)
        origins.update(layer.origins)
    sections = {
        section: type_(
            **{key.partition(".")[2]: value for key, value in values.items() if key.startswith(f"{section}.")}
        )
        for section, type_ in SECTIONS.items()
    }
    return Config(**sections, backends=values.get(BACKENDS, {}), origins=origins)  # type: ignore[arg-type]


def _flat(document: Mapping[str, Any]) -> dict[str, Any]:
    """`{"run": {"context": 1}}` as `{"run.context": 1}`; deeper tables stay values and are refused by their type."""
    flat: dict[str, Any] = {}
    for section, table in document.items():
        if isinstance(table, dict):
            flat.update({f"{section}.{name}": value for name, value in table.items()})
        else:
            flat[section] = table
    return flat


def _is_list(key: str) -> bool:
    plain = _plain(key)
    return any(get_origin(part) is tuple for part in (plain, *get_args(plain)))


def _plain(key: str) -> Any:
    """The type of a setting without its annotations."""
    section, _, name = key.partition(".")
    return get_type_hints(SECTIONS[section])[name]


def _from_text(key: str, text: str, where: str) -> Any:
    """The value of a variable or of `config set`: lists are separated by commas, paths as in PATH."""
    if _is_list(key):
        separator = os.pathsep if key == "plugins.paths" else ","
        return _converted(
            key, [part.strip() for part in text.split(separator) if part.strip()], where, strict=True
        )
    return _converted(key, text.strip(), where, strict=False)


def _converted(key: str, raw: object, where: str, *, strict: bool) -> Any:
    try:
        return msgspec.convert(raw, KEYS[key], strict=strict, dec_hook=_size)
    except (msgspec.ValidationError, UsageError) as error:
        why = what_it_takes(_plain(key), str(error).splitlines()[0].replace("`", ""))
        raise ConfigError(f"{where}: {key} cannot be {raw!r}.", why=why, hint=_example(key)) from error


def _size(type_: type, raw: object) -> Size:
    if isinstance(raw, str):
        return Size(parse_rate(raw))
    if isinstance(raw, int) and not isinstance(raw, bool) and raw >= 0:
        return Size(raw)
    raise UsageError("Expected a size such as 1GB.")


def _example(key: str) -> str | None:
    section, _, name = key.partition(".")
    default = getattr(SECTIONS[section](), name)
    if default in (None, ()):
        return None
    shown = default if isinstance(default, str) else _literal(default)
    return f"The default is {shown}."


def _literal(value: object) -> str:
    """The value as TOML on one line."""
    if isinstance(value, tuple):
        return f"[{', '.join(_literal(item) for item in value)}]"
    import tomli_w

    return tomli_w.dumps({"x": int(value) if isinstance(value, Size) else value}).partition("=")[2].strip()
