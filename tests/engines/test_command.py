"""What an engine may see of the user's environment."""

from __future__ import annotations

import pytest

from launchpad.engines import registry
from launchpad.engines.command import EngineCommand, clean_environment, refuse_options
from launchpad.engines.process import EngineProcess
from launchpad.errors import RefusedError


@pytest.mark.parametrize(
    "name",
    ["HF_TOKEN", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "DB_PASSWORD", "my_secret",
     "LLAMA_ARG_HOST", "LAUNCHPAD_HOME"],
)  # fmt: skip
def test_credentials_and_engine_settings_stay_out(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "canary")
    assert "canary" not in clean_environment().values()


@pytest.mark.parametrize(
    "name", ["PATH", "LANG", "TOKENIZERS_PARALLELISM", "CUDA_VISIBLE_DEVICES", "HF_HOME"]
)
def test_the_rest_is_kept(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "kept")
    assert clean_environment()[name] == "kept"


def test_loopback_goes_past_every_proxy() -> None:
    assert "127.0.0.1" in clean_environment()["NO_PROXY"]


# -- options that were smuggled in (row S11) ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        ("--rpc", "10.0.0.1:50052"),
        ("--log-file=/etc/passwd",),
        ("--slot-save-path", "/"),
        ("--slot_save_path", "/"),
        ("--api-key-file", "/etc/shadow"),
        ("--lora", "x.gguf"),
        ("--chat-template", "{{ x }}"),
        ("--trust-remote-code",),
        ("--trust_remote_code=true",),
        ("--enable-prompt-embeds",),
        ("--host", "0.0.0.0"),
        ("--host=::",),
    ],
)
def test_options_that_are_never_part_of_a_plan_are_refused(options: tuple[str, ...]) -> None:
    with pytest.raises(RefusedError, match="never allows"):
        EngineProcess.start(EngineCommand(backend="b", model="m", argv=("engine", *options)))
    assert not list(registry.records())


@pytest.mark.parametrize("options", [("--host", "127.0.0.1"), ("--ctx-size", "8192"), ("--model", "0.0.0.0")])
def test_ordinary_options_are_not(options: tuple[str, ...]) -> None:
    refuse_options(EngineCommand(backend="b", model="m", argv=("engine", *options)))
