"""Agents' settings: written beside what is there, and taken back."""

from __future__ import annotations

import json
import stat
import tomllib
from pathlib import Path

import pytest

from launchpad.connect import apply
from launchpad.connect.agents import agent_of, agents, require_context
from launchpad.connect.edit import found
from launchpad.connect.settings import SETTINGS, Target
from launchpad.errors import ConfigError, NoModelFits, UsageError

KEY = "lp-secret-0123456789"
TARGET = Target(
    base_url="http://127.0.0.1:10987/v1",
    url="http://127.0.0.1:10987",
    key=KEY,
    key_file="/s/it's.key",
    model="qwen3-8b",
    context=40960,
)
OTHER = Target(
    base_url="http://127.0.0.1:1/v1",
    url="http://127.0.0.1:1",
    key=KEY,
    key_file="/s/k",
    model="other",
    context=65536,
)

# What users have in these files.
BEFORE = {
    "claude-code": '{\n  "permissions": {"allow": ["Bash(ls:*)"]},\n  "env": {"ANTHROPIC_MODEL": "opus", "FOO": "1"}\n}\n',
    "opencode": '{\n  // mine\n  "$schema": "https://opencode.ai/config.json",\n  "theme": "x",\n  "provider": {"other": {}},\n}\n',
    "aider": "# my settings\nmodel: sonnet  # the best\ndark-mode: true\n",
    "continue": "name: Mine\nversion: 1.0.0\nschema: v1\nmodels:\n  # hosted\n  - name: GPT\n    provider: openai\n    model: gpt-5\n",
    "zed": '// settings\n{\n  "vim_mode": true,\n  "agent": {"default_model": {"provider": "zed.dev", "model": "x"}},\n}\n',
}  # fmt: skip


def main_file(agent: str) -> Path:
    one = agent_of(agent)
    return one.folder() / one.file


def connect(agent: str, target: Target = TARGET) -> list[apply.Change]:
    return apply.connect(agent, agent_of(agent).folder(), SETTINGS[agent](target))


def test_the_data_and_the_code_speak_of_the_same_agents() -> None:
    assert agents().keys() == SETTINGS.keys()
    for name, one in agents().items():
        assert one.least <= one.recommended
        assert one.source
        assert one.file == SETTINGS[name](TARGET)[0].file


@pytest.mark.parametrize("agent", SETTINGS)
def test_where_nothing_was_nothing_is_left(agent: str, private_home: Path) -> None:
    before = sorted(private_home.rglob("*"))
    connect(agent)
    assert main_file(agent).exists()
    assert apply.connected(agent)
    connect(agent, OTHER)
    apply.undo(agent)
    assert not apply.connected(agent)
    left = [path for path in private_home.rglob("*") if path.is_file()]
    assert left == [path for path in before if path.is_file()]
    with pytest.raises(UsageError, match="not connected"):
        apply.undo(agent)


@pytest.mark.parametrize("agent", BEFORE)
def test_other_settings_stay_and_undo_is_exact(agent: str) -> None:
    file = main_file(agent)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(BEFORE[agent])
    file.chmod(0o640)
    connect(agent)
    text = file.read_text()
    for word in (
        "mine",
        "my settings",
        "the best",
        "hosted",
        "vim_mode",
        "permissions",
        "// settings",
        "GPT",
        '"FOO"',
    ):
        assert (word in text) == (word in BEFORE[agent]), word
    assert "127.0.0.1:10987" in text
    assert "qwen3-8b" in text
    assert "40960" in text or agent == "aider"
    apply.undo(agent)
    assert file.read_text() == BEFORE[agent]
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


@pytest.mark.parametrize("agent", BEFORE)
def test_what_was_changed_since_survives_undo(agent: str) -> None:
    file = main_file(agent)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(BEFORE[agent])
    connect(agent)
    more = "later: true\n" if file.suffix in (".yml", ".yaml") else ""
    text = file.read_text()
    file.write_text(text + more if more else text.replace("{", '{\n  "later": true,', 1))
    connect(agent, OTHER)
    assert "later" in file.read_text()
    apply.undo(agent)
    after = file.read_text()
    assert "later" in after
    assert "127.0.0.1" not in after
    assert "qwen" not in after
    assert "other" not in after.replace('"other": {}', "")
    kind = "yaml" if more else "json"
    top = [
        "model",
        "dark-mode",
        "permissions",
        "env",
        "theme",
        "provider",
        "vim_mode",
        "agent",
        "models",
        "name",
    ]
    for key in top:
        assert found(after, kind, (key,)) == found(BEFORE[agent], kind, (key,)), key


@pytest.mark.parametrize("agent", SETTINGS)
def test_the_key_stands_only_in_files_of_the_user_alone(agent: str, private_home: Path) -> None:
    file = main_file(agent)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(BEFORE.get(agent, ""))
    file.chmod(0o644)
    connect(agent)
    for path in private_home.rglob("*"):
        if path.is_file() and KEY in path.read_text():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_dry_run_writes_nothing(private_home: Path) -> None:
    (change, *_) = apply.planned(agent_of("zed").folder(), SETTINGS["zed"](TARGET))
    assert change.before is None
    assert b"qwen3-8b" in (change.after or b"")
    assert {path.name for path in private_home.rglob("*") if path.is_file()} <= {"bandwidth.json"}
    connect("zed")
    apply.undo("zed", dry_run=True)
    assert apply.connected("zed")


def test_a_link_to_a_folder_of_dotfiles_stays_a_link(tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.json"
    real.write_text("{}\n")
    file = main_file("claude-code")
    file.parent.mkdir(parents=True)
    file.symlink_to(real)
    connect("claude-code")
    assert file.is_symlink()
    assert "ANTHROPIC_BASE_URL" in real.read_text()
    apply.undo("claude-code")
    assert real.read_text() == "{}\n"


def test_opencodes_commented_file_is_the_one_that_is_changed() -> None:
    file = main_file("opencode").with_suffix(".jsonc")
    file.parent.mkdir(parents=True)
    file.write_text("{} // mine\n")
    connect("opencode")
    assert "// mine" in file.read_text()
    assert not main_file("opencode").exists()


@pytest.mark.parametrize(
    ("agent", "text"),
    [
        ("zed", "{ broken"),
        ("claude-code", '{"env": 5}'),
        ("aider", "a: [1"),
        ("continue", "- a list"),
        ("zed", "\xff"),
    ],
)
def test_a_file_that_cannot_be_read_is_not_touched(agent: str, text: str) -> None:
    file = main_file(agent)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="latin-1")
    before = file.read_bytes()
    with pytest.raises((ConfigError, UsageError)):
        connect(agent)
    assert file.read_bytes() == before
    assert not apply.connected(agent)


def test_true_figures() -> None:
    codex = SETTINGS["codex"](TARGET)[0]
    connect("codex")
    written = tomllib.loads(main_file("codex").read_text())
    assert written == codex.values[()]
    assert written["model_context_window"] == 40960
    assert written["model_providers"]["launchpad"]["wire_api"] == "responses"
    connect("claude-code")
    claude = json.loads(main_file("claude-code").read_text())
    assert claude["env"]["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] == "40960"
    assert (
        "CLAUDE_CODE_AUTO_COMPACT_WINDOW" not in claude["env"]
    )  # it warns of less than 100,000, and takes the other
    assert claude["apiKeyHelper"] == "cat '/s/it'\\''s.key'"
    connect("aider")
    facts = json.loads((Path.home() / ".aider.model.metadata.json").read_text())
    assert facts["openai/qwen3-8b"]["max_input_tokens"] == 40960


def test_too_small_a_context_is_refused_with_the_reason() -> None:
    with pytest.raises(NoModelFits) as caught:
        require_context(agent_of("claude-code"), "m", 8192)
    assert "32,768 tokens (launchpad's estimate)" in caught.value.what
    assert "8,192" in caught.value.what
    assert "16k" in (caught.value.why or "")
    assert "--context 32768" in (caught.value.hint or "")
    require_context(agent_of("claude-code"), "m", 32768)
    with pytest.raises(NoModelFits) as caught:
        require_context(agent_of("aider"), "m", 4096)
    assert "at least 8,192 tokens, and" in caught.value.what  # its own documentation's figure
