"""Where launchpad keeps things. `LAUNCHPAD_HOME` moves all of its own data; weights follow the Hub's variables."""

from __future__ import annotations

import os
from pathlib import Path

from launchpad.folders import folder


def _base(kind: str) -> Path:
    return Path(folder(kind))


def config_dir() -> Path:
    """Folder of the user's `config.toml`."""
    return _base("config")


def data_dir() -> Path:
    """Folder of what the user would miss: sessions, non-Hub weights, measurements."""
    return _base("data")


def cache_dir() -> Path:
    """Folder of what can be rebuilt."""
    return _base("cache")


def state_dir() -> Path:
    """Folder of running-server records, locks and logs."""
    return _base("state")


def hub_cache() -> Path:
    """The Hugging Face cache: `HF_HUB_CACHE`, `HF_HOME/hub`, `XDG_CACHE_HOME/huggingface/hub`, or its default."""
    if path := os.environ.get("HF_HUB_CACHE"):
        return Path(path).expanduser()
    if home := os.environ.get("HF_HOME"):
        return Path(home).expanduser() / "hub"
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache).expanduser() if cache else Path("~/.cache").expanduser()) / "huggingface" / "hub"


def store_dir() -> Path:
    """Weights that do not come from the Hub, in the same layout as the Hub's cache."""
    return data_dir() / "models"
