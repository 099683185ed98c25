"""Options of the commands that talk to a model: `chat`, and `run` without a prompt file."""

from __future__ import annotations

import click

from launchpad.cli.shared import Options, gathered

_OPTIONS: Options = {
    "prompt": (("-p", "--prompt"), {"metavar": "TEXT", "help": "Ask this once and leave; what is piped in is added."}),
    "latest": (("-c", "--continue"), {"is_flag": True, "help": "Go on with the session that was used last."}),
    "session": (("--session",), {"metavar": "NAME", "help": "Go on with this session, or begin it."}),
    "system": (("--system",), {"metavar": "TEXT", "help": "System prompt; empty for none. [default: the model's own]"}),
    "think": (
        ("--think",),
        {"type": click.Choice(["show", "hide", "off"]), "default": "show", "help": "What to do with thinking."},
    ),
    "images": (("--image",), {"multiple": True, "metavar": "FILE", "help": "A picture that goes with the prompt."}),
    "schema": (("--schema",), {"metavar": "FILE|JSON", "help": "Answer with JSON that satisfies this JSON Schema."}),
    "no_stream": (("--no-stream",), {"is_flag": True, "help": "Write the answer when it is whole."}),
    "no_stdin": (("--no-stdin",), {"is_flag": True, "help": "Never read standard input as part of the prompt."}),
    "tools": (
        ("--tool",),
        {"multiple": True, "metavar": "MODULE:FUNCTION", "help": "A Python function that the model may call."},
    ),
    "tool_commands": (
        ("--tool-command",),
        {"multiple": True, "metavar": "NAME=COMMAND", "help": "A command that the model may run, text in, text out."},
    ),
    "yes_tools": (("--yes-tools",), {"is_flag": True, "help": "Do not ask before each call of a tool."}),
    "seed": (("--seed",), {"type": int, "help": "Seed of the sampling."}),
    "temperature": (("--temperature",), {"type": click.FloatRange(min=0), "help": "Temperature of the sampling."}),
    "max_tokens": (("--max-tokens",), {"type": click.IntRange(min=1), "help": "Longest answer."}),
}  # fmt: skip

talk_options = gathered("talk", {"Conversation": _OPTIONS})
"""The options of a talk; the command receives them as `talk`."""
