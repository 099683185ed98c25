"""How fast `hf_xet` puts a file together, with no network in the way: its chunks lie in a folder in memory.

    python bench/pull/xet.py [--size 1GiB in bytes] [--rounds 5] [--where /dev/shm]

The folder stands for the store of the Hub (`local://`, hf_xet's own). "drained": the stream is read and thrown away, the
most that anybody could get; "hashed and written": what a verified pull would have to do with it. Random bytes: nothing is
shared between chunks, as in most weights.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import hf_xet


def drain(stream: Iterable[bytes], target: Path) -> None:
    for _ in stream:
        pass


def keep(stream: Iterable[bytes], target: Path) -> None:
    hasher = hashlib.sha256()
    with target.open("wb") as file:
        for chunk in stream:
            file.write(chunk)
            hasher.update(chunk)


def processors() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1 << 30)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--where", type=Path, default=Path("/dev/shm"))
    options = parser.parse_args()
    ways: dict[str, Callable[[Iterable[bytes], Path], None]] = {"drained": drain, "hashed and written": keep}
    with tempfile.TemporaryDirectory(dir=options.where) as folder:
        endpoint = f"local://{folder}/cas"
        session = hf_xet.XetSession()
        commit = session.new_upload_commit(endpoint=endpoint)
        commit.start_upload_bytes(os.urandom(options.size), name="x")
        (uploaded,) = commit.wait_to_finish().uploads.values()
        print("| hf_xet, no network | best, MB/s | median, MB/s | processor, s |")
        print("| --- | ---: | ---: | ---: |")
        for name, way in ways.items():
            seconds, used = [], []
            for _ in range(options.rounds):
                group = session.new_download_stream_group(endpoint=endpoint)
                begin, before = time.monotonic(), processors()
                way(group.download_stream(uploaded.xet_info), Path(folder) / "out")
                seconds.append(time.monotonic() - begin)
                used.append(processors() - before)
                (Path(folder) / "out").unlink(missing_ok=True)
            best, middle = options.size / min(seconds) / 1e6, options.size / statistics.median(seconds) / 1e6
            print(f"| {name} | {best:,.0f} | {middle:,.0f} | {statistics.median(used):.2f} |")


if __name__ == "__main__":
    main()
