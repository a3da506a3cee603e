"""A plan as a file: what was registered, and whether it was changed since."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ferbench import UserError
from ferbench.records.preregistration import PLAN_FILE, PlannedRun, Preregistration, plan_of, read_plan

RUN = PlannedRun("ours", "v1:c", 0, "0123456789ab", "v1:t", "faces", 40)
PLAN = Preregistration("2026-01-01T00:00:00+00:00", "accuracy", (RUN, replace(RUN, seed=1, evaluation="ba9876543210")))


@pytest.fixture
def path(tmp_path):
    made = tmp_path / PLAN_FILE
    made.write_text(PLAN.to_toml())
    return made


def test_a_plan_is_read_as_it_was_written(path):
    known = read_plan(path)
    assert replace(known, stated="") == PLAN
    assert not known.changed
    assert known.configurations == ["v1:c"]
    assert [run.evaluation for run in known.runs] == ["0123456789ab", "ba9876543210"]


def test_comments_and_the_order_of_keys_change_nothing(path):
    head, *rest = path.read_text().splitlines()
    path.write_text("\n".join([rest[0], "# a comment", head, *rest[1:]]))
    assert not read_plan(path).changed


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"accuracy"', '"macro_f1"'),
        ("seed = 1", "seed = 2"),
        ("2026-01-01", "2025-01-01"),
        ("digest = ", "# digest = "),
    ],
    ids=["metric", "seed", "time", "no digest"],
)
def test_every_change_of_what_it_says_is_noticed(path, old, new):
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    assert read_plan(path).changed


def test_a_run_that_is_taken_out_is_noticed(path):
    text = path.read_text()
    path.write_text(text[: text.rindex("[[runs]]")])
    assert read_plan(path).changed


@pytest.mark.parametrize(
    "text",
    ["", "runs = 7", "[[runs]]\nlabel = 7", "no toml", 'digest = 7\n[[runs]]\nlabel = "x"', "\x00"],
    ids=["empty", "no list", "no text", "no TOML", "digest", "zero"],
)
def test_what_is_no_plan_is_refused_in_a_line(tmp_path, text):
    (tmp_path / "p.toml").write_text(text)
    with pytest.raises(UserError, match="is no plan"):
        read_plan(tmp_path / "p.toml")


def test_the_plan_of_a_results_directory_is_taken_unless_another_is_given(path, tmp_path):
    assert plan_of(tmp_path) is not None
    assert plan_of(tmp_path / "other") is None
    with pytest.raises(UserError, match="cannot read the plan"):
        plan_of(tmp_path, tmp_path / "none.toml")
