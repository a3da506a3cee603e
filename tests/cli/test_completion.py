"""Completion of settings and runs through the shell's protocol."""

from __future__ import annotations

import pytest

from ferbench.runs.directory import RunDirectory, run_path


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
    RunDirectory(run_path(tmp_path / "results", "abc000000000")).write({"name": "tiny", "status": "done"})
    assert complete("predict", "t") == ["tiny"]
    assert complete("predict", "ab") == ["abc000000000"]


def test_the_last_of_joined_datasets_completes(complete):
    assert complete("run", "--dataset", "fer2013+raf") == ["fer2013+raf-db"]
