"""What a client is told when its request cannot be served: OpenAI's and Anthropic's shapes of an error. PURE."""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec

Dialect = Literal["openai", "anthropic"]

# Anthropic's clients decide by the type what to do next, and know these types only.
_ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
_OPENAI_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_PATH = re.compile(r"(?:[A-Za-z]:)?(?:[/\\][\w.@+~-]+){2,}[/\\]?|file://\S+|~[/\\]\S+")


class Problem(Exception):
    """A request that is answered with an error. `code` is for programs and stays; `message` is for people."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str,
        param: str | None = None,
        retry_after: int | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.retry_after = retry_after
        self.extra = extra or {}

    def body(self, dialect: Dialect) -> bytes:
        """The error as the client's own kind of API would word it."""
        return msgspec.json.encode(self.document(dialect))

    def document(self, dialect: Dialect) -> dict[str, Any]:
        """The same, not yet encoded."""
        default = "invalid_request_error" if self.status < 500 else "server_error"
        if dialect == "anthropic":
            kind = _ANTHROPIC_TYPES.get(
                self.status, "api_error" if self.status >= 500 else "invalid_request_error"
            )
            return {"type": "error", "error": {"type": kind, "message": self.message, **self.extra}}
        kind = _OPENAI_TYPES.get(self.status, default)
        error = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        return {"error": {**error, **self.extra}}

    def event(self, dialect: Dialect) -> bytes:
        """The error as the last event of a stream."""
        start = b"event: error\n" if dialect == "anthropic" else b""
        return start + b"data: " + self.body(dialect) + b"\n\n"


def bad_request(message: str, param: str | None = None, code: str = "invalid_request") -> Problem:
    """The client sent something that is never served."""
    return Problem(400, message, code=code, param=param)


def too_long(prompt: int, context: int, dialect: Dialect) -> Problem:
    """The prompt does not fit the context; both numbers, in the words that each kind of client looks for."""
    if dialect == "anthropic":
        message = f"prompt is too long: {prompt} tokens > {context} maximum"
    else:
        message = (
            f"This model's maximum context length is {context} tokens. However, your request has {prompt} tokens. "
            "Nothing was cut: shorten it, or start the gateway with a larger --context."
        )
    extra = {"n_prompt_tokens": prompt, "n_ctx": context}
    return Problem(400, message, code="context_length_exceeded", param="messages", extra=extra)


def without_paths(text: str) -> str:
    """The engine's words for a client, who has no business knowing where files lie on this machine."""
    return _PATH.sub("…", " ".join(text.split()))[:1000]
