"""A broken plugin costs one line; everything else goes on."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from launchpad.catalog.model import Build, Model
from launchpad.choice.choose import Availability, Candidate, Choice
from launchpad.config import Config
from launchpad.errors import EngineMissing, LaunchpadError, RefusedError, UnknownModel
from launchpad.events import Notice
from launchpad.fit.result import Fit, Placement, Settings
from launchpad.hardware.machine import ProbeResult
from launchpad.plugins.discovery import BUILTINS
from launchpad.plugins.host import Host
from launchpad.plugins.plugin import PluginFailure
from launchpad.wish import Wish

MakeHost = Callable[..., Host]
WritePlugin = Callable[[str, str], Path]

GOOD = """
@hookimpl
def launchpad_probes(): return [Probe("good")]
"""


def strangers(host: Host) -> dict[str, str]:
    """State by name of all third-party plugins."""
    return {plugin.name: plugin.state for plugin in host.plugins if plugin.origin != "builtin"}


def names(host: Host) -> list[str]:
    """Names of all third-party probes."""
    return [probe.name for probe in host.probes() if not probe.plugin.builtin]


def failure(host: Host, plugin: str) -> PluginFailure:
    """The one failure of a plugin."""
    (found,) = [entry for entry in host.failures if entry.plugin == plugin]
    assert "\n" not in found.line
    assert "Traceback" not in found.line
    return found


# -- built-ins --------------------------------------------------------------------------------------------------


def test_the_table_of_built_ins_says_what_they_implement() -> None:
    host = Host.load(Config(), third_party=False)
    host.load_all()
    assert host.failures == ()
    assert {plugin.name: frozenset(plugin.hooks) for plugin in host.plugins} == BUILTINS
    assert {plugin.state for plugin in host.plugins} == {"ready"}


def test_asking_for_one_kind_loads_no_other(make_host: MakeHost) -> None:
    host = make_host(third_party=False)
    assert host.probes()
    states = {plugin.name: plugin.state for plugin in host.plugins}
    assert states.pop("probes") == "ready"
    assert set(states.values()) == {"waiting"}


def test_built_ins_answer_through_the_host(make_host: MakeHost) -> None:
    host = make_host(third_party=False)
    assert {probe.name for probe in host.probes()}
    assert len(host.catalogs()[0].models()) > 100
    assert {"hf", "pypi", "file"} <= {scheme for source in host.sources() for scheme in source.schemes}
    assert host.backend("llamacpp").name == "llamacpp"
    assert host.failures == ()


def test_a_built_in_can_be_disabled(make_host: MakeHost) -> None:
    host = make_host(disabled=("pypi",))
    assert "pypi" not in {scheme for source in host.sources() for scheme in source.schemes}
    with pytest.raises(UnknownModel, match="pypi://"):
        host.source("pypi")


# -- P1: what plugins raise --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        "raise RuntimeError('boom\\nsecond line')",
        "raise SystemExit(3)",
        "raise KeyboardInterrupt",
        "raise BaseException('boom')",
        "raise MemoryError",
        "import not_installed_anywhere",
        "def broken(:",
        "raise LaunchpadError('boom')",
        "def f(): f()\nf()",
        "class E(Exception):\n    def __str__(self): raise SystemExit\nraise E",
        "import sys\nsys.exit()",
        "x = 1",
    ],
)
def test_a_plugin_that_fails_at_import_is_left_out(
    make_host: MakeHost, write_plugin: WritePlugin, source: str
) -> None:
    write_plugin("bad", source)
    write_plugin("good", GOOD)
    host = make_host()
    assert names(host) == ["good"]
    assert strangers(host) == {"bad": "failed", "good": "ready"}
    assert failure(host, "bad").stage == "load"
    assert "bad.py" in str(failure(host, "bad").hint)


def test_a_plugin_that_is_no_text_is_left_out(make_host: MakeHost, plugin_folder: Path) -> None:
    (plugin_folder / "bad.py").write_bytes(b"\x00\xff\xfe")
    host = make_host()
    host.load_all()
    assert strangers(host) == {"bad": "failed"}


@pytest.mark.parametrize(
    "error", ["RuntimeError('boom')", "SystemExit(1)", "KeyboardInterrupt", "LaunchpadError('x')"]
)
def test_a_hook_that_raises_costs_only_its_own_results(
    make_host: MakeHost, write_plugin: WritePlugin, error: str
) -> None:
    write_plugin(
        "bad",
        f"@hookimpl\ndef launchpad_probes(): raise {error}\n@hookimpl\ndef launchpad_sources(): return [Source()]",
    )
    write_plugin("good", GOOD)
    host = make_host()
    assert names(host) == ["good"]
    assert failure(host, "bad").stage == "launchpad_probes"
    assert host.source("source").name == "source"


def test_a_crash_in_a_method_is_contained(make_host: MakeHost, write_plugin: WritePlugin) -> None:
    write_plugin(
        "bad",
        """
        class Bad(Probe):
            def probe(self): raise SystemExit("bye")
        @hookimpl
        def launchpad_probes(): return [Bad("bad")]
    """,
    )
    host = make_host()
    (probe,) = [probe for probe in host.probes() if probe.name == "bad"]
    result = probe.probe()
    assert isinstance(result, ProbeResult)
    assert "SystemExit: bye" in result.warnings[0]
    assert failure(host, "bad").stage == "bad.probe"


def test_a_crash_of_the_process_is_avoided_by_no_plugins(
    write_plugin: WritePlugin, make_host: MakeHost
) -> None:
    write_plugin("bad", "import os\nos._exit(99)")  # the documented limit of isolation
    host = make_host(third_party=False)
    assert names(host) == []
    assert strangers(host) == {}


# -- P2: plugins that hang ---------------------------------------------------------------------------------------


def test_a_plugin_that_hangs_at_import_is_left_behind(make_host: MakeHost, write_plugin: WritePlugin) -> None:
    write_plugin("bad", "import threading\nthreading.Event().wait()")
    write_plugin("good", GOOD)
    host = make_host(timeout=3.0)
    assert names(host) == ["good"]
    assert strangers(host) == {"bad": "stuck", "good": "ready"}
    assert "no answer within 3 s" in failure(host, "bad").message


def test_a_plugin_that_hangs_in_a_hook_is_not_asked_again(
    make_host: MakeHost, write_plugin: WritePlugin
) -> None:
    write_plugin(
        "bad",
        """
        import threading
        @hookimpl
        def launchpad_probes(): threading.Event().wait()
        @hookimpl
        def launchpad_sources(): return [Source()]
    """,
    )
    host = make_host(timeout=3.0)
    assert names(host) == []
    assert "source" not in [source.name for source in host.sources()]
    assert strangers(host) == {"bad": "stuck"}
    assert len(host.failures) == 1


def test_the_process_ends_although_a_plugin_hangs(write_plugin: WritePlugin) -> None:
    path = write_plugin("bad", "while True: pass")
    code = textwrap.dedent(f"""
        from launchpad.config import Config, PluginsConfig
        from launchpad.plugins.host import Host
        host = Host.load(Config(plugins=PluginsConfig(paths=({str(path)!r},), timeout=0.2)))
        host.load_all()
        print([p.state for p in host.plugins if p.name == "bad"])
    """)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=150, check=True
    )
    assert done.stdout == "['stuck']\n"


# -- P3: plugins that print --------------------------------------------------------------------------------------

CHATTY = """
import sys
print("import out"); print("import err", file=sys.stderr); sys.stdout.buffer.write(b"bytes\\xff\\n")
class Chatty(Probe):
    def probe(self):
        print("method")
        return ProbeResult()
@hookimpl
def launchpad_probes():
    print("hook", flush=True)
    return [Chatty("chatty")]
"""


def test_what_plugins_print_reaches_no_stream_and_is_kept(
    make_host: MakeHost, write_plugin: WritePlugin, capsys: pytest.CaptureFixture[str]
) -> None:
    write_plugin("chatty", CHATTY)
    host = make_host()
    [probe.probe() for probe in host.probes() if probe.name == "chatty"]
    print(json.dumps({"ok": True}))
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"ok": True}
    assert captured.err == ""
    (info,) = [plugin for plugin in host.plugins if plugin.name == "chatty"]
    assert info.output == "import out\nimport err\nbytes\ufffd\nhook\nmethod\n"


# -- P4: plugins that lie ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("return 7", "a value of type int instead of a sequence"),
        ("return 'probe'", "a value of type str instead of a sequence"),
        ("return {'a': Probe()}", "a value of type dict instead of a sequence"),
        ("return [object()]", "object is no HardwareProbe: it lacks name, probe"),
        ("return [Probe]", "Probe is a class"),
        ("return [Probe('')]", "its name '' is not of the form"),
        ("return [Probe('a\\x1b[2J')]", "is not of the form"),
        ("return [Probe('Upper')]", "is not of the form"),
        ("return [Probe('a' * 65)]", "is not of the form"),
        ("return [Probe(7)]", "is not of the form"),
        ("return [Probe(str(n)) for n in range(10**5)]", "more than 100 items"),
        ("import itertools; return (Probe(f'p{n}') for n in itertools.count())", "more than 100 items"),
    ],
)
def test_a_hook_that_returns_the_wrong_thing_is_named(
    make_host: MakeHost, write_plugin: WritePlugin, body: str, complaint: str
) -> None:
    write_plugin("bad", f"@hookimpl\ndef launchpad_probes():\n    {body}")
    host = make_host()
    assert names(host) == []
    assert complaint in failure(host, "bad").message


def test_one_bad_object_does_not_cost_its_neighbors(make_host: MakeHost, write_plugin: WritePlugin) -> None:
    write_plugin("mixed", "@hookimpl\ndef launchpad_probes(): return [Probe('one'), 7, Probe('two')]")
    host = make_host()
    assert names(host) == ["one", "two"]
    assert failure(host, "mixed").stage == "launchpad_probes 2"


# -- hooks that are none -----------------------------------------------------------------------------------------


def test_a_misspelt_hook_is_reported_with_the_nearest_name(
    make_host: MakeHost, write_plugin: WritePlugin
) -> None:
    write_plugin("bad", "@hookimpl\ndef launchpad_backend(): return []")
    write_plugin("good", GOOD)
    host = make_host()
    assert names(host) == ["good"]
    assert "did you mean launchpad_backends?" in failure(host, "bad").message


def test_a_forgotten_marker_is_reported(make_host: MakeHost, write_plugin: WritePlugin) -> None:
    write_plugin("bad", "def launchpad_probes(): return [Probe()]")
    host = make_host()
    assert names(host) == []
    assert "not marked with @hookimpl" in failure(host, "bad").message


def test_a_hook_with_a_wrong_signature_is_reported(make_host: MakeHost, write_plugin: WritePlugin) -> None:
    write_plugin("bad", "@hookimpl\ndef launchpad_event(evnt): pass")
    host = make_host()
    host.load_all()
    assert strangers(host) == {"bad": "failed"}
    assert "evnt" in failure(host, "bad").message


def test_a_plugin_cannot_wrap_the_hooks_of_others(make_host: MakeHost, write_plugin: WritePlugin) -> None:
    write_plugin("greedy", "@hookimpl(wrapper=True)\ndef launchpad_probes():\n    yield\n    return []")
    write_plugin("good", GOOD)
    assert names(make_host()) == ["good"]


# -- P5: who owns a name -----------------------------------------------------------------------------------------


def test_a_built_in_keeps_its_scheme(make_host: MakeHost, write_plugin: WritePlugin) -> None:
    write_plugin("rival", "@hookimpl\ndef launchpad_sources(): return [Source('rival', ('hf',))]")
    host = make_host()
    assert host.source("hf").plugin.name == "huggingface"
    message = failure(host, "rival").message
    assert "huggingface (built in)" in message
    assert "rival.py" in message
    assert "keeps it" in message


def test_two_strangers_with_one_name_are_both_refused(make_host: MakeHost, write_plugin: WritePlugin) -> None:
    for name in ("first", "second"):
        write_plugin(name, f"@hookimpl\ndef launchpad_probes(): return [Probe('same'), Probe('{name}')]")
    host = make_host()
    assert names(host) == ["first", "second"]
    for name in ("first", "second"):
        message = failure(host, name).message
        assert "first.py" in message
        assert "second.py" in message


def test_one_plugin_with_one_name_twice_keeps_neither(make_host: MakeHost, write_plugin: WritePlugin) -> None:
    write_plugin("twice", "@hookimpl\ndef launchpad_probes(): return [Probe('same'), Probe('same')]")
    host = make_host()
    assert names(host) == []
    assert "is offered by" in failure(host, "twice").message


def test_a_plugin_named_like_a_built_in_is_refused(make_host: MakeHost, write_plugin: WritePlugin) -> None:
    write_plugin("llamacpp", GOOD)
    host = make_host()
    assert names(host) == []
    assert host.backend("llamacpp").plugin.builtin
    assert [entry.message for entry in host.failures if "two plugins" in entry.message]


# -- switches ----------------------------------------------------------------------------------------------------


def test_switches(make_host: MakeHost, write_plugin: WritePlugin) -> None:
    write_plugin("one", GOOD.replace('"good"', '"one"'))
    write_plugin("two", GOOD.replace('"good"', '"two"'))
    assert names(make_host()) == ["one", "two"]
    assert names(make_host(only=("one",))) == ["one"]
    assert names(make_host(only=())) == []
    assert names(make_host(disabled=("one",))) == ["two"]
    assert names(make_host(third_party=False)) == []
    assert strangers(make_host(only=("one",))) == {"one": "waiting", "two": "disabled"}


def test_a_disabled_plugin_is_not_even_imported(
    make_host: MakeHost, write_plugin: WritePlugin, tmp_path: Path
) -> None:
    write_plugin("bad", f"open({str(tmp_path / 'touched')!r}, 'w')")
    make_host(disabled=("bad",)).load_all()
    assert not (tmp_path / "touched").exists()


def test_a_switch_for_a_plugin_that_is_not_there_is_told(
    make_host: MakeHost, write_plugin: WritePlugin
) -> None:
    write_plugin("good", GOOD)
    host = make_host(only=("godo",))
    host.load_all()
    assert "Did you mean good?" in failure(host, "godo").line


# -- lookups -----------------------------------------------------------------------------------------------------


def test_an_unknown_backend_is_refused_with_the_nearest(make_host: MakeHost) -> None:
    with pytest.raises(EngineMissing) as caught:
        make_host().backend("lamacpp")
    assert caught.value.hint == "Did you mean llamacpp?"


# -- commands ----------------------------------------------------------------------------------------------------


def test_a_command_is_listed_without_importing_it_and_loaded_on_demand(
    make_host: MakeHost, write_plugin: WritePlugin
) -> None:
    write_plugin(
        "cmd",
        """
        @hookimpl
        def launchpad_commands():
            return [
                CommandSpec(name="hello", target="json:dumps", help="Say hello."),
                CommandSpec(name="gone", target="not_a_module:x", help="Fail."),
                CommandSpec(name="run", target="json:dumps", help="Not yours."),
                CommandSpec(name="odd", target="json", help="No attribute."),
            ]
    """,
    )
    host = make_host()
    hello, gone = host.commands(reserved={"run"})
    assert (hello.name, gone.name) == ("hello", "gone")
    assert host.load_command(hello) is json.dumps
    with pytest.raises(LaunchpadError, match="gone"):
        host.load_command(gone)
    assert "launchpad's own" in " ".join(entry.message for entry in host.failures)


# -- choosing ----------------------------------------------------------------------------------------------------


def candidate(model: str) -> Candidate:
    build = Build(ref=f"hf://{model}@main:Q4", format="gguf", quantization="Q4", size=1)
    fit = Fit(
        model_id=model,
        build=build.ref,
        backend="llamacpp",
        settings=Settings(context=1),
        placement=Placement(kind="cpu"),
        devices=(),
        verdict="fits",
    )
    described = Model(id=model, name=model, lab="x", lab_id="x", builds=(build,))
    return Candidate(model=described, build=build, fit=fit, availability=Availability(obtainable=True))


CHOOSER = """
def option(c, reason):
    return Option(model=c.model, build=c.build, fit=c.fit, availability=c.availability, score=None, thinking=False, reason=reason)
"""


def test_the_first_plugin_that_chooses_wins(make_host: MakeHost, write_plugin: WritePlugin) -> None:
    body = "\ndef launchpad_choose(candidates, wish): return Choice(pick=option(candidates[-1], '{}'))"
    write_plugin("a_silent", "@hookimpl\ndef launchpad_choose(candidates): return None")
    write_plugin("b_usual", CHOOSER + "@hookimpl" + body.format("usual"))
    write_plugin("c_first", CHOOSER + "@hookimpl(tryfirst=True)" + body.format("first"))
    host = make_host()
    choice = host.choose([candidate("a/1"), candidate("a/2")], Wish())
    assert choice.pick is not None
    assert (choice.pick.reason, choice.pick.model.id) == ("first", "a/2")
    assert host.failures == ()


@pytest.mark.parametrize(
    "body",
    [
        "return 7",
        "raise SystemExit",
        "from msgspec.structs import replace as r; return Choice(pick=r(option(candidates[0], ''), model=r(candidates[0].model, id='x/y')))",
        "candidates.clear()",
        "return Choice(pick=candidates[0])",
    ],
)
def test_a_bad_choice_is_passed_over(make_host: MakeHost, write_plugin: WritePlugin, body: str) -> None:
    write_plugin("bad", CHOOSER + f"@hookimpl\ndef launchpad_choose(candidates, wish): {body}")
    host = make_host()
    choice = host.choose([candidate("a/1")], Wish())
    assert isinstance(choice, Choice)
    assert choice.pick is not None
    assert choice.pick.model.id == "a/1"
    assert failure(host, "bad").stage == "launchpad_choose"


def test_a_plugin_may_refuse(make_host: MakeHost, write_plugin: WritePlugin) -> None:
    write_plugin(
        "policy", "@hookimpl\ndef launchpad_choose(candidates, wish): raise RefusedError('Not here.')"
    )
    with pytest.raises(RefusedError, match="Not here"):
        make_host().choose([candidate("a/1")], Wish())


# -- observers ---------------------------------------------------------------------------------------------------


def test_observers_see_events_and_bad_ones_are_dropped(
    make_host: MakeHost, write_plugin: WritePlugin, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    write_plugin(
        "seer",
        f"@hookimpl\ndef launchpad_event(event):\n    with open({str(log)!r}, 'a') as f: f.write(event.message)",
    )
    write_plugin("bad", "@hookimpl\ndef launchpad_event(event): raise LaunchpadError('no')")
    write_plugin("worse", "@hookimpl\ndef launchpad_event(event): 1 / 0")
    write_plugin("slow", "import threading\n@hookimpl\ndef launchpad_event(event): threading.Event().wait()")
    host = make_host(timeout=3.0)
    for message in "abc":
        host.emit(Notice(message=message))
    assert log.read_text() == "abc"
    assert {entry.plugin for entry in host.failures} == {"bad", "worse", "slow"}
