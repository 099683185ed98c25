"""The referee of checks: patterns and schemas in a child process that can be killed, judges by a model."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from launchpad.chat.options import Message
from launchpad.errors import AnswerError, LaunchpadError, RefusedError, UsageError
from launchpad.script.checks import Answer
from launchpad.script.model import Judge
from launchpad.script.variables import expand

WORKER = Path(__file__).with_name("worker.py")
PATIENCE = 2.0  # s for one pattern or schema
START_PATIENCE = 20.0  # s until the child has started, on a busy machine

AskModel = Callable[[str | None, Sequence[Message], Mapping[str, Any]], str]


class Worker:
    """The child process, started when it is first needed. Thread-safe; `close` ends it."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """One answer. Raises `LaunchpadError` when none comes in time; the child is killed then."""
        with self._lock:
            first = self._child is None
            child = self._child = self._child or self._start()
            assert child.stdin is not None
            assert child.stdout is not None
            try:
                child.stdin.write(json.dumps(request).encode() + b"\n")
                child.stdin.flush()
                line = self._line(child, PATIENCE + (START_PATIENCE if first else 0))
            except OSError:
                line = b""
            if not line.endswith(b"\n"):
                self._kill()
                raise LaunchpadError(
                    "A check took too long and was stopped.",
                    why=f"Its pattern or schema needed more than {PATIENCE:g} s.",
                    hint="Make it simpler: nested repetitions are slow.",
                )
            found: dict[str, Any] = json.loads(line)
            if "error" in found:
                raise LaunchpadError("A check cannot be evaluated.", why=found["error"])
            return found

    def close(self) -> None:
        """End the child; idempotent."""
        with self._lock:
            self._kill()

    @staticmethod
    def _start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-I", str(WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    @staticmethod
    def _line(child: subprocess.Popen[bytes], patience: float) -> bytes:
        """One line, or what of it came in time. A thread reads where pipes cannot be waited for."""
        assert child.stdout is not None
        if os.name == "posix" and not select.select([child.stdout], [], [], patience)[0]:
            return b""
        if os.name == "posix":
            return child.stdout.readline()
        found: list[bytes] = []
        stdout = child.stdout
        reader = threading.Thread(target=lambda: found.append(stdout.readline()), daemon=True)
        reader.start()
        reader.join(patience)
        return found[0] if found else b""

    def _kill(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        child.wait()


class RealReferee:
    """Evaluates what checks cannot by themselves.

    `ask_model` puts messages to a judge (None: the model under test). `code_folder` is where `python:` checks may import
    from, None where the user did not allow code.
    """

    def __init__(self, ask_model: AskModel, *, code_folder: Path | None = None) -> None:
        self._ask_model = ask_model
        self._code_folder = code_folder
        self._worker = Worker()

    def matches(self, pattern: str, text: str) -> bool:
        """See `checks.Referee`."""
        return bool(self._worker.ask({"pattern": pattern, "text": text})["found"])

    def violation(self, schema: Mapping[str, Any], value: Any) -> str | None:
        """See `checks.Referee`."""
        found: str | None = self._worker.ask({"schema": schema, "value": value})["violation"]
        return found

    def judge(self, judge: Judge, values: Mapping[str, Any]) -> tuple[str, float]:
        """Ask the judge. It can only say one of the choices where the engine constrains answers; else its word is
        looked for in what it says, the first choice in the text's order winning.
        """
        system = (Message("system", expand(judge.system, values)),) if judge.system else ()
        words = [choice.choice for choice in judge.choices]
        text = self._ask_model(
            judge.model, (*system, Message("user", expand(judge.prompt, values))), verdict_schema(words)
        )
        said = text.strip().lower()
        with contextlib.suppress(ValueError, AttributeError):
            said = str(json.loads(said)).strip().lower()
        places = [(said.find(word.lower()), -len(word), number) for number, word in enumerate(words)]
        found = min((place for place in places if place[0] >= 0), default=None)
        if found is None:
            raise AnswerError("The judge gave no verdict.", why=f"It said {text.strip()[:80]!r}.")
        choice = judge.choices[found[2]]
        return choice.choice, choice.score

    def language(self, text: str) -> str:
        """See `checks.Referee`; by the library py3langid."""
        try:
            import py3langid
        except ImportError:
            raise UsageError(
                "The check `language` needs the package py3langid.",
                why="It is not installed.",
                hint="pip install 'launchpad-models[language]'",
            ) from None
        return str(py3langid.classify(text)[0])

    def python(self, function: str, answer: Answer, values: Mapping[str, Any]) -> tuple[bool, str]:
        """Call `module:function(text, values)` of the script's own folder; it returns a bool, or (bool, why)."""
        if self._code_folder is None:
            raise RefusedError(
                f"The check python: {function} is refused.",
                why="A script may only run code when you say so.",
                hint="Allow it: --allow-code.",
            )
        module, _, name = function.partition(":")
        folder = str(self._code_folder)
        if folder not in sys.path:
            sys.path.insert(0, folder)
        try:
            found = getattr(importlib.import_module(module), name)(answer.said, dict(values))
        except Exception as error:
            raise LaunchpadError(f"{function} failed.", why=f"{type(error).__name__}: {error}") from error
        if isinstance(found, tuple) and len(found) == 2:
            return bool(found[0]), str(found[1])
        return bool(found), f"{function} said {found!r}"

    def close(self) -> None:
        """End the child process; idempotent."""
        self._worker.close()


def verdict_schema(words: Sequence[str]) -> dict[str, Any]:
    """What a judge may answer: one of the words, as a JSON text."""
    return {"type": "string", "enum": list(words)}
