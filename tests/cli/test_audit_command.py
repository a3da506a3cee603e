"""``ferbench audit table`` as people and programs see it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from ferbench.cli import cli

PUBLISHED = Path(__file__).parents[2] / "benchmarks" / "published"


def test_an_inconsistent_table_exits_with_1_and_says_what_is_needed(ferbench_cli):
    done = ferbench_cli("audit", "table", PUBLISHED / "s3-four-block-cnn.csv")
    assert done.exit_code == 1
    assert "accuracy 54.61 % at these supports needs macro recall to be at least 38.98 %" in done.stdout
    assert "shuffled: " in done.stdout


def test_a_consistent_table_exits_with_0_and_shows_a_matrix(ferbench_cli):
    done = ferbench_cli("audit", "table", PUBLISHED / "s4-limited.csv")
    assert done.exit_code == 0
    assert "consistent: there is a confusion matrix that gives every score" in done.stdout
    assert "below-chance: sad " in done.stdout
    rows = [line.split()[1:] for line in done.stdout.splitlines()[-7:]]
    assert np.array(rows, int).sum(axis=1).tolist() == [100] * 7


def test_what_the_rest_gives_for_numbers_left_out_is_said(ferbench_cli):
    done = ferbench_cli("audit", "table", PUBLISHED / "s4-pretrained.csv")
    assert "macro precision 88.00 % could be 88.14 % and macro recall 89.84 % could be 89.70 %" in done.stdout


def test_json_has_the_verdict_and_the_contradictions(ferbench_cli):
    done = ferbench_cli("audit", "table", PUBLISHED / "s4-pretrained.csv", "--json")
    document = json.loads(done.stdout)
    assert done.exit_code == 1
    assert next(iter(document)) == "verdict"
    assert document["verdict"] == "inconsistent"
    left_out = [one["without"] for one in document["contradictions"]]
    assert left_out == [{"row": "macro avg", "measure": "precision"}, {"row": "macro avg", "measure": "recall"}]
    assert document["contradictions"][0]["bounded"]["low"] == pytest.approx(0.88135, abs=1e-4)
    assert np.array(document["matrix"]).sum() == 7178
    assert document["counts"]["disgust"] == {"right": [111, 111], "predicted": [123, 123]}


def test_missing_supports_leave_a_table_underdetermined(ferbench_cli, tmp_path):
    (tmp_path / "t.csv").write_text("class,precision,recall,f1\na,50,50,50\nb,60,60,60\n")
    done = ferbench_cli("audit", "table", "t.csv")
    assert done.exit_code == 0
    assert "underdetermined: supports are missing" in done.stdout


def test_options_change_how_numbers_are_read(ferbench_cli, tmp_path):
    # 2 of 3 are 66.67 %, cut off 66.66 %.
    (tmp_path / "t.csv").write_text("class,recall,support\na,66.66,3\nb,100.00,3\n")
    assert ferbench_cli("audit", "table", "t.csv").exit_code == 0
    assert ferbench_cli("audit", "table", "t.csv", "--rounding", "truncate").exit_code == 0
    assert ferbench_cli("audit", "table", "t.csv", "--rounding", "nearest").exit_code == 1
    assert ferbench_cli("audit", "table", "t.csv", "--unit", "fraction").exit_code == 1
    (tmp_path / "u.csv").write_text("class,recall,support\na,67,3\nb,100,3\n")
    assert ferbench_cli("audit", "table", "u.csv").exit_code == 0
    assert ferbench_cli("audit", "table", "u.csv", "--decimals", "1").exit_code == 1


@pytest.mark.parametrize("name", ["summary", "s4-adaptive-epochs", "s5-multitask-summary"])
def test_a_file_that_is_no_table_by_class_exits_with_2(ferbench_cli, name):
    done = ferbench_cli("audit", "table", PUBLISHED / f"{name}.csv")
    assert done.exit_code == 2
    assert "is not a table of scores by class" in done.stderr


def test_names_from_a_file_cannot_control_the_terminal(ferbench_cli, tmp_path):
    (tmp_path / "t.csv").write_text("class,recall,support\n\x1b[31ma,50,3\nb,100,3\n")
    assert "\x1b" not in ferbench_cli("audit", "table", "t.csv").stdout


def test_the_table_of_published_results_says_what_the_audit_says(ferbench_cli):
    page = (PUBLISHED / "README.md").read_text()
    rows = dict(re.findall(r"^\| `([\w-]+)\.csv` \|.*\| (\w+)[^|]*\|$", page, flags=re.MULTILINE))
    assert len(rows) == 9
    for name, verdict in rows.items():
        assert (
            json.loads(ferbench_cli("audit", "table", PUBLISHED / f"{name}.csv", "--json").stdout)["verdict"] == verdict
        )


@pytest.mark.parametrize(
    ("row", "said"),
    [
        # 0.85 of 12 images is 10.2 images.
        ("accuracy,,,0.85,12", "accuracy 0.85 is not possible with 12 images: 10 right give 0.83, 11 right give 0.92"),
        ("micro avg,0.85,0.85,0.85,12", "micro F1 0.85 is not possible with 12 images: 10 right give 0.83"),
        ("weighted avg,,0.85,,12", "weighted recall 0.85 is not possible with 12 images"),
        ("macro avg,,,-0.5,12", "macro F1 -0.5 is not possible"),
        ("balanced accuracy,-0.5,,,12", "balanced accuracy -0.5 is not possible"),
    ],
)
def test_an_average_that_is_impossible_by_itself_is_named(ferbench_cli, tmp_path, row, said):
    (tmp_path / "t.csv").write_text(f"class,precision,recall,f1,support\nhappy,,,,6\nsad,,,,6\n{row}\n")
    done = ferbench_cli("audit", "table", "t.csv")
    assert done.exit_code == 1
    assert f"1. {said}" in done.stdout
    assert "the rest holds together" not in done.stdout  # there is no rest


def test_an_impossible_table_without_supports_is_inconsistent(ferbench_cli, tmp_path):
    # An F1 above precision and recall; exchanging those two changes nothing.
    rows = "a,0.20,0.30,0.90\nb,0.50,0.60,0.55\nmacro avg,0.35,0.45,\n"
    (tmp_path / "t.csv").write_text(f"class,precision,recall,f1\n{rows}")
    done = ferbench_cli("audit", "table", "t.csv")
    assert done.exit_code == 1
    assert "F1 (a 0.90)" in done.stdout or "F1 of a 0.90" in done.stdout


_CELLS = st.sampled_from(["", "", "0", "1", "0.5", "0.33", "0.67", "0.9", "-0.1", "1.7", "50", "nan"])
_SUPPORTS = st.sampled_from(["", "", "0", "1", "3", "6", "40"])
_NAMES = ["a", "b", "c", "macro avg", "weighted avg", "accuracy", "balanced accuracy", "micro avg", "total"]


@st.composite
def any_tables(draw):
    """Rows of numbers that hold together or not, with and without supports and averages."""
    rows = ["a", "b", *draw(st.lists(st.sampled_from(_NAMES[2:]), unique=True))]
    alone = draw(st.booleans())  # averages have one number
    lines = []
    for row in rows:
        cells = draw(st.tuples(_CELLS, _CELLS, _CELLS))
        if alone and row in _NAMES[3:]:
            cells = ("", "", cells[2])
        lines.append(",".join([row, *cells, draw(_SUPPORTS)]))
    return "\n".join(["class,precision,recall,f1,support", *lines])


@settings(max_examples=60)
@given(text=any_tables(), more=st.sampled_from([(), ("--json",), ("--macro-f1", "harmonic")]))
def test_no_table_ends_in_a_stack_trace(tmp_path_factory, text, more):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_text(text)
    done = CliRunner().invoke(cli, ["audit", "table", str(path), *more])
    assert done.exception is None or isinstance(done.exception, SystemExit), text
    if done.exit_code != 2 and not more:
        assert any(f"{verdict}:" in done.stdout for verdict in ("consistent", "inconsistent", "underdetermined"))
