"""Which of vLLM's parsers understand a model's tool calls and its thinking: PURE. Names as of vLLM 0.32."""

from __future__ import annotations

import re
from collections.abc import Sequence

Rule = tuple[str, str | None, str | None]  # pattern of the id, tool parser, reasoning parser

# The first that matches has the say.
RULES: Sequence[Rule] = (
    (r"gpt-oss", "openai", "openai_gptoss"),
    (r"qwen-?3.*coder", "qwen3_coder", None),
    (r"qwen-?3(\.5|\.6|-next).*", "qwen3_coder", "qwen3"),
    (r"qwen-?3.*instruct-2507", "hermes", None),
    (r"qwen-?3|qwq", "hermes", "qwen3"),
    (r"qwen-?2|hermes", "hermes", None),
    (r"deepseek-?r1.*distill", None, "deepseek_r1"),
    (r"deepseek-?r1", "deepseek_v3", "deepseek_r1"),
    (r"deepseek-?v?4\.1", "deepseek_v41", "deepseek_v41"),
    (r"deepseek-?v?4", "deepseek_v4", "deepseek_v4"),
    (r"deepseek-?v?3\.2", "deepseek_v32", "deepseek_v3"),
    (r"deepseek-?v?3\.1", "deepseek_v31", "deepseek_v3"),
    (r"deepseek-?v?3", "deepseek_v3", None),
    (r"llama-?4", "llama4_pythonic", None),
    (r"llama-?3\.[1-9]", "llama3_json", None),
    (r"magistral", "mistral", "mistral"),
    (r"mistral|ministral|devstral|codestral|mixtral", "mistral", None),
    (r"glm-?4\.7|glm-?5", "glm47", "glm47"),
    (r"glm-?4\.5|glm-?4\.6", "glm45", "glm45"),
    (r"kimi-?k3", "kimi_k3", "kimi_k3"),
    (r"kimi-?k2.*thinking", "kimi_k2", "kimi_k2"),
    (r"kimi-?k2", "kimi_k2", None),
    (r"minimax-?m3", "minimax_m3", "minimax_m3"),
    (r"minimax-?m2", "minimax_m2", "minimax_m2"),
    (r"granite-?4", "granite4", None),
    (r"granite", "granite", "granite"),
    (r"gemma-?4", "gemma4", "gemma4"),
    (r"functiongemma", "functiongemma", None),
    (r"phi-?4-?mini", "phi4_mini_json", None),
    (r"^hy-?3|/hy-?3", "hy_v3", "hy_v3"),
    (r"hunyuan", "hunyuan_a13b", "hunyuan_a13b"),
    (r"inkling", "inkling", "inkling"),
    (r"(?:^|/)ling-?3", "ling3", "ling3"),
    (r"longcat-flash", "longcat", None),
    (r"muse-?glimmer", "muse_glimmer", "muse_glimmer"),
    (r"minicpm-?5", "minicpm5", None),
    (r"step-?3-321b", "step3", "step3"),
    (r"nemotron.*3", "qwen3_coder", "nemotron_v3"),
    (r"olmo-?3", "olmo3", "olmo3"),
    (r"seed-?oss", "seed_oss", "seed_oss"),
    (r"step-?3\.5", "step3p5", "step3p5"),
    (r"ernie-?4\.5", "ernie45", "ernie45"),
    (r"lfm-?2", "lfm2", None),
    (r"mimo", "mimo", "mimo"),
    (r"apertus", "apertus", None),
    (r"command-?[ar]", "cohere_command3", "cohere_command3"),
    (r"internlm", "internlm", None),
    (r"jamba", "jamba", None),
    (r"xlam", "xlam", None),
)


def parsers(model_id: str) -> tuple[str | None, str | None]:
    """(tool parser, reasoning parser) for a model of this id; None where none is known."""
    name = model_id.lower().replace("_", "-")
    for pattern, tool, reasoning in RULES:
        if re.search(pattern, name):
            return tool, reasoning
    return None, None
