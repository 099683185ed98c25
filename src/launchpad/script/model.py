"""What a `*.prompt.yml` file says: frozen data. PURE.

The format is GitHub's, unchanged, with the keys that docs/reference/prompt-file.md marks as launchpad's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct

Role = Literal["system", "user", "assistant", "tool"]
Reasoning = Literal["off", "low", "high"]
Outcome = Literal["pass", "fail", "error", "skip"]
ResponseFormat = Literal["text", "json_object", "json_schema"]


class Parameters(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Sampling and limits of an answer. None = the model's own default. `context_length` in tokens."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    context_length: int | None = None
    reasoning: Reasoning | None = None

    def over(self, other: Parameters) -> Parameters:
        """These, and where they are silent, those of `other`."""
        empty = Parameters()
        return Parameters(
            **{
                name: mine if (mine := getattr(self, name)) != getattr(empty, name) else getattr(other, name)
                for name in self.__struct_fields__
            }
        )


class JsonSchema(Struct, frozen=True, kw_only=True):
    """What a JSON answer must satisfy (JSON Schema, draft 2020-12)."""

    schema: Mapping[str, Any]
    name: str = "answer"
    strict: bool = True


class Choice(Struct, frozen=True):
    """A verdict that a judge may give, and its score from 0 to 1."""

    choice: str
    score: float


class Judge(Struct, frozen=True, kw_only=True):
    """A check by a model: it reads `prompt` (with `{{completion}}`) and must answer one of `choices`.

    The check passes when the score of its choice is above 0, as GitHub has it, or at least `least`.
    """

    prompt: str
    choices: tuple[Choice, ...]
    system: str | None = None
    model: str | None = None  # None: the model under test
    least: float | None = None


class Check(Struct, frozen=True, kw_only=True):
    """One expectation. `kind` is a key of docs/reference/prompt-file.md; `value` its argument, maybe with variables.

    `inner` is the check of the value at `path` for `json`. `negated` turns pass and fail around.
    """

    kind: str
    value: Any = None
    negated: bool = False
    name: str | None = None
    path: str | None = None
    inner: Check | None = None
    judge: Judge | None = None
    line: int = 0

    def texts(self) -> list[str]:
        """Every text in which variables are replaced."""
        found = _strings(self.value)
        if self.judge:
            found += [self.judge.prompt, self.judge.system or ""]
        return found + (self.inner.texts() if self.inner else [])

    @property
    def title(self) -> str:
        """How reports name it."""
        own = self.name or (f"json {self.path} {self.inner.title}" if self.inner else self.kind)
        return f"not {own}" if self.negated else own


class Condition(Struct, frozen=True):
    """Ask a turn only if `check` holds for the answer that was kept as `of`."""

    of: str
    check: Check


class RepeatUntil(Struct, frozen=True):
    """Ask a turn again, the conversation growing, until `check` holds; at most `most` times."""

    check: Check
    most: int


class Entry(Struct, frozen=True, kw_only=True):
    """One message. `asked` messages are put to the model; the others are history. Times in seconds."""

    role: Role
    content: str
    asked: bool = False
    expect: tuple[Check, ...] = ()
    keep_as: str | None = None
    when: Condition | None = None
    stop: bool = False
    repeat_until: RepeatUntil | None = None
    parameters: Parameters = Parameters()
    timeout: float | None = None
    schema: JsonSchema | None = None
    tool_call_id: str | None = None
    line: int = 0


class Variable(Struct, frozen=True, kw_only=True):
    """A declared name. `env` is the environment variable that it may be read from."""

    name: str
    default: str | None = None
    required: bool = False
    env: str | None = None


class Cases(Struct, frozen=True):
    """Rows from outside: a CSV file, a JSONL file, or the files of a glob pattern."""

    kind: Literal["csv", "jsonl", "glob"]
    place: str


class OutputFile(Struct, frozen=True, kw_only=True):
    """Where each case's last answer is written. `file` and `template` may hold variables (`{{answer}}`)."""

    file: str
    template: str | None = None
    if_exists: Literal["skip", "overwrite", "error"] = "error"


class Timeouts(Struct, frozen=True, kw_only=True):
    """Longest times in seconds: to the first token, of a turn, a case and the run, and of silence in an answer."""

    first: float = 600.0
    turn: float | None = None
    case: float | None = None
    run: float | None = None
    stall: float = 60.0


class Script(Struct, frozen=True, kw_only=True):
    """A whole file. `sha256` is of its bytes; `passes` of `repeat` tries must hold."""

    entries: tuple[Entry, ...]
    name: str = ""
    description: str = ""
    models: tuple[str, ...] = ()
    parameters: Parameters = Parameters()
    response_format: ResponseFormat | None = None
    schema: JsonSchema | None = None
    variables: tuple[Variable, ...] = ()
    rows: tuple[Mapping[str, Any], ...] = ()
    cases: Cases | None = None
    expect: tuple[Check, ...] = ()
    repeat: int = 1
    passes: int | None = None
    timeouts: Timeouts = Timeouts()
    deterministic: bool = False
    output: OutputFile | None = None
    path: str = ""
    sha256: str = ""

    @property
    def wanted_passes(self) -> int:
        """How many of `repeat` tries must hold."""
        return self.repeat if self.passes is None else self.passes

    def texts(self) -> tuple[str, ...]:
        """Every text in which variables are replaced."""
        texts = [entry.content for entry in self.entries]
        for check in self.checks():
            texts += check.texts()
        if self.output:
            texts += [self.output.file, self.output.template or ""]
        return tuple(texts)

    def checks(self) -> tuple[Check, ...]:
        """Every check: of the last answer, of a turn, and those that decide about one."""
        checks = [*self.expect, *(check for entry in self.entries for check in entry.expect)]
        for entry in self.entries:
            checks += [entry.when.check] if entry.when else []
            checks += [entry.repeat_until.check] if entry.repeat_until else []
        return tuple(checks)


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [text for item in value.values() for text in _strings(item)]
    if isinstance(value, list | tuple):
        return [text for item in value for text in _strings(item)]
    return []
