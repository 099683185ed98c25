"""`launchpad landscape` as a process: table and plot, documents, files, and what is missing is told."""

from __future__ import annotations

import importlib.util
import struct
import sys
from xml.etree import ElementTree

import pytest

ON = ("--on", "RTX 4090")


def test_the_table_and_the_plot_fit_a_terminal(launchpad):
    ran = launchpad("landscape", *ON, env={"COLUMNS": "80"})
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert max(map(len, lines)) <= 80
    assert "best" in lines[0]
    assert any("┊" in line for line in lines)
    assert "\x1b" not in ran.out
    assert "Artificial Analysis (20" in " ".join(ran.err.split())
    assert "not yet rated" in " ".join(ran.err.split())


def test_ascii_where_nothing_else_can_be_written(launchpad):
    ran = launchpad("landscape", *ON, env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
    assert ran.code == 0, ran.err
    assert ran.out.isascii()


def test_the_document_has_every_point_once(launchpad):
    found = launchpad("landscape", *ON, "--json").document
    ids = [point["id"] for point in found["points"]]
    assert len(ids) == len(set(ids)) > 150
    assert [one["name"] for one in found["limits"]] == ["GPU memory", "GPU and main memory"]
    leaders = [point for point in found["points"] if point["leads"]]
    assert [p["quality"] for p in leaders] == sorted(p["quality"] for p in leaders)
    assert all(one["latest"] for one in found["evidence"])
    # An engine that fills whatever memory it is given is drawn by what it needs.
    assert max(point["memory"] for point in found["points"]) < 4 << 40


def test_filters_hold_here_too(launchpad):
    found = launchpad("landscape", *ON, "--country", "FR", "--license", "osi", "--json").document
    assert {point["country"] for point in found["points"]} == {"FR"}
    assert {point["license_kind"] for point in found["points"]} == {"osi"}


def test_a_page_and_a_picture_are_written(launchpad, tmp_path):
    ran = launchpad("landscape", *ON, "--html", "l.html", "--svg", "l.svg", "--color", "license")
    assert ran.code == 0, ran.err
    assert ran.out == ""
    ElementTree.parse(tmp_path / "l.svg")
    assert (tmp_path / "l.svg").stat().st_size < 200_000
    assert "</html>" in (tmp_path / "l.html").read_text(encoding="utf-8")


@pytest.mark.skipif(importlib.util.find_spec("resvg_py") is None, reason="resvg-py is not installed")
def test_a_png_is_written(launchpad, tmp_path):
    ran = launchpad("landscape", *ON, "--png", "l.png")
    assert ran.code == 0, ran.err
    data = (tmp_path / "l.png").read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", data[16:24]) == (2000, 1240)


def test_without_the_library_the_png_is_refused_with_the_way_out(launchpad, tmp_path):
    (tmp_path / "resvg_py.py").write_text("raise ImportError('not here')")
    ran = launchpad("landscape", *ON, "--png", "l.png", env={"PYTHONPATH": str(tmp_path)})
    assert ran.code == 2
    assert "launchpad-models[plot]" in ran.err
    assert not (tmp_path / "l.png").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="other words")
def test_a_place_that_cannot_be_written_is_told(launchpad):
    ran = launchpad("landscape", *ON, "--svg", "no/such/folder.svg")
    assert ran.code == 2
    assert "cannot be written" in ran.err
