"""Tables as CSV, JSON, Markdown and LaTeX."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from ferbench.tables.formats import to_csv, to_json_value, to_latex, to_markdown
from ferbench.tables.table import Column, Spread, Table
from ferbench.wording import one_line

TABLE = Table(
    id="board",
    caption="Two models, n = 35",
    columns=(Column("model", "model"), Column("n", "samples", "count"), Column("f1", "macro-F1", "score", spread=True)),
    rows=(("cnn_4", 1500, Spread(1 / 3, 0.25, 0.5)), ("linear", None, Spread(0.5, 0.5, 0.5)), ("mean", 2, None)),
    summary=1,
    notes=("means over 2 seeds",),
)

MARKS = "|`*_\\<>&#$%^~{}[]()=+-@'\"!\t\r\n.:/−–é²\x1b\x00 ab1"
texts = st.text(st.sampled_from(MARKS), max_size=12) | st.text(max_size=8)


def of_texts(cells: list[list[str]]) -> Table:
    width = len(cells[0])
    return Table("t", "caption", tuple(Column(f"k{i}", f"k{i}") for i in range(width)), tuple(map(tuple, cells)))


def grids(texts: st.SearchStrategy[str]) -> st.SearchStrategy[list[list[str]]]:
    return st.integers(1, 3).flatmap(
        lambda width: st.lists(st.lists(texts, min_size=width, max_size=width), min_size=1, max_size=3)
    )


def test_csv_has_exact_numbers_and_three_columns_for_a_spread():
    assert list(csv.reader(io.StringIO(to_csv(TABLE)))) == [
        ["model", "n", "f1_mean", "f1_min", "f1_max"],
        ["cnn_4", "1500", "0.3333333333333333", "0.25", "0.5"],
        ["linear", "", "0.5", "0.5", "0.5"],
        ["mean", "2", "", "", ""],
    ]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum", "\t=1", "\r=1", " =1", "\x1b[0m=1", "\u200b=1", "＝1"])
def test_no_text_of_a_csv_is_a_formula(text):
    _, (cell,) = csv.reader(io.StringIO(to_csv(of_texts([[text]]))))
    assert cell[0] == "'"


def test_negative_numbers_of_a_csv_stay_numbers():
    table = Table("t", "c", (Column("change", "change", "change"),), ((-0.5,),))
    assert to_csv(table) == "change\n-0.5\n"


@given(grids(texts))
def test_csv_comes_back_as_it_was_but_for_apostrophes(cells):
    _, *rows = csv.reader(io.StringIO(to_csv(of_texts(cells))))
    pairs = [pair for row, given in zip(rows, cells, strict=True) for pair in zip(row, given, strict=True)]
    assert [(cell, given) for cell, given in pairs if cell not in (one_line(given), "'" + one_line(given))] == []
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows for cell in row)


def test_json_has_rows_by_key_with_exact_numbers_and_summary_rows_apart():
    value = to_json_value(TABLE)
    assert json.loads(json.dumps(value, allow_nan=False)) == value
    assert value["rows"] == [
        {"model": "cnn_4", "n": 1500, "f1": {"mean": 1 / 3, "min": 0.25, "max": 0.5}},
        {"model": "linear", "n": None, "f1": {"mean": 0.5, "min": 0.5, "max": 0.5}},
    ]
    assert value["summary"] == [{"model": "mean", "n": 2, "f1": None}]
    assert (value["id"], value["caption"], value["notes"]) == ("board", "Two models, n = 35", ["means over 2 seeds"])
    assert [column["key"] for column in value["columns"]] == ["model", "n", "f1"]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_json_has_not_become_none(number):
    table = Table("t", "c", (Column("x", "x", "number"),), ((number,),))
    assert to_json_value(table)["rows"] == [{"x": None}]


def test_markdown_is_a_pipe_table_between_caption_and_notes():
    assert to_markdown(TABLE).splitlines() == [
        "**Two models, n = 35**",
        "",
        "| model    | samples |               macro-F1 |",
        "| -------- | ------: | ---------------------: |",
        "| cnn_4    |   1,500 | 0.3333 (0.2500–0.5000) |",
        "| linear   |         |                 0.5000 |",
        "| **mean** |   **2** |                        |",
        "",
        "means over 2 seeds",
    ]


def rendered(markdown: str) -> list[list[str]]:
    """The body cells of the one table of a text, as another reader of Markdown has them, with what marks them up."""
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown)
    rows: list[list[str]] = []
    for place, token in enumerate(tokens):
        if token.type == "tr_open":
            rows.append([])
        if token.type in ("th_open", "td_open"):
            children = tokens[place + 1].children or []
            rows[-1].append(
                "".join(c.content if c.type in ("text", "text_special") else f"<{c.type}>" for c in children)
            )
    return rows[1:]


@given(grids(texts))
def test_markdown_cells_are_text_and_stay_in_their_row(cells):
    assert rendered(to_markdown(of_texts(cells))) == [[one_line(cell) for cell in row] for row in cells]


@given(texts)
def test_markdown_captions_and_notes_are_text(text):
    table = Table("t", f"a {text}", (Column("k", "k"),), (("x",),), notes=(one_line(text) + "b",))
    tokens = MarkdownIt("commonmark").enable("table").parse(to_markdown(table))
    inline = [token for token in tokens if token.type == "inline"]
    assert {token.type for token in tokens if token.level == 0} <= {
        "paragraph_open",
        "inline",
        "paragraph_close",
        "table_open",
        "table_close",
    }
    shown = ["".join(child.content for child in token.children or []) for token in (inline[0], inline[-1])]
    assert shown == [one_line(f"a {text}"), one_line(text) + "b"]


def test_addresses_in_markdown_are_no_links():
    (row,) = rendered(to_markdown(of_texts([["see https://a.example", "www.a.example"]])))
    assert row == ["see https://a.example", "www.a.example"]
    assert not re.search(r"https:|www\.", to_markdown(of_texts([["https://a.example", "www.a.example"]])))


def test_latex_is_a_booktabs_table_with_label_and_rule_before_the_summary():
    lines = [line.strip() for line in to_latex(TABLE).splitlines()]
    assert lines == [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}[htbp]",
        r"\centering",
        r"\caption{Two models, n = 35}",
        r"\label{tab:board}",
        r"\begin{tabular}{lrr}",
        r"\toprule",
        r"model & samples & macro-F1 \\",
        r"\midrule",
        r"cnn\_4 & 1,500 & 0.3333 (0.2500--0.5000) \\",
        r"linear &  & 0.5000 \\",
        r"\midrule",
        r"mean & 2 &  \\",
        r"\bottomrule",
        r"\end{tabular}",
        "",
        r"\footnotesize means over 2 seeds",
        r"\end{table}",
    ]


def test_latex_writes_signs_that_its_fonts_lack_as_commands():
    (line,) = [line for line in to_latex(of_texts([["−1 – 50 % → é 日"]])).splitlines() if "50" in line]
    assert line.strip() == r"$-$1 -- 50 \% $\rightarrow$ é ? \\"


@given(grids(texts))
def test_latex_has_balanced_braces_and_no_bare_special_characters(cells):
    body = to_latex(of_texts(cells)).partition("\\midrule\n")[2].partition("    \\bottomrule")[0].splitlines()
    assert len(body) == len(cells)
    for line in body:
        assert line.endswith(r" \\")
        assert not line.strip().startswith(("[", "*"))
        # A dollar sign that is text goes first: beside a minus it looks like the end of a formula.
        text = re.sub(r"\$(-|\\[a-z]+)\$", "", line.removesuffix(r" \\").replace(r"\$", ""))
        text = re.sub(r"\\[a-z]+\{\}|\\textsuperscript\{2\}|\\[{}&%#_]", "", text, flags=re.IGNORECASE)
        assert text.count(" & ") == len(cells[0]) - 1
        assert not re.search(r"[\\$%#_^~]", text.replace("~", ""))
        assert text.count("&") == len(cells[0]) - 1
        depth = 0
        for character in text:
            depth += {"{": 1, "}": -1}.get(character, 0)
            assert depth >= 0
        assert depth == 0


@pytest.mark.parametrize("sign", ["Δ accuracy", "▲ strong", "● fair", "▼ weak", "−0.1", "κ"])
def test_signs_that_reports_use_have_a_command_in_latex(sign):
    assert "?" not in to_latex(of_texts([[sign]]))
