"""A metric of a plugin, wherever one of ferbench's own can be: computed, selected by, searched for, ranked, kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ferbench.runs.directory import RunDirectory

SMALL = ["dataset.size=16", "dataset.train=140", "dataset.test=70", "training.epochs=3", "data.image_size=16"]
FLAGS = [part for setting in [*SMALL, "training.batch_size=32"] for part in ("--set", setting)]

#: Mean of what the true class lacks, in [0, 1]: the lower, the better.
MISS = """
import ferbench

@ferbench.hookimpl
def ferbench_metrics():
    yield ferbench.MetricSpec("miss", build="miss:miss", summary="M", higher_is_better=False, low=0, high=1)

def miss(predictions):
    return 1 - predictions.probabilities[range(len(predictions)), predictions.labels].mean()
"""


@pytest.fixture
def run(ferbench_cli, tmp_path):
    (tmp_path / "miss.py").write_text(MISS)

    def trained(*flags: str, plugin: str = "miss.py", fresh: bool = False):
        return ferbench_cli("run", "--plugin", plugin, *FLAGS, "--quiet", *flags, fresh=fresh)

    return trained


def runs_in(folder: Path) -> list[RunDirectory]:
    return [RunDirectory(path) for path in sorted((folder / "results" / "runs").glob("[!.]*"))]


def expected(directory: RunDirectory, name: str) -> float:
    given = directory.predictions(name)
    return 1 - sum(row[label] for row, label in zip(given.probabilities, given.truth, strict=True)) / len(given.truth)


def test_it_is_computed_after_every_epoch_and_kept_with_what_computed_it(run, tmp_path):
    done = run("--set", "evaluation.metrics=miss")
    assert done.exit_code == 0, done.stderr
    (directory,) = runs_in(tmp_path)
    record = directory.load()
    for name, entry in record.evaluations.items():
        assert entry.metrics["miss"] == pytest.approx(expected(directory, name), rel=1e-6)
        about = entry.plugin_metrics["miss"]
        assert (about.distribution, about.version, about.higher_is_better) == ("miss", "local", False)
        assert (about.low, about.high, about.interval, len(about.source)) == (0.0, 1.0, "bootstrap", 64)
    assert all(0 < epoch.validation.metrics["miss"] < 1 for epoch in directory.epochs())
    assert f"miss: {entry.metrics['miss']:.4f} (lower is better)" in done.stdout


def test_it_selects_the_epoch_in_its_own_direction(run, tmp_path):
    assert run("--set", "training.select=miss").exit_code == 0
    (directory,) = runs_in(tmp_path)
    values = [epoch.validation.metrics["miss"] for epoch in directory.epochs()]
    training = directory.load().training
    assert training.best_epoch == values.index(min(values)) + 1
    assert training.best_value == min(values)


def test_its_source_is_part_of_the_ids_where_it_selects_and_else_not(run, tmp_path):
    for select in ("miss", "macro_f1"):
        flags = ("--set", f"training.select={select}", "--set", "evaluation.metrics=miss")
        assert run(*flags).exit_code == 0
        (tmp_path / "miss.py").write_text(f"{MISS}\n# of another day")
        assert run(*flags).exit_code == 0
        (tmp_path / "miss.py").write_text(MISS)
    asked = sorted(directory.load().training.select for directory in runs_in(tmp_path))
    assert asked == ["macro_f1", "miss", "miss"]


def test_a_finished_run_that_is_asked_for_it_gets_it_without_training(run, tmp_path):
    assert run().exit_code == 0
    (directory,) = runs_in(tmp_path)
    before = directory.load()
    done = run("--set", "evaluation.metrics=miss")
    assert done.exit_code == 0, done.stderr
    after = directory.load()
    assert after.training == before.training
    for name, entry in after.evaluations.items():
        assert entry.metrics["miss"] == pytest.approx(expected(directory, name), rel=1e-6)
        assert before.evaluations[name].metrics == {k: v for k, v in entry.metrics.items() if k != "miss"}


def test_a_leaderboard_without_the_plugin_knows_its_direction(run, ferbench_cli):
    for seed in ("0", "1"):
        assert run("--set", "evaluation.metrics=miss", "--seed", seed).exit_code == 0
    board = ferbench_cli("leaderboard", "--runs", "--sort", "miss", "--columns", "seed,miss", "--json", fresh=True)
    rows = [row for group in json.loads(board.stdout)["groups"] for row in group["rows"]]
    values = [row["miss"] for row in rows]
    assert values == sorted(values)
    assert len(values) == 2
    again = ferbench_cli("leaderboard", "--runs", "--sort", "miss", "--columns", "seed,miss", "--json", fresh=True)
    assert again.stdout == board.stdout  # from the index, which has seen the records


def test_a_search_makes_it_better_in_its_own_direction(ferbench_cli, tmp_path):
    (tmp_path / "miss.py").write_text(MISS)
    searched = ("--objective", "miss", "--trials", "2", "--search", "optimizer.lr=0.00001,0.01", "--algorithm", "grid")
    command = ("tune", "--plugin", "miss.py", *FLAGS, *searched, "--only", "--no-final", "--json")
    done = ferbench_cli(*command)
    assert done.exit_code == 0, done.stderr
    runs = [directory.load() for directory in runs_in(tmp_path)]
    values = {
        record.components["optimizer"].options["lr"]: entry.metrics["miss"]
        for record in runs
        for entry in record.evaluations.values()
    }
    assert values[0.01] < values[0.00001]
    (study,) = (tmp_path / "results" / "studies").glob("[!.]*")
    # In a process of its own, which has not heard of the plugin.
    status = json.loads(ferbench_cli("tune", "status", study.name, "--json", fresh=True).stdout)
    assert [trial["params"]["optimizer.lr"] for trial in status["trials"] if trial["trial"] in status["best"]] == [0.01]
    page = ferbench_cli("tune", "report", study.name, fresh=True)
    assert page.exit_code == 0, page.stderr


BROKEN = """
import ferbench

@ferbench.hookimpl
def ferbench_metrics():
    yield ferbench.MetricSpec("frail", build="frail:frail", summary="F")

def frail(predictions):
    if predictions.probabilities.max(axis=1).BAD:
        raise ValueError("boom")
    return 0.5
"""


def test_a_metric_that_fails_always_is_refused_before_the_training(run, tmp_path):
    (tmp_path / "frail.py").write_text(BROKEN.replace("BAD", "min() >= 0"))
    done = run("--set", "evaluation.metrics=frail", plugin="frail.py")
    assert done.exit_code == 2
    first, second = done.stderr.strip().splitlines()[-2:]
    assert "metric 'frail' of plugin 'frail'" in first
    assert "raised ValueError: boom" in first
    assert "correct the plugin" in second
    assert not list((tmp_path / "results").glob("runs/*/run.json"))


def test_a_metric_that_fails_on_the_way_costs_no_run(run, tmp_path):
    (tmp_path / "frail.py").write_text(BROKEN.replace("BAD", "mean() < 0.3"))  # made-up predictions are surer
    done = run("--set", "training.select=frail", plugin="frail.py", fresh=True)
    assert done.exit_code == 0, done.stderr
    assert done.stderr.count("raised ValueError: boom, so that epochs lack it") == 1
    (directory,) = runs_in(tmp_path)
    record = directory.load()
    assert record.status == "done"
    assert all(entry.metrics["frail"] is None for entry in record.evaluations.values())
    assert all("boom" in entry.plugin_metrics["frail"].fault for entry in record.evaluations.values())
    assert "frail: not there: " in done.stdout


def test_what_the_samples_lack_is_said_and_costs_nothing(run, tmp_path):
    done = run("--set", "evaluation.metrics=[vote-cross-entropy,worst-subject-accuracy]")
    assert done.exit_code == 0, done.stderr
    assert "vote-cross-entropy: not there: it needs annotators' votes, which the samples do not have" in done.stdout
    assert "worst-subject-accuracy: 0." in done.stdout


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("evaluation.metrics=mis", "did you mean 'miss'?"),
        ("evaluation.metrics=accuracy", "that is computed always"),
        ("training.select=mis", "choose"),
        ("training.select=vote-cross-entropy", "needs annotators' votes, which there are not here"),
    ],
)
def test_what_cannot_be_is_refused(run, asked, said):
    done = run("--set", asked)
    assert done.exit_code == 2
    assert said in done.stderr


def test_a_schedule_hears_of_it_and_its_source_is_part_of_the_ids(run, tmp_path):
    flags = ("--schedule", "plateau", "--set", "schedule.metric=miss", "--set", "schedule.patience=0")
    assert run(*flags).exit_code == 0
    (directory,) = runs_in(tmp_path)
    assert set(directory.load().identity.covers["metrics"]) == {"miss"}
    assert "miss" in directory.epochs()[0].validation.metrics


def test_finished_weights_are_tested_by_it_too(run, ferbench_cli, tmp_path):
    assert run().exit_code == 0
    (directory,) = runs_in(tmp_path)
    flags = ("--plugin", "miss.py", "--set", "evaluation.metrics=miss", "--set", "evaluation.tta=flip")
    done = ferbench_cli("evaluate", directory.path.name, *flags, "--quiet")
    assert done.exit_code == 0, done.stderr
    assert "miss: 0." in done.stdout


@pytest.fixture
def two_runs(run, tmp_path) -> list[RunDirectory]:
    """Of one configuration, with ten people in the test set."""
    (tmp_path / "miss.py").write_text(MISS)
    for seed in ("0", "1"):
        more = ("--set", "dataset.test=120", "--set", "evaluation.metrics=[miss,worst-subject-accuracy]")
        assert run(*more, "--seed", seed, "--name", f"run-{seed}").exit_code == 0
    return runs_in(tmp_path)


def test_what_it_says_is_computed_again_where_the_plugin_is_the_one_of_then(two_runs, ferbench_cli, tmp_path):
    def found(*flags: str) -> list[dict]:
        done = ferbench_cli("runs", "verify", two_runs[0].path.name, "--json", *flags)
        return json.loads(done.stdout)["findings"]

    assert found("--plugin", "miss.py") == []
    without = found()
    assert without
    assert all("miss could not be computed again: its plugin miss is not here" in one["what"] for one in without)
    assert not any(one["damage"] for one in without)
    (tmp_path / "miss.py").write_text(f"{MISS}\n# of another day")
    assert "its plugin miss is another than local was then" in found("--plugin", "miss.py")[0]["what"]


def test_a_value_that_does_not_follow_from_the_predictions_is_damage(two_runs, tmp_path):
    from ferbench.plugin.discovery import load_registry
    from ferbench.runs.verify import Verification

    directory = two_runs[0]
    record = directory.load()
    name = next(iter(record.evaluations))
    stored = directory.load_evaluation(name)
    stored.metrics["worst-subject-accuracy"] = 0.999
    record.evaluations[name] = directory.save_evaluation(stored, directory.predictions(name))
    record.files = {file: digest for file, digest in record.files.items() if name not in file}
    directory.save(record)
    said = [one.what for one in Verification.of(directory, load_registry).findings if one.damage]
    assert len(said) == 1
    assert "not what follows from the predictions: worst-subject-accuracy is" in said[0]


def test_an_ensemble_has_what_all_its_members_have(two_runs, ferbench_cli, tmp_path):
    done = ferbench_cli("ensemble", "run-0", "run-1", "--plugin", "miss.py", "--name", "both")
    assert done.exit_code == 0, done.stderr
    (made,) = [one for one in runs_in(tmp_path) if one.load().kind == "ensemble"]
    for name, entry in made.load().evaluations.items():
        assert entry.metrics["miss"] == pytest.approx(expected(made, name), rel=1e-6)
        assert entry.plugin_metrics["worst-subject-accuracy"].distribution == "ferbench"
    assert json.loads(ferbench_cli("runs", "verify", "both", "--json", "--plugin", "miss.py").stdout)["findings"] == []


def test_a_comparison_tests_it_with_its_plugin_and_says_why_not_without(two_runs, ferbench_cli):
    def row(*flags: str) -> dict[str, dict]:
        compared = json.loads(ferbench_cli("compare", "run-0", "run-1", "--json", *flags).stdout)
        return {one["metric"]: one for one in compared["metrics"]}

    tested, untested = row("--plugin", "miss.py"), row()
    name = "miss (lower is better)"
    first, second = (one.load().evaluations for one in sorted(two_runs, key=lambda one: one.load().name))
    held = [next(entry.metrics["miss"] for entry in one.values() if entry.split == "test") for one in (first, second)]
    assert (tested[name]["first"], tested[name]["second"]) == pytest.approx(held)
    assert tested[name]["low"] < held[0] - held[1] < tested[name]["high"]
    assert untested[name]["low"] is None
    assert tested["worst-subject-accuracy"]["p"] is None
