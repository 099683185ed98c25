"""Places at a source: one build exactly, or all that there are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from gguf_bytes import gguf
from launchpad.catalog.reference import parse
from launchpad.config import Config
from launchpad.errors import BadModelFile, LaunchpadError, PullError, SourceUnreachable
from launchpad.fit import layout_from_gguf
from launchpad.fit.projector import projector_of_size
from launchpad.gguf import read_header
from launchpad.lookup.place import Place, look_up
from launchpad.plugins.host import Host
from launchpad.testing.hub import SimulatedHub
from safetensors_bytes import config, model

GGUF = gguf()
LAYOUT = layout_from_gguf(read_header(GGUF))
PADDED = GGUF + b"\0" * 100_000


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedHub]:
    with SimulatedHub() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.endpoint)
        yield running


def place(text: str) -> Place:
    reference = parse(text)
    return look_up(reference, host().source(reference.scheme or ""))


def host() -> Host:
    return Host(Config(), third_party=False)


def test_a_quantization_is_exact(hub: SimulatedHub) -> None:
    hub.add_model("org/m", {"m-Q4_K_M.gguf": GGUF, "m-Q8_0.gguf": PADDED})
    found = place("hf://org/m:Q4_K_M")
    (build,) = found.builds
    assert (build.ref, build.size, build.size_exact) == ("hf://org/m:Q4_K_M", len(GGUF), True)
    assert found.layouts == {build.ref: LAYOUT}


def test_a_file_is_exact(hub: SimulatedHub) -> None:
    hub.add_model("org/m", {"a/m-Q8_0.gguf": GGUF, "m-Q8_0.gguf": PADDED})
    found = place("hf://org/m/a/m-Q8_0.gguf")
    (build,) = found.builds
    assert (build.ref, build.quantization, build.size) == ("hf://org/m:Q8_0", "Q8_0", len(GGUF))
    assert [file.path for file in build.files] == ["a/m-Q8_0.gguf"]
    assert found.layouts == {build.ref: LAYOUT}


def test_all_quantizations_take_one_header_and_the_projector_is_counted(hub: SimulatedHub) -> None:
    files = {"m-Q2_K.gguf": GGUF, "m-Q4_K_M.gguf": GGUF, "m-Q8_0.gguf": PADDED, "mmproj-F16.gguf": b"eyes"}
    hub.add_model("org/m", files)
    found = place("org/m")
    assert [(build.ref, build.size) for build in found.builds] == [
        ("hf://org/m:Q2_K", len(GGUF)),
        ("hf://org/m:Q4_K_M", len(GGUF)),
        ("hf://org/m:Q8_0", len(PADDED)),
    ]
    seeing = replace(LAYOUT, projector=projector_of_size(4))  # four bytes are no header: the size is known
    assert found.layouts["hf://org/m:Q4_K_M"] == seeing
    larger = found.layouts["hf://org/m:Q8_0"]
    assert larger.weights - LAYOUT.weights == len(PADDED) - len(GGUF)
    assert (larger.kinds, larger.projector) == (seeing.kinds, seeing.projector)
    asked = {seen.path.rpartition("/")[2] for seen in hub.requests if seen.path.endswith(".gguf")}
    assert asked == {"m-Q4_K_M.gguf", "mmproj-F16.gguf"}


def test_a_revision_stays_with_the_builds(hub: SimulatedHub) -> None:
    commit = hub.add_model("org/m", {"m-Q2_K.gguf": GGUF, "m-Q4_K_M.gguf": GGUF})
    assert {build.ref for build in place(f"hf://org/m@{commit}").builds} == {
        f"hf://org/m@{commit}:Q2_K",
        f"hf://org/m@{commit}:Q4_K_M",
    }


def test_the_only_quantization_is_exact_without_being_named(hub: SimulatedHub) -> None:
    hub.add_model("org/m", {"m-IQ3_M.gguf": GGUF})
    found = place("org/m")
    assert [build.quantization for build in found.builds] == ["IQ3_M"]
    assert list(found.layouts.values()) == [LAYOUT]


def test_safetensors_stand_beside_gguf(hub: SimulatedHub) -> None:
    files = {"m-Q8_0.gguf": GGUF, "m-Q4_0.gguf": GGUF, "model.safetensors": model(), "config.json": config()}
    hub.add_model("org/m", files)
    found = place("org/m")
    assert [(build.format, build.quantization) for build in found.builds] == [
        ("gguf", "Q4_0"),
        ("gguf", "Q8_0"),
        ("safetensors", "BF16"),
    ]
    assert set(found.layouts) == {build.ref for build in found.builds}


def test_a_bad_file_does_not_spoil_its_sisters(hub: SimulatedHub) -> None:
    hub.add_model("org/m", {"m-Q4_K_M.gguf": b"rubbish", "m-Q2_K.gguf": GGUF, "m-Q8_0.gguf": PADDED})
    found = place("org/m")
    assert [build.quantization for build in found.builds] == ["Q2_K", "Q8_0"]
    assert found.layouts["hf://org/m:Q2_K"] == LAYOUT


def test_a_repository_of_bad_files_is_refused(hub: SimulatedHub) -> None:
    hub.add_model("org/m", {f"m-Q{number}_K.gguf": b"rubbish" for number in range(2, 8)})
    with pytest.raises(BadModelFile):
        place("org/m")
    assert len({seen.path for seen in hub.requests if seen.path.endswith(".gguf")}) == 3


def test_what_is_not_there_is_told(hub: SimulatedHub) -> None:
    hub.add_model("org/m", {"README.md": b"hello"})
    with pytest.raises(LaunchpadError, match="org/m"):
        place("org/m")
    with pytest.raises(PullError):
        place("org/none:Q4_K_M")


def test_an_unreachable_source_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(SourceUnreachable):
        place("org/m:Q4_K_M")
