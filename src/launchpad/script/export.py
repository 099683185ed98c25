"""A transcript in other people's formats."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from launchpad.errors import UsageError
from launchpad.script.journal import read_lines
from launchpad.script.results import Report, Result, from_summary

FORMATS = ("openai-chat", "markdown", "prompt-yml", "junit", "csv")
_TITLES = {"user": "You", "system": "System", "assistant": "Answer"}


def export(path: Path, style: str) -> str:
    """The transcript at `path` as `style`, one of `FORMATS`. Raises `UsageError`."""
    conversations = list(_conversations(path))
    if not conversations:
        raise UsageError(
            f"{path} holds no conversation.", why="It is no transcript of a script.", hint="Check the path."
        )
    match style:
        case "openai-chat":
            return "".join(
                json.dumps({"messages": _plain(each)}, ensure_ascii=False) + "\n" for _, each in conversations
            )
        case "markdown":
            return "\n".join(_markdown(where, each) for where, each in conversations)
        case "prompt-yml":
            return _prompt_yml(conversations[0][1])
        case "junit":
            from launchpad.script.report import junit

            return junit([_report(path)])
    return _csv(_report(path).results)


_Where = tuple[str, str, int]


def _conversations(path: Path) -> Iterator[tuple[_Where, list[dict[str, Any]]]]:
    """The messages of each try of each case, in the order in which the tries began."""
    found: dict[tuple[str, _Where], list[dict[str, Any]]] = {}
    for line in read_lines(path):
        if line.get("type") == "message" and line.get("role") in _TITLES:
            where = (str(line.get("case")), str(line.get("model")), int(line.get("repeat") or 0))
            found.setdefault((str(line.get("run")), where), []).append(line)
    for (_, where), lines in found.items():
        if any(line["role"] == "assistant" for line in lines):
            yield where, lines


def _plain(lines: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    return [{"role": line["role"], "content": str(line.get("content") or "")} for line in lines]


def _markdown(where: _Where, lines: Sequence[dict[str, Any]]) -> str:
    case, model, repeat = where
    title = f"# {case} · {model}" + (f" · try {repeat + 1}" if repeat else "")
    parts = [f"## {_TITLES[line['role']]}\n\n{str(line.get('content') or '').strip()}\n" for line in lines]
    return "\n".join([title, "", *parts])


def _prompt_yml(lines: Sequence[dict[str, Any]]) -> str:
    """The conversation as history of a new script, its last question to be asked again."""
    import yaml

    messages = _plain(lines)
    while messages and messages[-1]["role"] == "assistant":
        messages.pop()
    document = {"name": "From a transcript", "messages": messages}
    return yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=110)


def _report(path: Path) -> Report:
    results = tuple(from_summary(line) for line in read_lines(path) if line.get("type") == "result")
    return Report(name=path.stem, path=str(path), results=results)


def _csv(results: Sequence[Result]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["case", "model", "repeat", "outcome", "milliseconds", "answer", "error"])
    for each in results:
        answer = each.answer.text if each.answer else ""
        writer.writerow(
            [
                each.case,
                each.model,
                each.repeat,
                each.outcome,
                round(each.milliseconds),
                answer,
                each.error or "",
            ]
        )
    return text.getvalue()
