"""What llmfit and whichllm answer to the questions that our formulas are judged by, where they take such a question.

Both as installed from PyPI, in a virtual environment of their own (whichllm needs an older typer):

    python -m venv PEERS && PEERS/bin/pip install llmfit whichllm "typer<0.20"

llmfit is asked by `llmfit --profile FILE plan MODEL --context N --quant Q --json`, with the device's bandwidth in FILE, for
models that it lists under a name and size like ours, and in the nearest quantization that it knows; whichllm by its functions
`estimate_tok_per_sec` and `estimate_vram`, with the same facts that we get. Neither knows a depth or predicts prefill.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from statistics import mean, median

from facts import Row, layout_of, size_correction
from msgspec import Struct
from speed_errors import aside_of, is_usable

from launchpad.fit.memory import OVERHEAD

CHILD = Path(__file__).with_name("whichllm_child.py")
GIB = 1 << 30
TIMEOUT = 60.0  # s
SAME_SIZE = 0.1  # relative difference in parameters between a model here and one in llmfit's list
# Words that publishers add to a model's name.
ADDED = re.compile(
    r"^(meta-|nvidia-)|-(instruct|it|chat|hf|base|bf16|thinking|reasoning|v0\.\d|v1\.0|\d{4}|\d+e)(?=-|$)"
)
PUBLISHERS = (
    "meta-llama", "qwen", "google", "openai", "mistralai", "microsoft", "zai-org", "liquidai", "huggingfacetb", "nvidia",
    "deepseek-ai", "ibm-granite", "tinyllama", "minimaxai", "unsloth",
)  # fmt: skip
NEAREST = {"2": "Q2_K", "3": "Q3_K_M", "4": "Q4_K_M", "5": "Q5_K_M", "6": "Q6_K", "8": "Q8_0"}
WHICHLLM_WINDOWS = (
    "gemma2",
    "gemma3",
    "gpt-oss",
    "cohere2",
)  # architectures whose windows it takes into account


class Answer(Struct, frozen=True):
    """One answer of a peer against the truth: tokens/s (decode, partial) or bytes (total)."""

    group: str
    backend: str
    value: float
    truth: float

    @property
    def error(self) -> float:
        return abs(self.value / self.truth - 1)


class Llmfit:
    """llmfit's command line."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        self.program = folder / "bin/llmfit"
        self.profile = scratch / "asked.json"
        self.listed = json.loads(self._run("list"))

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [self.program, "--json", *arguments], capture_output=True, text=True, check=True, timeout=TIMEOUT
        )
        return done.stdout

    def version(self) -> str:
        """The installed version."""
        return self._run("--version").split()[-1]

    @cache  # noqa: B019 - one object for the whole run
    def name(self, model: str, params: float) -> str | None:
        """The model in its list that is most likely ours, None without one."""
        alike = [
            entry
            for entry in self.listed
            if plain_name(entry["name"]) == model and abs(entry["parameters_raw"] / params - 1) <= SAME_SIZE
        ]
        return str(min(alike, key=_rank)["name"]) if alike else None

    @cache  # noqa: B019
    def plan(self, name: str, quant: str, context: int, bandwidth: float, unified: bool) -> Row | None:
        """Its whole answer, None when it does not take the question."""
        profile = {
            "schema_version": 1,
            "name": self.profile.stem,
            "hardware": {
                "total_ram_gb": 64.0,
                "unified_memory": unified,
                "gpu_memory_bandwidth_gbps": bandwidth,
            },
        }
        self.profile.write_text(json.dumps(profile))
        for asked in (quant.removeprefix("UD-"), NEAREST.get((re.findall(r"\d", quant) or [""])[0])):
            try:
                question = ("plan", name, "--context", str(context), "--quant", str(asked))
                answer: Row = json.loads(self._run("--profile", str(self.profile), *question))
                return answer
            except subprocess.CalledProcessError:
                continue
        return None

    def speed(self, row: Row, device: Row) -> float | None:
        """Tokens/s of a run."""
        name = self.name(row["model"], row["params"])
        answer = name and self.plan(
            name, row["quant"], 4096, device["bandwidth_gbps"], device["unified_memory"]
        )
        path = "gpu" if row["offload"] == "full" else "cpu_offload"
        if not answer:
            return None
        return next((one["estimated_tps"] for one in answer["run_paths"] if one["path"] == path), None)

    def total(self, model: Row, case: Row) -> float | None:
        """Bytes of a model with this context."""
        name = self.name(model["model"], model["n_params"])
        answer = name and self.plan(name, model["quant"], case["n_ctx"], 1000.0, False)
        return answer["minimum"]["vram_gb"] * GIB if answer else None


def plain_name(repository: str) -> str:
    """The model's name without publisher and added words, as in the files of facts."""
    name = repository.rpartition("/")[2].lower()
    while (shorter := ADDED.sub("", name)) != name:
        name = shorter
    return name


def _rank(entry: Row) -> tuple[int, int]:
    publisher = entry["name"].partition("/")[0].lower()
    return PUBLISHERS.index(publisher) if publisher in PUBLISHERS else len(PUBLISHERS), len(entry["name"])


def whichllm(folder: Path, questions: Sequence[Row]) -> list[float]:
    """whichllm's answers, in order."""
    lines = "".join(f"{json.dumps(question)}\n" for question in questions)
    done = subprocess.run(
        [folder / "bin/python", CHILD],
        input=lines,
        capture_output=True,
        text=True,
        check=True,
        timeout=TIMEOUT,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def speed_question(row: Row, device: Row) -> Row:
    """A run as whichllm is asked about it."""
    sizes = device["memory_gib"] or [64.0]
    return {
        "model": row["model"],
        "quant": row["quant"].removeprefix("UD-"),
        "weights": round(row["weights_bytes"] * size_correction(row)),
        "params": round(row["params"]),
        "active_params": round(row["active_params"]) if row.get("moe") else None,
        "moe": bool(row.get("moe")),
        "gpu": device["id"],
        "vendor": device["vendor"],
        "memory": round(max(sizes) * GIB),
        "bandwidth": device["bandwidth_gbps"],
        "unified": device["unified_memory"],
        "fit": "full_gpu" if row["offload"] == "full" else "partial_offload",
    }


def memory_question(model: Row, case: Row) -> Row:
    """A case as whichllm is asked about it."""
    layout, sizes = layout_of(model), model["weight_bytes"]
    weights = sizes["token_embd"] + sizes["output_and_norms"] + sum(sizes["layers"])
    weights += sizes["per_layer_token_embd"]
    idle = 1 - layout.experts.used / layout.experts.total if layout.experts else 0.0
    windowed = sum(
        layout.count(index, 0, layout.layers) for index, kind in enumerate(layout.kinds) if kind.windowed
    )
    honored = model["gguf_arch"] in WHICHLLM_WINDOWS and windowed
    return {
        "model": model["model"],
        "quant": model["quant"],
        "weights": weights,
        "params": model["n_params"],
        "active_params": round(model["n_params"] * (1 - idle * sum(sizes["experts"]) / weights))
        if idle
        else None,
        "moe": bool(idle),
        "window": layout.window if honored else None,
        "full_layers": 1 - windowed / layout.layers if honored else None,
        "context": case["n_ctx"],
    }


def speed_answers(facts: Row, devices: Row, llmfit: Llmfit, folder: Path) -> dict[str, list[Answer]]:
    """Both peers' answers to the decode runs that we are judged by."""
    by_name = {device["id"]: device for device in devices["devices"]}
    rows = [row for row in facts["rows"] if _is_asked(row, by_name)]
    found: dict[str, list[Answer]] = {"llmfit": [], "whichllm": []}
    other = whichllm(folder, [speed_question(row, by_name[row["hardware"]]) for row in rows])
    for row, theirs in zip(rows, other, strict=True):
        group = "decode" if row["offload"] == "full" else "partial"
        found["whichllm"].append(Answer(group, row["backend"], theirs, row["tok_s"]))
        value = llmfit.speed(row, by_name[row["hardware"]])
        if value is not None:
            found["llmfit"].append(Answer(group, row["backend"], value, row["tok_s"]))
    return found


def _is_asked(row: Row, devices: Row) -> bool:
    if not is_usable(row) or row["test"] != "tg" or row["hardware"] not in devices or not row.get("params"):
        return False
    return row.get("fits") is not False if row["offload"] == "full" else aside_of(row) is not None


def memory_answers(facts: Row, llmfit: Llmfit, folder: Path) -> dict[str, list[Answer]]:
    """Both peers' totals of one GPU with one slot and a 16-bit cache: neither is asked about more than that."""
    models = {model["model"]: model for model in facts["models"]}
    cases = [case for case in facts["cases"] if _is_plain(case)]
    found: dict[str, list[Answer]] = {"llmfit": [], "whichllm": []}
    other = whichllm(folder, [memory_question(models[case["model"]], case) for case in cases])
    for case, theirs in zip(cases, other, strict=True):
        truth = sum(case["buffers"]["GPU0"]) + OVERHEAD["cuda"]
        found["whichllm"].append(Answer("total", "", theirs, truth))
        value = llmfit.total(models[case["model"]], case)
        if value is not None:
            found["llmfit"].append(Answer("total", "", value, truth))
    return found


def _is_plain(case: Row) -> bool:
    return (
        case["placement"] == "gpu"
        and case["n_parallel"] == 1
        and case["type_k"] == case["type_v"] == "f16"
        and bool(case["kv_on_gpu"])
    )


def summary(folder: Path, memory: Row | None, speed: Row | None, devices: Row | None) -> Row:
    """Errors of both peers, by what they were asked."""
    result: Row = {"llmfit": {}, "whichllm": {}}
    with tempfile.TemporaryDirectory() as scratch:
        llmfit = Llmfit(folder, Path(scratch))
        if memory:
            for name, answers in memory_answers(memory, llmfit, folder).items():
                result[name]["memory"] = {"total_one_gpu": _figures(answers, worst=True)}
        if speed and devices:
            for name, answers in speed_answers(speed, devices, llmfit, folder).items():
                result[name]["speed"] = _speed(answers)
    return result


def _speed(answers: list[Answer]) -> Row:
    decode = [answer for answer in answers if answer.group == "decode"]
    backends = sorted({answer.backend for answer in decode})
    by_backend = {name: _figures([one for one in decode if one.backend == name]) for name in backends}
    partial = [answer for answer in answers if answer.group == "partial"]
    return {"decode": {**_figures(decode), "by_backend": by_backend}, "partial_offload": _figures(partial)}


def _figures(answers: list[Answer], *, worst: bool = False) -> Row:
    if not answers:
        return {"n": 0, "median": None, "mape": None}
    errors = [answer.error for answer in answers]
    found: Row = {"n": len(errors), "median": median(errors), "mape": mean(errors)}
    return found | {"worst": max(errors)} if worst else found


def lines(found: Row, title: str, part: str) -> Iterator[str]:
    """A table of both peers' figures for `memory` or `speed`."""
    yield f"{title:44} {'n':>6} {'median %':>9} {'mean %':>8}"
    for peer in ("llmfit", "whichllm"):
        for name, row in _flat(found[peer].get(part, {})):
            if row["n"]:
                yield f"  {peer + ', ' + name:42} {row['n']:6} {100 * row['median']:9.1f} {100 * row['mape']:8.1f}"


def _flat(part: Row) -> Iterator[tuple[str, Row]]:
    for name, row in part.items():
        yield name, row
        for backend, figures in row.get("by_backend", {}).items():
            yield f"{name}, {backend}", figures
