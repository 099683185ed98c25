"""Write the JSON Schemas of the command line's documents: `python tools/build_schemas.py src/launchpad/schemas`."""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from launchpad.cli.documents import KINDS, SCHEMA_VERSION


def schema(kind: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of one kind of document, with the two fields that all of them share."""
    document = _dedented(msgspec.json.schema(KINDS[kind]))
    definitions = document.pop("$defs", {})
    name = document["$ref"].rpartition("/")[2]
    body = dict(definitions.pop(name))
    envelope = {"schema_version": {"const": SCHEMA_VERSION}, "kind": {"const": kind}}
    body["properties"] = {**envelope, **body["properties"]}
    body["required"] = [*envelope, *body.get("required", [])]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:launchpad:schema:{SCHEMA_VERSION}:{kind}",
        **body,
        "$defs": dict(sorted(definitions.items())),
    }


def _dedented(node: Any) -> Any:
    """The same with descriptions as Python 3.13 keeps docstrings; before, they have the indentation of their source."""
    if isinstance(node, dict):
        return {
            name: inspect.cleandoc(value)
            if name == "description" and isinstance(value, str)
            else _dedented(value)
            for name, value in node.items()
        }
    return [_dedented(one) for one in node] if isinstance(node, list) else node


def main() -> None:
    """Write one file per kind."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for kind in KINDS:
        (folder / f"{kind}.schema.json").write_text(
            json.dumps(schema(kind), indent=1) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
