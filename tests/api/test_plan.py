"""``ferbench.plan`` and ``ferbench plan``, on tiny generated faces."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import ferbench
from ferbench import UserError

RECIPE = """
[dataset]
name = "synthetic-faces"
train = 60
test = 40
size = 16
[model]
name = "linear"
[training]
epochs = {epochs}
batch_size = 16
"""


@pytest.fixture
def recipes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, epochs in (("ours", 2), ("theirs", 1)):
        Path(f"{name}.toml").write_text(RECIPE.format(epochs=epochs))
    return tmp_path


PLACES = ("--results", "r", "--cache", "c")


def test_from_plan_to_report(recipes, ferbench_cli):
    planned = ferbench_cli("plan", "ours.toml", "theirs.toml", "--seed", "0", "--seed", "1", *PLACES)
    assert planned.exit_code == 0, planned.stderr
    assert "4 runs of 2 configurations" in planned.stdout
    assert not Path("r/test-reads.jsonl").exists()
    for recipe, seed in (("ours", 0), ("ours", 1), ("theirs", 0)):
        ferbench.run(recipe=f"{recipe}.toml", seed=seed, results="r", cache="c")
    ferbench.run(recipe="theirs.toml", settings={"optimizer.lr": 0.01}, results="r", cache="c", name="tried")
    (group,) = ferbench.leaderboard("r").groups
    assert sorted(group.rows["plan"]) == ["exploratory", "planned", "planned"]
    assert group.plan.missing == ("theirs, seed 1",)
    runs = [path.name for path in Path("r/runs").glob("*") if path.is_dir() and not path.name.startswith(".")]
    done = ferbench_cli("report", *runs, *PLACES, "--output", "page.html")
    assert done.exit_code == 0, done.stderr
    page = Path("page.html").read_text()
    assert page.count("Planned: this test was registered") == 3
    assert page.count("Exploratory: this test is not in the plan") == 1
    assert "1 of 4 planned runs is missing: theirs, seed 1" in page
    # What was read can no longer be planned.
    again = ferbench_cli("plan", "ours.toml", "-o", "late.toml", *PLACES)
    assert again.exit_code == 2
    assert "the test set was read already by what is to be planned: ours (seed 0" in again.stderr
    assert not Path("late.toml").exists()


def test_python_gives_the_plan_and_refuses_a_second_in_its_place(recipes):
    plan = ferbench.plan("ours.toml", seed=[0, 1], metric="accuracy", results="r", cache="c", output="p.toml")
    assert (plan.metric, len(plan.runs), plan.changed) == ("accuracy", 2, False)
    before = Path("p.toml").read_bytes()
    with pytest.raises(UserError, match="is a plan already"):
        ferbench.plan("theirs.toml", results="r", cache="c", output="p.toml")
    assert Path("p.toml").read_bytes() == before


def test_the_plan_as_json(recipes, ferbench_cli):
    done = ferbench_cli("plan", "ours.toml", "--grid", "optimizer.lr=0.1,0.01", "--json", *PLACES)
    document = json.loads(done.stdout)
    assert [run["label"] for run in document["runs"]] == ["ours optimizer.lr=0.1", "ours optimizer.lr=0.01"]
    assert not document["changed"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--metric", "beauty"), "'beauty' is no metric"),
        (("--metric", "f1:bored"), "there is no class 'bored'"),
        (("--set", "data.fold=1/2", "--set", "data.group_by=none"), "is about folds"),
    ],
)
def test_what_cannot_be_planned_is_refused_and_nothing_is_written(recipes, ferbench_cli, args, said):
    done = ferbench_cli("plan", "ours.toml", *args, *PLACES)
    assert done.exit_code == 2
    assert said in done.stderr
    assert not Path("r/plan.toml").exists()
