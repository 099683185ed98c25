"""Builds of the catalog in other programs' stores."""

from __future__ import annotations

import pytest

from launchpad.catalog.model import Build, LocalModel, Model, ModelFile
from launchpad.choice.found import found_builds

A, B = "a" * 64, "b" * 64


def _model(*files: ModelFile, form: str = "gguf") -> Model:
    build = Build(ref="hf://org/m@1:Q4", format=form, quantization="Q4", files=files)  # type: ignore[arg-type]
    return Model(id="m", name="M", lab="L", lab_id="l", builds=(build,))


def _local(size: int, sha256: str | None = None, path: str = "/x/model.gguf") -> LocalModel:
    return LocalModel(ref=f"file://{path}", path=path, size=size, format="gguf", owner="jan", sha256=sha256)


PINNED = ModelFile(path="m-Q4.gguf", size=10, sha256=A)


@pytest.mark.parametrize(
    ("model", "local", "found"),
    [
        (_model(PINNED), _local(10, A), True),
        (_model(PINNED), _local(10), True),  # whatever its name: it is hashed before it is used
        (_model(PINNED), _local(10, B), False),
        (_model(PINNED), _local(11, A), False),
        (_model(ModelFile(path="m-Q4.gguf", size=10)), _local(10), False),  # nothing to hold it to
        (_model(ModelFile(path="m-Q4.gguf", sha256=A)), _local(10, A), False),
        (_model(), _local(10, A), False),
        (_model(PINNED, form="safetensors"), _local(10, A), False),
    ],
)
def test_size_and_hash_decide(model: Model, local: LocalModel, found: bool) -> None:
    result = found_builds([model], [local])
    assert bool(result) is found
    if found:
        assert result["hf://org/m@1:Q4"].model_id == "m"


def test_shards_are_told_by_their_names() -> None:
    files = [ModelFile(path=f"d/m-0000{n}-of-00002.gguf", size=5, sha256=A) for n in (1, 2)]
    assert found_builds([_model(*files)], [_local(10, path="/x/m-00001-of-00002.gguf")])
    assert not found_builds([_model(*files)], [_local(10, path="/x/n-00001-of-00002.gguf")])
