"""How mistral.rs is started, and what it can do."""

from __future__ import annotations

from pathlib import Path

from launchpad.plugins import PythonBackend


class MistralRs(PythonBackend):
    """mistral.rs on the CPU, from GGUF files."""

    remark = (
        "The memory is that of llama.cpp's formulas: what mistral.rs takes besides is not known. "
        "Which networks it can run it says when it loads."
    )

    def __init__(self) -> None:
        super().__init__(
            "mistralrs",
            "mistralrs",
            Path(__file__).with_name("server.py"),
            env={"HF_HUB_OFFLINE": "1"},  # everything that it needs stands in the file
            json_schema=True,
        )
