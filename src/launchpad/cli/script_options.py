"""Options of the commands that run prompt files."""

from __future__ import annotations

import click

from launchpad.cli.shared import Options, gathered

FORMATS = ("text", "json", "stream-json", "jsonl", "openai-batch", "markdown", "junit")

_OPTIONS: Options = {
    "given": (("--var",), {"multiple": True, "metavar": "NAME=VALUE", "help": "Set a variable; NAME=@FILE reads a file."}),
    "models": (("--model",), {"multiple": True, "metavar": "MODEL", "help": "Run with this model instead of the file's."}),
    "judge": (("--judge",), {"metavar": "MODEL", "help": "The model that judges. [default: what the check names]"}),
    "jobs": (("--jobs",), {"type": click.IntRange(1, 64), "default": 1, "help": "Cases that are asked at a time."}),
    "transcript": (("--transcript",), {"metavar": "FILE", "help": "Append everything that happens to this JSONL file."}),
    "resume": (("--resume",), {"metavar": "FILE", "help": "Go on where the run of this transcript stopped."}),
    "resume_changed": (("--resume-changed",), {"is_flag": True, "help": "Go on even if the script has changed since."}),
    "against": (("--against",), {"metavar": "FILE", "help": "Compare the answers with those of this transcript."}),
    "one_shot": (("--one-shot",), {"is_flag": True, "help": "Ask only the last message, as gh-models does."}),
    "strict_model": (("--strict-model",), {"is_flag": True, "help": "Refuse a model that is unknown here."}),
    "allow_code": (("--allow-code",), {"is_flag": True, "help": "Let `python:` checks run code of the script's folder."}),
    "allow_path": (("--allow-path",), {"is_flag": True, "help": "Let the script read and write outside its folder."}),
    "fail_on": (
        ("--fail-on",),
        {"type": click.Choice(["none", "fail", "error"]), "default": "error", "help": "What the exit code counts. [default: both]"},
    ),
    "max_error_rate": (
        ("--max-error-rate",),
        {"type": click.FloatRange(0, 1), "default": 0.0, "metavar": "SHARE", "help": "Forgive this share of errors."},
    ),
    "stdin_timeout": (
        ("--stdin-timeout",),
        {"type": click.FloatRange(0), "metavar": "SECONDS", "help": "How long a silent pipe is waited for."},
    ),
    "stdin_encoding": (("--stdin-encoding",), {"default": "utf-8", "metavar": "NAME", "help": "Encoding of standard input."}),
    "output_format": (
        ("--output-format",),
        {"type": click.Choice(FORMATS), "default": None, "help": "What stdout gets. [default: text]"},
    ),
}  # fmt: skip

script_options = gathered("script", {"Prompt files": _OPTIONS})
"""The options of a run of prompt files; the command receives them as `script`."""
