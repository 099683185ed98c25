"""Settings that ask for code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from launchpad.errors import RefusedError
from launchpad.launcher.code_requests import refuse_code

AUTO_MAP = {"AutoConfig": "evil.Config"}


def snapshot(root: Path, **files: object) -> Path:
    folder = root / "models--org--m" / "snapshots" / "c"
    folder.mkdir(parents=True)
    for name, content in files.items():
        text = content if isinstance(content, bytes) else json.dumps(content).encode()
        (folder / f"{name}.json").write_bytes(text)
    return folder


@pytest.mark.parametrize(
    "files",
    [
        {"config": {"auto_map": AUTO_MAP}},
        {"config": {}, "tokenizer_config": {"auto_map": {"AutoTokenizer": ["x.T", None]}}},
        {"config": {"vision_config": {"auto_map": {"AutoConfig": "other/repo--evil.Config"}}}},
    ],
)
def test_they_are_refused(tmp_path: Path, files: dict[str, object]) -> None:
    with pytest.raises(RefusedError, match="org/m@c asks for code") as caught:
        refuse_code(snapshot(tmp_path, **files))
    assert "run.allow_auto_map org/m@c" in (caught.value.hint or "")


def test_a_revision_can_be_allowed(tmp_path: Path) -> None:
    folder = snapshot(tmp_path, config={"auto_map": AUTO_MAP})
    refuse_code(folder, ["org/m@c"])
    with pytest.raises(RefusedError):
        refuse_code(folder, ["org/m@d"])


@pytest.mark.parametrize(
    "config", [{}, {"auto_map": {}}, {"auto_map": None}, b"", b"[" * 100_000, b"\xff", [1]]
)
def test_others_pass(tmp_path: Path, config: object) -> None:
    refuse_code(snapshot(tmp_path, config=config))
    refuse_code(tmp_path / "m.gguf")
