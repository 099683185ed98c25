"""How OpenVINO GenAI is started, and what it can do."""

from __future__ import annotations

from pathlib import Path

from launchpad.plugins import PythonBackend


class OpenVino(PythonBackend):
    """OpenVINO GenAI on the CPU, from GGUF files, which it turns into its own form while it loads."""

    architectures = frozenset({"llama", "qwen2", "qwen3"})  # of its GGUF reader, by its documentation
    remark = (
        "The memory is that of llama.cpp's formulas. OpenVINO turns the file into its own form while it loads, "
        "which takes more for that time: how much is not known."
    )

    def __init__(self) -> None:
        super().__init__(
            "openvino",
            "openvino-genai",
            Path(__file__).with_name("server.py"),
            json_schema=True,
        )
