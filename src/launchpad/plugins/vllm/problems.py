"""vLLM's errors as one line of cause and one of what helps: PURE. Texts of vLLM 0.32, each seen unless said otherwise.

The last line of its log is mostly "Engine core initialization failed. See root cause above.": the cause stands further up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from msgspec import Struct

_NOISE = ("Engine core initialization failed", "EngineDeadError", "Failed core proc")
_ERROR = re.compile(r"^(?:\([^)]*\) )?(?:ERROR [^\]]*\] )?\s*(?:[\w.]+\.)?(\w*(?:Error|Exception)): (.+)$")
_LONGEST = 240


class Problem(Struct, frozen=True, kw_only=True):
    """Why vLLM did not start and what to do. `memory`: less context may help; `retryable`: the same may work again."""

    why: str
    hint: str
    memory: bool = False
    retryable: bool = False


Told = Callable[[re.Match[str]], Problem]


def _problem(why: str, hint: str, *, memory: bool = False, retryable: bool = False) -> Told:
    """`why` and `hint` with the groups of the match filled in."""

    def told(match: re.Match[str]) -> Problem:
        groups = match.groups("")
        return Problem(why=why.format(*groups), hint=hint.format(*groups), memory=memory, retryable=retryable)

    return told


_KV = (
    r"max seq len \((\d+)\), \(?([\d.]+) GiB KV cache is needed, which is larger than the available KV cache "
    r"memory \((-?[\d.]+) GiB\)(?:.*?estimated maximum model length is (\d+))?"
)


def _too_little_cache(match: re.Match[str]) -> Problem:
    context, needed, there, possible = match.groups("")
    hint = f"This much fits: --context {possible}" if possible else "Ask for less context: --context 4096"
    return Problem(
        why=f"{int(context):,} tokens of context need {needed} GiB of KV cache, and {there} GiB are left for it.",
        hint=f"{hint}, or free memory, or take a smaller build.",
        memory=True,
    )


RULES: Sequence[tuple[str, Told]] = (
    (_KV, _too_little_cache),
    (
        r"No available memory for the cache blocks",  # read in its source
        _problem(
            "The weights and one step leave no memory for the KV cache.",
            "Free GPU memory, take a smaller build, or ask for less context: --context 4096",
            memory=True,
        ),
    ),
    (
        r"User-specified max_model_len \((\d+)\) is greater than the derived max_model_len \(\w+=(\d+)",
        _problem("The model was made for {1} tokens of context, not for {0}.", "Ask for less: --context {1}"),
    ),
    (
        r"Available memory on node \d+ \(([\d.]+)/[\d.]+ GiB\) on kv cache allocation is less than requested memory "
        r"for kv \(([\d.]+) GiB\)",
        _problem(
            "The KV cache would take {1} GiB, and {0} GiB of main memory are free.",
            "Ask for less context (--context 4096), or free memory.",
            memory=True,
        ),
    ),
    (
        r"Free memory on device (\S+) \(([\d.]+)/([\d.]+) GiB\) on startup is less than desired GPU memory utilization "
        r"\(([\d.]+)",  # read in its source
        _problem(
            "Of {0}'s {2} GiB only {1} GiB are free: another program holds the rest.",
            "End what else uses the GPU (`nvidia-smi` names it), then run it again: the share is taken of what is free.",
            memory=True,
            retryable=False,
        ),
    ),
    (
        r"on startup is less than desired CPU memory utilization \(([\d.]+), ([\d.]+) GiB\)",
        _problem(
            "vLLM would reserve {1} GiB of main memory, and less is free.",
            "Free memory, or ask for less context: --context 4096",
            memory=True,
        ),
    ),
    (
        r"(?:CUDA|HIP) out of memory|OutOfMemoryError",
        _problem(
            "The GPU's memory ran out while vLLM loaded.",
            "Take a smaller build, ask for less context (--context 4096), or end what else uses the GPU.",
            memory=True,
        ),
    ),
    (
        r"Total number of attention heads \((\d+)\) must be divisible by tensor parallel size \((\d+)\)",
        _problem(
            "{0} attention heads cannot be shared out over {1} GPUs.",
            "Use a number of GPUs that divides {0}, or pipeline stages.",
        ),
    ),
    (
        r"Not enough allowed NUMA nodes to bind threads of (\d+) local CPUWorkers",
        _problem(
            "vLLM wants a NUMA node for each of {0} workers.", "Set VLLM_CPU_OMP_THREADS_BIND, such as 0|1."
        ),
    ),
    (
        r"Failed to infer device type",
        _problem(
            "This vLLM is built for GPUs, and finds none that it can use.",
            "Check the driver (`launchpad doctor`), or: launchpad engines install vllm --accelerator cpu",
        ),
    ),
    (
        r"current platform (\w+) does not support ray",
        _problem(
            "vLLM does not run on Ray with {0}.",
            "Use nodes with GPUs, or its own multi-node mode: --on hosts.toml",
        ),
    ),
    (
        r"Address already in use",
        _problem("Another program took its port first.", "Try again.", retryable=True),
    ),
    (
        r"unrecognized arguments: (.+)",
        _problem(
            "This version of vLLM does not know {0}.",
            "launchpad engines install vllm   (installs the version that launchpad was tested with)",
        ),
    ),
    (
        r"has model type `([\w.-]+)` but Transformers does not recognize this architecture",
        _problem(
            "This vLLM does not know the architecture {0}.",
            "Install a newer one beside it (launchpad engines install vllm --version …), or take a GGUF build.",
        ),
    ),
    (
        r"Model architectures \[([^\]]+)\] (?:are not supported|failed to be inspected)",  # read in its source
        _problem(
            "This vLLM does not run the architecture {0}.",
            "Install a newer one beside it (launchpad engines install vllm --version …), or take a GGUF build.",
        ),
    ),
    (
        r"The quantization method (\S+) is not supported for the current GPU",  # read in its source
        _problem(
            "This GPU is too old for the quantization {0} in vLLM.",
            "Take another build: `launchpad explain MODEL` lists them.",
        ),
    ),
    (
        r"Bfloat16 is only supported on GPUs with compute capability",  # read in its source
        _problem("This GPU cannot compute in bfloat16.", "Take a GGUF build on llama.cpp, or an AWQ build."),
    ),
    (
        r"SafetensorError: (Error while deserializing header: .+)",
        _problem("A file of weights is damaged: {0}.", "Check and fetch it again: launchpad verify"),
    ),
    (
        r"It looks like the config file at '([^']+\.gguf)' is not a valid JSON file",
        _problem("vLLM was given a GGUF file.", "Run it on llama.cpp: --backend llamacpp"),
    ),
    (
        r"Repo id must be in the form 'repo_name' or 'namespace/repo_name': '([^']+)'",
        _problem("There is no folder {0}.", "Check the path; a model in safetensors files is a folder."),
    ),
    (
        r"Invalid repository ID or local directory specified",
        _problem(
            "The folder holds no model that vLLM reads: config.json is missing.",
            "Give the folder as it was downloaded.",
        ),
    ),
    (
        r"LocalEntryNotFoundError|Cannot find an appropriate cached snapshot folder",
        _problem(
            "vLLM looked for the model on the Hub, which launchpad keeps it from.",
            "Pull it first: launchpad pull",
        ),
    ),
    (
        r"trust_remote_code=True|--trust-remote-code",
        _problem(
            "The model wants to run code of its own.",
            "Take another build; or, if you trust that revision: launchpad config set vllm.trust_remote_code ORG/REPO@COMMIT",
        ),
    ),
    (
        r"(?:Connection refused|connectFullMesh failed).*?(?:Gloo|gloo)|Gloo connectFullMesh failed",
        _problem(
            "The workers cannot reach each other over the network.",
            "Name the interface that joins the nodes: GLOO_SOCKET_IFNAME and NCCL_SOCKET_IFNAME.",
        ),
    ),
)


def explain(log: str) -> Problem | None:
    """The first rule whose text is in the log; else its first error line; None where the log tells of none."""
    for pattern, told in RULES:
        if (match := re.search(pattern, log)) is not None:
            return told(match)
    cause = root_cause(log)
    if cause is None:
        return None
    return Problem(why=cause, hint="`launchpad logs` has vLLM's own words; `launchpad engines` its version.")


def root_cause(log: str) -> str | None:
    """The first error that is not only the echo of another."""
    for line in log.splitlines():
        if any(noise in line for noise in _NOISE):
            continue
        if match := _ERROR.match(line):
            return f"{match[1]}: {match[2]}"[:_LONGEST]
    return None
