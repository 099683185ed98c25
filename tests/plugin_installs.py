"""Distributions for tests: put beside as an editable install would, without an installer; or as real wheels."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def put_beside(project: Path, site: Path) -> None:
    """Metadata with the entry points of `project`, and its source, on the path `site`."""
    table = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["project"]
    info = site / f"{table['name'].replace('-', '_')}-{table['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {table['name']}\nVersion: {table['version']}\n"
    )
    lines = [
        f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in rows.items())
        for group, rows in table["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("".join(lines))
    for package in (project / "src").iterdir():
        (site / package.name).symlink_to(package)


def wheels_of(into: Path, *places: Path) -> Path:
    """Build a wheel of each place and of launchpad; that of launchpad. Needs the package index."""
    # Where the tests run beside a wheel, in place of the source, it is that wheel.
    own = next(ROOT.glob("launchpad_models-*.whl"), ROOT)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", into, own, *places]
    subprocess.run(command, check=True)
    (wheel,) = into.glob("launchpad_models-*.whl")
    return wheel
