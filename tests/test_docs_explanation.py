"""The example in docs/how-to/read-an-explanation.md has the lines that the command prints."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "read-an-explanation.md"


def labels(text: str) -> set[str]:
    """What the lines of the tables are called: their text up to the first gap, figures left out."""
    firsts = (re.split(r" {2,}", line.strip())[0] for line in text.splitlines() if "  " in line.strip())
    return {first for first in firsts if re.match(r"[a-z]", first)}


def test_the_example_has_the_lines_that_the_command_prints(tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    shown = "\n".join(re.findall(r"```text\n(.*?)```", page, re.DOTALL))
    command = re.search(r'`launchpad explain (\S+) --on "([^"]+)"`', page)
    assert command is not None
    arguments = ["explain", command[1], "--on", command[2]]
    ran = subprocess.run(
        [sys.executable, "-m", "launchpad", *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=150,
    )
    assert ran.returncode == 0, ran.stderr
    assert len(labels(shown)) > 12
    assert labels(shown) <= labels(ran.stdout)
    for verdict in ("`fits`", "`tight`", "`does not fit`", "`not known`"):
        assert verdict in page
