"""How SGLang's server is started, and what is computed for it."""

from __future__ import annotations

from msgspec.structs import replace

from launchpad.plugins import (
    Build,
    EngineArguments,
    Fit,
    Layout,
    Machine,
    Model,
    PythonBackend,
    StartStep,
    Wish,
    vllm_fit,
)


class SgLang(PythonBackend):
    """SGLang on GPUs of CUDA and ROCm, from safetensors, in an environment of its own or beside launchpad."""

    remark = (
        "The memory is that of launchpad's formulas for vLLM, which fills a share of the GPU as SGLang does; SGLang itself was not "
        "measured. Whether it knows this network and this quantization it says when it loads."
    )

    def __init__(self) -> None:
        super().__init__(
            "sglang",
            "sglang",
            (
                "-m", "sglang.launch_server", "--model-path", "{model_path}", "--host", "127.0.0.1", "--port", "{port}",
                "--context-length", "{context}",
            ),
            formats=("safetensors",),
            accelerators=("cuda", "rocm"),
            env={"HF_HUB_OFFLINE": "1"},
            stall=600.0,  # it compiles kernels and records graphs without a word
            tools=True,
            vision=True,
            json_schema=True,
            parallel=True,
        )  # fmt: skip

    def fit(
        self, model: Model, build: Build, machine: Machine, wish: Wish, layout: Layout | None = None
    ) -> Fit | None:
        """As vLLM shares memory out, on one machine; None where it was not asked for."""
        if wish.backend != self.name:
            return None
        found = vllm_fit(model, build, replace(machine, cluster=None), wish, layout=layout)
        why = found.why and found.why.replace("vLLM", "SGLang")
        return self.honest(replace(found, backend=self.name, why=why))

    def arguments(self, fit: Fit) -> EngineArguments:
        """The context, and how the GPUs are shared out and filled."""
        told: EngineArguments = {"context": fit.settings.context}
        if fit.settings.memory_share is not None:
            told["mem-fraction-static"] = fit.settings.memory_share
        if fit.placement.tensor_parallel > 1:
            told["tp-size"] = fit.placement.tensor_parallel
        if fit.placement.pipeline_parallel > 1:
            told["pp-size"] = fit.placement.pipeline_parallel
        return told

    def words(self, start: StartStep) -> tuple[str, ...]:
        """The command, with what the plan says of the GPUs."""
        more = [(f"--{name}", str(value)) for name, value in start.arguments.items() if name != "context"]
        return (*super().words(start), *(word for pair in more for word in pair))
