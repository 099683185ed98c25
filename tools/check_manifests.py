"""Hold the manifests on record to the schemas of those who read them: `python tools/check_manifests.py [FOLDER_OF_CRDS]`.

SkyPilot's own reader reads the tasks, in an environment of its own (460 MB). Custom resources are held to the CRDs (YAML) in the
folder: `ray-operator/config/crd/bases` of KubeRay, `config/crd/bases` of LeaderWorkerSet. Neither PyPI nor npm has those, so
this is no test of every day. A field that the schema does not know is an error, though Kubernetes would drop it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import yaml

ROOT = Path(__file__).parents[1]
RECORD = ROOT / "tests" / "golden" / "manifests"
SKYPILOT = "skypilot==0.14.1"
READ = "import sky, sys\nfor path in sys.argv[1:]: print(path, sky.Task.from_yaml(path).resources)"


def strict(schema: Any) -> Any:
    """The schema with every object closed whose fields are listed."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: strict(one) for name, one in schema.items()}
    free = schema.get("x-kubernetes-preserve-unknown-fields")
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object" and not free:
        closed["additionalProperties"] = False
    if schema.get("x-kubernetes-int-or-string"):
        closed = {"anyOf": [{"type": "integer"}, {"type": "string"}]}
    return closed


def schemas(folder: Path) -> dict[tuple[str, str], Any]:
    """By API version and kind."""
    found = {}
    for path in folder.rglob("*.yaml"):
        for one in yaml.safe_load_all(path.read_text("utf-8")):
            if isinstance(one, dict) and one.get("kind") == "CustomResourceDefinition":
                spec = one["spec"]
                for version in spec["versions"]:
                    name = f"{spec['group']}/{version['name']}", spec["names"]["kind"]
                    found[name] = strict(version["schema"]["openAPIV3Schema"])
    return found


def wrong(document: dict[str, Any], schema: Any) -> Iterator[str]:
    """What the schema does not allow."""
    schema["properties"]["metadata"] = {"type": "object"}
    for error in jsonschema.Draft202012Validator(schema).iter_errors(document):
        yield f"{'.'.join(map(str, error.absolute_path))}: {error.message[:200]}"


def custom_resources(folder: Path) -> int:
    """How many things are wrong with them; each is printed."""
    known, errors = schemas(folder), 0
    for path in sorted(RECORD.glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text("utf-8")):
            schema = known.get((document.get("apiVersion"), document.get("kind")))
            if schema is not None:
                found = list(wrong(document, schema))
                errors += len(found)
                print(path.name, document["kind"], *(found or ["as its schema has it"]), sep="\n  ")
    return errors


def tasks() -> int:
    """SkyPilot reads them."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder) / "bin" / "python")
        subprocess.run([python, "-m", "pip", "install", "-q", SKYPILOT], check=True)
        env = {"HOME": folder, "SKYPILOT_DISABLE_USAGE_COLLECTION": "1", "PATH": "/usr/bin:/bin"}
        return subprocess.run(
            [python, "-c", READ, *map(str, sorted(RECORD.glob("*.sky.yaml")))], env=env
        ).returncode


if __name__ == "__main__":
    sys.exit(bool(tasks() + sum(custom_resources(Path(folder)) for folder in sys.argv[1:])))
