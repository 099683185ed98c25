"""Service files are read by those who will read them: systemd's own checker where it is, plist and YAML parsers."""

from __future__ import annotations

import json
import plistlib
import shlex
import shutil
import subprocess
import sys

import pytest
import ruamel.yaml
from msgspec.structs import replace

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
def test_systemd_accepts_the_unit(service, tmp_path):
    file = native.systemd(service).files[0]
    path = tmp_path / file.name
    path.write_text(file.text)
    done = subprocess.run(["systemd-analyze", "verify", "--user", path], capture_output=True, text=True)
    complaints = [line for line in done.stderr.splitlines() if file.name in line]
    assert complaints == [], done.stderr


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


@pytest.mark.skipif(
    shutil.which("docker") is None
    or subprocess.run(["docker", "compose", "version"], capture_output=True).returncode != 0,
    reason="docker compose is not here",
)
def test_compose_accepts_its_file(tmp_path):
    (tmp_path / "compose.yaml").write_text(containers.compose(NASTY).files[0].text)
    (tmp_path / "launchpad-key").write_text("x")
    done = subprocess.run(
        ["docker", "compose", "config", "--format", "json"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["services"][NASTY.name]["command"] == containers.arguments(NASTY)


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


def test_words_and_lines():
    assert quoted("plain") == "plain"
    assert quoted("") == '""'
    assert quoted('a "b"') == '"a \\"b\\""'
    assert plain("a\nb\x1b%") == "a b %%"
