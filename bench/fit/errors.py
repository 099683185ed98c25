"""How far the fit's figures are from measured facts: memory, decode, prefill, partial offload.

    python bench/fit/errors.py --memory memory_truth.json --speed speed_public.json
        [--hardware hardware.json] [--peers FOLDER] [--json]

The files' formats are described beside them. The table of devices is looked for next to the file of speeds unless
it is named. Only the product's functions compute; this program compares. `--peers` names a virtual environment in which
llmfit and whichllm are installed (see peers.py): their answers to the same questions stand beside ours.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import memory_errors
import peers
import speed_errors
from facts import Row, load


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--memory", type=Path, help="file of buffers that the engine computed")
    parser.add_argument("--speed", type=Path, help="file of published tokens per second")
    parser.add_argument(
        "--hardware", type=Path, help="table of devices (default: hardware.json beside --speed)"
    )
    parser.add_argument(
        "--peers", type=Path, help="virtual environment with llmfit and whichllm (see peers.py)"
    )
    parser.add_argument("--json", action="store_true", help="print figures for programs, errors as fractions")
    options = parser.parse_args()
    result: Row = {}
    memory: Row | None = None
    facts: Row | None = None
    devices: Row | None = None
    if options.memory:
        memory = load(options.memory)
        found = list(memory_errors.errors(memory))
        result["memory"] = memory_errors.summary(found)
        if not options.json:
            print_memory(found)
    if options.speed:
        hardware = options.hardware or options.speed.with_name("hardware.json")
        facts, devices = load(options.speed), load(hardware)
        speeds = list(speed_errors.errors(facts, devices))
        result["speed"] = speed_errors.summary(speeds)
        if not options.json:
            print_speed(speeds)
    if options.peers:
        result["peers"] = peers.summary(options.peers, memory, facts, devices)
        if not options.json:
            print_peers(result["peers"])
    print(json.dumps(result, indent=2))


def print_peers(found: Row) -> None:
    for title, part in (("peers: total memory of one GPU", "memory"), ("peers: tokens per second", "speed")):
        print(*peers.lines(found, title, part), "", sep="\n")


def print_memory(found: list[memory_errors.Error]) -> None:
    for title, rows in memory_errors.tables(found):
        print(f"{title:44} {'n':>6} {'mean %':>8} {'worst %':>8}")
        for name, number, mean_error, worst_error in rows:
            print(f"  {name:42} {number:6} {100 * mean_error:8.2f} {100 * worst_error:8.2f}")
        print()


def print_speed(found: list[speed_errors.Error]) -> None:
    for title, rows in speed_errors.tables(found):
        print(f"{title:52} {'n':>5} {'median %':>9} {'mean %':>8} {'worst %':>8} {'in band %':>10}")
        for name, row in rows:
            print(
                f"  {name:50} {row['n']:5} {100 * row['median']:9.1f} {100 * row['mape']:8.1f} "
                f"{100 * row['worst']:8.1f} {100 * row['band_share']:10.0f}"
            )
        print()


if __name__ == "__main__":
    main()
