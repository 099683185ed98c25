"""What an engine may see of the user's environment."""

from __future__ import annotations

import pytest

from launchpad.engines.command import clean_environment


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
