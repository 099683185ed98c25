"""The picture, the page and the plot: well-formed, complete, and safe from what a catalog may hold."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from itertools import combinations
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landscape_facts import GIB, MACHINE, NASTY, rival, small_landscape
from launchpad.landscape.labels import Box, place
from launchpad.landscape.model import landscape
from launchpad.landscape.page import page
from launchpad.landscape.plot import ASCII, HEIGHT, UNICODE, plot
from launchpad.landscape.scale import scale
from launchpad.landscape.svg import NARROW, WIDE, svg

EMPTY = landscape([], MACHINE, purpose="chat", context=8192)
SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("layout", [WIDE, NARROW])
@pytest.mark.parametrize("theme", ["auto", "light", "dark"])
@pytest.mark.parametrize("color", ["lab", "country", "license"])
def test_the_picture_is_well_formed_and_complete(color, theme, layout) -> None:
    root = ElementTree.fromstring(svg(small_landscape(), color=color, theme=theme, layout=layout))
    assert root.find(f"{SVG}title") is not None
    description = root.find(f"{SVG}desc")
    assert description is not None
    assert "4 not yet rated" in (description.text or "")
    dots = [one for one in root.iter(f"{SVG}circle") if one.get("data-i")]
    assert len(dots) == 6
    assert sum(one.get("class") == "p lead" for one in dots) == 4
    for dot in dots:
        assert layout.left <= float(dot.get("cx", 0)) <= layout.width - layout.right
        assert layout.top <= float(dot.get("cy", 0)) <= layout.height - layout.bottom
    assert sum(one.get("class") == "limit" for one in root.iter(f"{SVG}line")) == 2


def test_the_same_data_give_the_same_bytes() -> None:
    assert svg(small_landscape()) == svg(small_landscape())


def test_nothing_to_show_is_shown() -> None:
    ElementTree.fromstring(svg(EMPTY))
    assert plot(EMPTY, 80, UNICODE) == []
    page(EMPTY)


def test_the_picture_names_the_evidence_with_its_date() -> None:
    text = re.sub(r"\s+", " ", "".join(ElementTree.fromstring(svg(small_landscape())).itertext()))
    assert "Artificial Analysis (2026-09-30)" in text
    assert "Catalog of 2026-10-09" in text


class Outside(HTMLParser):
    """Collects whatever would be fetched, and the text of scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag, attrs) -> None:
        self.scripts += tag == "script"
        self.fetched += [
            value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "srcset")
        ]


def test_the_page_fetches_nothing_and_runs_only_its_own_script() -> None:
    text = page(small_landscape())
    found = Outside()
    found.feed(text)
    assert found.fetched == []
    assert found.scripts == 2
    assert "default-src 'none'" in text
    assert re.findall(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", text) == []
    data = json.loads(text.split('id="data">', 1)[1].split("</script>", 1)[0])
    assert data["points"][4]["name"] == NASTY


def test_labels_cover_neither_each_other_nor_a_point() -> None:
    frame = Box(0, 0, 600, 400)
    points = [(f"model number {i}", 60.0 + 12 * i, 380.0 - 9 * i) for i in range(25)]
    dots = [(x, y) for _, x, y in points]
    placed = place(points, frame, 12, dots=dots)
    assert len(placed) > 5
    assert all(label.box.inside(frame) for label in placed)
    assert not any(one.box.meets(other.box) for one, other in combinations(placed, 2))
    assert not any(label.box.meets(Box(x - 4, y - 4, x + 4, y + 4)) for label in placed for x, y in dots)


@given(
    memory=st.lists(st.integers(1 << 20, 1 << 42), min_size=1, max_size=20),
    quality=st.lists(st.floats(0, 100), min_size=1, max_size=20),
)
def test_every_figure_has_its_place(memory, quality) -> None:
    at = scale(memory, quality, left=10, right=500, top=20, bottom=300)
    assert all(10 <= at.x(one) <= 500 for one in memory)
    assert all(20 <= at.y(one) <= 300 for one in quality)
    ticks = [at.x(tick) for tick in at.memory_ticks()]
    assert len(ticks) >= 2
    assert ticks == sorted(ticks)


@pytest.mark.parametrize("marks", [UNICODE, ASCII])
@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_plot_fits_and_names_the_leaders(marks, width) -> None:
    lines = plot(small_landscape(), width, marks)
    assert len(lines) == HEIGHT + 4
    assert all(len(line) <= width for line in lines)
    text = "\n".join(lines)
    assert all(letter in text for letter in "ABCD")
    if marks is ASCII:
        assert text.isascii()


def test_one_model_is_enough() -> None:
    seen = landscape([rival("m", 50, 5)], MACHINE, purpose="chat", context=8192)
    ElementTree.fromstring(svg(seen))
    assert "A" in "\n".join(plot(seen, 80, ASCII))
    assert seen.points[0].memory == 5 * GIB
