"""Layout: whatever the width, every fact is there or named as left out, and lines stay within the terminal."""

from __future__ import annotations

import pytest

from launchpad.cli.layout import Table, cells, lay_out, wrap

PROSE = Table(
    ["model", "quality", "why"],
    [
        ["DeepSeek V4 Pro", "71", "needs 825.0 GiB, and 21.5 GiB can be used on main memory"],
        ["Kimi K3", "6", "about 2.3 tokens/s here, below 6"],
    ],
    right=(1,),
)
WIDE = Table(
    ["", "model", "quant", "file", "license"],
    [
        ["pick", "Qwen3.6 35B-A3B", "Q4_K_M", "21.4 GB", "Apache-2.0"],
        ["better", "模型", "Q8_0", "3 GB", "MIT"],
    ],
    right=(3,),
    lead=3,
)


def text(table: Table, width: int | None) -> str:
    return "\n".join(line.text for line in lay_out(table, width)[0])


def test_without_a_limit_columns_are_padded_and_nothing_else():
    assert text(WIDE, None).splitlines() == [
        "        model            quant      file  license",
        "pick    Qwen3.6 35B-A3B  Q4_K_M  21.4 GB  Apache-2.0",
        "better  模型             Q8_0       3 GB  MIT",
    ]


def test_a_table_that_fits_is_the_same_on_a_terminal():
    assert text(WIDE, 80) == text(WIDE, None)


def test_prose_in_the_last_column_is_wrapped_under_itself():
    assert text(PROSE, 60).splitlines() == [
        "model            quality  why",
        "DeepSeek V4 Pro       71  needs 825.0 GiB, and 21.5 GiB can",
        "                          be used on main memory",
        "Kimi K3                6  about 2.3 tokens/s here, below 6",
    ]


def test_too_wide_a_table_becomes_blocks():
    assert text(WIDE, 30).splitlines() == [
        "pick    Qwen3.6 35B-A3B",
        "        Q4_K_M",
        "        file 21.4 GB",
        "        license Apache-2.0",
        "better  模型  Q8_0",
        "        file 3 GB",
        "        license MIT",
    ]


def test_spare_columns_go_first_and_are_named():
    lines, shed = lay_out(WIDE._replace(spare=("license", "quant")), 45)
    assert shed == ["license"]
    assert [line.text for line in lines][1] == "pick    Qwen3.6 35B-A3B  Q4_K_M  21.4 GB"


@pytest.mark.parametrize("width", [20, 33, 40, 57, 64, 80, 200])
@pytest.mark.parametrize("table", [PROSE, WIDE], ids=["prose", "wide"])
def test_no_line_is_too_wide_and_no_word_is_lost(table, width):
    shown = text(table, width)
    assert max(cells(line) for line in shown.splitlines()) <= max(width, 26)
    assert {word for row in table.rows for cell in row for word in cell.split()} <= set(shown.split())


def test_headings_are_marked():
    strong = [line.text for line in lay_out(PROSE, 30)[0] if line.strong]
    assert strong == ["DeepSeek V4 Pro", "Kimi K3"]


def test_a_path_sticks_out_and_is_not_torn():
    path = "/home/somebody/.local/share/launchpad/models/a"
    assert wrap(f"it is here: {path} and whole", 30, rest="  ") == [f"it is here: {path}", "  and whole"]


def test_an_empty_text_is_an_empty_line():
    assert wrap("", 10, first="why ") == ["why "]


def test_rows_are_made_as_they_are_read():
    lines = iter(lay_out(WIDE, None)[0])
    assert next(lines).strong
    assert not isinstance(lay_out(WIDE, None)[0], list)
