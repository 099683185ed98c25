"""LM Studio by its REST API: which models it has, and one of them loaded as planned."""

from __future__ import annotations

from typing import Any

from launchpad.plugins import (
    LaunchError,
    Notice,
    Report,
    Served,
    ServerAddress,
    ServerBackend,
    ServerRefused,
    StartStep,
    is_name,
    positive,
    server_config,
)

NAME = "lmstudio"
LOADING = 600.0  # s that loading a model may take
V1, V0 = "/api/v1/models", "/api/v0/models"
UNTOLD = "This LM Studio cannot be told a context (0.4 can): it loads the model as its own settings say."
_ABLE = (("vision", "vision"), ("tools", "trained_for_tool_use"))  # launchpad's word, LM Studio's


class LmStudioAddress(ServerAddress, frozen=True, kw_only=True):
    """Where LM Studio's server is."""

    def models(self, timeout: float = 2.0) -> tuple[Served, ...]:
        """Its models for chats: by its API v1 (LM Studio 0.4), else v0 (0.3.6), else OpenAI's. Raises `OSError`."""
        for path, read in ((V1, _v1), (V0, _v0)):
            try:
                answer = self.ask(path, timeout=timeout)
            except ServerRefused as refusal:
                if refusal.status in (401, 403):
                    raise
                continue
            if found := read(answer):
                return found
        return super().models(timeout)


class LmStudio(ServerBackend):
    """Chats with models of LM Studio, and has it load them with the context of the plan."""

    address_type = LmStudioAddress

    def __init__(self) -> None:
        settings = server_config(NAME, "http://127.0.0.1:1234/v1", "LMSTUDIO_BASE_URL", "LM_API_TOKEN")
        super().__init__(NAME, settings, tools=True, vision=True, json_schema=True)

    def how_to_start(self) -> str:
        """What to do where nothing answers."""
        return "Start LM Studio's server: lms server start (or name another place with LMSTUDIO_BASE_URL)"

    def load(self, model: Served, start: StartStep, report: Report) -> int | None:
        """Load it with the planned context, unless it is loaded already; its context. Raises `LaunchError`."""
        if model.loaded is not False:
            return model.context if model.loaded else None
        wanted = {"model": model.id, "context_length": start.settings.context}
        try:
            done = self.address.ask(f"{V1}/load", {**wanted, "echo_load_config": True}, LOADING)
        except ServerRefused as refusal:
            if refusal.status in (404, 405):  # before 0.4: it loads a model when it is first asked for
                report(Notice(message=UNTOLD))
                return None
            raise LaunchError(f"LM Studio does not load {model.id}.", why=refusal.said, hint="lms ps shows what takes its memory.") from refusal  # fmt: skip
        except OSError as error:
            raise LaunchError(f"LM Studio does not load {model.id}.", why=f"{error}.", hint=self.how_to_start()) from error  # fmt: skip
        if not isinstance(done, dict) or done.get("status") != "loaded":
            report(Notice(message=UNTOLD))
            return None
        config = done.get("load_config")
        return positive(config.get("context_length")) if isinstance(config, dict) else None


def _v1(answer: Any) -> tuple[Served, ...]:
    found = [_served_v1(one) for one in _dicts(answer, "models") if one.get("type") == "llm"]
    return tuple(one for one in found if is_name(one.id))


def _served_v1(one: dict[str, Any]) -> Served:
    loaded = _dicts(one, "loaded_instances")
    config = loaded[0].get("config") if loaded else None
    quantization, can = one.get("quantization"), one.get("capabilities")
    able = can if isinstance(can, dict) else {}
    return Served(
        # A loaded model is asked by the name of its instance, which its user may have chosen.
        id=_text(loaded[0].get("id") if loaded else one.get("key")) or "",
        context=positive(
            (config if isinstance(config, dict) else one).get(
                "context_length" if loaded else "max_context_length"
            )
        ),
        size=positive(one.get("size_bytes")),
        quantization=_text(quantization.get("name")) if isinstance(quantization, dict) else None,
        capabilities=tuple(word for word, key in _ABLE if able.get(key) is True),
        loaded=bool(loaded),
    )


def _v0(answer: Any) -> tuple[Served, ...]:
    chats = [one for one in _dicts(answer, "data") if one.get("type") in ("llm", "vlm")]
    return tuple(
        Served(
            id=one["id"],
            context=positive(one.get("loaded_context_length")) or positive(one.get("max_context_length")),
            quantization=_text(one.get("quantization")),
            capabilities=("vision",) if one["type"] == "vlm" else (),
            loaded=one.get("state") == "loaded",
        )
        for one in chats
        if is_name(one.get("id"))
    )


def _dicts(answer: Any, name: str) -> list[dict[str, Any]]:
    """The objects of a list in an answer; none where there is no such list: LM Studio says 200 to what it does not know."""
    found = answer.get(name) if isinstance(answer, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _text(value: Any) -> str | None:
    return value if is_name(value) else None
