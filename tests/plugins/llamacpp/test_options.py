"""The plan's arguments in the words of builds of different age."""

from __future__ import annotations

import pytest

from launchpad.plugins import EngineArguments
from launchpad.plugins.llamacpp.options import private_words, server_words
from launchpad.plugins.llamacpp.program import Program, build_of_wheel, read_version

TOLD: EngineArguments = {
    "ctx-size": 4096, "parallel": 1, "kv-unified": False, "batch-size": 2048, "ubatch-size": 512, "cache-type-k": "q8_0",
    "cache-type-v": "q8_0", "flash-attn": "on", "swa-full": False, "mmap": False, "repack": False, "n-gpu-layers": 33,
    "fit": "off", "cache-ram": 512, "ctx-checkpoints": 8, "threads": 4, "n-cpu-moe": 3, "tensor-split": "0.5,0.5",
}  # fmt: skip
NEW = frozenset(
    [
        "--ctx-size",
        "--parallel",
        "--kv-unified",
        "--no-kv-unified",
        "--batch-size",
        "--ubatch-size",
        "--cache-type-k",
        "--cache-type-v",
        "--flash-attn",
        "--swa-full",
        "--load-mode",
        "--repack",
        "--no-repack",
        "--n-gpu-layers",
        "--fit",
        "--cache-ram",
        "--ctx-checkpoints",
        "--threads",
        "--threads-batch",
        "--n-cpu-moe",
        "--tensor-split",
        "--override-tensor",
        "--host",
        "--port",
        "--log-verbosity",
        "--ui",
        "--no-ui",
        "--offline",
    ]
)


def program(options: frozenset[str]) -> Program:
    return Program(kind="server", argv=("llama-server",), version="1", build=9000, owner="x", options=options)


def pairs(argv: list[str]) -> dict[str, str]:
    return dict(zip(argv, [*argv[1:], ""], strict=True))


def test_everything_is_told_to_a_build_that_knows_it() -> None:
    words = server_words(program(NEW), TOLD)
    told = pairs(words.argv)
    assert words.dropped == []
    assert (told["--ctx-size"], told["--parallel"], told["--ubatch-size"]) == ("4096", "1", "512")
    assert (told["--cache-type-k"], told["--cache-type-v"], told["--flash-attn"]) == ("q8_0", "q8_0", "on")
    assert (told["--n-gpu-layers"], told["--n-cpu-moe"], told["--tensor-split"]) == ("33", "3", "0.5,0.5")
    assert (told["--cache-ram"], told["--ctx-checkpoints"], told["--fit"]) == ("512", "8", "off")
    assert told["--load-mode"] == "none"
    assert {"--no-repack", "--no-kv-unified"} <= set(words.argv)
    assert "--swa-full" not in words.argv


def test_renamed_options_are_told_by_their_old_names() -> None:
    old = (NEW - {"--load-mode", "--n-gpu-layers", "--ctx-checkpoints", "--n-cpu-moe"}) | {
        "--mmap", "--no-mmap", "--gpu-layers", "--swa-checkpoints",
    }  # fmt: skip
    words = server_words(program(frozenset(old)), TOLD)
    told = pairs(words.argv)
    assert words.dropped == []
    assert (told["--gpu-layers"], told["--swa-checkpoints"]) == ("33", "8")
    assert told["--override-tensor"] == r"blk\.(0|1|2)\.ffn_(up|down|gate|gate_up)_(ch|)exps=CPU"
    assert "--no-mmap" in words.argv


def test_what_a_build_does_not_have_is_dropped_and_said() -> None:
    words = server_words(program(NEW - {"--cache-ram", "--no-repack", "--fit", "--no-kv-unified"}), TOLD)
    assert words.dropped == [
        "--no-repack",
        "--cache-ram",
    ]  # a build without --fit does not change what is told
    assert "--cache-ram" not in words.argv


def test_an_argument_that_nobody_knows() -> None:
    with pytest.raises(ValueError, match="rpc"):
        server_words(program(NEW), {"rpc": "10.0.0.1"})


@pytest.mark.parametrize(("ui", "word"), [(True, "--ui"), (False, "--no-ui")])
def test_it_is_told_to_be_private(ui: bool, word: str) -> None:
    words = server_words(program(NEW), {})
    private_words(words, 4711, ui)
    told = pairs(words.argv)
    assert (told["--host"], told["--port"]) == ("127.0.0.1", "4711")
    assert word in words.argv
    assert "--offline" in words.argv
    assert "--no-slots" not in words.argv  # this build has no such option


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("version: 0.7.0 (build 11669, commit Debian)\nbuilt with GNU", ("0.7.0", 11669)),
        ("version: 8146 (abc1234)\nbuilt with cc", ("8146", 8146)),
        ("version: 0 (unknown)\n", ("0", 0)),
        ("version: 0.2.0\n", ("0.2.0", 0)),
        ("GNU bash, 5.2", None),
    ],
)
def test_versions(text: str, expected: tuple[str, int] | None) -> None:
    assert read_version(text) == expected


def test_the_build_of_a_wheel() -> None:
    assert build_of_wheel("2026.10.11549") == 11549
    assert build_of_wheel("2026.10.11549+cu128") == 11549
    assert build_of_wheel("1") == 0
