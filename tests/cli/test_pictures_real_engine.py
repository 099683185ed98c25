"""Pictures from end to end: a real llama.cpp with a real small model, and beside it a projector of zeros that it loads.

No real vision model is small enough for a test. Loading, encoding, the place in the prompt and the memory are the real ones;
what the model says of a picture means nothing.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path

import pytest

from chat.terminal_harness import terminal
from launchpad.chat.transcript import read_records, session_path
from vision_files import PICTURE_TOKENS, tiny_projector, write_picture

pytestmark = [
    pytest.mark.engine,
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo terminal"),
]
MAIN = str(Path(__file__).with_name("chat_main.py"))
ASK = ("--backend", "llamacpp", "--yes", "--context", "512", "--max-tokens", "4", "--temperature", "0")


@pytest.fixture
def seeing(smollm2: Path, tmp_path: Path) -> Path:
    """The model, with a projector beside it."""
    model = tmp_path / "eye-Q4_1.gguf"
    model.symlink_to(smollm2)
    (tmp_path / "mmproj-eye-F32.gguf").write_bytes(tiny_projector(576))
    return model


def test_a_picture_takes_its_tokens_of_the_prompt(launchpad, seeing, tmp_path):
    picture = write_picture(tmp_path / "red.png")
    without, with_one, with_two = (
        launchpad("chat", str(seeing), *ASK, "-p", "What is it?", *more, "--json")
        for more in ((), ("--image", str(picture)), ("--image", str(picture), "--image", str(picture)))
    )
    assert [ran.code for ran in (without, with_one, with_two)] == [0, 0, 0], with_two.err
    first, second, third = (json.loads(ran.out)["prompt_tokens"] for ran in (without, with_one, with_two))
    assert (second - first, third - first) == (PICTURE_TOKENS, 2 * PICTURE_TOKENS)


def test_a_picture_goes_along_with_the_next_question(seeing, tmp_path, private_home):
    picture = write_picture(tmp_path / "my red.png")
    (tmp_path / "bad.png").write_text("no picture")
    command = ["chat", str(seeing), *ASK, "--session", "s"]
    with terminal(*command, program=(MAIN,), columns=100) as shown:
        shown.prompt()
        shown.send(f"/image {tmp_path}/bad.png\r")
        shown.expect("neither PNG nor JPEG")
        shown.send(f"/image {picture}\r")
        shown.expect("my red.png goes along with the next question.")
        shown.send("What is it?\r")
        shown.expect("4 tokens,")
        shown.prompt(4)
        shown.send("And now?\r")  # what was seen stays in the conversation
        shown.expect("4 tokens,", 2)
        shown.prompt(5)
        shown.send("/exit\r")
        assert shown.wait() == 0
    records = list(read_records(session_path("s")))
    asked = [record for record in records if record.get("role") == "user"]
    assert [record["content"] for record in asked] == ["What is it?", "And now?"]
    assert base64.b64decode(asked[0]["images"][0]) == picture.read_bytes()
    assert not asked[1].get("images")


def test_without_its_projector_the_model_takes_no_pictures(launchpad, seeing, tmp_path):
    picture = write_picture(tmp_path / "red.png")
    ran = launchpad("chat", str(seeing), *ASK, "--no-projector", "-p", "x", "--image", str(picture))
    assert ran.code == 2
    assert "eye-Q4_1 takes no pictures." in ran.err
