"""What Ollama's errors mean: cause and fix for each, in one line. PURE: status and body in, words out.

Ollama's texts change between versions and routes, so that a status counts before a text, and texts are looked for by
the few words that name the cause. Its runner's own JSON may stand inside the text.
"""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

from launchpad.chat.wire import error_text, quote, too_long_figures

Kind = Literal[
    "missing",
    "name",
    "memory",
    "architecture",
    "version",
    "disk",
    "lost",
    "busy",
    "slow",
    "damaged",
    "unreachable",
    "plain-http",
    "registry",
    "ability",
    "schema",
    "origin",
    "too-long",
    "died",
    "other",
]

UPDATE = "Update Ollama (https://ollama.com/download), or run it with --backend llamacpp."


class OllamaProblem(Struct, frozen=True, kw_only=True):
    """An error of Ollama's, as the user should read it. `why` quotes its own words."""

    kind: Kind
    what: str
    why: str
    hint: str
    retryable: bool = False


class _Rule(Struct, frozen=True, kw_only=True):
    kind: Kind
    words: str  # a regular expression, any case
    what: str
    hint: str
    retryable: bool = False


# The first that matches counts: the narrow ones come first.
_RULES = (
    _Rule(
        kind="memory",
        words=r"out of memory|cudaMalloc failed|unable to allocate|failed to allocate|requires more system memory"
        r"|not enough memory|insufficient memory",
        what="There is not enough memory to load {model}.",
        hint="Take a smaller --context or a smaller build, or free memory: `ollama ps` shows what is loaded, "
        "`ollama stop NAME` unloads it.",
    ),
    _Rule(
        kind="architecture",
        words=r"unknown model architecture|unsupported model architecture|unsupported architecture"
        r"|failed to validate GGUF",
        what="This Ollama cannot read the architecture of {model}.",
        hint=UPDATE,
    ),
    _Rule(
        kind="version",
        words=r"newer version of ollama|requires a newer version",
        what="{model} needs a newer Ollama than the one that runs.",
        hint=UPDATE,
    ),
    _Rule(
        kind="disk",
        words=r"no space left|disk full|not enough (?:disk )?space|insufficient (?:disk )?(?:space|storage)|quota exceeded",
        what="The disk of the Ollama server is full.",
        hint="Free some room (`ollama list` shows sizes, `ollama rm NAME` deletes), or set OLLAMA_MODELS to another disk; "
        "what was pulled is kept.",
    ),
    _Rule(
        kind="busy",
        words=r"server busy|maximum pending requests",
        what="The Ollama server is busy.",
        hint="Try again in a moment, or raise OLLAMA_MAX_QUEUE where the server is started.",
        retryable=True,
    ),
    _Rule(
        kind="slow",
        words=r"timed out waiting for llama-server",
        what="{model} did not load in the time that Ollama allows.",
        hint="Set OLLAMA_LOAD_TIMEOUT (for example 15m) where the server is started, or take a smaller build.",
    ),
    _Rule(
        kind="damaged",
        words=r"digest mismatch|exceeds file size|invalid file magic|not in GGUF format|invalid GGUF",
        what="The weights of {model} are damaged.",
        hint="Remove it (`ollama rm NAME`) and pull it again.",
    ),
    _Rule(
        kind="plain-http",
        words=r"first record does not look like a TLS handshake|server gave HTTP response to HTTPS client",
        what="The registry of {model} speaks plain HTTP.",
        hint="Pull it with `ollama pull --insecure NAME`, if you trust that network.",
    ),
    _Rule(
        kind="registry",
        words=r"no Location header in response",
        what="The registry of {model} serves its files in a way that Ollama cannot follow.",
        hint="Pull the file with launchpad (hf:// or a path) and run that: it is imported into Ollama.",
    ),
    _Rule(
        kind="unreachable",
        words=r"dial tcp|proxyconnect|no such host|i/o timeout|network is unreachable|TLS handshake timeout"
        r"|max retries exceeded",
        what="The Ollama server cannot reach the registry of {model}.",
        hint="Check the server's own connection and proxy (HTTPS_PROXY), then try again; what was pulled is kept.",
        retryable=True,
    ),
    _Rule(
        kind="lost",
        words=r"unexpected EOF|connection reset|forcibly closed|broken pipe|no longer running",
        what="The answer was cut: Ollama's engine for {model} died.",
        hint="Ask again: Ollama starts it anew. If it dies again, take a smaller --context; the server's log says more.",
        retryable=True,
    ),
    _Rule(
        kind="ability",
        words=r"does not support|doesn't support",
        what="{model} cannot do what was asked.",
        hint="Leave that out, or take a model that can: `launchpad models --needs tools` (or vision, thinking).",
    ),
    _Rule(
        kind="schema",
        words=r"invalid format|JSON schema",
        what="Ollama cannot use the format that was asked for.",
        hint="Give a valid JSON Schema, or plain JSON.",
    ),
    _Rule(
        kind="name",
        words=r"invalid model name|invalid digest format|model is required|is invalid$",
        what="{model} is not a name that Ollama accepts.",
        hint="Names look like qwen3:8b, user/name:tag or hf.co/org/repo:QUANT.",
    ),
    _Rule(
        kind="missing",
        words=r"not found|file does not exist|no such file or directory",
        what="Ollama has no model {model}.",
        hint="Check the name at https://ollama.com/search, then pull it: launchpad pull ollama://NAME",
    ),
    _Rule(
        kind="died",
        words=r"llama-server process has terminated|error loading model|unable to load model",
        what="Ollama's engine ended while it loaded {model}.",
        hint="The server's log says more; try --backend llamacpp.",
    ),
)  # fmt: skip
_COMPILED = tuple((rule, re.compile(rule.words, re.IGNORECASE)) for rule in _RULES)
_BY_KIND = {rule.kind: rule for rule in _RULES}


def explain_ollama(body: object, status: int | None, model: str) -> OllamaProblem:
    """What an error means. `body` is the decoded answer or its text; `status` is None for a line in a stream."""
    text = error_text(body)
    wanted, limit = too_long_figures(body)
    if limit is not None:
        return OllamaProblem(
            kind="too-long",
            what="The conversation is longer than the context.",
            why=f"It needs {wanted or 'more'} tokens; the context holds {limit}.",
            hint="Start with a larger one (--context), or forget what was said (/clear).",
        )
    if status == 403 and not text:
        return OllamaProblem(
            kind="origin",
            what="The Ollama server refuses this client.",
            why="It answered 403: it allows neither this host name nor this origin.",
            hint="Set OLLAMA_HOST to the address under which the server listens, or OLLAMA_ORIGINS at the server.",
        )
    rule = _rule(text, status)
    why = (
        quote(" ".join(_telling(text, rule).split()))
        if text
        else f"It answered with status {status} and no explanation."
    )
    why = why if why.startswith("It answered") else f"Ollama says: {why}"
    if rule is None:
        return OllamaProblem(
            kind="other", what=f"Ollama reported an error with {model}.", why=why, hint="Its log says more."
        )
    return OllamaProblem(
        kind=rule.kind, what=rule.what.format(model=model), why=why, hint=rule.hint, retryable=rule.retryable
    )


def _telling(text: str, rule: _Rule | None) -> str:
    """Of several lines the one that names the cause: an engine that dies says the same thing at every level."""
    pattern = next((pattern for known, pattern in _COMPILED if known is rule), None)
    return next((line for line in text.splitlines() if pattern and pattern.search(line)), text)


def _rule(text: str, status: int | None) -> _Rule | None:
    if status == 503:
        return _BY_KIND["busy"]
    if status == 412:
        return _BY_KIND["version"]
    if status == 404:
        return _BY_KIND["missing"]
    return next((rule for rule, pattern in _COMPILED if pattern.search(text)), None)
