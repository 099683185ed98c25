"""Tools for a model: Python functions that the caller names, described by their own signatures.

Nothing else can be called: a model's wish for a tool that was not named is answered with an error message to the model.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Sequence
from typing import Any, get_type_hints

import msgspec

from launchpad.chat.delta import ToolCall
from launchpad.errors import UsageError

MAX_RESULT = 100_000  # characters that a tool may tell the model


class Tool:
    """One function. Its name, the first paragraph of its docstring and its annotations are what the model is told.

    Raises `UsageError` for a function whose parameters cannot be described (no annotations, `*args`, types without a
    JSON form).
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.name = function.__name__
        self._arguments = _arguments_of(function)

    @property
    def described(self) -> dict[str, Any]:
        """The tool as OpenAI's API describes one."""
        (schema,), components = msgspec.json.schema_components((self._arguments,))
        parameters = dict(components.pop(self._arguments.__name__))
        parameters.pop("title", None)
        if components:
            parameters["$defs"] = components
        text = (inspect.getdoc(self.function) or "").split("\n\n")[0]
        assert schema
        function = {"name": self.name, "description": text, "parameters": parameters}
        return {"type": "function", "function": function}

    def call(self, call: ToolCall) -> str:
        """What the function returns for this call, as text for the model; its errors as well, so that it may try again."""
        try:
            found = msgspec.convert(dict(call.arguments), self._arguments, strict=False)
        except msgspec.ValidationError as error:
            return _told({"error": f"wrong arguments: {error}"})
        try:
            result = self.function(**{name: getattr(found, name) for name in found.__struct_fields__})
        except Exception as error:
            return _told({"error": f"{type(error).__name__}: {error}"})
        return result if isinstance(result, str) else _told(result)


def answer_call(tools: Sequence[Tool], call: ToolCall) -> str:
    """The answer to a call; one for a tool that is not among `tools` is an error for the model to read."""
    tool = next((tool for tool in tools if tool.name == call.name), None)
    if tool is None:
        names = ", ".join(tool.name for tool in tools)
        return _told({"error": f"there is no tool {call.name!r}; there are: {names}"})
    return tool.call(call)[:MAX_RESULT]


def _told(value: Any) -> str:
    return json.dumps(msgspec.to_builtins(value, enc_hook=str), ensure_ascii=False)


def _arguments_of(function: Callable[..., Any]) -> type[msgspec.Struct]:
    try:
        hints = get_type_hints(function)
        fields: list[Any] = []
        for parameter in inspect.signature(function).parameters.values():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
                raise TypeError(f"the parameter {parameter.name} has no name of its own")
            kind = hints[parameter.name]
            fields.append(
                (parameter.name, kind, parameter.default)
                if parameter.default is not parameter.empty
                else (parameter.name, kind)
            )
        made = msgspec.defstruct(
            f"{function.__name__}_arguments", fields, kw_only=True, forbid_unknown_fields=True
        )
        msgspec.json.schema(made)
    except (TypeError, KeyError, NameError, ValueError) as error:
        name = getattr(function, "__name__", repr(function))
        raise UsageError(
            f"The function {name} cannot be a tool.",
            why=f"Its parameters cannot be described: {error}",
            hint="Annotate each parameter with a type that JSON has: str, int, float, bool, list, dict, Literal, a dataclass.",
        ) from error
    return made
