"""An engine for tests of `serve_chat`: it repeats, or does what the last message says."""

from __future__ import annotations

import time
from pathlib import Path

from launchpad.plugins import ChatEnd, ChatRefused, ChatRequest, Emit, serve_chat, too_long


class Engine:
    takes = frozenset({"response_format"})

    def __init__(self, model: Path, context: int) -> None:
        self.context = context
        self.left = 0

    def chat(self, request: ChatRequest, emit: Emit) -> ChatEnd:
        words = str(request.messages[-1]["content"]).split()
        if len(words) > self.context:
            raise too_long(len(words), self.context)
        match words[0]:
            case "refuse":
                raise ChatRefused("not today")
            case "break":
                raise RuntimeError("simulated\nfailure")
            case "late":
                emit("one ")
                raise RuntimeError("simulated failure")
            case "forever":
                while emit("on "):
                    time.sleep(0.01)
                self.left += 1
                return ChatEnd(reason="stop")
            case "left":
                emit(str(self.left))
                return ChatEnd()
        said = words[: request.max_tokens or len(words)]
        for word in said:
            emit(word + " ")
        reason = "stop" if len(said) == len(words) else "length"
        return ChatEnd(reason=reason, prompt_tokens=len(words), completion_tokens=len(said))


if __name__ == "__main__":
    serve_chat(Engine)
