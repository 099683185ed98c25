"""Where launchpad's own folders are, as text: `launchpad --help` looks there and has no time for pathlib."""

from __future__ import annotations

import os
import sys

from launchpad.errors import ConfigError

# What platformdirs says for Linux, whose import would be a fifth of `launchpad --help`.
_XDG = {"config": ".config", "data": ".local/share", "cache": ".cache", "state": ".local/state"}


def folder(kind: str) -> str:
    """The folder for config, data, cache or state. Raises `ConfigError` without a home to put it in."""
    if home := os.environ.get("LAUNCHPAD_HOME"):
        return os.path.join(os.path.abspath(os.path.expanduser(home)), kind)  # noqa: PTH100, PTH111, PTH118
    try:
        return _ordinary(kind)
    except RuntimeError as error:  # no HOME and no passwd entry
        raise ConfigError(
            "There is no home directory to keep launchpad's data in.",
            why=str(error),
            hint="Set LAUNCHPAD_HOME to a folder that you can write to.",
        ) from error


def _ordinary(kind: str) -> str:
    if not sys.platform.startswith("linux"):
        import platformdirs

        return str(getattr(platformdirs, f"user_{kind}_path")("launchpad", appauthor=False))
    base = os.environ.get(f"XDG_{kind.upper()}_HOME", "").strip()
    if not base:
        home = os.path.expanduser("~")  # noqa: PTH111
        if home == "~":
            raise RuntimeError("Could not determine home directory.")
        base = f"{home}/{_XDG[kind]}"
    return f"{base}/launchpad"
