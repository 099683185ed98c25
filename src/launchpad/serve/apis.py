"""What may be asked over HTTP: for each endpoint the fields that reach an engine, and those that mean nothing here. PURE.

Everything else is refused by name. Engines take options in the body of a request that clients must not reach: llama.cpp
had a memory corruption by a negative `n_discard`, and `chat_template`, `lora` or `id_slot` change what others get.
"""

from __future__ import annotations

import re

from msgspec import Struct

from launchpad.serve.problem import Dialect

_SAMPLING = (
    "temperature dynatemp_range dynatemp_exponent top_p top_k min_p typical_p typ_p samplers seed stop presence_penalty frequency_penalty repeat_penalty "
    "repeat_last_n repetition_penalty mirostat mirostat_tau mirostat_eta dry_multiplier dry_base "
    "dry_allowed_length dry_penalty_last_n xtc_probability xtc_threshold logit_bias ignore_eos"
)
_CHAT = (
    "model messages stream stream_options max_tokens max_completion_tokens n logprobs top_logprobs tools "
    "tool_choice parallel_tool_calls functions function_call response_format json_schema grammar "
    "reasoning_effort reasoning_format thinking thinking_budget_tokens chat_template_kwargs cache_prompt "
    "continue_final_message add_generation_prompt timings_per_token return_progress sse_ping_interval "
    + _SAMPLING
)
_COMPLETION = (
    "model prompt suffix stream stream_options max_tokens n echo logprobs json_schema grammar cache_prompt "
    "timings_per_token " + _SAMPLING
)
_RESPONSES = (
    "model input instructions stream max_output_tokens temperature top_p top_logprobs tools tool_choice "
    "parallel_tool_calls reasoning text truncation"
)
_MESSAGES = "model messages system stream max_tokens temperature top_p top_k stop_sequences tools tool_choice thinking"
# Services of a vendor's cloud that have no counterpart here and whose absence changes no answer.
_NO_MEANING = "user metadata store service_tier safety_identifier prompt_cache_key prompt_cache_retention"


class Api(Struct, frozen=True, kw_only=True):
    """One endpoint. `end` finds, in a stream, the event that a whole answer ends with."""

    path: str
    dialect: Dialect = "openai"
    passed: frozenset[str]
    ignored: frozenset[str]
    required: str
    end: re.Pattern[bytes] | None = None
    counts: bool = False  # asks for a number, not for an answer


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_DONE = re.compile(rb"(?:^|\n)data: ?\[DONE\]")
_COMPLETED = re.compile(rb"(?:^|\n)event: ?response\.(?:completed|incomplete|failed)\b")
_STOPPED = re.compile(rb"(?:^|\n)event: ?(?:message_stop|error)\b")

_ALL = (
    Api(
        path="/v1/chat/completions",
        passed=_words(_CHAT),
        ignored=_words(_NO_MEANING + " verbosity modalities prediction reasoning_control backend_sampling"),
        required="messages",
        end=_DONE,
    ),
    Api(
        path="/v1/completions",
        passed=_words(_COMPLETION),
        ignored=_words(_NO_MEANING),
        required="prompt",
        end=_DONE,
    ),
    Api(
        path="/v1/embeddings",
        passed=_words("model input encoding_format dimensions"),
        ignored=_words("user"),
        required="input",
    ),
    Api(
        path="/v1/responses",
        passed=_words(_RESPONSES),
        ignored=_words(_NO_MEANING + " include client_metadata stream_options"),
        required="input",
        end=_COMPLETED,
    ),
    Api(
        path="/v1/messages",
        dialect="anthropic",
        passed=_words(_MESSAGES),
        ignored=_words("metadata service_tier cache_control context_management output_config betas"),
        required="messages",
        end=_STOPPED,
    ),
    Api(
        path="/v1/messages/count_tokens",
        dialect="anthropic",
        passed=_words(_MESSAGES),
        ignored=_words("metadata cache_control context_management output_config betas"),
        required="messages",
        counts=True,
    ),
)
APIS = {api.path: api for api in _ALL}


def dialect_of(path: str) -> Dialect:
    """In whose words an error at this path is told."""
    return "anthropic" if path.startswith("/v1/messages") else "openai"
