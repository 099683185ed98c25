"""What a name on the command line means: a catalog's models, places, files, descriptions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from factories import local, model
from gguf_bytes import MODEL_KEYS, STRING, gguf, key
from launchpad.catalog.model import Build, Model, ModelFile, Shape
from launchpad.config import Config
from launchpad.errors import PullError, SourceUnreachable, UnknownModel, UsageError
from launchpad.hardware.machine import Machine
from launchpad.lookup.named import Named, called, named_models
from launchpad.plugins.host import Host
from launchpad.survey import Survey
from launchpad.testing.hub import SimulatedHub
from vision_files import tiny_projector

GGUF = gguf()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedHub]:
    with SimulatedHub() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.endpoint)
        running.add_model("org/m", {"m-Q4_K_M.gguf": GGUF, "m-Q8_0.gguf": GGUF + b"\0" * 999})
        yield running


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")


def listed(*files: ModelFile, size: int | None = 1000) -> Model:
    """A model of a catalog with one build at org/m."""
    build = Build(ref="hf://org/m:Q4_K_M", format="gguf", quantization="Q4_K_M", size=size, files=files)
    return model("m", builds=(build,), shape=Shape(architecture="llama", layers=2))


def named(
    text: str, *models: Model, connect: bool = True, to_run: bool = True, here: str | None = None
) -> Named:
    seen = Survey(
        machine=Machine(name="test"),
        models=models,
        catalog_date=None,
        backends=(),
        local={f"hf://org/{here}:q4_k_m": local(here)} if here else {},
        reach={},
    )
    return named_models(text, seen, Host(Config(), third_party=False), connect=connect, to_run=to_run)


def test_a_place_that_no_catalog_lists_says_itself_what_it_is(hub: SimulatedHub) -> None:
    found = named("hf://org/m:Q4_K_M")
    (one,) = found.models
    assert (one.name, one.lab, one.shape.architecture) == ("m", "org", "llama")
    assert one.parameters == 64 * 32 + 2 * 64 * 128
    assert [build.size for build in one.builds] == [len(GGUF)]
    assert set(found.layouts) == {"hf://org/m:Q4_K_M"}


def test_a_catalog_s_model_keeps_its_facts_and_gets_the_source_s_builds(hub: SimulatedHub) -> None:
    found = named("hf://org/m", listed())
    (one,) = found.models
    assert (one.id, one.quality is None, one.shape.layers) == ("m", False, 2)
    assert [build.quantization for build in one.builds] == ["Q4_K_M", "Q8_0"]
    assert len(found.layouts) == 2


def test_what_a_catalog_pins_must_hold(hub: SimulatedHub) -> None:
    with pytest.raises(PullError, match="pins"):
        named("hf://org/m:Q4_K_M", listed(ModelFile(path="m-Q4_K_M.gguf", sha256="0" * 64)))


def test_a_catalog_s_word_stands_in_for_a_silent_source(unreachable: None) -> None:
    found = named("hf://org/m:Q4_K_M", listed())
    assert [build.size for build in found.models[0].builds] == [1000]
    with pytest.raises(SourceUnreachable):
        named("hf://org/other:Q4_K_M", listed())


def test_nothing_is_asked_when_it_must_not_be_or_need_not_be(hub: SimulatedHub) -> None:
    assert named("hf://org/m:Q4_K_M", listed(), connect=False).models[0].builds[0].size == 1000
    assert named("hf://org/other:Q4_K_M", connect=False).models[0].builds[0].size is None
    assert named("hf://org/m:Q4_K_M", listed(), here="m").models[0].builds[0].size == 1000
    assert hub.requests == []


def test_a_name_is_only_looked_up_in_catalogs(hub: SimulatedHub) -> None:
    assert named("m", listed()).models[0].id == "m"
    with pytest.raises(UnknownModel):
        named("nobody-knows-this", listed())
    assert hub.requests == []


def test_a_file_is_its_own_entry(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(GGUF)
    found = named(str(path))
    (build,) = found.models[0].builds
    assert (build.ref, build.size, build.format) == (path.as_uri(), len(GGUF), "gguf")
    assert found.local[build.ref].path == str(path)
    assert build.ref in found.layouts
    with pytest.raises(UnknownModel):
        named(str(tmp_path / "other.gguf"))


def test_the_projector_beside_a_file_goes_with_it(tmp_path: Path) -> None:
    path, projector = tmp_path / "m-Q4_K_M.gguf", tmp_path / "mmproj-F16.gguf"
    path.write_bytes(GGUF)
    projector.write_bytes(tiny_projector(64))
    found = named(str(path))
    ref = path.as_uri()
    assert found.local[ref].projector == str(projector)
    assert (layout := found.layouts[ref]).projector is not None
    assert layout.projector.weights > 0
    projector.write_bytes(b"GGUF")
    assert named(str(path)).local[ref].projector == str(projector)  # the launch refuses it by name


def test_a_description_is_for_computing_only(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    path.write_text(json.dumps({"layers": 2, "hidden_size": 64, "kv_heads": 2, "size_bytes": 5000}))
    found = named(str(path), to_run=False)
    assert [build.size for build in found.models[0].builds] == [5000]
    assert found.local == {}
    with pytest.raises(UsageError, match="no weights"):
        named(str(path))


def test_what_the_engine_of_a_named_model_is_called(tmp_path: Path) -> None:
    path = tmp_path / "file-name.gguf"
    path.write_bytes(gguf((*MODEL_KEYS, key("general.name", STRING, "What It Says"))))
    models = (model("qwen3-8b"), model("qwen3-14b"))
    assert called(str(path), models) == {"What It Says"}
    assert called("qwen3-8b:Q4_K_M", models) == {"QWEN3-8B"}
    assert called("qwen3", models) == {"QWEN3-8B", "QWEN3-14B"}
    assert called("hf://org/other:Q8_0", models) == {"other"}
    assert (
        called("", models) == called("auto", models) == called(str(tmp_path / "none.gguf"), models) == set()
    )
