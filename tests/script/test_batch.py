from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from launchpad.errors import AnswerError, LaunchError, UsageError
from launchpad.script.batch import BatchCounts, run_batch
from script.conftest import NoReferee, Opener, Scripted


def request(custom_id: str, content: Any = "hi", **body: Any) -> str:
    messages = [{"role": "user", "content": content}]
    line = {
        "custom_id": custom_id,
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"messages": messages, **body},
    }
    return json.dumps(line) + "\n"


def run(tmp_path: Path, text: str, opener: Opener, **options: Any) -> BatchCounts:
    source = tmp_path / "in.jsonl"
    source.write_text(text)
    return run_batch(source, tmp_path / "out.jsonl", opener, NoReferee(), **options)


def out(tmp_path: Path) -> dict[str, Any]:
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    return {line["custom_id"]: line["response"] for line in found}


def test_answers_in_the_shape_of_openai(tmp_path: Path) -> None:
    model = Scripted(lambda messages: messages[-1].content.upper())
    counts = run(
        tmp_path,
        request("a", "x", model="auto", temperature=0, max_tokens=5, stop="z", seed=1),
        Opener({None: model}),
    )
    assert (counts.answered, counts.failed, counts.skipped, counts.exit_code) == (1, 0, 0, 0)
    assert out(tmp_path)["a"] == {
        "status_code": 200,
        "request_id": "a",
        "body": {
            "object": "chat.completion",
            "model": "auto",
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": "X"}, "finish_reason": "stop"}
            ],
            "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8},
        },
    }
    options = model.asked[0][1]
    assert (options.temperature, options.max_tokens, options.stop, options.seed) == (0, 5, ("z",), 1)


def test_each_model_is_started_once(tmp_path: Path) -> None:
    a, b = Scripted(lambda m: "a"), Scripted(lambda m: "b")
    opener = Opener({"a": a, "b": b})
    text = request("1", model="a") + request("2", model="b") + request("3", model="a")
    assert run(tmp_path, text, opener, jobs=2).answered == 3
    assert opener.opened == ["a", "b"]
    assert {key: value["body"]["choices"][0]["message"]["content"] for key, value in out(tmp_path).items()} == {
        "1": "a", "2": "b", "3": "a",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("line", "word"),
    [
        (request("a", logprobs=True), "logprobs"),
        (request("a", n=2), "n must be 1"),
        (request("a", temperature="hot"), "temperature"),
        (request("a", max_tokens=0), "max_tokens"),
        (request("a", stop=3), "stop"),
        (request("a", content=[{"type": "image_url"}]), "content"),
        (json.dumps({"custom_id": "a", "url": "/v1/embeddings", "body": {}}), "/v1/chat/completions"),
        (json.dumps({"custom_id": "a", "body": 3}), "object"),
        (json.dumps({"custom_id": "a", "body": {"messages": []}}), "messages"),
        (json.dumps({"custom_id": "a", "body": {"messages": [{"role": "robot"}]}}), "role"),
    ],
)
def test_a_bad_request_is_an_answer_of_its_own(tmp_path: Path, line: str, word: str) -> None:
    counts = run(tmp_path, line, Opener({None: Scripted(lambda m: "x")}))
    assert (counts.failed, counts.exit_code) == (1, 6)
    assert out(tmp_path)["a"]["status_code"] == 400
    assert word in out(tmp_path)["a"]["body"]["error"]["message"]


def test_text_parts_are_a_text(tmp_path: Path) -> None:
    model = Scripted(lambda m: m[-1].content)
    run(
        tmp_path,
        request("a", [{"type": "text", "text": "x"}, {"type": "text", "text": "y"}]),
        Opener({None: model}),
    )
    assert model.asked[0][0][0].content == "xy"


@pytest.mark.parametrize(
    "text", ['{"a": 1}\n', "[]\n", '{"custom_id": 3}\n', "{\n", request("a") + request("a")]
)
def test_a_file_that_is_no_batch_is_refused_before_a_model_is_started(tmp_path: Path, text: str) -> None:
    opener = Opener({None: Scripted(lambda m: "x")})
    with pytest.raises(UsageError, match=r"in\.jsonl:"):
        run(tmp_path, text, opener)
    assert opener.opened == []


def test_resume_keeps_answers_and_tries_errors_again(tmp_path: Path) -> None:
    text = request("a") + request("b") + request("c")
    broken = Scripted(lambda m: "x")
    calls = iter(["fine", [AnswerError("cut")], "fine"])
    broken.answers = lambda messages: next(calls)
    assert run(tmp_path, text, Opener({None: broken})).exit_code == 6
    target = tmp_path / "out.jsonl"
    target.write_bytes(target.read_bytes() + b'{"id": "batch_')
    with pytest.raises(UsageError, match="exists already"):
        run(tmp_path, text, Opener({None: broken}))
    good = Scripted(lambda m: "again")
    counts = run(tmp_path, text, Opener({None: good}), resume=True)
    assert (counts.answered, counts.skipped, counts.exit_code) == (1, 2, 0)
    lines = target.read_text().splitlines()
    assert lines[3] == '{"id": "batch_'
    assert json.loads(lines[4])["custom_id"] == "b"
    opener = Opener({})
    assert run(tmp_path, text, opener, resume=True).skipped == 3
    assert opener.opened == []


def test_a_model_that_cannot_be_started_fails_its_requests_alone(tmp_path: Path) -> None:
    opener = Opener({"b": Scripted(lambda m: "x")}, {"a": LaunchError("crashed", why="x")})
    counts = run(tmp_path, request("1", model="a") + request("2", model="b"), opener)
    assert (counts.answered, counts.failed, counts.exit_code) == (1, 1, 5)
    assert out(tmp_path)["1"]["status_code"] == 503
