"""The command line as a user runs it: a real process, a private home."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest


@dataclass
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @cached_property
    def document(self) -> dict[str, Any]:
        """The JSON document on stdout, checked against the schema that launchpad ships for its kind."""
        import jsonschema

        import launchpad

        found: dict[str, Any] = json.loads(self.out)
        folder = Path(launchpad.__file__).parent / "schemas"
        schema = json.loads((folder / f"{found['kind']}.schema.json").read_text(encoding="utf-8"))
        jsonschema.Draft202012Validator(schema).validate(found)
        return found


Launchpad = Callable[..., Ran]


@pytest.fixture
def launchpad(private_home: Path, tmp_path: Path) -> Launchpad:
    """Run a command; the Hub's address is a closed port on loopback, so that no test depends on the network."""

    def run(
        *arguments: str,
        stdin: str | bytes | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = 50,
    ) -> Ran:
        full = {
            **os.environ,
            "HF_ENDPOINT": "http://127.0.0.1:9",
            "LAUNCHPAD_PYPI_INDEX_URL": "http://127.0.0.1:9/simple",
        }
        full.update(env or {})
        done = subprocess.run(
            [sys.executable, "-m", "launchpad", *arguments],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            env=full,
            cwd=tmp_path,
            timeout=timeout,
        )
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run
