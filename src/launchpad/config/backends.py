"""`[backends.NAME]` of the user's own file: what is checked before a program or a server becomes a backend."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NoReturn
from urllib.parse import urlsplit

import msgspec

from launchpad.config.sections import BackendConfig
from launchpad.errors import ConfigError
from launchpad.hosts import is_loopback

BACKENDS = "backends"
BLANK = re.compile(r"\{([a-z_]+)\}")
BLANKS = frozenset({"model_path", "port", "context", "gpu_layers", "parallel", "model"})
SECRET = "api_key"  # noqa: S105 -- the name of a blank

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_FORMATS = ("gguf", "safetensors")
_ACCELERATORS = ("cuda", "rocm", "vulkan", "metal", "sycl")


def check_backends(raw: object, where: str) -> dict[str, BackendConfig]:
    """The tables by name, each one that can be used. Raises `ConfigError`."""
    if not isinstance(raw, dict):
        _refuse(where, BACKENDS, "It takes tables: [backends.NAME].")
    return {name: _checked(name, table, f"{where}: {BACKENDS}.{name}") for name, table in raw.items()}


def _checked(name: str, table: object, where: str) -> BackendConfig:
    from launchpad.plugins.discovery import BUILTINS

    if not _NAME.fullmatch(name):
        _refuse(where, name, "A backend's name is of the form [a-z][a-z0-9-]*.")
    if name in BUILTINS:
        _refuse(where, name, "It is the name of one of launchpad's own plugins.", "Choose another name.")
    try:
        found = msgspec.convert(table, BackendConfig)
    except msgspec.ValidationError as error:
        _refuse(where, name, str(error).replace("`", ""))
    if bool(found.command) == (found.url is not None):
        _refuse(where, name, "It takes either a command or a url.")
    if found.url is not None:
        _check_url(found, where, name)
    else:
        _check_command(found, where, name)
    return found


def _check_url(found: BackendConfig, where: str, name: str) -> None:
    try:
        url = urlsplit(found.url or "")
        usable = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        usable = False
    if not usable or url.query or url.fragment:
        _refuse(where, name, "Its url is no http:// or https:// address.", "Such as http://127.0.0.1:1234/v1")
    if url.username or url.password:
        _refuse(where, name, "Its url holds a password.", "Name the variable that holds the key: key_env.")
    if found.key_env and url.scheme == "http" and not is_loopback(url.hostname or ""):
        _refuse(
            where,
            name,
            "Its key would cross the network in the clear.",
            "Use https://, or leave key_env out.",
        )


def _check_command(found: BackendConfig, where: str, name: str) -> None:
    if found.key_env:
        _refuse(where, name, "key_env is for a url.", 'A program gets its key by env: X = "{api_key}".')
    every = (*found.command, *found.env.values())
    blanks = {blank for word in every for blank in BLANK.findall(word)}
    if f"{{{SECRET}}}" in "".join(found.command):
        _refuse(
            where, name, "Every user of this machine can read a command line, and with it the key.",
            'Give it by a variable: env = { LLAMA_API_KEY = "{api_key}" }',
        )  # fmt: skip
    if strange := sorted(blanks - BLANKS - {SECRET}):
        _refuse(
            where,
            name,
            f"There is no {{{strange[0]}}}.",
            f"There are {_listed(BLANKS)}, {{{SECRET}}} in env.",
        )
    if "port" not in blanks:
        _refuse(where, name, "Its command does not say {port}, so nobody knows where it will answer.")
    _one_of(found.formats, _FORMATS, where, name, "formats")
    _one_of(found.accelerators, _ACCELERATORS, where, name, "accelerators")
    if not found.formats:
        _refuse(where, name, "It reads no format.", f"formats takes {' and '.join(_FORMATS)}.")
    if found.ready is not None and not found.ready.startswith("/"):
        _refuse(where, name, "ready is no path.", "Such as /health")


def _one_of(given: Iterable[str], known: tuple[str, ...], where: str, name: str, key: str) -> None:
    if strange := [word for word in given if word not in known]:
        _refuse(where, name, f"{strange[0]!r} is none of {', '.join(known)}.", f"Correct {key}.")


def _listed(blanks: Iterable[str]) -> str:
    return ", ".join(f"{{{blank}}}" for blank in sorted(blanks))


def _refuse(where: str, name: str, why: str, hint: str | None = None) -> NoReturn:
    raise ConfigError(f"{where} cannot be used.", why=why, hint=hint)
