"""For pytest: collects `*.prompt.yml` (an item for each case and model), and the fixtures `launchpad_script` and `launchpad_home`.

    pytest --launchpad prompts/                      # engines as `launchpad test` would start them
    pytest --launchpad --launchpad-backend replay:t.jsonl prompts/

Files are collected only with `--launchpad`, so that an installed launchpad changes nobody's test run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from launchpad.script.api import CaseResult, ScriptReport

    RunScript = Callable[..., ScriptReport]


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options."""
    group = parser.getgroup("launchpad", "prompt files")
    group.addoption("--launchpad", action="store_true", help="Collect *.prompt.yml files.")
    group.addoption("--launchpad-backend", metavar="NAME", help="A backend, echo, or replay:FILE.")
    group.addoption(
        "--launchpad-model",
        action="append",
        default=[],
        metavar="MODEL",
        help="Instead of the files' models.",
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> PromptFile | None:
    """Take prompt files."""
    from launchpad.script.load import is_script

    if not parent.config.getoption("--launchpad") or not is_script(file_path.name):
        return None
    made: PromptFile = PromptFile.from_parent(parent, path=file_path)
    return made


class PromptFile(pytest.File):
    """One prompt file. It is run once, when its first item is; the items read their results from it."""

    _report: ScriptReport | None = None

    def collect(self) -> Iterator[pytest.Item]:
        """An item for each case and model."""
        from launchpad.script.load import load_script, rows_of
        from launchpad.script.variables import as_text

        script = load_script(self.path)
        models = self.config.getoption("--launchpad-model") or script.models or (None,)
        for number, row in enumerate(rows_of(script)):
            case = as_text(row.get("id") or row.get("stem") or number + 1)
            for place, model in enumerate(models):
                name = case if len(models) == 1 else f"{case}-{model}"
                yield PromptCase.from_parent(self, name=name, case=case, place=place)

    def report(self) -> ScriptReport:
        """The results of the whole file."""
        if self._report is None:
            self._report = _run(self.config, self.path)
        return self._report


class PromptCase(pytest.Item):
    """One case with one model: it passes as `launchpad test` says."""

    def __init__(self, *, case: str, place: int, **settings: Any) -> None:
        super().__init__(**settings)
        self._case = case
        self._place = place

    def runtest(self) -> None:
        """Raise what went wrong."""
        parent = self.parent
        assert isinstance(parent, PromptFile)
        groups = parent.report().report.groups
        models = list(dict.fromkeys(group.model for group in groups))
        model = models[min(self._place, len(models) - 1)]
        found = next(
            (group for group in groups if group.case in (self._case, "*") and group.model == model), None
        )
        if found is None:
            raise PromptFailure("The run ended before this case.", [])
        if found.outcome == "skip":
            pytest.skip("its output exists, or its turns' conditions do not hold")
        if found.outcome != "pass":
            from launchpad.script.api import CaseResult

            raise PromptFailure(found.outcome, [CaseResult(result) for result in found.tries])

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str:
        """What a person needs to see: faults and answers, no traceback of ours."""
        if not isinstance(excinfo.value, PromptFailure):
            return str(super().repr_failure(excinfo))
        return str(excinfo.value)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the item is."""
        return self.path, 0, self.name


class PromptFailure(Exception):
    """A case that did not hold."""

    def __init__(self, outcome: str, tries: list[CaseResult]) -> None:
        lines = [outcome]
        for each in tries:
            lines += each.faults
            if each.result.answer is not None:
                lines.append(f"answer: {each.result.answer.said}")
        super().__init__("\n".join(dict.fromkeys(lines)))


def _run(config: pytest.Config, path: Path, **settings: Any) -> ScriptReport:
    from launchpad.script.api import Script

    settings.setdefault("models", config.getoption("--launchpad-model"))
    settings.setdefault("backend", config.getoption("--launchpad-backend"))
    return Script.load(path).run(**settings)


@pytest.fixture
def launchpad_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home for launchpad: nothing of the user's own settings, models and engines is seen or changed."""
    home = tmp_path / "launchpad-home"
    for variable, folder in {"HOME": "", "LAUNCHPAD_HOME": "launchpad", "HF_HUB_CACHE": "hub"}.items():
        monkeypatch.setenv(variable, str(home / folder))
    (home / "hub").mkdir(parents=True)
    return home


@pytest.fixture
def launchpad_script(request: pytest.FixtureRequest) -> RunScript:
    """Runs a prompt file: `launchpad_script("prompts/triage.prompt.yml").case("refund").answer.json`.

    Further keywords are those of `Script.run`.
    """

    def run(path: str | Path, **settings: Any) -> ScriptReport:
        place = Path(path)
        return _run(
            request.config, place if place.is_absolute() else request.config.rootpath / place, **settings
        )

    return run
