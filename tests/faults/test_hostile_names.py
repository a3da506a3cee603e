"""Names and labels that would come to life in a terminal, a spreadsheet, a page or a paper."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from browser import chromium
from hostile_names import LOOKS, NAMES, live, lives_in_pages, made, shown

from ferbench.api.classify import Classified
from ferbench.cli.predict import _show

__all__ = ["chromium"]


def test_there_are_thirty():
    assert len(set(NAMES)) == 30


@pytest.mark.slow
def test_no_name_comes_to_life_in_text(tmp_path):
    for number, name in enumerate(NAMES):
        results = tmp_path / str(number)
        assert live(shown(results, made(results, [name])[0])) == {}, name


@pytest.mark.slow
def test_no_name_comes_to_life_in_a_page(tmp_path, chromium, missing):
    if chromium is None:
        missing("a browser: apt-get install chromium")
    assert lives_in_pages(chromium, tmp_path, [*NAMES[::4], *NAMES[20:27]]) is None


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("terminal", "a\x1b[31mb"),
        ("terminal", "a\u202eb"),
        ("md", "[x](http://evil.invalid)"),
        ("md", "<b>x</b>"),
        ("md", "| a |\n| --- |\n| https://evil.invalid |"),
        ("csv", "a,=1+1\n"),
        ("csv", 'a,"＝1+1"\n'),
        ("json", '["\x9b2J"]'),
        ("latex", r"a \input{x}"),
        ("latex", "a { b"),
        ("latex", "50 % of it"),
    ],
)
def test_what_is_alive_is_seen(form, text):
    assert LOOKS[form](text) is not None


def test_negative_numbers_are_no_formulas():
    assert LOOKS["csv"]("a,b\n-0.5,1e-05\n") is None


def test_labels_and_paths_in_predictions_are_no_formulas(capsys):
    _show([Classified(Path("=1+1/a.png"), [0.75, 0.25], None)], ("@SUM(1)", "\x1b[31msad"), "csv")
    assert list(csv.reader(io.StringIO(capsys.readouterr().out))) == [
        ["image", "predicted", "'@SUM(1)", "sad"],
        ["'=1+1/a.png", "'@SUM(1)", "0.750000", "0.250000"],
    ]
    _show([Classified(Path("a\x9b.png"), [0.75, 0.25], None)], ("Ärger", "\u202esad"), "json")
    printed = capsys.readouterr().out
    assert LOOKS["json"](printed) is None
    assert json.loads(printed)[0]["probabilities"] == {"Ärger": 0.75, "\u202esad": 0.25}
    assert "Ärger" in printed
    _show([Classified(Path("a.png"), [0.75, 0.25], None)], ("a\x1b[31m", "\u202esad"), "table")
    assert LOOKS["terminal"](capsys.readouterr().out) is None
