"""Completion of settings and runs through the shell's protocol."""

from __future__ import annotations

import pytest
from made_records import made_record, write_runs


@pytest.fixture
def complete(ferbench_cli):
    """``complete("run", "--set", "tr")``: what the shell would offer for the last word."""

    def offer(*words: str) -> list[str]:
        env = {"_FERBENCH_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(["ferbench", *words])}
        env["COMP_CWORD"] = str(len(words))
        finished = ferbench_cli(env=env, fresh=True)
        return [line.partition(",")[2] for line in finished.stdout.splitlines()]

    return offer


def test_fields_complete_after_set_and_grid(complete):
    assert complete("run", "--set", "training.ep") == ["training.epochs="]
    assert "data.protocol=" in complete("run", "--grid", "data.p")


def test_runs_complete_by_name_and_id(complete, tmp_path):
    write_runs(tmp_path / "results", {**made_record("abc000000000"), "name": "tiny"})
    assert complete("predict", "t") == ["tiny"]
    assert complete("predict", "ab") == ["abc000000000"]


def test_conditions_complete_by_key_and_by_the_values_of_runs(complete, tmp_path):
    write_runs(tmp_path / "results", made_record("a", optimizer={"lr": 0.1}), made_record("b", model="linear"))
    assert complete("leaderboard", "--where", "mod") == ["model="]
    assert complete("leaderboard", "--where", "optimizer.") == ["optimizer.lr="]
    assert complete("leaderboard", "--where", "model=cnn,l") == ["model=cnn,linear"]


def test_columns_complete_one_by_one(complete, tmp_path):
    write_runs(tmp_path / "results", made_record("a"))
    assert complete("leaderboard", "--columns", "macro_f1,f1:h") == ["macro_f1,f1:happy"]
    assert complete("leaderboard", "--runs", "--sort", "se") == ["seed", "seconds", "select"]


def test_the_last_of_joined_datasets_completes(complete):
    assert complete("run", "--dataset", "fer2013+raf") == ["fer2013+raf-db"]
