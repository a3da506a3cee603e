"""Tables that fit a terminal without cutting a cell."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from ferbench.cli.tables import fitting

COLUMNS = ["name", "origin", "status", "summary"]
ROWS = [
    ["resnet18-small", "ferbench_builtin.plugin", "ok", "ResNet-18 with a stem for small images, as in the papers"],
    ["csv", "ferbench_builtin.plugin", "ok", "Images that a CSV file lists"],
]


def printed(width: int) -> list[str]:
    console = Console(width=width, color_system=None, file=io.StringIO(), record=True)
    for part in fitting(COLUMNS, ROWS, width, spare=["origin", "summary"], folded="summary"):
        console.print(part)
    return console.export_text().splitlines()


@pytest.mark.parametrize("width", [30, 60, 80, 200])
def test_names_and_states_are_whole_at_any_width(width: int) -> None:
    lines = printed(width)
    assert [line.split()[0] for line in lines if " ok" in line] == ["resnet18-small", "csv"]
    assert all(len(line) <= width for line in lines)


def test_a_folded_column_takes_several_lines_before_it_goes() -> None:
    assert len(printed(200)) == 3
    narrow = printed(60)
    assert "left out for want of width: origin" in narrow
    words = " ".join(" ".join(line.split()) for line in narrow)
    assert "for small images" in words
    assert "as in the papers" in words


def test_what_cannot_be_folded_any_more_is_named() -> None:
    text = " ".join(" ".join(printed(30)).split())
    assert text.endswith("left out for want of width: origin, summary")
