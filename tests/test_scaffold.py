"""What `plugins new` writes passes at once; the tutorial that builds on it is run as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from launchpad.errors import UsageError
from launchpad.scaffold import KINDS, write
from launchpad.testing import write_gguf
from plugin_installs import ROOT, put_beside, wheels_of

TUTORIAL = (ROOT / "docs" / "tutorial" / "your-first-backend.md").read_text("utf-8")
MOST_OWN_LINES = 60


def python(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True,
        timeout=150,
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_passes_at_once(tmp_path: Path, kind: str) -> None:
    files = write(kind, "my-thing", tmp_path)
    folder = tmp_path / "launchpad-my-thing"
    names = {file.relative_to(folder).as_posix() for file in files}
    assert {
        "pyproject.toml",
        "README.md",
        ".github/workflows/test.yml",
        "src/launchpad_my_thing/py.typed",
    } <= names
    done = python("-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=folder)
    assert done.returncode == 0, done.stdout
    assert re.search(r"\b\d+ passed", done.stdout) and "skipped" not in done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_its_ci_names_every_action_by_its_hash(tmp_path: Path, kind: str) -> None:
    write(kind, "x", tmp_path)
    workflow = (tmp_path / "launchpad-x" / ".github" / "workflows" / "test.yml").read_text()
    used = re.findall(r"uses: (\S+)", workflow)
    assert used and all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", one) for one in used)
    assert "$" not in workflow.replace("${{ matrix.python }}", "")


@pytest.mark.parametrize(
    "name", ["", "Tiny", "a_b", "-x", "../x", "a--b", "ollama", "launchpad-llamacpp", "x" * 41]
)
def test_names_that_cannot_be(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        write("backend", name, tmp_path)
    assert not list(tmp_path.rglob("pyproject.toml"))


def test_nothing_is_written_over(tmp_path: Path) -> None:
    write("probe", "launchpad-tiny", tmp_path)
    with pytest.raises(UsageError, match="is there already"):
        write("backend", "tiny", tmp_path)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a new environment with launchpad from its wheel, and nothing else."""
    folder = tmp_path_factory.mktemp("fresh")
    wheel = wheels_of(folder)
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    subprocess.run([folder / "venv" / "bin" / "pip", "install", "-q", wheel], check=True)
    return folder / "venv" / "bin"


@pytest.mark.network
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", KINDS)
def test_from_the_wheel_alone_each_kind_is_installed_by_pip_and_passes(
    fresh: Path, tmp_path: Path, kind: str
) -> None:
    """As a stranger would, by the commands of the README that is written for them."""

    def run(program: str, *arguments: str | Path, cwd: Path = tmp_path) -> str:
        done = subprocess.run([fresh / program, *arguments], cwd=cwd, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    name, model = f"my-{kind}", write_gguf(tmp_path / "m.gguf")
    run("launchpad", "plugins", "new", kind, name)
    folder = tmp_path / f"launchpad-{name}"
    run("pip", "install", "-q", ".[test]", cwd=folder)
    assert re.search(r"\b\d+ passed", run("pytest", "-q", cwd=folder))
    told = run("launchpad", "plugins", "check", name, *(("--model", model) if kind == "backend" else ()))
    assert f"ok      {kind} " in told, told


# -- the tutorial -------------------------------------------------------------------------------------------------


def commands() -> list[str]:
    return re.findall(r"^\$ (.*)$", TUTORIAL, re.MULTILINE)


def engine() -> str:
    (block,) = re.findall(r"^```python\n(.*?)^```$", TUTORIAL, re.MULTILINE | re.DOTALL)
    return str(block)


@pytest.fixture
def tiny(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """Step 1 of the tutorial, by its own command, installed."""
    (made,) = [command for command in commands() if command.startswith("launchpad plugins new")]
    done = python("-m", *made.split(), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    put_beside(tmp_path / "launchpad-tiny", tmp_path / "site")
    return tmp_path / "launchpad-tiny", {"PYTHONPATH": str(tmp_path / "site")}


def test_the_tutorial_asks_for_few_lines() -> None:
    """From `plugins new` to a chat: what the author writes, blank lines left out."""
    own = [line for line in engine().splitlines() if line.strip()]
    assert len(own) + len(commands()) <= MOST_OWN_LINES


def test_a_new_backend_chats_before_a_line_is_written(
    tiny: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    write_gguf(tmp_path / "m.gguf")
    done = python(
        "-m", "launchpad", "run", "./m.gguf", "--backend", "tiny", "good morning", cwd=tmp_path, **tiny[1]
    )
    assert done.stdout.strip() == "You said: good morning", done.stderr


@pytest.mark.engine
def test_the_tutorial_leads_to_a_chat_and_passes_the_kit(
    tiny: tuple[Path, dict[str, str]], tmp_path: Path, smollm2: Path
) -> None:
    folder, environment = tiny
    (folder / "src" / "launchpad_tiny" / "server.py").write_text(engine())
    (tmp_path / smollm2.name).symlink_to(smollm2)
    (run,) = [command for command in commands() if command.startswith("launchpad run")]
    model, backend, said = re.fullmatch(r"launchpad run (\S+) --backend (\S+) \"(.*)\"", run).groups()  # type: ignore[union-attr]
    assert model == "smollm2-135m"  # the same weights, from the index; here they lie in a file
    arguments = (
        "run",
        f"./{smollm2.name}",
        "--backend",
        backend,
        "--max-tokens",
        "8",
        "--context",
        "1024",
        said,
    )
    done = python("-m", "launchpad", *arguments, cwd=tmp_path, **environment)
    assert done.returncode == 0 and done.stdout.strip(), done.stderr
    (check,) = [command for command in commands() if command.startswith("launchpad plugins check")]
    done = python("-m", *check.replace(model, f"./{smollm2.name}").split(), cwd=tmp_path, **environment)
    assert done.returncode == 0 and "failed" not in done.stdout, done.stdout
    assert "ok      backend tiny: its engine is private and keyed" in done.stdout
