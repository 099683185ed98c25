"""From the tree of a script file to a `Script`. PURE: names that do not exist here are the runner's to find out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from launchpad.errors import UsageError
from launchpad.script.document import Node
from launchpad.script.model import (
    Cases,
    Check,
    Condition,
    Entry,
    JsonSchema,
    OutputFile,
    Parameters,
    RepeatUntil,
    Script,
    Timeouts,
    Variable,
)
from launchpad.script.parse_checks import parse_check, parse_evaluators, parse_expectations
from launchpad.script.problems import Fields, Problem
from launchpad.script.variables import names_in

VERSION = 1
GITHUB_FIELDS = (
    "name", "description", "model", "modelParameters", "responseFormat", "jsonSchema", "messages", "testData",
    "evaluators",
)  # fmt: skip
OWN_FIELDS = (
    "models", "vars", "cases", "expect", "repeat", "pass", "timeout", "deterministic", "output", "version",
)  # fmt: skip
MESSAGE_FIELDS = (
    "role", "content", "expect", "as", "when", "stop", "repeat_until", "modelParameters", "timeout", "jsonSchema",
    "tool_call_id",
)  # fmt: skip
ONLY_WHEN_ASKED = ("expect", "as", "when", "stop", "repeat_until", "modelParameters", "timeout", "jsonSchema")
ROLES = ("system", "user", "assistant", "tool")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}\Z")
_PARAMETERS: Mapping[str, tuple[str, float, float, bool]] = {
    # as written: (field, least, most, whole)
    "temperature": ("temperature", 0, 10, False),
    "topP": ("top_p", 0, 1, False),
    "topK": ("top_k", 0, 10**6, True),
    "minP": ("min_p", 0, 1, False),
    "maxTokens": ("max_tokens", 1, 10**9, True),
    "seed": ("seed", 0, 2**32 - 1, True),
    "contextLength": ("context_length", 16, 10**9, True),
}
_SNAKE = {field: written for written, (field, *_) in _PARAMETERS.items()}


def parse_script(root: Node, *, path: str = "", sha256: str = "") -> tuple[Script | None, list[Problem]]:
    """The script (None when there are errors) and everything that is wrong or odd with it."""
    fields = Fields()
    found = fields.mapping(root, "a prompt file", (*GITHUB_FIELDS, *OWN_FIELDS))
    if "messages" not in found and isinstance(root.value, dict):
        fields.error(root, "there are no messages", "A prompt file needs `messages:`.")
    _check_version(fields, found.get("version"))
    schema = _schema(fields, found.get("jsonSchema"))
    response_format = fields.one_of(
        found.get("responseFormat"), "responseFormat", ("text", "json_object", "json_schema")
    )
    if response_format == "json_schema" and schema is None:
        fields.error(found["responseFormat"], "responseFormat json_schema needs jsonSchema")
    repeat = fields.integer(found.get("repeat"), "repeat", 1, 10_000) or 1
    script = Script(
        name=fields.text(found.get("name"), "name"),
        description=fields.text(found.get("description"), "description"),
        models=_models(fields, found),
        parameters=_parameters(fields, found.get("modelParameters")),
        response_format=response_format or ("json_schema" if schema else None),
        schema=schema,
        entries=_entries(fields, found.get("messages")),
        variables=_variables(fields, found.get("vars")),
        rows=_rows(fields, found.get("testData")),
        cases=_cases(fields, found.get("cases")),
        expect=(
            *parse_evaluators(fields, found.get("evaluators")),
            *parse_expectations(fields, found.get("expect"), "expect"),
        ),
        repeat=repeat,
        passes=fields.integer(found.get("pass"), "pass", 1, repeat),
        timeouts=_timeouts(fields, found.get("timeout")),
        deterministic=fields.boolean(found.get("deterministic"), "deterministic"),
        output=_output(fields, found.get("output")),
        path=path,
        sha256=sha256,
    )
    if script.rows and script.cases:
        fields.error(found["cases"], "testData and cases stand both here", "Keep one of them.")
    _check_kept_names(fields, root, script)
    return (None if fields.failed else script), fields.problems


def declared_names(
    script: Script, row: Mapping[str, Any] | None = None, given: Mapping[str, Any] | None = None
) -> set[str]:
    """Every name that `{{name}}` may stand for in this script, with this row and these given values."""
    names = {variable.name for variable in script.variables}
    names |= {entry.keep_as for entry in script.entries if entry.keep_as}
    return names | set(row or {}) | set(given or {})


def literal_names(script: Script, given: Mapping[str, Any]) -> set[str]:
    """Names in double braces that no one declares: they stay as they are written."""
    known = declared_names(script, None, given) | {"stdin", "completion", "answer"}
    for row in script.rows:
        known |= set(row)
    if script.cases:
        known |= {"path", "stem", "text"} if script.cases.kind == "glob" else names_in(script.texts())
    return names_in(script.texts()) - known


def uses_stdin(script: Script) -> bool:
    """True if a text of the script holds `{{stdin}}`."""
    return "stdin" in names_in(script.texts())


def _check_version(fields: Fields, node: Node | None) -> None:
    if node is not None and node.value != VERSION:
        fields.error(node, f"version {node.value!r} is unknown", f"This launchpad reads version {VERSION}.")


def _models(fields: Fields, found: Mapping[str, Node]) -> tuple[str, ...]:
    if "models" in found:
        models = tuple(fields.text(item, "a model") for item in fields.items(found["models"], "models"))
        if not models or not all(models):
            fields.error(found["models"], "models names no model")
        return models
    model = fields.text(found.get("model"), "model")
    return (model,) if model else ()


def _parameters(fields: Fields, node: Node | None) -> Parameters:
    if node is None:
        return Parameters()
    known = (*_PARAMETERS, *_SNAKE, "stop", "reasoning")
    values: dict[str, Any] = {}
    for key, item in fields.mapping(node, "modelParameters", known).items():
        written = _SNAKE.get(key, key)
        if written in _PARAMETERS:
            name, least, most, whole = _PARAMETERS[written]
            if name in values:
                fields.error(item, f"{key} is given twice")
            if whole:
                values[name] = fields.integer(item, key, int(least), int(most))
            else:
                values[name] = fields.number(item, key, least, most)
        elif key == "stop":
            stops = item.value if isinstance(item.value, list) else [item]
            values["stop"] = tuple(fields.text(stop, "stop") for stop in stops)
        else:
            values["reasoning"] = fields.one_of(item, "reasoning", ("off", "low", "high"))
    return Parameters(**values)


def _schema(fields: Fields, node: Node | None) -> JsonSchema | None:
    if node is None:
        return None
    schema = node.plain()
    if isinstance(schema, str):
        try:
            schema = json.loads(schema)
        except (ValueError, RecursionError) as error:
            fields.error(node, f"jsonSchema is not JSON: {error}")
            return None
    if not isinstance(schema, dict):
        fields.error(node, "jsonSchema must be a mapping, or JSON as a text")
        return None
    name, strict = "answer", True
    if isinstance(schema.get("schema"), dict) and not {"type", "properties", "$ref"} & set(schema):
        name, strict, schema = (
            str(schema.get("name") or name),
            bool(schema.get("strict", True)),
            schema["schema"],
        )
    if not schema:
        fields.error(node, "jsonSchema is empty", "It would allow anything; some engines fail with it.")
        return None
    return JsonSchema(schema=schema, name=name, strict=strict)


def _entries(fields: Fields, node: Node | None) -> tuple[Entry, ...]:
    nodes = fields.items(node, "messages")
    if node is not None and not nodes and isinstance(node.value, list):
        fields.error(node, "messages is empty", "At least one message of the user is needed.")
    entries = [_entry(fields, item) for item in nodes]
    asked = [
        replace(entry, asked=entry.role == "user" and not _answered(entries, number))
        for number, entry in enumerate(entries)
    ]
    for entry, item in zip(asked, nodes, strict=True):
        if not entry.asked and isinstance(item.value, dict):
            for key in ONLY_WHEN_ASKED:
                if key in item.value:
                    fields.error(
                        item.value[key],
                        f"{key} stands at a message that is history: nothing is asked there",
                        "A user message is asked when no assistant message follows it.",
                    )
    if entries and not any(entry.asked for entry in asked):
        fields.error(
            nodes[-1], "nothing is asked", "The last message must be the user's, without an answer after it."
        )
    return tuple(asked)


def _answered(entries: list[Entry], number: int) -> bool:
    return number + 1 < len(entries) and entries[number + 1].role in ("assistant", "tool")


def _entry(fields: Fields, node: Node) -> Entry:
    found = fields.mapping(node, "a message", MESSAGE_FIELDS)
    role = fields.one_of(_lowered(found.get("role")), "role", ROLES)
    if "role" not in found and isinstance(node.value, dict):
        fields.error(node, "a message needs a role")
    if "content" not in found and isinstance(node.value, dict):
        fields.error(node, "a message needs content")
    keep_as = fields.text(found.get("as"), "as") or None
    if keep_as and not _NAME.match(keep_as):
        fields.error(found["as"], f"{keep_as!r} cannot be a name", "Use letters, digits, - and _.")
    return Entry(
        role=role or "user",
        content=fields.text(found.get("content"), "content"),
        expect=parse_expectations(fields, found.get("expect"), "expect"),
        keep_as=keep_as,
        when=_condition(fields, found.get("when")),
        stop=fields.boolean(found.get("stop"), "stop"),
        repeat_until=_repeat_until(fields, found.get("repeat_until")),
        parameters=_parameters(fields, found.get("modelParameters")),
        timeout=fields.seconds(found.get("timeout"), "timeout"),
        schema=_schema(fields, found.get("jsonSchema")),
        tool_call_id=fields.text(found.get("tool_call_id"), "tool_call_id") or None,
        line=node.line,
    )


def _lowered(node: Node | None) -> Node | None:
    return (
        node if node is None or not isinstance(node.value, str) else replace(node, value=node.value.lower())
    )


def _condition(fields: Fields, node: Node | None) -> Condition | None:
    if node is None:
        return None
    check, rest = _apart(fields, node, "when", "of")
    of = fields.text(rest, "when.of")
    if not of:
        fields.error(node, "when needs `of`: the name of a kept answer")
    return Condition(of, check) if check and of else None


def _repeat_until(fields: Fields, node: Node | None) -> RepeatUntil | None:
    if node is None:
        return None
    found = fields.mapping(node, "repeat_until", ("check", "max"))
    check = parse_check(fields, found["check"]) if "check" in found else None
    if "check" not in found and isinstance(node.value, dict):
        fields.error(node, "repeat_until needs a check")
    return RepeatUntil(check, fields.integer(found.get("max"), "max", 1, 100) or 5) if check else None


def _apart(fields: Fields, node: Node, what: str, key: str) -> tuple[Check | None, Node | None]:
    """A check with one more key beside it."""
    if not isinstance(node.value, dict):
        fields.error(node, f"{what} must be a mapping")
        return None, None
    rest = {name: item for name, item in node.value.items() if name != key}
    return parse_check(fields, replace(node, value=rest)), node.value.get(key)


def _variables(fields: Fields, node: Node | None) -> tuple[Variable, ...]:
    if node is None:
        return ()
    if not isinstance(node.value, dict):
        fields.error(node, "vars must be a mapping of names")
        return ()
    return tuple(
        _variable(fields, name, item) for name, item in node.value.items() if not name.startswith("x-")
    )


def _variable(fields: Fields, name: str, node: Node) -> Variable:
    if not _NAME.match(name):
        fields.error(node, f"{name!r} cannot be a name", "Use letters, digits, - and _.")
    if not isinstance(node.value, dict):
        return Variable(name=name, default=None if node.value is None else fields.text(node, name))
    found = fields.mapping(node, f"vars.{name}", ("default", "required", "env"))
    default = fields.text(found["default"], "default") if "default" in found else None
    return Variable(
        name=name,
        default=default,
        required=fields.boolean(found.get("required"), "required"),
        env=fields.text(found.get("env"), "env") or None,
    )


def _rows(fields: Fields, node: Node | None) -> tuple[Mapping[str, Any], ...]:
    rows: list[Mapping[str, Any]] = []
    for item in fields.items(node, "testData"):
        if isinstance(item.value, dict):
            rows.append(item.plain())
        else:
            fields.error(item, "a row of testData must be a mapping")
    return tuple(rows)


def _cases(fields: Fields, node: Node | None) -> Cases | None:
    if node is None:
        return None
    found = fields.mapping(node, "cases", ("csv", "jsonl", "glob"))
    if len(found) != 1:
        fields.error(node, "cases needs one of csv, jsonl, glob")
        return None
    kind, place = next(iter(found.items()))
    return Cases(kind, fields.text(place, kind))  # type: ignore[arg-type]


def _timeouts(fields: Fields, node: Node | None) -> Timeouts:
    if node is None:
        return Timeouts()
    names = ("first", "turn", "case", "run", "stall")
    found = fields.mapping(node, "timeout", names)
    given = {name: fields.seconds(found[name], f"timeout.{name}") for name in names if name in found}
    return Timeouts(**{name: value for name, value in given.items() if value is not None})


def _output(fields: Fields, node: Node | None) -> OutputFile | None:
    if node is None:
        return None
    found = fields.mapping(node, "output", ("file", "template", "if_exists"))
    if "file" not in found:
        fields.error(node, "output needs a file")
    return OutputFile(
        file=fields.text(found.get("file"), "output.file"),
        template=fields.text(found["template"], "output.template") if "template" in found else None,
        if_exists=fields.one_of(found.get("if_exists"), "if_exists", ("skip", "overwrite", "error"))
        or "error",
    )


def _check_kept_names(fields: Fields, root: Node, script: Script) -> None:
    """Names of answers are unique, and used after they are kept."""
    kept: set[str] = set()
    for entry in script.entries:
        where = Node(None, entry.line, 1)
        if entry.when and entry.when.of not in kept:
            fields.error(
                where,
                f"when asks for {entry.when.of!r}, which no earlier turn keeps",
                "Name it there with `as`.",
            )
        for check in entry.expect:
            if check.kind == "same-as" and check.value not in kept:
                fields.error(where, f"same-as asks for {check.value!r}, which no earlier turn keeps")
        if entry.keep_as in kept:
            fields.error(where, f"two answers are kept as {entry.keep_as!r}")
        if entry.keep_as:
            kept.add(entry.keep_as)


def first_error(problems: list[Problem], label: str) -> UsageError:
    """The error to raise for a file with these problems."""
    errors = [problem for problem in problems if problem.severity == "error"]
    first = errors[0]
    more = f" There are {len(errors) - 1} more errors." if len(errors) > 1 else ""
    return UsageError(
        f"{label}:{first.line}:{first.column}: {first.message}.",
        why=f"It is no valid prompt file.{more}",
        hint=first.hint or f"launchpad lint {label} lists everything.",
    )
