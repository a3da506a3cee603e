"""``ferbench audit table`` as people and programs see it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

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
    assert "is no table of scores by class" in done.stderr


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
