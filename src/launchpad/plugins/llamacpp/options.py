"""The plan's arguments in the words of one `llama-server`, as its own help has them: PURE.

Options that were renamed are tried under each of their names; one that a build does not have is dropped, and said.
"""

from __future__ import annotations

from collections.abc import Sequence

from launchpad.plugins import EngineArguments
from launchpad.plugins.llamacpp.program import Program

EXPERTS_ON_CPU = r"blk\.({layers})\.ffn_(up|down|gate|gate_up)_(ch|)exps=CPU"
VERBOSITY = "4"  # the level that tells buffers and placement, and nothing of what is asked or answered

# With a value, under each name that it has had; the newest first.
_VALUES: dict[str, tuple[str, ...]] = {
    "ctx-size": ("--ctx-size",),
    "parallel": ("--parallel",),
    "batch-size": ("--batch-size",),
    "ubatch-size": ("--ubatch-size",),
    "cache-type-k": ("--cache-type-k",),
    "cache-type-v": ("--cache-type-v",),
    "flash-attn": ("--flash-attn",),
    "n-gpu-layers": ("--n-gpu-layers", "--gpu-layers"),
    "fit": ("--fit",),
    "cache-ram": ("--cache-ram",),
    "ctx-checkpoints": ("--ctx-checkpoints", "--swa-checkpoints"),
    "threads": ("--threads",),
    "n-cpu-moe": ("--n-cpu-moe",),
    "tensor-split": ("--tensor-split",),
    "split-mode": ("--split-mode",),
    "main-gpu": ("--main-gpu",),
    "n-gpu-layers-draft": ("--spec-draft-ngl", "--n-gpu-layers-draft", "--gpu-layers-draft"),
    "cache-type-k-draft": ("--spec-draft-type-k", "--cache-type-k-draft"),
    "cache-type-v-draft": ("--spec-draft-type-v", "--cache-type-v-draft"),
}
# Switches: what says yes, and what says no; () where nothing needs to be said.
_SWITCHES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "kv-unified": (("--kv-unified",), ("--no-kv-unified",)),
    "swa-full": (("--swa-full",), ()),
    "repack": (("--repack",), ("--no-repack",)),
    "mmap": (("--mmap",), ("--no-mmap",)),
}
# What an old build does anyway, so that nothing is lost when it has no word for it.
_HARMLESS = {"--no-kv-unified", "--repack", "--mmap", "--fit", "--ctx-checkpoints"}


class Words:
    """Options for one program; `dropped` are the names of those that it does not have."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self.argv: list[str] = []
        self.dropped: list[str] = []

    def value(self, names: Sequence[str], value: object) -> None:
        """An option with a value."""
        if (name := self._known(names)) is not None:
            self.argv += [name, str(value)]

    def switch(self, names: Sequence[str]) -> None:
        """An option without one."""
        if names and (name := self._known(names)) is not None:
            self.argv.append(name)

    def quietly(self, *words: str) -> None:
        """An option that is of no use where it is not known."""
        if words[0] in self._program.options:
            self.argv += words

    def _known(self, names: Sequence[str]) -> str | None:
        found = next((name for name in names if name in self._program.options), None)
        if found is None and names[0] not in _HARMLESS:
            self.dropped.append(names[0])
        return found


def server_words(program: Program, arguments: EngineArguments) -> Words:
    """The plan's arguments as this program takes them. Raises `ValueError` for one that launchpad does not know."""
    words = Words(program)
    for name, value in arguments.items():
        if name == "mmap" and "--load-mode" in program.options and "--mmap" not in program.options:
            words.value(("--load-mode",), "mmap" if value else "none")
        elif name == "n-cpu-moe" and "--n-cpu-moe" not in program.options:
            layers = "|".join(map(str, range(int(value))))
            words.value(("--override-tensor",), EXPERTS_ON_CPU.format(layers=layers))
        elif name in _SWITCHES:
            words.switch(_SWITCHES[name][0 if value else 1])
        elif name in _VALUES:
            words.value(_VALUES[name], value)
        else:
            raise ValueError(f"unknown engine argument {name}")
    if "threads" in arguments:
        words.quietly("--threads-batch", str(arguments["threads"]))
    return words


def private_words(words: Words, port: int, ui: bool) -> None:
    """Loopback, a key, no other origin, no web page unasked, no network, no endpoint that tells more than needed."""
    words.value(("--host",), "127.0.0.1")
    words.value(("--port",), port)
    words.quietly("--offline")
    words.switch(("--ui", "--webui") if ui else ("--no-ui", "--no-webui"))
    words.quietly("--cors-origins", "")
    words.quietly("--no-cors-credentials")
    words.quietly("--no-slots")
    words.quietly("--no-agent")
    words.quietly("--no-context-shift")  # a full context is an error that the user sees, never a silent cut
    words.quietly("--jinja")
    words.quietly("--reasoning-format", "deepseek")
    words.quietly("--log-colors", "off")
    words.value(("--log-verbosity", "--verbosity"), VERBOSITY)
