"""What each agent is told: files, and in each the values at their places. PURE."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any

from msgspec import Struct

NAME = "launchpad"  # of the provider, in each agent's own list
Value = Any


class Target(Struct, frozen=True, kw_only=True):
    """The gateway and one of its models. `context` is the true one, in tokens."""

    base_url: str
    url: str
    key: str
    key_file: str
    model: str
    context: int
    tools: bool = True
    vision: bool = False

    @property
    def output(self) -> int:
        """Tokens that an answer may have, so that the conversation keeps most of the context."""
        return min(self.context // 4, 32_000)


class FileSettings(Struct, frozen=True, kw_only=True):
    """Values for one file, by their places in it. `secret`: the key is among them."""

    file: str
    format: str  # json, yaml, toml
    values: dict[tuple[str, ...], Value]
    secret: bool = False


def _claude_code(target: Target) -> list[FileSettings]:
    tiers = ("OPUS", "SONNET", "HAIKU")
    variables = {
        "ANTHROPIC_BASE_URL": target.url,
        "ANTHROPIC_MODEL": target.model,
        "ANTHROPIC_SMALL_FAST_MODEL": target.model,
        **{f"ANTHROPIC_DEFAULT_{tier}_MODEL": target.model for tier in tiers},
        "CLAUDE_CODE_MAX_CONTEXT_TOKENS": str(target.context),
        "CLAUDE_CODE_MAX_OUTPUT_TOKENS": str(target.output),
    }
    values: dict[tuple[str, ...], Value] = {("env", name): value for name, value in variables.items()}
    values["apiKeyHelper",] = _reader(target.key_file)
    return [FileSettings(file="settings.json", format="json", values=values)]


def _reader(path: str) -> str:
    """A command that prints the key, so that the key itself stands in no settings."""
    return f'type "{path}"' if PurePath(path).drive else "cat '" + path.replace("'", "'\\''") + "'"


def _codex(target: Target) -> list[FileSettings]:
    document = {
        "model": target.model,
        "model_provider": NAME,
        "model_context_window": target.context,
        "model_auto_compact_token_limit": target.context * 3 // 4,
        "model_providers": {
            NAME: {
                "name": NAME,
                "base_url": target.base_url,
                "wire_api": "responses",
                "env_key": "LAUNCHPAD_API_KEY",
            }
        },
    }
    return [FileSettings(file=f"{NAME}.config.toml", format="toml", values={(): document})]


def _opencode(target: Target) -> list[FileSettings]:
    model = {
        "name": target.model,
        "tool_call": target.tools,
        "attachment": target.vision,
        "limit": {"context": target.context, "output": target.output},
    }
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": NAME,
        "options": {"baseURL": target.base_url, "apiKey": f"{{file:{target.key_file}}}"},
        "models": {target.model: model},
    }
    values: dict[tuple[str, ...], Value] = {
        ("provider", NAME): provider,
        ("model",): f"{NAME}/{target.model}",
    }
    return [FileSettings(file="opencode/opencode.json", format="json", values=values)]


def _aider(target: Target) -> list[FileSettings]:
    name = f"openai/{target.model}"
    facts = {
        "max_tokens": target.output,
        "max_input_tokens": target.context,
        "max_output_tokens": target.output,
        "input_cost_per_token": 0,
        "output_cost_per_token": 0,
        "litellm_provider": "openai",
        "mode": "chat",
    }
    values: dict[tuple[str, ...], Value] = {
        ("model",): name,
        ("weak-model",): name,
        ("openai-api-base",): target.base_url,
        ("openai-api-key",): target.key,
    }
    return [
        FileSettings(file=".aider.conf.yml", format="yaml", values=values, secret=True),
        FileSettings(file=".aider.model.metadata.json", format="json", values={(name,): facts}),
    ]


def _continue(target: Target) -> list[FileSettings]:
    model = {
        "name": NAME,
        "provider": "openai",
        "model": target.model,
        "apiBase": target.base_url,
        "apiKey": target.key,
        "roles": ["chat", "edit", "apply", "summarize"],
        "capabilities": [
            *(["tool_use"] if target.tools else []),
            *(["image_input"] if target.vision else []),
        ],
        "defaultCompletionOptions": {"contextLength": target.context, "maxTokens": target.output},
    }
    return [
        FileSettings(
            file="config.yaml", format="yaml", values={("models", f"name={NAME}"): model}, secret=True
        )
    ]


def _zed(target: Target) -> list[FileSettings]:
    model = {
        "name": target.model,
        "display_name": f"{target.model} ({NAME})",
        "max_tokens": target.context,
        "max_output_tokens": target.output,
        "capabilities": {
            "tools": target.tools,
            "images": target.vision,
            "parallel_tool_calls": False,
            "prompt_cache_key": False,
        },
    }
    provider = {"api_url": target.base_url, "available_models": [model]}
    values: dict[tuple[str, ...], Value] = {
        ("language_models", "openai_compatible", NAME): provider,
        ("agent", "default_model"): {"provider": NAME, "model": target.model},
    }
    return [FileSettings(file="zed/settings.json", format="json", values=values)]


SETTINGS: Mapping[str, Callable[[Target], list[FileSettings]]] = {
    "claude-code": _claude_code,
    "codex": _codex,
    "opencode": _opencode,
    "aider": _aider,
    "continue": _continue,
    "zed": _zed,
}
