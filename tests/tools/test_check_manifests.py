"""The check of manifests finds what a schema does not allow."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
from check_manifests import schemas, wrong  # type: ignore[import-not-found]

CRD = """
kind: CustomResourceDefinition
spec:
  group: ray.io
  names: {kind: RayService}
  versions:
  - name: v1
    schema:
      openAPIV3Schema:
        type: object
        required: [spec]
        properties:
          apiVersion: {type: string}
          kind: {type: string}
          metadata: {type: object}
          spec:
            type: object
            required: [size]
            properties:
              size: {type: integer}
              limit: {x-kubernetes-int-or-string: true}
              free: {type: object, properties: {}, x-kubernetes-preserve-unknown-fields: true}
"""


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"size": 2, "limit": "8Gi", "free": {"any": 1}}, None),
        ({"size": 2, "sise": 3}, "'sise' was unexpected"),
        ({"size": "2"}, "not of type 'integer'"),
        ({"limit": 3}, "'size' is a required property"),
        ({"size": 2, "limit": [3]}, "spec.limit"),
    ],
)
def test_what_the_schema_does_not_allow_is_told(
    tmp_path: Path, spec: dict[str, object], says: str | None
) -> None:
    (tmp_path / "crd.yaml").write_text(CRD)
    schema = schemas(tmp_path)["ray.io/v1", "RayService"]
    document = {"apiVersion": "ray.io/v1", "kind": "RayService", "metadata": {"name": "x"}, "spec": spec}
    found = list(wrong(document, schema))
    assert (found == []) if says is None else (says in found[0])
