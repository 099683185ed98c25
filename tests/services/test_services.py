"""Service files are read by those who will read them: systemd's own checker where it is, plist and YAML parsers."""

from __future__ import annotations

import json
import os
import plistlib
import re
import shlex
import shutil
import subprocess
import sys

import pytest
import ruamel.yaml
from msgspec.structs import replace

from launchpad.errors import UsageError
from launchpad.services import containers, native
from launchpad.services.model import Service
from launchpad.services.quoting import plain, quoted

SERVICE = Service(
    name="launchpad-qwen3-8b",
    title="Qwen3 8B",
    version="0.1.0",
    python=sys.executable,
    model="qwen3-8b:Q4_K_M",
    model_file=None,
    arguments=("--context", "8192", "--backend", "llamacpp"),
    port=10987,
    hub_cache="/home/ada/.cache/huggingface/hub",
    store="/home/ada/.local/share/launchpad/models",
    home="/home/ada",
    user="1000:1000",
    environment={"LAUNCHPAD_HOME": "/home/ada/lp"},
    gpu=None,
)
NASTY = replace(
    SERVICE,
    title='a "b"\nExecStartPre=/bin/false %h $HOME',
    model_file="/models/a b $HOME %n;\"x'.gguf",
    environment={"LAUNCHPAD_HOME": '/home/a "b" %h'},
)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")
@pytest.mark.parametrize("service", [SERVICE, NASTY], ids=["plain", "nasty"])
def test_systemd_accepts_the_unit(service, tmp_path, monkeypatch):
    monkeypatch.setenv(
        "XDG_RUNTIME_DIR", str(tmp_path)
    )  # without it the checker gives up before it reads the unit
    file = native.systemd(service).files[0]
    path = tmp_path / file.name
    path.write_text(file.text)
    assert unit_complaints(path) == []
    path.write_text(file.text.replace("UMask", "UMusk"))
    assert len(unit_complaints(path)) == 1


def unit_complaints(path):
    done = subprocess.run(["systemd-analyze", "verify", "--user", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [line for line in done.stderr.splitlines() if path.name in line]


def values(text, key):
    return [line.partition("=")[2] for line in text.splitlines() if line.startswith(f"{key}=")]


@pytest.mark.parametrize("service", [SERVICE, NASTY], ids=["plain", "nasty"])
def test_the_unit_starts_exactly_this_command(service):
    text = native.systemd(service).files[0].text
    (started,) = values(text, "ExecStart")
    words = [word.replace("%%", "%").replace("$$", "$") for word in shlex.split(started)]
    assert words == native.command(service)
    assert values(text, "ExecStartPre") == []
    assert values(text, "KillMode") == ["control-group"]


@pytest.mark.parametrize("made", [native.systemd, containers.quadlet])
def test_how_a_service_ends_and_begins_again(made):
    text = made(SERVICE).files[0].text
    # `serve` ends with 143 at SIGTERM, as all commands do (tests/serve/test_real_engine.py)
    assert values(text, "SuccessExitStatus") == ["143"]
    assert values(text, "RestartPreventExitStatus") == [str(UsageError.exit_code)]
    (seconds,) = values(text, "TimeoutStartSec")
    assert int(seconds) > 90  # systemd's own; large weights take longer from a disk


def test_a_unit_has_started_when_the_gateway_says_that_it_answers():
    text = native.systemd(SERVICE).files[0].text
    assert values(text, "Type") == ["notify"]  # tests/cli/test_serve.py: what it is told
    assert values(containers.quadlet(SERVICE).files[0].text, "Notify") == ["true"]
    assert values(text, "SyslogIdentifier") == ["launchpad"]


@pytest.mark.parametrize("service", [SERVICE, NASTY], ids=["plain", "nasty"])
def test_the_agent_is_a_property_list_of_this_command(service):
    agent = plistlib.loads(native.launchd(service).files[0].text.encode())
    assert agent["ProgramArguments"] == native.command(service)
    assert agent["KeepAlive"] == {"SuccessfulExit": False}
    assert agent["EnvironmentVariables"] == service.environment


@pytest.mark.parametrize("service", [SERVICE, NASTY], ids=["plain", "nasty"])
@pytest.mark.parametrize("gpu", [None, "nvidia", "amd", "intel"])
def test_compose_is_yaml_of_a_private_service(service, gpu):
    service = replace(service, gpu=gpu)
    text = containers.compose(service).files[0].text
    document = ruamel.yaml.YAML(typ="safe").load(text)
    one = document["services"][service.name]
    assert [word.replace("$$", "$") for word in one["command"]] == containers.arguments(service)
    assert one["ports"] == ["127.0.0.1:10987:10987"]
    assert one["read_only"] is True
    assert one["cap_drop"] == ["ALL"]
    assert all(mount.get("read_only") or mount["type"] == "volume" for mount in one["volumes"])
    assert document["secrets"]["launchpad-key"]["file"] == "./launchpad-key"
    assert ("deploy" in one, "devices" in one) == (gpu == "nvidia", gpu in ("amd", "intel"))
    assert "pip install" in one["build"]["dockerfile_inline"]


def works(*command):
    return (
        shutil.which(command[0]) is not None
        and subprocess.run([*command, "version"], capture_output=True).returncode == 0
    )


COMPOSE = next((c for c in (["docker", "compose"], ["docker-compose"]) if works(*c)), None)


@pytest.mark.skipif(COMPOSE is None, reason="docker compose is not here")
@pytest.mark.parametrize("gpu", [None, "nvidia", "amd", "intel"])
def test_compose_accepts_its_file(gpu, tmp_path):
    service = replace(NASTY, gpu=gpu)
    (tmp_path / "compose.yaml").write_text(containers.compose(service).files[0].text)
    (tmp_path / "launchpad-key").write_text("x")
    done = subprocess.run(
        [*COMPOSE, "config", "--format", "json"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    one = json.loads(done.stdout)["services"][service.name]
    assert [word.replace("$$", "$") for word in one["command"]] == containers.arguments(service)
    mounts = {mount["target"]: mount["source"].replace("$$", "$") for mount in one["volumes"]}
    assert mounts == {inside: here for here, inside, _ in containers.mounts(service)}


QUADLET = shutil.which("quadlet", path=os.pathsep.join([os.environ["PATH"], "/usr/libexec/podman"]))


def quadlet_version():
    if QUADLET is None:
        return (0,)
    said = subprocess.run([QUADLET, "-version"], capture_output=True, text=True).stdout
    return tuple(int(number) for number in re.findall(r"\d+", said)[:2])


@pytest.mark.skipif(quadlet_version() < (5, 2), reason="Podman's quadlet, from 5.2 on, is not here")
@pytest.mark.parametrize("service", [SERVICE, NASTY], ids=["plain", "nasty"])
@pytest.mark.parametrize("gpu", [None, "nvidia", "amd", "intel"])
def test_podmans_generator_makes_exactly_this_command_of_the_unit(service, gpu, tmp_path, monkeypatch):
    service = replace(service, gpu=gpu)
    for file in containers.quadlet(service).files:
        (tmp_path / file.name).write_text(file.text)
    monkeypatch.setenv("QUADLET_UNIT_DIRS", str(tmp_path))
    done = subprocess.run([QUADLET, "-user", "-dryrun"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    started = next(line for line in values(done.stdout, "ExecStart") if "/podman run " in line)
    unescaped = [re.sub(r"\\x([0-9a-f]{2})", lambda m: chr(int(m[1], 16)), w) for w in shlex.split(started)]
    words = [word.replace("%%", "%").replace("$$", "$") for word in unescaped]
    assert words[-len(containers.arguments(service)) :] == containers.arguments(service)
    for here, inside, options in containers.mounts(service):
        assert words[words.index("-v") :].count(f"{here}:{inside}:{options}") == 1
    assert "--read-only" in words
    assert ("--device" in words) == (gpu is not None)
    assert [line for line in done.stderr.splitlines() if "Loading source unit file" not in line] == []


def test_quadlet_names_its_image_and_key():
    files = {file.name: file.text for file in containers.quadlet(replace(NASTY, gpu="nvidia")).files}
    unit = files["launchpad-qwen3-8b.container"]
    assert values(unit, "Image") == ["launchpad-qwen3-8b.build"]
    assert values(files["launchpad-qwen3-8b.build"], "File") == ["./launchpad-qwen3-8b.Containerfile"]
    assert values(unit, "PublishPort") == ["127.0.0.1:10987:10987"]
    assert values(unit, "AddDevice") == ["nvidia.com/gpu=all"]
    words = [word.replace("%%", "%").replace("$$", "$") for word in shlex.split(values(unit, "Exec")[0])]
    assert words == containers.arguments(NASTY)
    assert "--key-file" in words
    steps = containers.quadlet(SERVICE).steps
    assert f"podman secret create {containers.KEY} -" in steps[0]
    assert f"--showsecret --format '{{{{.SecretData}}}}' {containers.KEY} " in steps[-1]  # nobody saw it yet


def test_words_and_lines():
    assert quoted("plain") == "plain"
    assert quoted("") == '""'
    assert quoted('a "b"') == '"a \\"b\\""'
    assert plain("a\nb\x1b%") == "a b %%"
