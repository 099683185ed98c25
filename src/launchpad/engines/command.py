"""What to start: the command of an engine and the environment that it may see."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from msgspec import Struct

from launchpad.errors import RefusedError

TOKEN_VARIABLE = "LAUNCHPAD_ENGINE_TOKEN"  # noqa: S105  (the name of the variable; a start token is no secret)

# /proc/<pid>/environ is readable, inherited and often logged: no credential goes there.
_SECRET = re.compile(
    r"TOKEN(?!IZER)|SECRET|PASSWORD|PASSWD|CREDENTIAL|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|COOKIE", re.IGNORECASE
)

# Engines that read settings from the environment would not do what the plan says.
_SETTINGS = re.compile(r"LLAMA_ARG_|LAUNCHPAD_")

# Options that open an engine to the network, run code of strangers, or let it write files. None of them is ever part of a
# plan: where one turns up it came from a plugin, a catalog or a model.
_FORBIDDEN = frozenset(
    [
        "--rpc",
        "--log-file",
        "--slot-save-path",
        "--api-key",
        "--api-key-file",
        "--lora",
        "--lora-scaled",
        "--control-vector",
        "--chat-template",
        "--chat-template-file",
        "--media-path",
        "--ssl-key-file",
        "--tools",
        "--webui-mcp-proxy",
        "--props",
        "--path",
        "--models-dir",
        "--trust-remote-code",
        "--enable-prompt-embeds",
        "--allowed-local-media-path",
        "--logits-processors",
        "--middleware",
        "--worker-extension-cls",
        "--tokenizer-mode=custom",
        "--hf-overrides",
    ]
)
_PUBLIC = frozenset({"0.0.0.0", "::", "[::]", "*"})  # noqa: S104  (to refuse them)

STDIN = "/dev/stdin"  # by which launchpad tells an engine its key
KEY_VARIABLE = "ENGINE_API_KEY"  # by which an engine of ours that is a script is told its key
READY_VARIABLE = "LAUNCHPAD_READY_FILE"
ORPHAN_GRACE = 1.0  # s between TERM and KILL when launchpad has died

_ALWAYS = {
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "NO_PROXY": "127.0.0.1,localhost",
    "no_proxy": "127.0.0.1,localhost",
    "PYTHONUNBUFFERED": "1",
}


class EngineCommand(Struct, frozen=True, kw_only=True):
    """How to start one engine.

    `stdin` is written to the engine's standard input, which is then closed: the way for secrets, which must stand
    neither in `argv` nor in `environment`. `grace` is the time in seconds between TERM and KILL. `size` is how many bytes
    loading brings into memory, to tell how far it is. `of_user` names options that are refused unless, as here, the user
    gave them himself. `own_workers` says that a ready engine ends its processes by itself: it alone then gets the TERM.
    While it is loading, when such engines swallow TERM, all of them get an INT. `scratch` names variables of its environment
    that get the path of a new folder, private and short enough for sockets, which is removed when the engine has ended.
    """

    backend: str
    model: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = {}
    stdin: str = ""
    cwd: str | None = None
    grace: float = 5.0
    size: int | None = None
    of_user: tuple[str, ...] = ()
    own_workers: bool = False
    scratch: tuple[str, ...] = ()


def clean_environment() -> dict[str, str]:
    """This process's environment without credentials and engine settings: what any child process may see."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not _SECRET.search(name) and not _SETTINGS.match(name)
    }
    return kept | _ALWAYS


def how_to_end(command: EngineCommand) -> dict[str, object]:
    """What the guard is told about stopping this engine."""
    return {
        "grace": command.grace,
        "orphan_grace": min(ORPHAN_GRACE, command.grace),
        "own_workers": command.own_workers,
    }


def refuse_options(command: EngineCommand) -> None:
    """Raise `RefusedError` for a command with an option that no engine of launchpad is ever started with."""
    for word, following in zip(command.argv, (*command.argv[1:], ""), strict=True):
        name, _, value = word.partition("=")
        option = name.replace("_", "-")
        opens = option in ("--host", "-H", "--listen") and (value or following) in _PUBLIC
        allowed = option in command.of_user or (option, following) == ("--api-key-file", STDIN)
        if not allowed and (option in _FORBIDDEN or word in _FORBIDDEN or opens):
            raise RefusedError(
                f"The engine {command.backend} was to be started with {option}, which launchpad never allows.",
                why="It opens the engine to the network, runs code of others, or lets it write files.",
                hint="If a plugin does this (`launchpad plugins`), disable it: --no-plugins.",
            )
