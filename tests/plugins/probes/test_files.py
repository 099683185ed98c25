from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launchpad.plugins.probes.files import cpu_list, number, text, whole


def test_absent_and_closed_files_are_unknown(tmp_path: Path):
    assert text(tmp_path / "absent") is None
    assert text(tmp_path) is None
    assert number(tmp_path / "absent") is None


def test_text_loses_the_device_trees_zero_byte(tmp_path: Path):
    (tmp_path / "model").write_bytes(b"Raspberry Pi 5 Model B Rev 1.0\0")
    assert text(tmp_path / "model") == "Raspberry Pi 5 Model B Rev 1.0"


@pytest.mark.parametrize(
    ("written", "value"), [("42", 42), ("0x10de", 0x10DE), ("max", None), ("", None), (None, None)]
)
def test_whole(written: str | None, value: int | None):
    assert whole(written) == value


@pytest.mark.parametrize(
    ("written", "cpus"),
    [
        ("0-3,8", {0, 1, 2, 3, 8}),
        ("5", {5}),
        ("", set()),
        ("3-1", set()),
        ("0-99999999", set()),
        ("a-b", set()),
    ],
)
def test_cpu_list(written: str, cpus: set[int]):
    assert cpu_list(written) == cpus


@given(st.text())
def test_no_text_breaks_a_parser(written: str):
    whole(written)
    cpu_list(written)
