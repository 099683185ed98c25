"""The door for plugins: everything behind it exists, for Python and for type checkers alike."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import launchpad.plugins as door
from launchpad.plugins import spec


@pytest.mark.parametrize("name", sorted(door._EXPORTS))
def test_every_name_leads_somewhere(name: str) -> None:
    assert getattr(door, name) is not None


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(Path(door.__file__).read_text("utf-8"))
    block = next(
        node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    seen = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            public = alias.asname or alias.name
            seen[public] = str(node.module) if public == alias.name else f"{node.module}:{alias.name}"
    assert seen == door._EXPORTS


def test_the_whole_contract_is_there() -> None:
    own = {
        name
        for name, value in vars(spec).items()
        if inspect.isclass(value) and value.__module__ == spec.__name__ and name != "Hooks"
    }
    assert own <= set(door._EXPORTS)


def test_unknown_names_and_dir() -> None:
    with pytest.raises(AttributeError, match="Nothing"):
        door.Nothing  # noqa: B018
    assert {"hookimpl", "Backend"} <= set(dir(door))
    assert set(door.__all__) == set(door._EXPORTS)
