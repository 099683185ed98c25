"""Checks as a script file writes them: GitHub's evaluators and launchpad's short form. PURE."""

from __future__ import annotations

from typing import Any

from launchpad.script import judges
from launchpad.script.document import Node
from launchpad.script.model import Check, Choice, Judge
from launchpad.script.problems import Fields

TEXT_CHECKS = (
    "equals",
    "contains",
    "icontains",
    "starts-with",
    "ends-with",
    "regex",
    "finish-reason",
    "language",
    "same-as",
)
LIST_CHECKS = ("contains-any", "contains-all")
COUNT_CHECKS = ("min-words", "max-words", "max-chars")
NUMBER_CHECKS = ("latency", "first-token", "tokens-per-second")
OTHER_CHECKS = ("not", "is-json", "json", "similar", "python", "llm")
CHECKS = (*TEXT_CHECKS, *LIST_CHECKS, *COUNT_CHECKS, *NUMBER_CHECKS, *OTHER_CHECKS)

# GitHub's evaluators ignore case but for `equals`.
_GITHUB = {
    "equals": "equals",
    "contains": "icontains",
    "startsWith": "istarts-with",
    "endsWith": "iends-with",
}


def parse_expectations(fields: Fields, node: Node | None, what: str) -> tuple[Check, ...]:
    """A list of checks in the short form: one key each."""
    return tuple(check for item in fields.items(node, what) if (check := parse_check(fields, item)))


def parse_check(fields: Fields, node: Node) -> Check | None:
    """One check in the short form, such as `contains: Paris` or `not: {regex: …}`."""
    found = fields.mapping(node, "a check", CHECKS)
    if not found:
        if isinstance(node.value, dict) and not fields.failed:
            fields.error(node, "a check without a condition", "Write one, such as `contains: Paris`.")
        return None
    if len(found) > 1:
        fields.error(
            node, f"a check has one key, this has {len(found)}", "Write each check as an item of its own."
        )
        return None
    kind, argument = next(iter(found.items()))
    return _checked(fields, kind, argument)


def _checked(fields: Fields, kind: str, node: Node) -> Check | None:
    value: Any = None
    match kind:
        case "not":
            inner = parse_check(fields, node)
            return None if inner is None else _negated(inner)
        case "json":
            return _json(fields, node)
        case "llm":
            judge = parse_judge(fields, node, "llm")
            return Check(kind="llm", judge=judge, line=node.line) if judge else None
        case "is-json":
            value = node.plain()
            if not isinstance(value, bool | dict) or value == {}:
                fields.error(node, "is-json takes true, or a JSON Schema that says something")
        case "similar":
            value = _similar(fields, node)
        case "python":
            value = fields.text(node, kind)
            if value.count(":") != 1 or not all(
                part.replace(".", "_").isidentifier() for part in value.split(":")
            ):
                fields.error(node, "python takes module:function")
        case _ if kind in LIST_CHECKS:
            value = tuple(fields.text(item, kind) for item in fields.items(node, kind))
            if not value:
                fields.error(node, f"{kind} needs a list of texts")
        case _ if kind in COUNT_CHECKS:
            value = fields.integer(node, kind, 0, 10**9)
        case _ if kind in NUMBER_CHECKS:
            value = fields.number(node, kind, 0, 10**9)
        case _:
            value = fields.text(node, kind)
            if not value and kind not in ("equals",):
                fields.error(node, f"{kind} needs a text", "An empty one would always hold.")
    return Check(kind=kind, value=value, line=node.line)


def _negated(check: Check) -> Check:
    from msgspec.structs import replace

    return replace(check, negated=not check.negated)


def _json(fields: Fields, node: Node) -> Check | None:
    found = fields.mapping(node, "json", ("path", *CHECKS))
    path = fields.text(found.pop("path", None), "json.path")
    if not path:
        fields.error(node, "json needs a path", "For example `json: {path: queue, equals: billing}`.")
    if len(found) != 1:
        fields.error(node, "json needs one check beside its path")
        return None
    kind, argument = next(iter(found.items()))
    inner = _checked(fields, kind, argument)
    return Check(kind="json", path=path, inner=inner, line=node.line) if inner else None


def _similar(fields: Fields, node: Node) -> dict[str, Any]:
    found = fields.mapping(node, "similar", ("to", "min"))
    if "to" not in found:
        fields.error(node, "similar needs `to`")
    least = fields.number(found.get("min"), "similar.min", 0, 1)
    return {"to": fields.text(found.get("to"), "similar.to"), "min": 0.8 if least is None else least}


def parse_judge(fields: Fields, node: Node, what: str) -> Judge | None:
    """GitHub's `llm` evaluator: a prompt, and choices with scores."""
    found = fields.mapping(node, what, ("modelId", "prompt", "choices", "systemPrompt", "min"))
    if "prompt" not in found or "choices" not in found:
        fields.error(node, f"{what} needs prompt and choices")
        return None
    choices = []
    for item in fields.items(found["choices"], "choices"):
        pair = fields.mapping(item, "a choice", ("choice", "score"))
        score = fields.number(pair.get("score"), "score", 0, 1)
        choices.append(Choice(fields.text(pair.get("choice"), "choice"), score or 0.0))
    if not choices or not all(choice.choice for choice in choices):
        fields.error(found["choices"], "each choice needs a word")
    return Judge(
        prompt=fields.text(found["prompt"], "prompt"),
        choices=tuple(choices),
        system=fields.text(found.get("systemPrompt"), "systemPrompt") or None,
        model=fields.text(found.get("modelId"), "modelId") or None,
        least=fields.number(found.get("min"), "min", 0, 1),
    )


def parse_evaluators(fields: Fields, node: Node | None) -> tuple[Check, ...]:
    """GitHub's `evaluators`: named, one of `string`, `llm`, `uses`."""
    return tuple(check for item in fields.items(node, "evaluators") if (check := _evaluator(fields, item)))


def _evaluator(fields: Fields, node: Node) -> Check | None:
    from msgspec.structs import replace

    found = fields.mapping(node, "an evaluator", ("name", "string", "llm", "uses"))
    name = fields.text(found.get("name"), "name") or None
    kinds = [kind for kind in ("string", "llm", "uses") if kind in found]
    if not kinds:
        fields.error(node, "an evaluator needs string, llm or uses")
        return None
    if len(kinds) > 1:
        fields.warn(node, f"only {kinds[0]} of this evaluator counts", "Split it into several evaluators.")
    argument = found[kinds[0]]
    check: Check | None
    if kinds[0] == "string":
        check = _string(fields, argument)
    elif kinds[0] == "llm":
        judge = parse_judge(fields, argument, "llm")
        check = Check(kind="llm", judge=judge, line=node.line) if judge else None
    else:
        used = fields.text(argument, "uses")
        judge = judges.BUILT_IN.get(used)
        if judge is None:
            fields.error(
                argument, f"there is no evaluator {used!r}", fields.suggestion(used, judges.BUILT_IN)
            )
            return None
        check = Check(kind="llm", judge=judge, name=used, line=node.line)
    return replace(check, name=name or check.name) if check else None


def _string(fields: Fields, node: Node) -> Check | None:
    found = fields.mapping(node, "string", _GITHUB)
    kind = next((kind for kind in _GITHUB if kind in found and found[kind].value != ""), None)
    if kind is None:
        fields.error(node, "string needs one of equals, contains, startsWith, endsWith")
        return None
    if len(found) > 1:
        fields.warn(node, f"only {kind} of this evaluator counts", "Split it into several evaluators.")
    return Check(kind=_GITHUB[kind], value=fields.text(found[kind], kind), line=node.line)
