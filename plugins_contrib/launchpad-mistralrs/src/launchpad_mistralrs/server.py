"""The engine's process: mistral.rs behind OpenAI's chat API."""

from __future__ import annotations

import json
from pathlib import Path

from mistralrs import ChatCompletionRequest, Runner, Which

from launchpad.plugins import ChatEnd, ChatRefused, ChatRequest, Emit, serve_chat, too_long


class Engine:
    """One GGUF model, one conversation at a time."""

    takes = frozenset({"response_format"})

    def __init__(self, model: Path, context: int) -> None:
        which = Which.GGUF(quantized_model_id=str(model.parent), quantized_filename=model.name)
        self._runner = Runner(which=which, max_seqs=1, token_source="none")  # noqa: S106  (it says that there is none)
        self._context = context

    def chat(self, request: ChatRequest, emit: Emit) -> ChatEnd:
        """Stream an answer."""
        room = self._context - self._least_tokens(request)
        asked = ChatCompletionRequest(
            model="default",
            messages=list(request.messages),
            max_tokens=min(request.max_tokens or room, room),
            temperature=request.temperature,
            top_p=request.top_p,
            top_k=request.top_k,
            min_p=request.min_p,
            stop_seqs=list(request.stop) or None,
            enable_thinking=request.template.get("enable_thinking"),
            grammar=json.dumps(request.schema) if request.schema is not None else None,
            grammar_type="json_schema" if request.schema is not None else None,
            stream=True,
        )
        try:
            return self._streamed(asked, emit)
        except ValueError as error:
            raise ChatRefused(str(error).partition("\n")[0]) from error

    def _streamed(self, asked: ChatCompletionRequest, emit: Emit) -> ChatEnd:
        reason, usage = "stop", None
        for chunk in self._runner.send_chat_completion_request(asked):
            choice, usage = chunk.choices[0], chunk.usage or usage
            reason = choice.finish_reason or reason
            if choice.delta.content and not emit(choice.delta.content):
                break
        if usage is None:
            return ChatEnd(reason=reason)
        return ChatEnd(
            reason=reason, prompt_tokens=usage.prompt_tokens, completion_tokens=usage.completion_tokens
        )

    def _least_tokens(self, request: ChatRequest) -> int:
        """Tokens of what was said; those of the template come on top and are not counted. Raises `ChatRefused`."""
        text = "".join(one["content"] for one in request.messages)
        least = len(self._runner.tokenize_text(text, add_special_tokens=False, enable_thinking=None))
        if least >= self._context:
            raise too_long(least, self._context)
        return least


if __name__ == "__main__":
    serve_chat(Engine)
