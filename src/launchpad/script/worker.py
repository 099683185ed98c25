"""A child process that matches patterns and validates JSON: both can take for ever, and a child can be killed.

Reads one JSON request a line from stdin, writes one JSON answer a line to stdout. Started by `referee`.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """`{"pattern", "text"}` gives `{"found"}`; `{"schema", "value"}` gives `{"violation"}`; trouble gives `{"error"}`."""
    if "pattern" in request:
        try:
            return {"found": re.search(request["pattern"], request["text"]) is not None}
        except re.error as error:
            return {"error": f"not a regular expression: {error}"}
    return _validate(request["schema"], request["value"])


def _validate(schema: Any, value: Any) -> dict[str, Any]:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError, best_match
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    try:
        Draft202012Validator.check_schema(schema)
        # An empty registry: a $ref to elsewhere is an error, never a request over the network.
        found = best_match(Draft202012Validator(schema, registry=Registry()).iter_errors(value))
    except SchemaError as error:
        return {"error": f"the schema itself is wrong: {error.message}"}
    except Unresolvable as error:
        return {"error": f"the schema refers to something that is not in it: {error.ref}"}
    except RecursionError:
        return {"error": "the schema refers to itself without end"}
    if found is None:
        return {"violation": None}
    where = "/".join(str(part) for part in found.absolute_path)
    return {"violation": f"{where or 'the answer'}: {found.message[:300]}"}


def main() -> None:
    """Serve until stdin ends."""
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
