"""A call of a tool from end to end: a real llama.cpp, its own reading of calls, consent, the command, the last answer.

The model is the real SmolLM2 with a template that knows tools (as Hermes models have it) in place of its own, which does
not. It is too small to think of a call: it is told to repeat one. All else is as with a large model.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from chat.terminal_harness import terminal
from launchpad.chat.transcript import read_records, session_path
from template_swap import with_template

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo terminal"),
]
MAIN = str(Path(__file__).with_name("chat_main.py"))
TEMPLATE = """\
{%- if tools %}{{- '<|im_start|>system\\nYou have tools:\\n<tools>' }}{% for tool in tools %}{{- '\\n' + (tool | tojson) }}{% endfor %}
{{- '\\n</tools>\\nFor each function call, return a json object within <tool_call></tool_call> tags:\\n<tool_call>\\n{"name": <function-name>, "arguments": <args-json-object>}\\n</tool_call><|im_end|>\\n' }}{% endif %}
{%- for message in messages %}
{%- if message.role == 'tool' %}{{- '<|im_start|>user\\n<tool_response>\\n' + message.content + '\\n</tool_response><|im_end|>\\n' }}
{%- elif message.role == 'assistant' and message.tool_calls %}{{- '<|im_start|>assistant\\n' }}{% for c in message.tool_calls %}{{- '<tool_call>\\n{"name": "' + c.function.name + '", "arguments": ' + (c.function.arguments | tojson) + '}\\n</tool_call>' }}{% endfor %}{{- '<|im_end|>\\n' }}
{%- else %}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{% endif %}{% endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{% endif %}
"""
ASK = '<tool_call>\n{"name": "shout", "arguments": {"input": "hello"}}\n</tool_call>'


@pytest.fixture(scope="module")
def with_tools(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SmolLM2 with the template above: one value of its header, replaced."""
    return with_template(smollm2, TEMPLATE, tmp_path_factory.mktemp("models") / "with-tools.gguf")


@pytest.mark.parametrize(
    ("key", "shown", "said"), [("y", "called: shout", "HELLO"), ("n", "not called: shout", "did not allow")]
)
def test_the_model_calls_and_is_told_what_came_of_it(with_tools, private_home, key, shown, said):
    command = ["chat", str(with_tools), "--backend", "llamacpp", "--yes", "--context", "1024", "-p", ASK]
    options = [
        "--session",
        "s",
        "--system",
        "You repeat what the user says.",
        "--max-tokens",
        "60",
        "--temperature",
        "0",
    ]
    with terminal(
        *command, *options, "--tool-command", "shout=tr a-z A-Z", program=(MAIN,), columns=100
    ) as screen:
        screen.expect('The model wants to call: shout {"input": "hello"}')
        screen.expect("y allows it")
        screen.send(key)
        screen.expect(shown)
        assert screen.wait() == 0
        assert screen.restored()
    asked, call, result, answer = [r for r in read_records(session_path("s")) if r.get("role") != "system"][
        1:
    ]
    assert asked["content"] == ASK
    assert [(made["name"], made["arguments"]) for made in call["calls"]] == [("shout", {"input": "hello"})]
    assert said in result["content"]
    assert said in answer["content"]  # it has read it: it repeats it
