"""What launchpad pulls is found by the Hub's own library and tool, and what they bring is found by launchpad."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from launchpad.catalog.model import Build
from launchpad.events import ignore
from launchpad.paths import hub_cache
from launchpad.plugins.huggingface.source import HuggingFace
from launchpad.pull.store import pull
from launchpad.testing.hub import SimulatedHub

FILES = {
    "m-Q4_K_M.gguf": b"GGUF" * 1000,
    "config.json": b'{"model_type": "llama"}',
    "model.safetensors": b"\x02\0\0\0\0\0\0\0{}",
}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedHub]:
    with SimulatedHub() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.endpoint)
        running.add_model("org/m", FILES, in_git=("config.json",))
        yield running


def _pull(form: str) -> Path:
    ref = "hf://org/m:Q4_K_M" if form == "gguf" else "hf://org/m"
    build = Build(ref=ref, format=form, quantization="Q4_K_M")  # type: ignore[arg-type]
    return Path(pull(HuggingFace().resolve(build), ignore).path)


def test_the_hubs_library_finds_what_was_pulled(hub: SimulatedHub) -> None:
    from huggingface_hub import scan_cache_dir, try_to_load_from_cache

    gguf, folder = _pull("gguf"), _pull("safetensors")
    info = scan_cache_dir(hub_cache())
    assert not info.warnings
    (repo,) = info.repos
    (revision,) = repo.revisions
    assert (repo.repo_id, repo.repo_type, revision.refs) == ("org/m", "model", frozenset({"main"}))
    assert {file.file_name for file in revision.files} == set(FILES)
    assert info.size_on_disk == sum(map(len, FILES.values()))
    for name in FILES:
        found = try_to_load_from_cache("org/m", name, cache_dir=hub_cache())
        assert found == str(folder / name) and Path(str(found)).read_bytes() == FILES[name]
    assert gguf.parent == folder


def test_the_hubs_library_downloads_nothing_again(hub: SimulatedHub) -> None:
    """In a process of its own: the library reads its variables once, when it is imported."""
    _pull("gguf")
    before = hub.bytes_sent("m-Q4_K_M.gguf")
    code = "from huggingface_hub import hf_hub_download as get; print(get('org/m', 'm-Q4_K_M.gguf'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).read_bytes() == FILES["m-Q4_K_M.gguf"]
    assert hub.bytes_sent("m-Q4_K_M.gguf") == before


def test_what_the_hubs_library_brought_is_not_fetched_again(hub: SimulatedHub) -> None:
    code = "from huggingface_hub import hf_hub_download as get; print(get('org/m', 'm-Q4_K_M.gguf'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stderr
    sent = hub.bytes_sent("m-Q4_K_M.gguf")
    (model,) = HuggingFace().local()
    assert (model.owner, model.path) == ("huggingface", done.stdout.strip())
    assert _pull("gguf") == Path(model.path)
    assert hub.bytes_sent("m-Q4_K_M.gguf") == sent
