from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from launchpad.chat.delta import Finish
from launchpad.chat.options import Message
from launchpad.errors import AnswerError, LaunchError, NoModelFits, RefusedError, UsageError
from launchpad.script.answerers import Echo, Replay
from launchpad.script.model import Script
from launchpad.script.results import Report
from launchpad.script.runner import RunOptions, run_script
from script.conftest import Opener, Scripted, Write

ECHO = "messages: [{role: user, content: '{{x}}'}]\n"


def last(messages: Sequence[Message]) -> str:
    return messages[-1].content


def run(
    script: Script, model: Scripted | None = None, *, emit: Any = None, **options: Any
) -> tuple[Report, Scripted]:
    model = model or Scripted(last)
    found = run_script(
        script, Opener({None: model}), RunOptions(**options), **({"emit": emit} if emit else {})
    )
    return found, model


def outcomes(report: Report) -> list[str]:
    return [result.outcome for result in report.results]


def test_a_conversation_of_several_turns(script: Write) -> None:
    report, model = run(
        script(
            """
messages:
  - {role: system, content: s}
  - {role: user, content: first, as: a, expect: [{contains: FIRST}]}
  - {role: user, content: "then {{a}}", expect: [{equals: "THEN FIRST"}]}
  - {role: user, content: q}
  - {role: assistant, content: history}
  - {role: user, content: end}
expect: [{equals: END}]
"""
        ),
        Scripted(lambda messages: messages[-1].content.upper()),
    )
    assert report.ok
    assert [[(m.role, m.content) for m in messages] for messages, _ in model.asked][-1] == [
        ("system", "s"), ("user", "first"), ("assistant", "FIRST"), ("user", "then FIRST"),
        ("assistant", "THEN FIRST"), ("user", "q"), ("assistant", "history"), ("user", "end"),
    ]  # fmt: skip
    assert len(model.asked) == 3


def test_rows_and_their_names(script: Write) -> None:
    report, _ = run(script(ECHO + "testData: [{x: a}, {id: named, x: b}]\nexpect: [{equals: a}]"))
    assert [(result.case, result.outcome) for result in report.results] == [("1", "pass"), ("named", "fail")]
    assert report.exit_code == 1
    assert report.counts == {"pass": 1, "fail": 1, "error": 0, "skip": 0}


def test_given_variables_win_over_rows_and_rows_over_defaults(
    script: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_TEST", "environment")
    text = "vars: {a: default, b: default, c: default, d: {env: OF_THE_TEST, default: x}, e: {env: NOT_SET_ANYWHERE, default: y}}\n"
    text += "testData: [{b: row, c: row}]\nmessages: [{role: user, content: '{{a}} {{b}} {{c}} {{d}} {{e}}'}]"
    report, _ = run(script(text), given={"c": "given"})
    assert report.results[0].answer is not None
    assert report.results[0].answer.text == "default row given environment y"


def test_only_declared_variables_of_the_environment_are_read(
    script: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "S3CRET")
    report, _ = run(script("messages: [{role: user, content: '{{TOKEN}} {{env.TOKEN}}'}]"))
    assert report.results[0].answer is not None
    assert report.results[0].answer.text == "{{TOKEN}} {{env.TOKEN}}"


def test_a_missing_variable_is_told_before_any_model_is_started(script: Write) -> None:
    opener = Opener({None: Scripted(last)})
    with pytest.raises(UsageError, match="x has no value"):
        run_script(script("vars: {x: {required: true}}\n" + ECHO), opener, RunOptions())
    assert opener.opened == []


def test_when_stop_and_repeat_until(script: Write) -> None:
    text = """
messages:
  - {role: user, content: "{{x}}", as: draft}
  - {role: user, content: shorten, when: {of: draft, regex: "^.{4,}"}, as: short}
  - {role: user, content: more, repeat_until: {check: {contains: done}, max: 5}}
  - {role: user, content: "stop here", stop: true}
  - {role: user, content: never}
testData: [{x: abc}, {x: abcdef}]
"""
    count = iter(["no", "no", "done"] * 2)
    model = Scripted(lambda messages: next(count) if last(messages) == "more" else last(messages))
    report, _ = run(script(text), model)
    asked = [last(messages) for messages, _ in model.asked]
    assert asked == ["abc", *["more"] * 3, "stop here", "abcdef", "shorten", *["more"] * 3, "stop here"]
    assert [turn.outcome for turn in report.results[0].turns] == [
        "pass",
        "skip",
        "pass",
        "pass",
        "pass",
        "pass",
    ]
    assert report.ok


def test_a_turn_that_waits_for_a_skipped_one_is_skipped(script: Write) -> None:
    text = """
messages:
  - {role: user, content: a, as: first}
  - {role: user, content: b, as: second, when: {of: first, contains: x}}
  - {role: user, content: c, when: {of: second, contains: b}}
"""
    _, model = run(script(text))
    assert [last(messages) for messages, _ in model.asked] == ["a"]


def test_repeats_have_seeds_of_their_own_and_some_must_hold(script: Write) -> None:
    answers = iter(["yes", "no", "yes", "no", "no", "no"])
    model = Scripted(lambda messages: next(answers))
    text = (
        ECHO
        + "testData: [{x: a}, {x: b}]\nmodelParameters: {seed: 10}\nrepeat: 3\npass: 2\nexpect: [{equals: yes}]"
    )
    report, _ = run(script(text), model)
    assert [options.seed for _, options in model.asked] == [10, 11, 12] * 2
    assert [(group.case, group.passed, group.outcome) for group in report.groups] == [
        ("1", 2, "pass"),
        ("2", 0, "fail"),
    ]
    assert report.exit_code == 1


def test_parameters_of_a_turn_over_those_of_the_file(script: Write) -> None:
    text = """
modelParameters: {temperature: 0.5, maxTokens: 9, stop: [x], reasoning: low}
messages:
  - {role: user, content: a}
  - {role: user, content: b, modelParameters: {temperature: 0, reasoning: off}}
"""
    _, model = run(script(text))
    first, second = (options for _, options in model.asked)
    assert (first.temperature, first.max_tokens, first.stop, first.think, first.seed) == (
        0.5,
        9,
        ("x",),
        True,
        None,
    )
    assert (second.temperature, second.max_tokens, second.think) == (0, 9, False)


def test_deterministic(script: Write) -> None:
    _, model = run(
        script(
            "deterministic: true\nmodelParameters: {temperature: 1}\n" + ECHO + "testData: [{x: a}, {x: b}]"
        ),
        jobs=8,
    )
    assert [(options.temperature, options.seed) for _, options in model.asked] == [(0, 0)] * 2


def test_an_answer_that_fails_is_an_error_and_the_next_case_goes_on(script: Write) -> None:
    def answers(messages: Sequence[Message]) -> Any:
        return (
            ["half", AnswerError("The answer was cut.", why="Because.")] if last(messages) == "a" else "fine"
        )

    report, _ = run(script(ECHO + "testData: [{x: a}, {x: b}]"), Scripted(answers))
    assert outcomes(report) == ["error", "pass"]
    assert report.exit_code == 6
    assert report.results[0].answer is not None
    assert report.results[0].answer.text == "half"
    assert report.code(fail_on="fail") == 0
    assert report.code(max_error_rate=0.5) == 0
    assert report.code(max_error_rate=0.4) == 6


def test_an_engine_that_dies_stops_that_model_at_once(script: Write) -> None:
    model = Scripted(lambda messages: [AnswerError("gone")])
    model.dead = True
    report, _ = run(script(ECHO + "testData: [{x: a}, {x: b}, {x: c}]"), model)
    assert outcomes(report) == ["error"]
    assert report.exit_code == 5


def test_a_model_that_cannot_be_started_is_one_error_and_the_next_model_runs(script: Write) -> None:
    good = Scripted(last)
    opener = Opener({"b": good}, {"a": NoModelFits("too large"), "c": LaunchError("crashed")})
    report = run_script(
        script("models: [a, b, c]\n" + ECHO + "testData: [{x: 1}, {x: 2}]"), opener, RunOptions()
    )
    assert [(result.model, result.case, result.outcome) for result in report.results] == [
        ("a", "*", "error"), ("simulated", "1", "pass"), ("simulated", "2", "pass"), ("c", "*", "error"),
    ]  # fmt: skip
    assert report.exit_code == 5
    assert good.closed == 1


def test_models_of_the_command_line_replace_those_of_the_file(script: Write) -> None:
    opener = Opener({"mine": Scripted(last)})
    run_script(script("model: theirs\n" + ECHO), opener, RunOptions(models=("mine",)))
    assert opener.opened == ["mine"]


def test_jobs_run_side_by_side_and_results_stay_in_order(script: Write) -> None:
    barrier = threading.Barrier(3, timeout=150)

    def answers(messages: Sequence[Message]) -> str:
        barrier.wait()  # passes only when three requests are under way at the same time
        return last(messages)

    rows = ", ".join(f"{{x: {number}}}" for number in range(9))
    report, _ = run(script(ECHO + f"testData: [{rows}]"), Scripted(answers), jobs=3)
    assert [result.answer.text for result in report.results if result.answer] == [str(n) for n in range(9)]


def test_one_shot_asks_only_the_last_message(script: Write) -> None:
    _, model = run(script("messages: [{role: user, content: a}, {role: user, content: b}]"), one_shot=True)
    assert [[m.content for m in messages] for messages, _ in model.asked] == [["a", "b"]]


def test_a_judge_of_its_own_is_opened_once_beside(script: Write) -> None:
    model, judge = Scripted(last), Scripted(lambda messages: '"good"')
    text = (
        ECHO
        + "testData: [{x: a}, {x: b}]\nexpect: [{llm: {modelId: j, prompt: 'Rate {{completion}}', choices: [{choice: good, score: 1}]}}]"
    )
    opener = Opener({None: model, "j": judge})
    report = run_script(script(text), opener, RunOptions())
    assert report.ok
    assert opener.opened == [None, "j"]
    assert [last(messages) for messages, _ in judge.asked] == ["Rate a", "Rate b"]
    assert judge.closed == model.closed == 1


def test_a_judge_that_is_unknown_here_is_the_model_itself(script: Write) -> None:
    model = Scripted(lambda messages: "good")
    text = (
        ECHO
        + "vars: {x: y}\nexpect: [{llm: {modelId: openai/gpt-4o, prompt: P, choices: [{choice: good, score: 1}]}}]"
    )
    report, _ = run(script(text), model)
    assert report.ok
    assert len(model.asked) == 2


def test_a_broken_judge_is_an_error_never_a_failure(script: Write) -> None:
    model = Scripted(lambda messages: [AnswerError("busy")] if last(messages) == "P" else "x")
    text = ECHO + "vars: {x: y}\nexpect: [{llm: {prompt: P, choices: [{choice: good, score: 1}]}}]"
    report, _ = run(script(text), model)
    assert outcomes(report) == ["error"]
    assert report.exit_code == 6


# -- output files -------------------------------------------------------------------------------------------------


def test_output_files(script: Write, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    for name in ("a", "b"):
        (tmp_path / "notes" / f"{name}.md").write_text(f"text of {name}")
    text = """
cases: {glob: "notes/*.md"}
messages: [{role: user, content: "{{text}}"}]
output: {file: "out/{{stem}}.txt", template: "<{{answer}}>", if_exists: skip}
"""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "b.txt").write_text("mine")
    report, model = run(script(text))
    assert outcomes(report) == ["pass", "skip"]
    assert (tmp_path / "out" / "a.txt").read_text() == "<text of a>"
    assert (tmp_path / "out" / "b.txt").read_text() == "mine"
    assert len(model.asked) == 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.txt", "b.txt"]


def test_an_output_that_exists_is_an_error_unless_it_may_be_overwritten(
    script: Write, tmp_path: Path
) -> None:
    (tmp_path / "o.txt").write_text("mine")
    text = "messages: [{role: user, content: new}]\noutput: {file: o.txt%s}"
    report, _ = run(script(text % ""))
    assert outcomes(report) == ["error"]
    assert (tmp_path / "o.txt").read_text() == "mine"
    report, _ = run(script(text % ", if_exists: overwrite"))
    assert (tmp_path / "o.txt").read_text() == "new\n"


@pytest.mark.parametrize("place", ["../out.txt", "/tmp/launchpad-escaped.txt", "a/../../x", "{{x}}"])
def test_no_script_writes_outside_its_folder(tmp_path: Path, private_home: Path, place: str) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    path = folder / "s.prompt.yml"
    path.write_text(
        f"vars: {{x: ../up.txt}}\nmessages: [{{role: user, content: a}}]\noutput: {{file: '{place}'}}"
    )
    from launchpad.script.load import load_script

    report, model = run(load_script(path))
    assert outcomes(report) == ["error"]
    assert report.exit_code == 7
    assert model.asked == []
    assert [each for each in tmp_path.rglob("*") if each.is_file() and private_home not in each.parents] == [
        path
    ]


@pytest.mark.parametrize("place", ["../secret.md", "link.md", "sub/../../secret.md"])
def test_no_script_reads_outside_its_folder(script: Write, tmp_path: Path, place: str) -> None:
    (tmp_path / "secret.md").write_text("S3CRET")
    folder = tmp_path / "inner"
    folder.mkdir()
    (folder / "sub").mkdir()
    (folder / "link.md").symlink_to(tmp_path / "secret.md")
    path = folder / "s.prompt.yml"
    path.write_text(f"messages: [{{role: user, content: '{{{{text}}}}'}}]\ncases: {{glob: '{place}'}}")
    from launchpad.script.load import load_script

    with pytest.raises(RefusedError, match="refused"):
        run(load_script(path))
    report, model = run(load_script(path), allow_path=True)
    assert [last(messages) for messages, _ in model.asked] == ["S3CRET"]
    assert report.ok


# -- transcript, resume, replay -----------------------------------------------------------------------------------


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_transcript(script: Write, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    run(
        script(ECHO + "testData: [{x: a}, {x: b}]\nexpect: [{equals: a}]"),
        transcript=str(path),
        run="r1",
        version="v",
    )
    found = lines(path)
    assert [line["type"] for line in found] == [
        "run", "env", "message", "message", "check", "result", "message", "message", "check", "result", "end",
    ]  # fmt: skip
    assert all(line["v"] == 1 and line["run"] == "r1" for line in found)
    assert found[3] == {
        **found[3],
        "role": "assistant",
        "content": "a",
        "case": "1",
        "model": "simulated",
        "turn": 0,
    }
    assert found[-1]["counts"] == {"pass": 1, "fail": 1, "error": 0, "skip": 0}
    assert found[-1]["exit"] == 1


def test_resume_asks_only_for_what_is_missing(script: Write, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    made = script(ECHO + "testData: [{x: a}, {x: b}, {x: c}, {x: d}]")
    broken = {"b": [AnswerError("cut")], "c": [KeyboardInterrupt()]}
    first = Scripted(lambda messages: broken.get(last(messages), last(messages)))
    with pytest.raises(KeyboardInterrupt):
        run(made, first, transcript=str(path))
    path.write_bytes(path.read_bytes() + b'{"type": "result", "v": 1, "outco')  # and the machine died
    second = Scripted(last)
    report, _ = run(made, second, resume=str(path))
    assert [last(messages) for messages, _ in second.asked] == ["b", "c", "d"]
    assert [(result.case, result.resumed, result.answer.text) for result in report.results if result.answer] == [
        ("1", True, "a"), ("2", False, "b"), ("3", False, "c"), ("4", False, "d"),
    ]  # fmt: skip
    third = Scripted(last)
    report, _ = run(made, third, resume=str(path))
    assert third.asked == []
    assert third.begun == 0  # nothing was started for it
    assert len(report.results) == 4


def test_resume_notices_a_changed_script(script: Write, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    run(script(ECHO + "testData: [{x: a}]"), transcript=str(path))
    changed = script(ECHO + "testData: [{x: a}]\nname: other")
    with pytest.raises(RefusedError, match="has changed"):
        run(changed, resume=str(path))
    report, model = run(changed, resume=str(path), resume_changed=True)
    assert model.asked == []
    assert report.results[0].resumed


def test_other_rows_and_parameters_are_other_results(script: Write, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    run(script(ECHO + "testData: [{x: a}]"), transcript=str(path))
    _, model = run(script(ECHO + "testData: [{x: a}]"), resume=str(path), given={"y": "z"})
    assert len(model.asked) == 1


def test_a_recording_answers_like_the_engine(script: Write, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    made = script(
        "messages: [{role: user, content: a}, {role: user, content: b}]\nrepeat: 2\nexpect: [{llm: {prompt: P, choices: [{choice: good, score: 1}]}}]"
    )
    said = iter(["A1", "B1", "good", "A2", "B2", "good"])
    run(made, Scripted(lambda messages: next(said)), transcript=str(path))
    opened = Opener({None: Replay(str(path))})  # type: ignore[dict-item]
    report = run_script(made, opened, RunOptions())
    assert [[turn.answer.text for turn in result.turns if turn.answer] for result in report.results] == [
        ["A1", "B1"], ["A2", "B2"],
    ]  # fmt: skip
    assert report.ok
    changed = script("messages: [{role: user, content: other}]")
    report = run_script(changed, Opener({None: Replay(str(path))}), RunOptions())  # type: ignore[dict-item]
    assert outcomes(report) == ["error"]


def test_echo(script: Write) -> None:
    report = run_script(script(ECHO + "vars: {x: hello you}"), Opener({None: Echo()}), RunOptions())  # type: ignore[dict-item]
    assert report.results[0].answer is not None
    assert report.results[0].answer.text == "hello you"


# -- size ---------------------------------------------------------------------------------------------------------


def test_cases_are_not_held_in_memory(script: Write, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    with rows.open("w") as file:
        for number in range(2_000):
            file.write(json.dumps({"x": f"{number} " + "x" * 20_000}) + "\n")
    import tracemalloc

    seen = []

    def emit(kind: str, fields: Mapping[str, Any]) -> None:
        if kind == "result":
            seen.append(len(fields["result"].answer.text))

    made = script(ECHO + "cases: {jsonl: rows.jsonl}")
    model = Scripted(lambda messages: [messages[-1].content, Finish(reason="stop")])
    model.asked = Forgetful()
    tracemalloc.start()
    try:
        report, _ = run(made, model, emit=emit, whole_texts=False)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(report.results) == len(seen) == 2_000
    assert min(seen) > 20_000
    assert peak < 15e6  # the rows alone have 40 MB, with question, answer and history 160 MB


class Forgetful(list[Any]):
    def append(self, item: Any) -> None:
        pass
