"""Install a distribution's folder as an editable install would, without an installer and its network."""

from __future__ import annotations

import tomllib
from pathlib import Path


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
