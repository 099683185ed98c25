"""vLLM's errors, in its own words, become a cause and a change that helps."""

from __future__ import annotations

import pytest

from launchpad.plugins.vllm.problems import explain, root_cause

ENGINE = "(EngineCore pid=2527) ERROR 11-27 12:04:08 [core.py:1291] "
LAST = "(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}"

CASES = [
    (
        "huggingface_hub.errors.HFValidationError: Repo id must be in the form 'repo_name' or 'namespace/repo_name': '/x'. Use `repo_type`",
        "There is no folder /x",
        "path",
    ),
    (
        "LocalEntryNotFoundError: Cannot find an appropriate cached snapshot folder for the specified revision",
        "which launchpad keeps it from",
        "launchpad pull",
    ),
    (
        "ValueError: Invalid repository ID or local directory specified: '/tmp/x'.",
        "config.json is missing",
        "folder",
    ),
    (
        "OSError: It looks like the config file at '/m/a.gguf' is not a valid JSON file.",
        "GGUF",
        "--backend llamacpp",
    ),
    (
        "Value error, The checkpoint you are trying to load has model type `foo` but Transformers does not recognize this architecture.",
        "architecture foo",
        "newer",
    ),
    (
        "safetensors_rust.SafetensorError: Error while deserializing header: incomplete metadata, file not fully covered",
        "damaged",
        "launchpad verify",
    ),
    ("OSError: [Errno 98] Address already in use", "port", "Try again"),
    (
        "vllm: error: unrecognized arguments: --frobnicate",
        "does not know --frobnicate",
        "engines install vllm",
    ),
    (
        "Value error, User-specified max_model_len (100000) is greater than the derived max_model_len (max_position_embeddings=8192.0 or model_max_length=None in model's config.json).",
        "8192 tokens",
        "--context 8192",
    ),
    (
        "ValueError: To serve at least one request with the model's max seq len (8192), (0.18 GiB KV cache is needed, which is larger than the available KV cache memory (0.05 GiB). Based on the available memory, the estimated maximum model length is 2048. Try increasing",
        "8,192 tokens of context need 0.18 GiB",
        "--context 2048",
    ),
    (
        "ValueError: Available memory on node 0 (10.39/12.59 GiB) on kv cache allocation is less than requested memory for kv (500.0 GiB). Increase",
        "500.0 GiB, and 10.39 GiB",
        "--context",
    ),
    (
        "ValueError: Available memory on node 0 (10.1/12.59 GiB) on startup is less than desired CPU memory utilization (0.99, 12.46 GiB). Decrease",
        "12.46 GiB",
        "--context",
    ),
    (
        "ValueError: Free memory on device cuda:0 (3.1/23.6 GiB) on startup is less than desired GPU memory utilization (0.92, 21.7 GiB). Decrease GPU memory utilization",
        "Of cuda:0's 23.6 GiB only 3.1 GiB are free",
        "nvidia-smi",
    ),
    (
        "Value error, Total number of attention heads (9) must be divisible by tensor parallel size (2).",
        "9 attention heads",
        "divides 9",
    ),
    (
        "RuntimeError: Not enough allowed NUMA nodes to bind threads of 2 local CPUWorkers. Allowed NUMA nodes are [0]",
        "NUMA",
        "VLLM_CPU_OMP_THREADS_BIND",
    ),
    (
        "RuntimeError: Failed to infer device type, please set the environment variable",
        "GPUs",
        "--accelerator cpu",
    ),
    ("ValueError: current platform cpu does not support ray.", "Ray", "hosts.toml"),
    ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.", "ran out", "smaller build"),
    (
        "ValueError: No available memory for the cache blocks. Try increasing",
        "no memory for the KV cache",
        "--context",
    ),
    (
        "ValueError: Please pass the argument `trust_remote_code=True` to allow custom code to be run.",
        "code of its own",
        "vllm.trust_remote_code",
    ),
    (
        "RuntimeError: Gloo connectFullMesh failed with [../gloo/x.cc:144] no error: Connection refused",
        "network",
        "GLOO",
    ),
]


@pytest.mark.parametrize(("line", "why", "hint"), CASES)
def test_a_recorded_error_is_explained(line: str, why: str, hint: str) -> None:
    problem = explain(f"{ENGINE}Traceback (most recent call last):\n{ENGINE}{line}\n{LAST}\n")
    assert problem is not None
    assert why in problem.why
    assert hint in problem.hint
    assert "\n" not in problem.why + problem.hint


def test_what_less_context_may_help_is_a_matter_of_memory() -> None:
    kv = next(line for line, why, _ in CASES if "8,192" in why)
    assert explain(kv) is not None
    assert explain(kv).memory  # type: ignore[union-attr]
    assert not explain(CASES[0][0]).memory  # type: ignore[union-attr]


def test_the_first_error_is_the_cause_and_not_its_echo() -> None:
    log = f"INFO all is well\n{ENGINE}KeyError: 'lm_head'\n{LAST}\n(APIServer pid=1) ValueError: something later"
    assert root_cause(log) == "KeyError: 'lm_head'"
    problem = explain(log)
    assert problem is not None
    assert problem.why == "KeyError: 'lm_head'"


def test_a_log_without_an_error_tells_nothing() -> None:
    assert explain("(APIServer pid=1) INFO 11-27 12:00:00 [x.py:1] Application startup complete.") is None
    assert explain(LAST) is None
