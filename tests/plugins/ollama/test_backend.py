"""What the backend offers: builds, fits here and elsewhere, and what its store holds."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from launchpad.plugins import Build, Machine, Memory, Model, Shape, Wish, default_fit
from launchpad.plugins.ollama.address import Address
from launchpad.plugins.ollama.backend import Ollama
from launchpad.plugins.ollama.models import CACHE
from launchpad.testing.backend_contract import MACHINES
from launchpad.testing.replay import Replay
from ollama_traffic import only, recording, says

GIB = 1 << 30
SHAPE = Shape(
    architecture="llama", layers=32, hidden_size=4096, attention_heads=32, kv_heads=8, head_dim_k=128, head_dim_v=128,
    ffn=14336, vocab_size=128256,
)  # fmt: skip
MODEL = Model(
    id="m", name="M", lab="L", lab_id="l", shape=SHAPE, context=131072, parameters=8e9,
    builds=(
        Build(ref="ollama://m:8b", format="ollama", quantization="Q4_K_M", size=5 * GIB),
        Build(ref="ollama://m:8b-cloud", format="ollama", quantization="?", size=5 * GIB),
        Build(ref="ollama://m:8b", format="gguf", quantization="Q4_K_M", size=5 * GIB),
        Build(ref="hf://l/m:Q4_K_M", format="gguf", quantization="Q4_K_M", size=5 * GIB),
        Build(ref="hf://l/m", format="safetensors", quantization="original", size=16 * GIB),
    ),
)  # fmt: skip
_, LAPTOP, WORKSTATION = MACHINES
DESKTOP = replace(LAPTOP, memory=Memory(total=32 * GIB, available=24 * GIB))


def at(replay: Replay, **environment: str) -> Ollama:
    return Ollama({"OLLAMA_HOST": f"127.0.0.1:{replay.port}", **environment})


def test_builds_are_what_it_can_run_once_and_nothing_of_the_cloud() -> None:
    found = [(build.ref, build.format) for build in Ollama({}).builds(MODEL)]
    assert found == [("ollama://m:8b", "ollama"), ("hf://l/m:Q4_K_M", "gguf")]


@pytest.mark.parametrize("machine", [DESKTOP, WORKSTATION])
def test_the_context_is_the_plans_as_for_llama_cpp(machine: Machine) -> None:
    """Ollama's own default (4096 tokens on small machines) has no say, for the context goes with every request."""
    fit = Ollama({}).fit(MODEL, MODEL.builds[0], machine, Wish())
    assert fit is not None
    assert fit.settings.context == default_fit(MODEL, MODEL.builds[3], machine, Wish()).settings.context
    assert fit.settings.context > 4096
    wanted = {"num_ctx": fit.settings.context, "truncate": False, "shift": False}
    assert Ollama({}).arguments(fit) == wanted


def test_a_context_that_the_server_s_environment_names_is_kept() -> None:
    backend = Ollama({"OLLAMA_CONTEXT_LENGTH": "9000"})
    fit = backend.fit(MODEL, MODEL.builds[0], WORKSTATION, Wish())
    assert fit is not None
    assert backend.arguments(fit)["num_ctx"] == 9000


def test_slots_share_the_context() -> None:
    backend = Ollama({"OLLAMA_NUM_PARALLEL": "2", "OLLAMA_KV_CACHE_TYPE": "q8_0"})
    fit = backend.fit(MODEL, MODEL.builds[0], DESKTOP, Wish())
    assert fit is not None
    assert (fit.settings.parallel, fit.settings.context, fit.settings.kv_type_k) == (2, 16384, "q8_0")
    assert backend.arguments(fit)["num_ctx"] == 8192


def test_of_another_machine_nothing_is_said() -> None:
    here = Machine(name="here")
    fit = Ollama({"OLLAMA_HOST": "gpu-box.invalid"}).fit(MODEL, MODEL.builds[0], here, Wish(context=9999))
    assert fit is not None
    assert (fit.verdict, fit.elsewhere, fit.devices, fit.speed.decode) == ("unknown", True, (), None)
    assert fit.settings.context == 9999
    assert "gpu-box.invalid" in (fit.why or "")


def test_its_store_with_what_show_says(tmp_path: Path) -> None:
    with Replay(recording("version"), recording("tags"), only("show", 0)) as replay:
        backend = at(replay)
        found = {local.ref: local for local in backend.local()}
        smol = found["ollama://smol:latest"]
        assert (smol.format, smol.path, smol.owner, smol.quantization) == ("ollama", "", "ollama", "Q4_1")
        assert (smol.context, smol.capabilities, smol.size) == (8192, ("completion",), 98362792)
        asked = len(replay.asked("/api/show"))
        assert asked == len(found)
        assert found == {local.ref: local for local in at(replay).local()}
        assert len(replay.asked("/api/show")) == asked  # answers are kept by digest
        replay.unknown.clear()
        build = Build(ref=smol.ref, format="ollama", quantization="Q4_1", size=smol.size)
        custom = Model(id="smol", name="smol", lab="ollama", lab_id="ollama", builds=(build,))
        fit = backend.fit(custom, build, LAPTOP, Wish())
    assert fit is not None
    assert fit.verdict == "fits"  # from the figures that Ollama told, for no catalog knows it
    assert fit.settings.context == 2048  # as its model file sets it


def test_the_context_of_a_model_file_beats_the_environment_also_elsewhere() -> None:
    told = {"OLLAMA_CONTEXT_LENGTH": "1024"}
    build = Build(ref="ollama://smol:latest", format="ollama", quantization="Q4_1", size=GIB)
    model = Model(id="smol", name="smol", lab="ollama", lab_id="ollama", builds=(build,), context=8192)
    with Replay(recording("version"), recording("tags"), only("show", 0)) as replay:
        here = at(replay, **told)
        assert list(here.local())
    elsewhere = Ollama({"OLLAMA_HOST": "gpu-box.invalid", **told})
    unheld = elsewhere.fit(model, build, Machine(name="here"), Wish())
    elsewhere._held = here._held
    fits = [
        here.fit(model, build, DESKTOP, Wish()),
        elsewhere.fit(model, build, Machine(name="here"), Wish()),
    ]
    assert [fit and fit.settings.context for fit in (*fits, unheld)] == [2048, 2048, 1024]


def test_rule_15_show_is_believed_where_the_list_says_otherwise() -> None:
    recorded = recording("embed-capabilities")
    (listed,) = recorded["exchanges"][0]["response"]["json"]["models"]
    assert listed["capabilities"] == ["completion"]
    with Replay(recording("version"), recorded) as replay:
        (local,) = at(replay).local()
    assert local.capabilities == ("embedding",)


def test_names_of_the_cloud_and_our_own_aliases_are_not_listed() -> None:
    names = ("gpt-oss:120b-cloud", "launchpad/x:ctx1-ab-1-1", "launchpad/x:q4-0123456789ab")
    models = [{"model": name, "digest": name, "size": 5, "details": {}} for name in names]
    tags = says("/api/tags", {"models": models}, method="GET")
    with Replay(recording("version"), [tags, *only("show", 0)]) as replay:
        (local,) = at(replay).local()
    assert (local.ref, local.owner) == ("ollama://launchpad/x:q4-0123456789ab", "launchpad in ollama")


def test_a_damaged_cache_costs_one_question(monkeypatch: pytest.MonkeyPatch) -> None:
    from launchpad.paths import cache_dir

    cache_dir().mkdir(parents=True, exist_ok=True)
    (cache_dir() / CACHE).write_text('{"d": 3, ')
    with Replay(recording("version"), recording("tags"), only("show", 0)) as replay:
        assert list(at(replay).local())


@pytest.mark.parametrize("answers", [[], [says("/api/version", {"version": "1.0.0"}, method="GET")]])
def test_a_server_that_does_not_answer_holds_nothing(answers: list[object]) -> None:
    with Replay(answers) as replay:  # type: ignore[arg-type]
        backend = at(replay)
        assert backend.local() == ()
    assert backend.local() == ()


def test_the_cloud_is_never_asked_what_it_holds() -> None:
    assert Ollama({"OLLAMA_HOST": "ollama.com"}).local() == ()
    assert Address(host="ollama.com").cloud
