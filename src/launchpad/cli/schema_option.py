"""`--schema`: a JSON Schema from a file or from the command line itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from launchpad.errors import UsageError

MAX_SCHEMA = 1 << 20  # bytes


def read_schema(given: str) -> Mapping[str, Any]:
    """The schema in a file, or the text itself when it begins with a brace. Raises `UsageError`."""
    import jsonschema

    text, place = (given, "--schema") if given.lstrip().startswith("{") else (_file(Path(given)), given)
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{place} is not JSON.", why=str(error), hint="Check it with `jq .`.") from error
    if not isinstance(schema, dict):
        raise UsageError(
            f"{place} is no JSON Schema.",
            why="A schema is a JSON object.",
            hint='Such as {"type": "object"}.',
        )
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        where = f" at {error.json_path}" if error.json_path != "$" else ""
        raise UsageError(
            f"{place} is no JSON Schema.", why=f"{error.message}{where}", hint="It must be of draft 2020-12."
        ) from error
    return schema


def _file(path: Path) -> str:
    try:
        with path.expanduser().open("rb") as file:
            data = file.read(MAX_SCHEMA + 1)
        if len(data) > MAX_SCHEMA:
            raise UsageError(
                f"The schema {path} is too large.", why="The limit is 1 MiB.", hint="Make it smaller."
            )
        return data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "It is no UTF-8 text."
        raise UsageError(
            f"The schema {path} cannot be read.", why=why, hint="Give a file, or the JSON text itself."
        ) from error
