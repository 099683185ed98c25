"""How mlx-lm's server is started, and what it can read."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from launchpad.plugins import Build, Fit, Layout, Machine, Model, PythonBackend, StartStep, Wish

PLAIN = 2  # bytes of a parameter that nobody quantized

_FOREIGN = (
    "FP8",
    "AWQ",
    "GPTQ",
    "NVFP4",
    "MXFP4",
    "MXFP8",
    "INT4",
    "INT8",
    "W4A16",
    "W8A8",
    "BNB",
    "BITSANDBYTES",
)


class Mlx(PythonBackend):
    """MLX on Apple silicon, from safetensors: plain weights, or quantized by MLX itself."""

    remark = (
        "The memory is that of llama.cpp's formulas with the size of these weights. mlx-lm's cache grows with the conversation, "
        "and it does not hold to a context: what it takes at most is not known."
    )

    def __init__(self) -> None:
        super().__init__(
            "mlx",
            "mlx-lm",
            (
                "-m", "mlx_lm", "server", "--model", "{model_path}", "--host", "127.0.0.1", "--port", "{port}",
                "--max-tokens", "{context}", "--allowed-origins", "http://127.0.0.1", "--log-level", "WARNING",
            ),
            formats=("safetensors",),
            accelerators=("metal",),
            env={"HF_HUB_OFFLINE": "1"},  # a request may name any model of the Hub: none is fetched
            parallel=True,
        )  # fmt: skip

    def builds(self, model: Model) -> Iterable[Build]:
        """Plain weights and those of MLX; whether it reads what others quantized is not known."""
        return tuple(build for build in super().builds(model) if not _is_foreign(build.quantization))

    def fit(
        self, model: Model, build: Build, machine: Machine, wish: Wish, layout: Layout | None = None
    ) -> Fit | None:
        """The built-in formulas; where nobody states the size of plain weights, they have two bytes for each parameter."""
        if build.size is None and model.parameters is not None and "BIT" not in build.quantization.upper():
            build = replace(build, size=round(model.parameters * PLAIN), size_exact=False)
        return super().fit(model, build, machine, wish, layout)

    def served_model(self, start: StartStep, listed: str | None) -> str:
        """Its word for the model that it was started with."""
        return "default_model"


def _is_foreign(quantization: str) -> bool:
    return any(word in quantization.upper() for word in _FOREIGN)
