"""The contract `launchpad.v1` keeps its promises (docs/reference/hooks.md), and every hook is really called."""

from __future__ import annotations

import copy
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from launchpad.catalog.model import Build, Model
from launchpad.choice.choose import Availability, Candidate
from launchpad.events import Notice
from launchpad.fit.result import Fit, Placement, Settings
from launchpad.plugins import spec
from launchpad.plugins.host import Host
from launchpad.plugins.registration import HOOKS
from launchpad.wish import Wish

ROOT = Path(__file__).parents[2]
RECORD = ROOT / "tests" / "data" / "hooks_v1.json"
EXTEND = "python tools/build_hooks_record.py tests/data/hooks_v1.json"

MakeHost = Callable[..., Host]
WritePlugin = Callable[[str, str], Path]
Contract = dict[str, Any]


def load_tool() -> Any:
    """The tool that extends the record."""
    found = importlib.util.spec_from_file_location(
        "build_hooks_record", ROOT / "tools" / "build_hooks_record.py"
    )
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


TOOL = load_tool()


@pytest.fixture
def recorded() -> Contract:
    """The record, for the test to change."""
    record: Contract = json.loads(RECORD.read_text("utf-8"))
    return record


# -- the record --------------------------------------------------------------------------------------------------


def test_the_contract_keeps_what_is_recorded(recorded: Contract) -> None:
    problems = TOOL.broken(recorded, TOOL.contract())
    assert not problems, "\n".join([*problems, f"The rules: {TOOL.PAGE}."])


def test_what_was_added_is_recorded(recorded: Contract) -> None:
    now = TOOL.contract()
    assert recorded == now, f"additions are recorded by: {EXTEND} (it refuses changes)"
    assert list(recorded["hooks"]) == list(now["hooks"]) == list(HOOKS)


def remove_hook(now: Contract) -> None:
    del now["hooks"]["launchpad_event"]


def rename_argument(now: Contract) -> None:
    now["hooks"]["launchpad_event"]["arguments"] = {"happening": "Event"}


def retype_argument(now: Contract) -> None:
    now["hooks"]["launchpad_event"]["arguments"]["event"] = "str"


def swap_arguments(now: Contract) -> None:
    now["hooks"]["launchpad_event"]["arguments"] = {"new": "str", "event": "Event"}


def change_result(now: Contract) -> None:
    now["hooks"]["launchpad_choose"]["returns"] = "Choice"


def ask_all(now: Contract) -> None:
    now["hooks"]["launchpad_choose"]["first_result"] = False


def remove_interface(now: Contract) -> None:
    del now["interfaces"]["Pulls"]


def remove_method(now: Contract) -> None:
    del now["interfaces"]["Backend"]["local"]


def add_method(now: Contract) -> None:
    now["interfaces"]["Backend"]["score"] = "() -> int"


def add_method_argument(now: Contract) -> None:
    now["interfaces"]["ModelSource"]["local"] = "(folder: str | None = None) -> Iterable[LocalModel]"


def remove_struct(now: Contract) -> None:
    del now["structs"]["Listing"]


def remove_field(now: Contract) -> None:
    del now["structs"]["Resolved"]["token_host"]


def retype_field(now: Contract) -> None:
    now["structs"]["RemoteFile"]["size"] = "float | None = None"


def change_default(now: Contract) -> None:
    now["structs"]["BackendCapabilities"]["keyed"] = "bool = False"


def add_required_field(now: Contract) -> None:
    now["structs"]["CommandSpec"]["group"] = "str"


def change_group(now: Contract) -> None:
    now["group"] = "launchpad.v2"


KEPT, NEW = (
    TOOL.KEPT,
    {
        swap_arguments: TOOL.AT_THE_END,
        add_method: TOOL.NEW_INTERFACE,
        add_required_field: TOOL.WITH_DEFAULT,
    },
)
BREAKS = [
    remove_hook, rename_argument, retype_argument, swap_arguments, change_result, ask_all, remove_interface,
    remove_method, add_method, add_method_argument, remove_struct, remove_field, retype_field, change_default,
    add_required_field, change_group,
]  # fmt: skip


@pytest.mark.parametrize("change", BREAKS, ids=lambda change: change.__name__)
def test_a_broken_promise_is_one_line_with_its_rule(
    recorded: Contract, change: Callable[[Contract], None]
) -> None:
    now = copy.deepcopy(recorded)
    change(now)
    (problem,) = TOOL.broken(recorded, now)
    assert problem.endswith(f"; {NEW.get(change, KEPT)}.")
    assert "\n" not in problem


def grow(now: Contract) -> None:
    """Everything that may be added."""
    now["hooks"]["launchpad_more"] = {"arguments": {}, "returns": "Sequence[str]", "first_result": False}
    now["hooks"]["launchpad_event"]["arguments"]["when"] = "float"
    now["interfaces"]["Scores"] = {"score": "(build: Build) -> float"}
    now["structs"]["CommandSpec"]["group"] = "str | None = None"
    now["structs"]["Score"] = {"value": "float"}


def test_what_may_be_added_breaks_nothing(recorded: Contract) -> None:
    now = copy.deepcopy(recorded)
    grow(now)
    assert TOOL.broken(recorded, now) == []


def test_the_tool_adds(recorded: Contract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "record.json"
    path.write_text(json.dumps(recorded))
    now = copy.deepcopy(recorded)
    grow(now)
    monkeypatch.setattr(TOOL, "contract", lambda: now)
    assert TOOL.main([str(path)]) == 0
    assert json.loads(path.read_text("utf-8")) == now


@pytest.mark.parametrize("change", BREAKS, ids=lambda change: change.__name__)
def test_the_tool_changes_nothing_that_is_recorded(
    recorded: Contract,
    change: Callable[[Contract], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "record.json"
    path.write_text(before := json.dumps(recorded))
    now = copy.deepcopy(recorded)
    grow(now)
    change(now)
    monkeypatch.setattr(TOOL, "contract", lambda: now)
    assert TOOL.main([str(path)]) == 1
    assert path.read_text("utf-8") == before
    assert "Nothing was written" in capsys.readouterr().err


# -- every hook is called ----------------------------------------------------------------------------------------

MODEL = Model(id="a/b", name="B", lab="A", lab_id="a")
BUILD = Build(ref="hf://a/b@main:Q4", format="gguf", quantization="Q4", size=1)
CANDIDATE = Candidate(
    model=MODEL,
    build=BUILD,
    fit=Fit(
        model_id=MODEL.id,
        build=BUILD.ref,
        backend="llamacpp",
        settings=Settings(context=1),
        placement=Placement(kind="cpu"),
        devices=(),
        verdict="fits",
    ),
    availability=Availability(obtainable=True),
)

# Hook -> what a plugin answers, how the host is asked, and the names by which the answer is known afterwards.
CALLS: dict[str, tuple[str, Callable[[Host], Any]]] = {
    "launchpad_probes": ("[Probe('mine')]", lambda host: [probe.name for probe in host.probes()]),
    "launchpad_catalogs": ("[Catalog_()]", lambda host: [catalog.name for catalog in host.catalogs()]),
    "launchpad_sources": ("[Source('mine')]", lambda host: [source.name for source in host.sources()]),
    "launchpad_backends": ("[Backend_()]", lambda host: [backend.name for backend in host.backends()]),
    "launchpad_commands": (
        "[CommandSpec(name='mine', target='json:dumps', help='Mine.')]",
        lambda host: [command.name for command in host.commands()],
    ),
    "launchpad_choose": ("Choice(pick=None)", lambda host: [host.choose([CANDIDATE], Wish()).pick]),
    "launchpad_event": ("None", lambda host: host.emit(Notice(message="hello"))),
}
ANSWERS = {
    "launchpad_catalogs": "catalog",
    "launchpad_backends": "backend",
    "launchpad_choose": None,  # the built-in rule would pick the candidate
}


def test_every_hook_is_called_by_the_tests_below() -> None:
    assert list(CALLS) == list(HOOKS), "a new hook needs an entry in CALLS"


@pytest.mark.parametrize("named", ["all arguments", "no argument"])
@pytest.mark.parametrize("hook", HOOKS)
def test_the_host_calls_the_hook(
    hook: str, named: str, make_host: MakeHost, write_plugin: WritePlugin, recorded: Contract, tmp_path: Path
) -> None:
    arguments = list(recorded["hooks"][hook]["arguments"]) if named == "all arguments" else []
    answer, ask = CALLS[hook]
    log = tmp_path / "log"
    write_plugin(
        "mine",
        f"""
        @hookimpl
        def {hook}({", ".join(arguments)}):
            with open({str(log)!r}, "a") as file:
                print(*(type(value).__name__ for value in ({"".join(f"{name}, " for name in arguments)})), file=file)
            return {answer}
        """,
    )
    host = make_host()
    told = ask(host)
    types = {"candidates": "tuple", "wish": "Wish", "event": "Notice"}
    assert log.read_text().splitlines() == [" ".join(types[name] for name in arguments)]
    if told is not None:
        assert ANSWERS.get(hook, "mine") in told
    host.load_all()  # the other hooks, which this plugin does not have
    assert host.failures == ()


# -- what does not fit -------------------------------------------------------------------------------------------


def test_an_unknown_hook_costs_only_itself(make_host: MakeHost, write_plugin: WritePlugin) -> None:
    write_plugin(
        "newer",
        "@hookimpl\ndef launchpad_of_tomorrow(): return []\n@hookimpl\ndef launchpad_probes(): return [Probe('mine')]",
    )
    host = make_host()
    assert "mine" in [probe.name for probe in host.probes()]
    (failure,) = host.failures
    assert failure.stage == "launchpad_of_tomorrow"
    assert "there is no such hook" in failure.message


def test_a_wrong_signature_costs_the_whole_plugin(make_host: MakeHost, write_plugin: WritePlugin) -> None:
    write_plugin(
        "odd",
        "@hookimpl\ndef launchpad_event(event, more): pass\n@hookimpl\ndef launchpad_probes(): return [Probe('mine')]",
    )
    host = make_host()
    assert "mine" not in [probe.name for probe in host.probes()]
    (failure,) = host.failures
    assert "wrong signature" in failure.message


def test_a_deprecated_hook_works_and_is_told(
    make_host: MakeHost, write_plugin: WritePlugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(spec.DEPRECATED, "launchpad_commands", "launchpad_tools")
    write_plugin(
        "old",
        "@hookimpl\ndef launchpad_commands(): return [CommandSpec(name='mine', target='json:dumps', help='x')]",
    )
    host = make_host()
    assert [command.name for command in host.commands()] == ["mine"]
    (failure,) = host.failures
    assert failure.stage == "launchpad_commands"
    assert "launchpad_tools" in failure.line


def test_what_is_deprecated_is_still_there() -> None:
    assert set(spec.DEPRECATED) <= set(HOOKS)
