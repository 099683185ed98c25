"""Write the golden table of picks: `python tools/build_golden_picks.py` after a change that is meant to move them.

Look at each line of the diff as somebody who knows the models would, and at docs/explanation/choice.md for the reasons.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from launchpad.choice.choose import Option
from launchpad.config import Config
from launchpad.decide import decide
from launchpad.hardware.simulate import simulate
from launchpad.plugins.host import Host
from launchpad.wish import Purpose, Wish

TABLE = Path(__file__).parent.parent / "tests" / "golden" / "picks.json"
PURPOSES: tuple[Purpose, ...] = ("chat", "code", "reasoning")
MACHINES = (
    "8GB laptop",
    "16GB laptop",
    "cpu 24GB 8 cores",
    "RTX 3060 12GB + 32GB",
    "RTX 4090 + 64GB",
    "RTX 5090 + 64GB",
    "2x RTX 3090 + 64GB",
    "M4 16GB",
    "M4 Max 64GB",
    "M4 Max 128GB",
    "Strix Halo 128GB",
    "DGX Spark",
    "8x H100",
    "2 nodes of 8x H100 80GB",
)
# The rule's constants were set on the machines above. On these they were only judged: what looked wrong there changed the
# rule (docs/explanation/choice.md says what), never a line of the table.
JUDGED = (
    "RTX 3080 10GB + 32GB",
    "M1 8GB",
    "RX 7900 XTX + 32GB",
    "Arc B580 + 32GB",
    "Raspberry Pi 5 16GB",
    "4x L40S + 256GB",
    "cpu 32GB 4 cores 26GB/s",
    "Jetson AGX Orin 64GB",
    "GTX 1060 6GB + 16GB",
    "RTX 4060 8GB + 16GB",
    "M3 Pro 36GB",
    "M2 Ultra 192GB",
    "cpu 512GB 64 cores 460GB/s",
)


def picks() -> dict[str, dict[str, Any]]:
    """machine -> purpose -> the three answers."""
    host = Host(Config(), third_party=False)
    return {
        machine: {purpose: _answers(host, machine, purpose) for purpose in PURPOSES}
        for machine in (*MACHINES, *JUDGED)
    }


def _answers(host: Host, machine: str, purpose: Purpose) -> dict[str, str | None]:
    choice = decide(host, Config(), Wish(purpose=purpose), on=simulate(machine)).choice
    return {
        "pick": _line(choice.pick),
        "faster": _line(choice.faster),
        "better": _line(choice.better),
        "losses": f"{len(choice.losses)} score better and lost",
    }


def _line(option: Option | None) -> str | None:
    """Model, quantization, where, with thinking or not, score, and the reason."""
    if option is None:
        return None
    where = option.fit.placement.kind if option.fit.runs else "does not fit"
    how = "thinking" if option.thinking else "direct"
    score = "not rated" if option.score is None else f"{option.score:.0f}"
    return f"{option.model.name} {option.build.quantization}, {where}, {how}, {score}: {option.reason}"


def written(table: dict[str, dict[str, Any]]) -> str:
    """The table as it is kept."""
    return json.dumps(table, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    TABLE.write_text(written(picks()), encoding="utf-8")
