"""Every captured file says which machine it is from and who published it."""

from __future__ import annotations

from pathlib import Path

DATA = Path(__file__).parent / "data"


def test_every_capture_has_its_origin():
    told = (DATA / "README.md").read_text(encoding="utf-8")
    files = [path for path in DATA.rglob("*") if path.is_file() and path.name != "README.md"]
    groups = ("topology-",)  # told in one row
    untold = [path.name for path in files if path.name not in told and not path.name.startswith(groups)]
    assert files
    assert untold == []


def test_no_capture_names_a_person_or_a_single_device():
    for path in DATA.rglob("*.txt"):
        serials = [
            line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("Serial")
        ]
        assert all(set(line.split()[-1]) == {"0"} for line in serials), path.name
