"""Where the policy is read from: the file that was named, else `policy.toml` in the config folder."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from launchpad.choice.policy import Policy, read_policy
from launchpad.config import file as config_file
from launchpad.errors import ConfigError
from launchpad.paths import config_dir

if TYPE_CHECKING:
    from launchpad.config import Config

POLICY_FILE = "policy.toml"


def load_policy(config: Config) -> Policy | None:
    """The policy in force, None without one. Raises `ConfigError` for a file that is missing or not understood."""
    named = config.run.policy
    path = Path(named).expanduser().absolute() if named else config_dir() / POLICY_FILE
    text = config_file.read_text(path)
    if text is None:
        if named is None:
            return None
        raise ConfigError(
            f"There is no policy file at {path}.",
            why=f"It is named by {config.origin('run.policy')}.",
            hint="Correct the path: without its policy, launchpad chooses nothing.",
        )
    return read_policy(config_file.parse(text, path), str(path), partial(config_file.line_of, text))
