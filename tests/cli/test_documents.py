"""The shipped schemas are those of the types, and the documented exit codes those of the errors."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pytest

import launchpad
from launchpad import errors
from launchpad.cli.documents import KINDS

ROOT = Path(__file__).parents[2]
SHIPPED = Path(launchpad.__file__).parent / "schemas"


def generator():
    spec = importlib.util.spec_from_file_location("build_schemas", ROOT / "tools" / "build_schemas.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("kind", KINDS)
def test_shipped_schema_is_that_of_the_type(kind):
    shipped = json.loads((SHIPPED / f"{kind}.schema.json").read_text(encoding="utf-8"))
    assert shipped == json.loads(json.dumps(generator().schema(kind))), (
        "run: python tools/build_schemas.py src/launchpad/schemas"
    )


def test_no_schema_without_a_type():
    assert {path.name.removesuffix(".schema.json") for path in SHIPPED.glob("*.json")} == set(KINDS)


def test_every_error_is_in_the_table_of_exit_codes():
    page = (ROOT / "docs" / "reference" / "exit-codes.md").read_text(encoding="utf-8")
    rows = {int(m[1]): m[2] for m in re.finditer(r"^\| (\d+) \|(.*)\|$", page, re.MULTILINE)}
    for error in vars(errors).values():
        if (
            isinstance(error, type)
            and issubclass(error, errors.LaunchpadError)
            and error is not errors.LaunchpadError
        ):
            assert f"`{error.code}`" in rows[error.exit_code], error.__name__
