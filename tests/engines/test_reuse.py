"""A loaded engine is used only for what it does: by real processes of the simulated engine; the plans are made up."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from engines.conftest import Keep
from factories import candidate
from launchpad.choice.choose import choose
from launchpad.config import named_program
from launchpad.engines import registry
from launchpad.events import ignore
from launchpad.hardware.simulate import simulate
from launchpad.launcher.reuse import for_plan, for_wish
from launchpad.plan import Plan, make_plan
from launchpad.wish import Wish

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="subreaper and /proc are Linux's")


def plan(**start: Any) -> Plan:
    wish = Wish(model="here")
    made = make_plan(simulate("cpu 32GB"), wish, choose([candidate("here")], wish), lambda fit: {})
    return replace(made, pull=None, start=replace(made.start, backend="llamacpp", **start))


def load(keep: Keep, made: Plan) -> str:
    """A kept engine that was started from this plan, and that nobody is attached to."""
    handle = keep()
    handle.stop()
    registry.write_private(f"{handle.record.token}.plan", msgspec.json.encode(made))
    return handle.record.token


def serves(made: Plan) -> bool:
    found = for_plan(made, ignore)
    if found is not None:
        found.stop()
    return found is not None


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "adapter.gguf"
    path.touch()
    os.utime(path, (0, 0))
    return str(path)


@pytest.mark.parametrize("field", ["draft_path", "projector_path", "program", "loras"])
def test_what_is_named_beside_the_model_must_be_what_runs(keep: Keep, file: str, field: str) -> None:
    value = (file,) if field == "loras" else file
    load(keep, plan(**{field: value}))
    assert serves(plan(**{field: value}))
    assert not serves(plan())
    other = f"{file}.other"
    assert not serves(plan(**{field: (other,) if field == "loras" else other}))


@pytest.mark.parametrize("field", ["draft_path", "projector_path", "program", "loras"])
def test_a_file_that_was_replaced_since_is_another_one(keep: Keep, file: str, field: str) -> None:
    made = plan(**{field: (file,) if field == "loras" else file})
    load(keep, made)
    Path(file).touch()
    os.utime(file, (2**31, 2**31))
    assert not serves(made)


def test_an_engine_without_them_does_not_serve_a_plan_with_them(keep: Keep, file: str) -> None:
    load(keep, plan())
    assert serves(plan())
    assert not serves(plan(loras=(file,)))
    assert not serves(plan(draft_path=file))
    assert not serves(plan(program=file))


def test_a_wish_for_another_engine_program_is_planned_anew(
    keep: Keep, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = plan()
    load(keep, made)
    found = for_wish(made.wish, ignore)
    assert found is not None
    found[1].stop()
    monkeypatch.setenv("LAUNCHPAD_LLAMACPP_PROGRAM", file)  # what `--engine` sets
    assert for_wish(made.wish, ignore) is None


def test_a_named_program_is_the_same_one_in_every_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAUNCHPAD_LLAMACPP_PROGRAM", "build/llama-server")
    assert named_program("llamacpp") == str(tmp_path / "build/llama-server")
    monkeypatch.setenv("LAUNCHPAD_LLAMACPP_PROGRAM", "embedded")
    assert named_program("llamacpp") == "embedded"
    assert named_program("ollama") is None
