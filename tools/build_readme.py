"""Write the README's tables from tests/golden/picks.json and bench/fit/README.md: `python tools/build_readme.py`."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[1]
MACHINES = (
    "8GB laptop",
    "16GB laptop",
    "cpu 24GB 8 cores",
    "RTX 3060 12GB + 32GB",
    "RTX 4090 + 64GB",
    "2x RTX 3090 + 64GB",
    "M4 16GB",
    "M4 Max 64GB",
    "Strix Halo 128GB",
    "8x H100",
)
WHERE = {"cpu": "CPU", "gpu": "GPU", "partial": "GPU and CPU"}


def table() -> str:
    """The rows, from lines such as "Qwen3.5 4B IQ4_XS, cpu, direct, 43: the best …"."""
    picks = json.loads((ROOT / "tests" / "golden" / "picks.json").read_text(encoding="utf-8"))
    lines = ["| machine | model | runs on | answers | quality |", "| --- | --- | --- | --- | ---: |"]
    for machine in MACHINES:
        name, where, style, quality = picks[machine]["chat"]["pick"].partition(":")[0].split(", ")
        how = "after thinking" if style == "thinking" else "directly"
        lines.append(f"| {machine} | {name} | {WHERE[where]} | {how} | {quality} |")
    return "\n".join(lines)


def errors() -> str:
    """The figures of the last measurement, from the page that tells them."""
    page = (ROOT / "bench" / "fit" / "README.md").read_text(encoding="utf-8")

    def figures(pattern: str) -> tuple[str, ...]:
        found = re.search(pattern, page)
        assert found is not None, pattern
        return found.groups()

    number = r"(\d+\.\d+)"
    (memory,) = figures(rf"\| total of one GPU \| mean {number} %")
    llmfit, whichllm = figures(rf"llmfit mean {number} %\s[^,]*, whichllm {number} %")
    held, sample, theirs, others = figures(
        rf"\| all \| {number} / \S+ % \| {number} / \S+ % \| {number} / [^|]*\| {number} / "
    )
    (prefill,) = figures(rf"\| prefill, each device \| \d+ \| [^|]* \| {number} /")
    return "\n".join(
        (
            "| | launchpad | llmfit 1.1.17 | whichllm 0.5.21 |",
            "| --- | ---: | ---: | ---: |",
            f"| memory of one GPU, mean error | {memory} % | {llmfit} % | {whichllm} % |",
            f"| tokens per second, median error | {held} % on a device held out ({sample} % in sample) | {theirs} % | {others} % |",
            f"| reading the prompt, median error | {prefill} % on a device held out | not predicted | not predicted |",
        )
    )


def _between(text: str, marks: re.Match[str]) -> str:
    return f"{marks[1]}\n{text}\n\n{marks[2]}"


def renewed(readme: str) -> str:
    """The README with the tables of now."""
    for name, text in (("picks", table()), ("errors", errors())):
        marks = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
        readme = re.sub(marks, partial(_between, text), readme, flags=re.DOTALL)
    return readme


def main() -> None:
    """Rewrite the README."""
    path = ROOT / "README.md"
    path.write_text(renewed(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
