"""Write what `launchpad cluster emit` writes onto the record: `python tools/build_golden_manifests.py`.

Look at the difference before you commit it: somebody starts servers with it.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from deploy_facts import GOLDEN, KINDS, SCENES, golden  # type: ignore[import-not-found]


def main() -> None:
    """Every kind for every scene."""
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for old in GOLDEN.iterdir():
        old.unlink()
    for kind in KINDS:
        for scene in SCENES:
            for file in golden(kind, scene).files:
                (GOLDEN / file.name).write_text(file.text, encoding="utf-8")


if __name__ == "__main__":
    main()
