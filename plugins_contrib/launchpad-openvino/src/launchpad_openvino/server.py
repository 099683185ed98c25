"""The engine's process: OpenVINO GenAI behind OpenAI's chat API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import openvino_genai as genai

from launchpad.plugins import ChatEnd, ChatRequest, Emit, serve_chat, too_long

_REASONS = {genai.GenerationFinishReason.LENGTH: "length", genai.GenerationFinishReason.STOP: "stop"}


class Engine:
    """One model on the CPU, one conversation at a time."""

    takes = frozenset({"response_format"})

    def __init__(self, model: Path, context: int) -> None:
        self._pipeline = genai.LLMPipeline(str(model), "CPU")
        self._tokenizer = self._pipeline.get_tokenizer()
        self._context = context

    def chat(self, request: ChatRequest, emit: Emit) -> ChatEnd:
        """Stream an answer."""
        prompt = self._tokenizer.apply_chat_template(
            list(request.messages), add_generation_prompt=True, extra_context=request.template
        )
        tokens = self._tokenizer.encode(prompt, add_special_tokens=False)
        length = tokens.input_ids.shape[1]
        if length >= self._context:
            raise too_long(length, self._context)
        settings = _settings(request, self._context - length)

        def hear(piece: str) -> genai.StreamingStatus:
            return genai.StreamingStatus.RUNNING if emit(piece) else genai.StreamingStatus.CANCEL

        done = self._pipeline.generate([prompt], settings, hear)
        return ChatEnd(
            reason=_REASONS.get(done.finish_reasons[0], "stop"),
            prompt_tokens=length,
            completion_tokens=done.perf_metrics.get_num_generated_tokens(),
        )


def _settings(request: ChatRequest, room: int) -> genai.GenerationConfig:
    """How to answer. No temperature, or one of 0, is the most likely answer."""
    settings: dict[str, Any] = {
        "max_new_tokens": min(request.max_tokens or room, room),
        "apply_chat_template": False,
    }
    if request.stop:
        settings["stop_strings"] = set(request.stop)
    if request.temperature:
        chosen = {
            "top_p": request.top_p,
            "top_k": request.top_k,
            "min_p": request.min_p,
            "rng_seed": request.seed,
        }
        settings |= {"do_sample": True, "temperature": request.temperature}
        settings |= {name: value for name, value in chosen.items() if value is not None}
    if request.schema is not None:
        settings["structured_output_config"] = genai.StructuredOutputConfig(
            json_schema=json.dumps(request.schema)
        )
    return genai.GenerationConfig(**settings)


if __name__ == "__main__":
    serve_chat(Engine)
