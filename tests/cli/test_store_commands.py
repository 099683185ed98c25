"""list, verify, du, gc, bundle and the use of other programs' files, as commands."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from gguf_bytes import gguf
from launchpad.engines.process import EngineProcess
from launchpad.testing.hub import SimulatedHub
from launchpad.testing.processes import KEY, fake_command
from launchpad.testing.replay import Replay
from ollama_traffic import only, recording

CONTENT = gguf()
SHA256 = hashlib.sha256(CONTENT).hexdigest()
COMMIT = "c" * 40
REF = f"hf://org/tiny-GGUF@{COMMIT}:Q8_0"


def _put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.fixture
def catalog(private_home: Path) -> None:
    """A catalog that pins the model, as the packaged one does."""
    record = f"""
id = "tiny"
name = "Tiny"
parameters = 10000
context = 2048
[shape]
architecture = "llama"
layers = 2
hidden_size = 64
attention_heads = 4
kv_heads = 2
head_dim_k = 16
head_dim_v = 16
ffn = 128
vocab_size = 32
[[builds]]
ref = "{REF}"
format = "gguf"
quantization = "Q8_0"
size = {len(CONTENT)}
size_exact = true
files = [{{path = "tiny-Q8_0.gguf", size = {len(CONTENT)}, sha256 = "{SHA256}"}}]
"""
    _put(private_home / "launchpad" / "config" / "models.d" / "tiny.toml", record.encode())


@pytest.fixture
def hub():
    with SimulatedHub() as running:
        running.add_model("org/tiny-GGUF", {"tiny-Q8_0.gguf": CONTENT}, revision=COMMIT)
        yield running


@pytest.mark.usefixtures("catalog")
def test_another_programs_file_counts_as_obtained_and_is_checked(launchpad, private_home, hub):
    theirs = _put(private_home / ".lmstudio" / "models" / "org" / "tiny" / "renamed.gguf", CONTENT)
    before = theirs.stat().st_mtime_ns
    env = {"HF_ENDPOINT": hub.endpoint}
    done = launchpad("pull", "tiny", "--json", env=env)
    assert done.code == 0, done.err
    assert (done.document["fetched"], done.document["path"]) == (False, str(theirs))
    assert "Checking" in done.err and "lm-studio" in done.err
    assert "Checking" not in launchpad("pull", "tiny", env=env).err
    assert not hub.gets(".gguf")
    (model,) = launchpad("list", "--json").document["models"]
    assert (model["owner"], model["sha256"], model["size"]) == ("lm-studio", SHA256, len(CONTENT))
    assert theirs.stat().st_mtime_ns == before and list(theirs.parent.iterdir()) == [theirs]
    refused = launchpad("rm", "renamed", "--yes")
    assert refused.code == 7 and theirs.exists()


@pytest.mark.usefixtures("catalog")
def test_another_file_of_the_same_size_is_not_taken_for_it(launchpad, private_home, hub):
    wrong = CONTENT[:-1] + b"?"
    theirs = _put(private_home / ".lmstudio" / "models" / "org" / "tiny" / "tiny-Q8_0.gguf", wrong)
    done = launchpad("pull", "tiny", "--json", env={"HF_ENDPOINT": hub.endpoint})
    assert done.code == 0, done.err
    assert done.document["fetched"] is True and theirs.read_bytes() == wrong
    assert "lm-studio's file stays as it is" in done.err
    assert hashlib.sha256(Path(done.document["path"]).read_bytes()).hexdigest() == SHA256


@pytest.mark.usefixtures("catalog")
def test_damage_is_named_by_verify_and_repaired_by_pull(launchpad, hub):
    env = {"HF_ENDPOINT": hub.endpoint}
    path = Path(launchpad("pull", "tiny", env=env).out.strip())
    assert launchpad("verify").code == 0
    blob = path.resolve()
    blob.write_bytes(CONTENT[:-1] + b"?")
    broken = launchpad("verify", "tiny", "--json")
    assert broken.code == 1 and broken.document["damaged"] == 1
    assert broken.document["files"][0]["path"] == str(path)
    human = launchpad("verify", "--all")
    assert human.code == 1 and human.out.startswith("DAMAGED")
    repaired = launchpad("pull", "tiny", "--json", env=env)
    assert repaired.code == 0 and repaired.document["fetched"] is True, repaired.err
    assert path.read_bytes() == CONTENT
    assert launchpad("verify", "tiny").code == 0


@pytest.mark.usefixtures("catalog")
def test_a_model_travels_in_a_bundle(launchpad, hub, tmp_path, private_home):
    assert launchpad("pull", "tiny", env={"HF_ENDPOINT": hub.endpoint}).code == 0
    file = tmp_path / "tiny.bundle"
    made = launchpad("bundle", "export", "tiny", str(file), "--json")
    assert made.code == 0, made.err
    assert made.document["size"] == file.stat().st_size
    assert launchpad("bundle", "export", "tiny", str(file)).code == 2  # it is there already
    sha256 = made.document["sha256"]
    there = {"LAUNCHPAD_HOME": str(tmp_path / "there"), "HF_HUB_CACHE": str(tmp_path / "there" / "hub")}
    unknown = launchpad("bundle", "import", str(file), env=there)
    assert unknown.code == 7 and "vouches" in unknown.err
    assert launchpad("bundle", "import", str(file), "--sha256", "0" * 64, env=there).code == 4
    taken = launchpad("bundle", "import", str(file), "--sha256", sha256, "--json", env=there)
    assert taken.code == 0, taken.err
    assert (taken.document["pinned"], taken.document["added"]) == (False, "tiny")
    plan = launchpad("run", "--offline", "--dry-run", "--json", "tiny", env=there)
    assert plan.code == 0, plan.err
    assert plan.document["pull"] is None
    assert plan.document["start"]["model_path"] == taken.document["path"]
    assert hashlib.sha256(Path(taken.document["path"]).read_bytes()).hexdigest() == SHA256
    again = launchpad("bundle", "import", str(file), "--json", env=there)
    assert again.document["pinned"] is True


def test_du_and_gc_know_whose_files_they_are(launchpad, private_home):
    _put(private_home / ".lmstudio" / "models" / "org" / "m" / "m-Q8_0.gguf", CONTENT)
    snapshot = private_home / "hub" / "models--org--m" / "snapshots" / COMMIT
    first = _put(snapshot / "m-Q8_0.gguf", CONTENT)
    (snapshot / "m-Q4_0.gguf").hardlink_to(first)
    partial = _put(private_home / "hub" / "models--org--m" / ".partial" / SHA256, b"x" * 5000)
    usage = launchpad("du", "--json").document
    assert usage["owners"] == {"huggingface": len(CONTENT), "lm-studio": len(CONTENT)}
    assert usage["garbage"] == 5000 and usage["free"] > 0
    trial = launchpad("gc", "--dry-run", "--json").document
    assert (trial["dry_run"], trial["freed"], len(trial["removed"])) == (True, 5000, 1)
    assert partial.exists()
    assert launchpad("gc").code == 0 and not partial.exists() and first.exists()
    assert "nothing to remove" in launchpad("gc").err


def test_ollamas_models_are_listed_once_with_what_its_server_says(launchpad, private_home):
    store = private_home / ".ollama" / "models"
    _put(store / "blobs" / f"sha256-{SHA256}", CONTENT)
    layer = {
        "mediaType": "application/vnd.ollama.image.model",
        "digest": f"sha256:{SHA256}",
        "size": len(CONTENT),
    }
    for name in ("smol", "only-a-file"):
        place = store / "manifests" / "registry.ollama.ai" / "library" / name / "latest"
        _put(place, json.dumps({"layers": [layer]}).encode())
    with Replay(recording("version"), recording("tags"), only("show", 0)) as replay:
        env = {"OLLAMA_HOST": f"127.0.0.1:{replay.port}"}
        listed = launchpad("list", "--json", env=env).document["models"]
        text = launchpad("list", env=env).out.splitlines()
    found = {model["ref"]: model for model in listed}
    assert len(found) == len(listed)
    smol = found["ollama://smol:latest"]
    assert smol["path"].endswith(SHA256)
    assert (smol["quantization"], smol["context"], smol["capabilities"]) == ("Q4_1", 8192, ["completion"])
    assert "context" not in found["ollama://only-a-file:latest"]
    assert text[0].split() == ["model", "quant", "size", "context", "can", "owner", "path"]
    (row,) = [line.split() for line in text if line.startswith("ollama://smol:latest")]
    assert row[4:6] == ["8,192", "completion"]


def test_ollamas_model_runs_in_place_by_its_name(launchpad, private_home):
    store = private_home / ".ollama" / "models"
    blob = _put(store / "blobs" / f"sha256-{SHA256}", CONTENT)
    layer = {
        "mediaType": "application/vnd.ollama.image.model",
        "digest": f"sha256:{SHA256}",
        "size": len(CONTENT),
    }
    manifest = json.dumps({"layers": [layer]}).encode()
    _put(store / "manifests" / "registry.ollama.ai" / "library" / "tiny" / "1b", manifest)
    done = launchpad("pull", "ollama://tiny:1b", "--backend", "llamacpp", "--json")
    assert done.code == 0, done.err
    assert (done.document["fetched"], done.document["path"]) == (False, str(blob))


def test_the_same_bytes_under_another_name_do_not_come_twice(launchpad, private_home, hub):
    theirs = _put(private_home / ".lmstudio" / "models" / "org" / "tiny" / "renamed.gguf", CONTENT)
    done = launchpad("pull", "hf://org/tiny-GGUF:Q8_0", "--json", env={"HF_ENDPOINT": hub.endpoint})
    assert done.code == 0, done.err
    assert (done.document["fetched"], done.document["path"]) == (False, str(theirs))
    url = hub.add("/elsewhere/tiny.gguf", CONTENT)
    again = launchpad("pull", f"{url}#sha256={SHA256}", "--json")
    assert again.code == 0, again.err
    assert (again.document["fetched"], again.document["path"]) == (False, str(theirs))
    assert hub.bytes_sent(".gguf") < 3 * len(CONTENT)  # headers, read to compute the fit


@pytest.mark.usefixtures("catalog")
def test_an_empty_name_means_no_model(launchpad, hub):
    """As a script has it whose variable is not set."""
    assert launchpad("pull", "tiny", env={"HF_ENDPOINT": hub.endpoint}).code == 0
    for command in (("rm", "", "--yes"), ("inspect", ""), ("verify", ""), ("bundle", "export", "", "x.tar")):
        refused = launchpad(*command)
        assert refused.code == 2, command
        assert "It is empty" in refused.err
    assert len(launchpad("list", "--json").document["models"]) == 1


def test_what_a_server_keeps_has_no_size_and_no_place(launchpad, private_home):
    engine = EngineProcess.start(fake_command())
    try:
        port = engine.await_ready(engine.ready_message)["port"]
        config = f'[backends.theirs]\nurl = "http://127.0.0.1:{port}/v1"\nkey_env = "THE_KEY"\n'
        _put(private_home / "launchpad" / "config" / "config.toml", config.encode())
        listed = launchpad("list", env={"THE_KEY": KEY}).out.splitlines()
        refused = launchpad("rm", "theirs://simulated", "--yes", env={"THE_KEY": KEY})
    finally:
        engine.stop()
    assert [line.split() for line in listed][1:] == [["theirs://simulated", "?", "?", "theirs"]]
    assert refused.code == 7
    assert refused.err.endswith("do:  Remove it with the tool that owns it.\n")
