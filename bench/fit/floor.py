"""How far a measurement is from what another party measured of the same device, model and quantization.

    python bench/fit/floor.py speed_public.json

No law can be expected to predict published runs better than somebody who knows the other parties' runs of the very same
thing. Each run is predicted by the median of those of other sources; below 1,000 tokens of depth all depths count as one.
"Near in time" are other parties' runs of builds at most 1,500 numbers apart. The rows are those that errors.py judges.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import mean, median

from facts import Row, build_of, load
from speed_errors import is_usable

SHALLOW = 1000
NEAR = 1500


def combinations(facts: Row, test: str) -> list[list[Row]]:
    """Runs of one device, backend, model, quantization and depth that two parties or more measured."""
    groups: dict[tuple[object, ...], list[Row]] = defaultdict(list)
    for row in facts["rows"]:
        if (
            row["test"] == test
            and is_usable(row)
            and row["offload"] == "full"
            and row.get("fits") is not False
        ):
            depth = row.get("depth") or 0
            names = ("hardware", "backend", "model", "quant")
            groups[(*(row[name] for name in names), 0 if depth < SHALLOW else depth)].append(row)
    return [rows for rows in groups.values() if len({row["source"] for row in rows}) > 1]


def errors(found: list[list[Row]], *, near: bool) -> Iterator[float]:
    """The relative error of each run, predicted by other parties' runs."""
    for rows in found:
        for row in rows:
            others = [
                other["tok_s"]
                for other in rows
                if other["source"] != row["source"] and (not near or _is_near(row, other))
            ]
            if others:
                yield abs(median(others) / row["tok_s"] - 1)


def _is_near(one: Row, other: Row) -> bool:
    builds = build_of(one), build_of(other)
    return builds[0] is not None and builds[1] is not None and abs(builds[0] - builds[1]) <= NEAR


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("speed", type=Path, help="file of published tokens per second")
    facts = load(parser.parse_args().speed)
    for test, name in (("tg", "decode"), ("pp", "prefill")):
        found = combinations(facts, test)
        for title, near in (("any build", False), ("near in time", True)):
            values = list(errors(found, near=near))
            if values:
                print(
                    f"{name}, {title}: {len(found)} combinations, {len(values)} runs, "
                    f"median {100 * median(values):.1f} %, mean {100 * mean(values):.1f} %"
                )


if __name__ == "__main__":
    main()
