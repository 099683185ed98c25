"""Extend the record of the plugin contract: `python tools/build_hooks_record.py tests/data/hooks_v1.json`.

The record holds every hook, interface and struct of `launchpad.plugins.spec` as text. What stands in it is promised to
plugins for as long as there is `launchpad.v1`: this tool adds, and refuses to change or remove. The rules are in
docs/reference/hooks.md, "How the contract changes".
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from launchpad.plugins import spec
from launchpad.plugins.registration import HOOKS

Record = dict[str, Any]

PAGE = 'docs/reference/hooks.md, "How the contract changes"'
KEPT = "what v1 has stays as it is: name, type and default. Put it back; what must change gets a new name"
AT_THE_END = "a hook's new argument comes after those it has"
WITH_DEFAULT = "a struct's new field has a default"
NEW_INTERFACE = "an interface gains no member, for no plugin has it yet: make a new, optional interface"


def contract() -> Record:
    """The contract as the code has it now."""
    classes = [
        value
        for value in vars(spec).values()
        if inspect.isclass(value) and value.__module__ == spec.__name__ and value is not spec.Hooks
    ]
    structs = [one for one in classes if issubclass(one, msgspec.Struct)]
    return {
        "group": spec.GROUP,
        "hooks": {name: _hook(getattr(spec.Hooks, name)) for name in HOOKS},
        "interfaces": {one.__name__: _interface(one) for one in classes if one not in structs},
        "structs": {one.__name__: _struct(one) for one in structs},
    }


def _hook(function: Any) -> Record:
    signature = inspect.signature(function)
    arguments = list(signature.parameters.values())[1:]
    return {
        "arguments": {one.name: str(one.annotation) for one in arguments},
        "returns": str(signature.return_annotation),
        "first_result": bool(function.launchpad_spec["firstresult"]),
    }


def _interface(protocol: type) -> dict[str, str]:
    """Attributes by their type, methods by their signature."""
    members = {}
    for name, value in vars(protocol).items():
        if name.startswith("_"):
            continue
        if isinstance(value, property):
            assert value.fget is not None
            members[name] = str(inspect.signature(value.fget).return_annotation)
        elif inspect.isfunction(value):
            signature = inspect.signature(value)
            arguments = ", ".join(_argument(one) for one in list(signature.parameters.values())[1:])
            members[name] = f"({arguments}) -> {signature.return_annotation}"
    return members


def _argument(one: inspect.Parameter) -> str:
    default = "" if one.default is one.empty else f" = {one.default!r}"
    return f"{one.name}: {one.annotation}{default}"


def _struct(struct: type[msgspec.Struct]) -> dict[str, str]:
    fields = {}
    for field in msgspec.structs.fields(struct):
        default = "" if field.required else f" = {_default(field)}"
        fields[field.name] = f"{struct.__annotations__[field.name]}{default}"
    return fields


def _default(field: msgspec.structs.FieldInfo) -> str:
    made = field.default_factory
    return repr(field.default) if made is msgspec.NODEFAULT else f"{getattr(made, '__name__', made)}()"


def broken(recorded: Record, now: Record) -> list[str]:
    """What breaks a promise, a line each, with the rule."""
    return list(_broken(recorded, now))


def _broken(recorded: Record, now: Record) -> Iterator[str]:
    if recorded.get("group", now["group"]) != now["group"]:
        yield f"group: {recorded['group']!r} became {now['group']!r}; {KEPT}."
    for kind in ("hooks", "interfaces", "structs"):
        for name, old in recorded.get(kind, {}).items():
            new = now[kind].get(name)
            if new is None:
                yield f"{name} is gone; {KEPT}."
            elif kind == "hooks":
                yield from _broken_hook(name, old, new)
            else:
                yield from _changed(name, old, new)
                for added in new.keys() - old.keys():
                    if kind == "interfaces":
                        yield f"{name}.{added} is new; {NEW_INTERFACE}."
                    elif " = " not in new[added]:
                        yield f"{name}.{added} is new and required; {WITH_DEFAULT}."


def _broken_hook(name: str, old: Record, new: Record) -> Iterator[str]:
    for key in ("returns", "first_result"):
        if old[key] != new[key]:
            yield f"{name}: its {key} {old[key]!r} became {new[key]!r}; {KEPT}."
    yield from _changed(name, old["arguments"], new["arguments"])
    kept = [argument for argument in new["arguments"] if argument in old["arguments"]]
    if kept != list(new["arguments"])[: len(kept)]:
        yield f"{name}: a new argument stands before an old one; {AT_THE_END}."


def _changed(name: str, old: dict[str, str], new: dict[str, str]) -> Iterator[str]:
    for part, text in old.items():
        if part not in new:
            yield f"{name}.{part} is gone; {KEPT}."
        elif new[part] != text:
            yield f"{name}.{part}: {text!r} became {new[part]!r}; {KEPT}."


def main(arguments: list[str]) -> int:
    """Extend the record, or say why not."""
    if len(arguments) != 1:
        print("usage: build_hooks_record.py RECORD", file=sys.stderr)
        return 2
    path = Path(arguments[0])
    now = contract()
    problems = broken(json.loads(path.read_text(encoding="utf-8")), now)
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        print(f"Nothing was written. The rules: {PAGE}.", file=sys.stderr)
        return 1
    path.write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
