"""Every layer, every broken file, and no edit that loses anything."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from launchpad import config as config_module
from launchpad.config import (
    COMMAND_LINE,
    KEYS,
    SECTIONS,
    USER_ONLY,
    Config,
    find_project_file,
    load_config,
    set_value,
    unset_value,
    user_config_path,
    variable,
)
from launchpad.errors import ConfigError


@pytest.fixture
def user(private_home: Path) -> Path:
    """The user's file, in a folder that exists."""
    path = user_config_path()
    path.parent.mkdir(parents=True)
    return path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The `launchpad.toml` of a git work tree."""
    root = tmp_path / "work"
    (root / ".git").mkdir(parents=True)
    return root / "launchpad.toml"


def load(project: Path | None = None, **environ: str) -> Config:
    return load_config(cwd=project.parent if project else Path("/"), environ=environ)


# -- layers -----------------------------------------------------------------------------------------------------


def test_without_anything_every_value_is_a_default() -> None:
    config = load()
    assert config == Config()
    assert {origin for _, _, origin in config.describe()} == {"default"}
    assert [key for key, _, _ in config.describe()] == list(KEYS)


def test_each_layer_wins_over_the_one_below_and_says_so(user: Path, project: Path) -> None:
    user.write_text("[run]\ncontext = 100\nbackend = 'a'\npurpose = 'code'\nmin_speed = 1\n")
    project.write_text("# ours\n[run]\ncontext = 200\nbackend = 'b'\npurpose = 'vision'\n")
    environ = {"LAUNCHPAD_RUN_CONTEXT": "300", "LAUNCHPAD_RUN_BACKEND": "c"}
    config = load_config({"run.context": 400, "run.backend": None}, cwd=project.parent, environ=environ)
    assert (config.run.context, config.run.backend) == (400, "c")
    assert (config.run.purpose, config.run.min_speed) == ("vision", 1.0)
    assert config.origin("run.context") == COMMAND_LINE
    assert config.origin("run.backend") == "LAUNCHPAD_RUN_BACKEND"
    assert config.origin("run.purpose") == f"{project}:5"
    assert config.origin("run.min_speed") == f"{user}:5"
    assert config.origin("run.offline") == "default"


def test_the_real_environment_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAUNCHPAD_RUN_OFFLINE", "true")
    assert load_config().run.offline is True


@pytest.mark.parametrize(
    ("name", "text", "key", "value"),
    [
        ("LAUNCHPAD_RUN_MAX_UNATTENDED_DOWNLOAD", "1.5 GB", "run.max_unattended_download", 1_500_000_000),
        ("LAUNCHPAD_PULL_MAX_RATE", "10MB/s", "pull.max_rate", 10_000_000),
        ("LAUNCHPAD_PULL_STALL_SECONDS", "0.3", "pull.stall_seconds", 0.3),
        ("LAUNCHPAD_RUN_REQUIRE_GPU", "1", "run.require_gpu", True),
        ("LAUNCHPAD_RUN_LICENSES", "osi, mit ,", "run.licenses", ("osi", "mit")),
        ("LAUNCHPAD_PLUGINS", "echo,vllm", "plugins.only", ("echo", "vllm")),
        ("LAUNCHPAD_PLUGINS", "", "plugins.only", ()),
        ("LAUNCHPAD_PLUGIN_PATH", f"/a{os.pathsep}/b c", "plugins.paths", ("/a", "/b c")),
        ("LAUNCHPAD_RUN_CONTEXT", "", "run.context", None),
    ],
)
def test_variables(name: str, text: str, key: str, value: object) -> None:
    assert load(**{name: text}).get(key) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("LAUNCHPAD_RUN_CONTEXT", "lots"),
        ("LAUNCHPAD_RUN_PURPOSE", "chatt"),
        ("LAUNCHPAD_PULL_STALL_SECONDS", "-1"),
        ("LAUNCHPAD_PULL_STALL_SECONDS", "nan"),
        ("LAUNCHPAD_PULL_STALL_SECONDS", "inf"),
        ("LAUNCHPAD_PULL_MAX_RATE", "fast"),
        ("LAUNCHPAD_PULL_RETRIES", "-1"),
        ("LAUNCHPAD_RUN_CONTEXT", "0"),
        ("LAUNCHPAD_RUN_MIN_SPEED", "-1"),
    ],
)
def test_a_bad_variable_is_named(name: str, text: str) -> None:
    with pytest.raises(ConfigError, match=name) as caught:
        load(**{name: text})
    assert caught.value.why


def test_a_misspelt_variable_is_an_error_with_a_suggestion() -> None:
    with pytest.raises(ConfigError) as caught:
        load(LAUNCHPAD_PULL_STALL_SECOND="3")
    assert caught.value.hint == "Did you mean LAUNCHPAD_PULL_STALL_SECONDS?"


def test_variables_that_are_no_settings_are_left_alone() -> None:
    assert load(LAUNCHPAD_HOME="/x", LAUNCHPAD_TEST_MODELS="/y") == Config()


def test_unknown_flags_and_keys_are_errors() -> None:
    with pytest.raises(ConfigError, match=r"run\.contxt"):
        load_config({"run.contxt": 1}, environ={})
    for ask in (Config().get, Config().origin):
        with pytest.raises(ConfigError) as caught:
            ask("pull.retry")
        assert caught.value.hint == "Did you mean pull.retries?"


def test_every_setting_has_a_description_and_its_own_variable() -> None:
    assert len({variable(key) for key in KEYS}) == len(KEYS)
    for key, hint in KEYS.items():
        assert any(getattr(meta, "description", None) for meta in hint.__metadata__), key


def test_paths_in_the_user_file_are_relative_to_it(user: Path) -> None:
    user.write_text('[plugins]\npaths = ["mine.py", "/abs/x.py", "~/y.py"]\n')
    home = os.environ["HOME"]
    assert load().plugins.paths == (str(user.parent / "mine.py"), "/abs/x.py", f"{home}/y.py")


# -- broken files -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"[run]\ncontext = \n", 2),
        (b"[run]\ncontext = 100\ncontext = 200\n", 3),
        (b"[run\n", 1),
        (b"[run]\ncontext = 100\x00\n", 2),
        ("[run]\ncontext = 100\n".encode("utf-16"), 1),
        (b"[run]\nbackend = 'caf\xe9'\n", 2),
        (b"[run]\n\nbackend = 'half", 3),
        (b"[run]\n\ncontxt = 1\n", 3),
        (b"[runn]\ncontext = 100\n", 2),
        (b"context = 100\n", 1),
        (b"[run]\ncontext = 'many'\n", 2),
        (b"[run]\ncontext = true\n", 2),
        (b"[run]\ncontext.deep = 1\n", 2),
        (b"[pull]\n\n\nstall_seconds = 0\n", 4),
        (b"run = {context = 'x'}\n", 1),
        (b"run.context = 'x'\n", 1),
        (b"[run]\r\ncontext = 'x'\r\n", 2),
        (b"a = " + b"[" * 5000 + b"]" * 5000, 1),
    ],
)
def test_a_broken_file_is_named_with_its_line_and_left_as_it_is(user: Path, data: bytes, line: int) -> None:
    user.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        load()
    assert caught.value.exit_code == 2
    assert f"{user}:{line}" in caught.value.what
    assert user.read_bytes() == data


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf[run]\ncontext = 100\n", b"# nothing\n", b"[run]\n"])
def test_a_harmless_file_is_read(user: Path, data: bytes) -> None:
    user.write_bytes(data)
    assert load().run.context in (None, 100)


def test_what_is_no_small_file_is_refused_without_reading_it(user: Path) -> None:
    user.mkdir()
    with pytest.raises(ConfigError, match="cannot be used"):
        load()
    user.rmdir()
    with user.open("wb") as file:
        file.truncate(100_000_000)
    with pytest.raises(ConfigError) as caught:
        load()
    assert "100000000 bytes" in str(caught.value.why)
    if hasattr(os, "mkfifo"):
        user.unlink()
        os.mkfifo(user)
        with pytest.raises(ConfigError):
            load()


@given(st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_any_bytes_are_read_or_refused(private_home: Path, data: bytes) -> None:
    path = user_config_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    try:
        load()
    except ConfigError as error:
        assert str(path) in error.what


# -- the project's file -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", sorted(USER_ONLY))
def test_a_project_cannot_decide_what_code_runs_or_what_is_downloaded(project: Path, key: str) -> None:
    section, _, name = key.partition(".")
    project.write_text(f"[{section}]\n{name} = 1\n")
    with pytest.raises(ConfigError, match="a project cannot set") as caught:
        load(project)
    assert f"{project}:2" in caught.value.what
    assert caught.value.hint


def test_the_search_goes_up_to_the_git_root_and_no_further(tmp_path: Path, project: Path) -> None:
    deep = project.parent / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / "launchpad.toml").touch()
    assert find_project_file(deep) is None
    project.touch()
    assert find_project_file(deep) == project


def test_without_git_the_search_stays_below_home(private_home: Path, tmp_path: Path) -> None:
    deep = private_home / "code" / "deep"
    deep.mkdir(parents=True)
    (private_home / "launchpad.toml").touch()
    assert find_project_file(deep) is None
    (private_home / "code" / "launchpad.toml").touch()
    assert find_project_file(deep) == private_home / "code" / "launchpad.toml"


def test_outside_home_and_git_a_planted_file_above_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "launchpad.toml").touch()
    (tmp_path / "below").mkdir()
    assert find_project_file(tmp_path / "below") is None
    assert find_project_file(tmp_path) == tmp_path / "launchpad.toml"


# -- set and unset ----------------------------------------------------------------------------------------------

HAND_WRITTEN = """\
# My settings, do not touch
[run]  # what to run
context = 8192    # enough for me
backend = "llama#cpp"  # a "quoted" note

licenses = ["osi", 'mit']

[pull]
retries = 3
"""


def test_set_changes_one_line_and_nothing_else(user: Path) -> None:
    user.write_text(HAND_WRITTEN)
    for key, value in (
        ("run.context", "4096"),
        ("run.backend", "echo"),
        ("run.licenses", "apache-2.0"),
        ("run.min_speed", "7"),
        ("output.color", "never"),
        ("pull.max_rate", "10 MB/s"),
    ):
        assert set_value(key, value) == user
    assert user.read_text() == HAND_WRITTEN.replace("8192", "4096").replace('"llama#cpp"', '"echo"').replace(
        "[\"osi\", 'mit']", '["apache-2.0"]'
    ).replace("[run]  # what to run\n", "[run]  # what to run\nmin_speed = 7.0\n").replace(
        "[pull]\n", '[pull]\nmax_rate = "10 MB/s"\n'
    ) + ('\n[output]\ncolor = "never"\n')
    config = load()
    assert (config.run.context, config.pull.max_rate, config.output.color) == (4096, 10_000_000, "never")


def test_unset_removes_one_line_and_nothing_else(user: Path) -> None:
    user.write_text(HAND_WRITTEN)
    unset_value("pull.retries")
    assert user.read_text() == HAND_WRITTEN.replace("retries = 3\n", "")
    with pytest.raises(ConfigError, match="is not set"):
        unset_value("pull.retries")


def test_unset_cleans_up_a_key_that_no_longer_exists(user: Path) -> None:
    user.write_text("[run]\nold_key = 1\n")
    unset_value("run.old_key")
    assert load() == Config()


def test_set_makes_the_first_file() -> None:
    set_value("run.purpose", "code")
    assert user_config_path().read_text() == '[run]\npurpose = "code"\n'


def test_set_goes_through_a_symlink_and_keeps_the_mode(user: Path, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.toml"
    real.write_text("[run]\ncontext = 100\n")
    real.chmod(0o600)
    user.symlink_to(real)
    set_value("run.context", "200")
    assert user.is_symlink()
    assert "context = 2" in real.read_text()
    assert real.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in user.parent.iterdir()] == [user.name]


def test_set_refuses_what_it_would_not_read_again(user: Path) -> None:
    for key, value in (("run.contxt", "1"), ("run.context", "lots"), ("pull.retries", "-1")):
        with pytest.raises(ConfigError):
            set_value(key, value)
    assert not user.exists()


@pytest.mark.parametrize(
    "text",
    [
        "[run\n",
        "run = {context = 100}\n",
        "[run]\ncontext = '''\n1'''\n",
        "[run]\nbackend = '''\ncontext = 500\n'''\ncontext = '''x'''\n",
    ],
)
def test_set_leaves_alone_what_it_cannot_edit(user: Path, text: str) -> None:
    user.write_text(text)
    with pytest.raises(ConfigError):
        set_value("run.context", "700")
    assert user.read_text() == text


def test_dotted_keys_are_edited_too(user: Path) -> None:
    user.write_text("run.context = 100\n\n[pull]\nretries = 1\n")
    set_value("run.context", "200")
    set_value("run.backend", "echo")
    assert load().run == config_module.RunConfig(context=200, backend="echo")
    assert load().pull.retries == 1


_VALUES = {
    "run.context": "4096",
    "run.backend": "e'c\"ho\\",
    "pull.retries": "0",
    "run.licenses": "a,b",
    "output.color": "never",
}


@given(st.lists(st.tuples(st.sampled_from(sorted(_VALUES)), st.booleans()), max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
def test_any_order_of_edits_gives_what_it_says(private_home: Path, edits: list[tuple[str, bool]]) -> None:
    path = user_config_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HAND_WRITTEN)
    comments = [line for line in HAND_WRITTEN.splitlines() if line.startswith("#")]
    present = {"run.context", "run.backend", "run.licenses", "pull.retries"}
    for key, setting in edits:
        if setting:
            set_value(key, _VALUES[key])
            present.add(key)
        elif key in present:
            unset_value(key)
            present.discard(key)
    document = tomllib.loads(path.read_text())
    assert {f"{section}.{name}" for section in document for name in document[section]} == present
    assert all(comment in path.read_text() for comment in comments)
    load()


def test_sections_are_all_reachable() -> None:
    assert set(SECTIONS) | {"backends", "origins"} == set(Config.__struct_fields__)


def test_plugins_read_a_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAUNCHPAD_PYPI_INDEX_URL", "https://index.example/simple")
    assert config_module.setting("pypi.index_url") == "https://index.example/simple"


# -- backends of the user's own ---------------------------------------------------------------------------------

COMMAND = 'command = ["server", "--port", "{port}", "{model_path}"]\n'


def test_a_user_describes_backends(user: Path) -> None:
    user.write_text(
        f'[backends.mine]\n{COMMAND}env = {{ KEY = "{{api_key}}" }}\n[backends.lan]\nurl = "https://x.lan/v1"\n'
    )
    backends = load().backends
    assert backends["mine"].command[0] == "server" and backends["mine"].formats == ("gguf",)
    assert backends["lan"].url == "https://x.lan/v1"


@pytest.mark.parametrize("table", [COMMAND, 'url = "http://127.0.0.1:1/v1"\n', ""])
def test_a_project_describes_none(project: Path, table: str) -> None:
    project.write_text(f"[run]\ncontext = 4096\n[backends.mine]\n{table}")
    with pytest.raises(ConfigError, match="a project cannot set backends"):
        load(project)


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ("", "either a command or a url"),
        (f'{COMMAND}url = "http://127.0.0.1:1/v1"', "either a command or a url"),
        ('command = ["server", "{model_path}"]', "does not say {port}"),
        ('command = ["server", "{port}", "{threads}"]', "no {threads}"),
        ('command = ["server", "{port}", "--api-key", "{api_key}"]', "can read a command line"),
        ('command = "server {port}"', "Expected array"),
        (f'{COMMAND}formats = ["ollama"]', "'ollama' is none of gguf, safetensors"),
        (f"{COMMAND}formats = []", "reads no format"),
        (f'{COMMAND}accelerators = ["tpu"]', "'tpu' is none of"),
        (f'{COMMAND}ready = "health"', "no path"),
        (f'{COMMAND}key_env = "X"', "for a url"),
        (f"{COMMAND}comand = 1", "comand"),
        ('url = "file:///etc/passwd"', "no http"),
        ('url = "http://:1/v1"', "no http"),
        ('url = "http://127.0.0.1:99999/v1"', "no http"),
        ('url = "http://me:secret@127.0.0.1:1/v1"', "password"),
        ('url = "http://10.0.0.9:1/v1"\nkey_env = "X"', "in the clear"),
    ],
)
def test_a_backend_that_cannot_be_used_is_refused_with_its_line(user: Path, table: str, why: str) -> None:
    user.write_text(f"\n[backends.mine]\n{table}\n")
    with pytest.raises(ConfigError) as caught:
        load()
    assert caught.value.what.startswith(f"{user}:2: backends.mine")
    assert why in (caught.value.why or "")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["llamacpp", "ollama", "Mine", "'a b'"])
def test_names_of_backends(user: Path, name: str) -> None:
    user.write_text(f"[backends.{name}]\n{COMMAND}")
    with pytest.raises(ConfigError):
        load()


def test_a_backend_that_is_no_table(user: Path) -> None:
    user.write_text("backends = 3\n")
    with pytest.raises(ConfigError, match="cannot be used"):
        load()


def test_settings_can_be_changed_beside_backends(user: Path) -> None:
    user.write_text(f"[backends.mine]\n{COMMAND}")
    set_value("run.context", "8192")
    assert load().run.context == 8192 and "mine" in load().backends
