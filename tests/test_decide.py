"""Deciding about a model that is named: what no engine reads is said to be so."""

from __future__ import annotations

import pytest

from launchpad.config import Config
from launchpad.decide import decide
from launchpad.errors import NoModelFits
from launchpad.hardware.simulate import simulate
from launchpad.plugins.host import Host
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
