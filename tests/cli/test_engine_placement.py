"""Where `ps` says that a model is: what the engine told, never a guess."""

from __future__ import annotations

import pytest

from launchpad.cli.render import placed
from launchpad.plugins.ollama.readback import report
from ollama_traffic import exchanges


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("ps", "CPU"),
        ("synthetic-ps-full", "GPU 100 %"),
        ("synthetic-ps-partial", "GPU 45 %"),
        ("vulkan-ps-full", "GPU 100 %"),
        ("vulkan-ps-partial", "GPU 59 %"),
        ("synthetic-ps-nogpu-offloaded", "?"),
    ],
)
def test_ollamas_own_list_is_enough_where_its_log_cannot_be_read(name: str, shown: str) -> None:
    (loaded,) = exchanges(name, "/api/ps")[0]["response"]["json"]["models"]
    assert placed(report("Ollama", loaded, "", 1.0)) == shown
