"""Deciding about a model that is named: what no engine reads is said to be so."""

from __future__ import annotations

import pytest

from launchpad.config import Config
from launchpad.decide import decide
from launchpad.errors import EngineMissing, NoModelFits
from launchpad.hardware.simulate import simulate
from launchpad.plugins.host import Host
from launchpad.plugins.spec import BackendStatus
from launchpad.wish import Wish

HOST = Host(Config(), third_party=False)


def refusal(model: str) -> NoModelFits:
    with pytest.raises(NoModelFits) as caught:
        decide(HOST, Config(), Wish(model=model, backend="llamacpp"), on=simulate("RTX 4090"))
    return caught.value


def test_a_place_in_a_form_that_no_engine_reads_names_the_model_with_its_other_builds() -> None:
    error = refusal("meta-llama/Llama-3.1-8B-Instruct")
    assert error.what == "No engine here runs Llama 3.1 8B Instruct in this form."
    assert error.why == "It is safetensors; the engines here read gguf."
    assert "llama-3.1-8b-instruct" in (error.hint or "")


def test_a_model_without_any_readable_build_points_to_the_engines() -> None:
    assert "launchpad doctor" in (refusal("grok-2").hint or "")


@pytest.mark.parametrize("wish", [Wish(), Wish(model="qwen3-0.6b"), Wish(model="grok-2")])
def test_where_no_engine_can_be_used_that_is_said_and_not_that_no_model_satisfies(
    monkeypatch: pytest.MonkeyPatch, wish: Wish
) -> None:
    here = {
        "llamacpp": BackendStatus(state="unusable", why="libgomp.so.1 is missing.", hint="Install libgomp1."),
        "ollama": BackendStatus(state="installable", why="Ollama is not installed.", hint="Install Ollama."),
    }
    host = Host(Config(), third_party=False)
    for backend in host.backends():
        monkeypatch.setattr(
            type(backend), "status", lambda self, machine: here.get(self.name, here["ollama"])
        )
    with pytest.raises(EngineMissing) as caught:
        decide(host, Config(), wish)
    assert caught.value.what == "No engine can be used here, so no model can run."
    assert caught.value.why == "llamacpp: libgomp.so.1 is missing."
    assert caught.value.hint == "Install libgomp1."


def test_where_every_backend_is_switched_off_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Host, "backends", lambda self: ())
    with pytest.raises(EngineMissing, match="No engine can be used here") as caught:
        decide(Host(Config(), third_party=False), Config(), Wish())
    assert "switched off" in str(caught.value.why)
