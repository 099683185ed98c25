"""The job that brings a model onto every node of a Ray cluster. Sent as text; the standard library, Ray, and the Hub's own client.

What to fetch is JSON in LAUNCHPAD_FETCH: `repository`, `revision` (a commit), the `branch` that names it or null, and `files`, each with
`path`, `size` and what its bytes must hash to, `sha256` or `git_sha1`. Each file that a node has whole, or has failed at, is one line, `launchpad-fetch {...}`.
"""

from __future__ import annotations

import json
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def fetch(wanted: dict[str, Any], number: int) -> str | None:
    """One of the files into the Hub cache of the node that this runs on: hashed, and taken away when it is wrong. Returns what failed.

    It is sent to each node whole: all that it needs is inside.
    """
    import hashlib
    import shutil
    from pathlib import Path

    file = wanted["files"][number]

    def room() -> str | None:
        from huggingface_hub import constants, try_to_load_from_cache

        there = try_to_load_from_cache(wanted["repository"], file["path"], revision=wanted["revision"])
        folder = Path(constants.HF_HUB_CACHE)
        while not folder.exists():
            folder = folder.parent
        free = shutil.disk_usage(folder).free
        if isinstance(there, str) or free > file["size"]:
            return None
        return f"{file['size'] / 1e9:.1f} GB are needed in {folder}, and {free / 1e9:.1f} GB are free"

    def hashed(path: Path) -> str:
        known = hashlib.sha256() if file["sha256"] else hashlib.sha1(usedforsecurity=False)
        if not file["sha256"]:
            known.update(b"blob %d\0" % path.stat().st_size)  # git's own way
        with path.open("rb") as content:
            while part := content.read(1 << 22):
                known.update(part)
        return known.hexdigest()

    def name_branch(snapshot: Path) -> None:
        """So that who asks for the branch finds this revision, offline, too."""
        if wanted["branch"]:
            name = snapshot.parents[1] / "refs" / wanted["branch"]
            name.parent.mkdir(parents=True, exist_ok=True)
            name.write_text(wanted["revision"])

    try:
        from huggingface_hub import hf_hub_download

        if (lack := room()) is not None:
            return lack
        path = Path(hf_hub_download(wanted["repository"], file["path"], revision=wanted["revision"]))
        if path.stat().st_size == file["size"] and hashed(path) == (file["sha256"] or file["git_sha1"]):
            if number == len(wanted["files"]) - 1:
                name_branch(path.parents[file["path"].count("/")])
            return None
        path.resolve().unlink()
        path.unlink(missing_ok=True)
        return "its bytes are not those that the repository promises; it was deleted"
    except Exception as error:
        return f"{type(error).__name__}: {str(error).strip()}".splitlines()[0][:300]


def main() -> None:
    """All nodes at once, each file after file; a node that fails at one is left alone."""
    import ray  # type: ignore[import-not-found,unused-ignore]
    from ray.util.scheduling_strategies import (  # type: ignore[import-not-found,unused-ignore]
        NodeAffinitySchedulingStrategy,
    )

    wanted = json.loads(os.environ["LAUNCHPAD_FETCH"])
    ray.init(address="auto", log_to_driver=False, logging_level="ERROR")
    task = ray.remote(num_cpus=0, max_retries=0)(fetch)
    running: dict[Any, tuple[dict[str, Any], int]] = {}

    def begin(node: dict[str, Any], number: int) -> None:
        if number < len(wanted["files"]):
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            options = task.options(scheduling_strategy=there)
            running[options.remote(wanted, number)] = node, number

    for node in ray.nodes():
        if node["Alive"] and node["Resources"].get("GPU"):
            begin(node, 0)
    while running:
        (done, *_), _ = ray.wait(list(running), num_returns=1)
        node, number = running.pop(done)
        try:
            failed = ray.get(done)
        except Exception as error:
            failed = str(error).strip().splitlines()[-1][:300]
        said = {"address": node["NodeManagerAddress"], "file": number, "failed": failed}
        sys.stdout.write(f"launchpad-fetch {json.dumps(said)}\n")
        sys.stdout.flush()
        if failed is None:
            begin(node, number + 1)


if __name__ == "__main__":
    main()
