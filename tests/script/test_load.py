from __future__ import annotations

import os
from pathlib import Path

import pytest

from launchpad.errors import UsageError
from launchpad.script.given import parse_given
from launchpad.script.lint import lint_files
from launchpad.script.load import examine, find_scripts, is_script, load_script, rows_of
from script.conftest import Write

ASK = "messages: [{role: user, content: hi}]\n"


def test_names_of_scripts() -> None:
    assert is_script("a.prompt.yml")
    assert is_script("A.PROMPT.YAML")
    assert is_script("a.prompt.json")
    assert not is_script("a.yml")


def test_json_is_read_as_well(tmp_path: Path) -> None:
    path = tmp_path / "a.prompt.json"
    path.write_text('{"messages": [{"role": "user", "content": "hi"}], "repeat": 2}')
    assert load_script(path).repeat == 2


@pytest.mark.parametrize(
    "text",
    ["", "{", '{"a": 1, "a": 2}', "[" * 100_000, '{"messages": []}', "null", '"x"', '{"messages": NaN}'],
)
def test_hostile_json(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.prompt.json"
    path.write_text(text)
    with pytest.raises(UsageError):
        load_script(path)


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        load_script(tmp_path / "none.prompt.yml")
    (tmp_path / "dir.prompt.yml").mkdir()
    with pytest.raises(UsageError):
        load_script(tmp_path / "dir.prompt.yml")
    os.mkfifo(tmp_path / "fifo.prompt.yml")
    with pytest.raises(UsageError, match="no file"):
        load_script(tmp_path / "fifo.prompt.yml")


def test_folders_are_searched(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in ("a/x.prompt.yml", "b.prompt.yaml", "c.yml"):
        (tmp_path / name).write_text(ASK)
    assert [path.name for path in find_scripts([str(tmp_path)])] == ["x.prompt.yml", "b.prompt.yaml"]
    assert find_scripts([str(tmp_path / "c.yml")]) == [tmp_path / "c.yml"]
    with pytest.raises(UsageError, match="There is no"):
        find_scripts([str(tmp_path / "none")])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="There is no script"):
        find_scripts([str(tmp_path / "empty")])


def test_rows_of_csv_jsonl_and_files(script: Write, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('x,y\n1,"two\nlines"\n', encoding="utf-8-sig")
    (tmp_path / "a.jsonl").write_text('{"x": 1}\n\n{"x": [2]}\n')
    assert list(rows_of(script(ASK + "cases: {csv: a.csv}"))) == [{"x": "1", "y": "two\nlines"}]
    assert list(rows_of(script(ASK + "cases: {jsonl: a.jsonl}"))) == [{"x": 1}, {"x": [2]}]
    (tmp_path / "n.md").write_text("\ufefftext")
    assert list(rows_of(script(ASK + "cases: {glob: '*.md'}"))) == [
        {"path": "n.md", "stem": "n", "text": "text"}
    ]
    assert list(rows_of(script(ASK))) == [{}]


@pytest.mark.parametrize(
    ("name", "data", "kind", "where"),
    [
        ("a.csv", b"x,y\n1\n", "csv", ":2:"),
        ("a.csv", b"x\n1,2\n", "csv", ":2:"),
        ("a.csv", b"x\n\xff\n", "csv", "a.csv"),
        ("a.jsonl", b'{"x": 1}\n{"x"\n', "jsonl", ":2:"),
        ("a.jsonl", b"[1]\n", "jsonl", ":1:"),
        ("a.jsonl", b"[" * 100_000 + b"\n", "jsonl", ":1:"),
        ("a.md", b"\xff", "glob", "a.md"),
    ],
)
def test_rows_that_cannot_be_read_say_where(
    script: Write, tmp_path: Path, name: str, data: bytes, kind: str, where: str
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UsageError) as caught:
        list(rows_of(script(ASK + f"cases: {{{kind}: {name}}}")))
    assert where in caught.value.what


def test_given_variables(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("of a file")
    assert parse_given(["a=b=c", f"f=@{tmp_path / 'f'}", "e="]) == {"a": "b=c", "f": "of a file", "e": ""}
    for wrong in ("a", "=x", "a b=c", f"x=@{tmp_path / 'none'}"):
        with pytest.raises(UsageError):
            parse_given([wrong])


def test_lint_tells_everything_of_every_file(tmp_path: Path) -> None:
    (tmp_path / "a.prompt.yml").write_text(ASK + "foo: 1\nbar: 2")
    (tmp_path / "b.prompt.yml").write_text("a: [}")
    (tmp_path / "c.prompt.yml").write_text(
        "vars: {unused: x}\ntestData: [{id: 1}, {id: 1}]\nmessages: [{role: user, content: '{{who}} {{what}}'}]"
    )
    (tmp_path / "d.prompt.yml").write_text(ASK + "cases: {csv: none.csv}")
    (tmp_path / "e.prompt.yml").write_bytes(b"\xff")
    found = lint_files([str(tmp_path)], {})
    assert (found.files, found.errors) == (5, 4)
    told = [(Path(path).name[0], problem.severity, problem.line) for path, problem in found.problems]
    assert told == [
        ("a", "error", 2), ("a", "error", 3), ("b", "error", 1), ("c", "warning", 1), ("c", "warning", 1),
        ("c", "warning", 3), ("d", "warning", 1), ("e", "error", 1),
    ]  # fmt: skip


def test_names_that_runs_will_set_are_no_oddity(tmp_path: Path) -> None:
    (tmp_path / "a.prompt.yml").write_text("messages: [{role: user, content: '{{who}} {{stdin}}'}]")
    assert lint_files([str(tmp_path)], {"who": "x"}).problems == ()
    script, problems = examine(tmp_path / "a.prompt.yml")
    assert script is not None
    assert problems == []


def test_what_a_judge_of_ours_reads_and_the_file_lacks_is_told_as_that(tmp_path: Path) -> None:
    (tmp_path / "a.prompt.yml").write_text(
        "messages: [{role: user, content: 'a'}]\n"
        "evaluators:\n"
        "  - {name: grounded, uses: github/groundedness}\n"
        "  - {name: like, string: {contains: '{{thing}}'}}\n"
        "testData: [{input: x}]"
    )
    told = [(problem.line, problem.message) for _, problem in lint_files([str(tmp_path)], {}).problems]
    assert told == [
        (3, "the judge github/groundedness reads {{context}}, and nothing declares it"),
        (4, "{{thing}} stays as it is written: nothing declares it"),
    ]
    assert not lint_files([str(tmp_path)], {"context": "x", "thing": "y"}).problems
