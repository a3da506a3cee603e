"""Intervals of metrics of plugins in leaderboards, and ranks by any metric, against bootstraps of their own."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from made_runs import make_run
from made_views import evaluation_of
from scipy.special import rel_entr
from scipy.stats import entropy, spearmanr, t

import ferbench as fb
from ferbench.plugin.discovery import load_registry
from ferbench.ranking.standing import TESTS_FILE
from ferbench.training.evaluation_record import add_metrics

DRAWN = "entropy-disagreement"
N, K = 350, 7
FREE = N - K  # degrees of freedom of samples within seven classes


def voted(results, *, metrics=("vote-kl",), sure=4.0, subjects=False, plugins=(), **about):
    """A run whose test samples have votes, and whose probabilities follow them the more, the surer it is."""
    run = make_run(results, n=N, **about)
    key, record = evaluation_of(run), run.load()
    given = run.predictions(key)
    shares = np.random.default_rng(0).dirichlet(np.full(K, 0.4), N) + np.eye(K)[given.truth]
    votes = np.random.default_rng(1).multinomial(10, shares / shares.sum(axis=1, keepdims=True)) / 10
    draws = np.random.default_rng(about.get("seed", 0) + 10)
    probabilities = np.stack([draws.dirichlet(0.3 + sure * row) for row in votes]).astype(np.float32)
    columns = {"subject": np.array([f"p{k % 25}" for k in range(N)])} if subjects else {}
    run.save_evaluation(
        run.load_evaluation(key),
        replace(given, probabilities=probabilities, votes=votes.astype(np.float32), columns=columns),
    )
    registry = load_registry([str(plugin) for plugin in plugins])
    add_metrics(run, record, key, [registry.find("metric", name) for name in metrics], votes.astype(np.float32))
    run.save(record)
    return votes, probabilities.astype(np.float64), given.truth


def kl(votes, probabilities):
    return rel_entr(votes, np.maximum(probabilities, 1e-12)).sum(axis=1)


def bootstrap(truth, statistic, draws=1500):
    """Values of a statistic of places that are drawn within each class."""
    rng = np.random.default_rng(99)
    classes = [np.flatnonzero(truth == k) for k in range(K)]
    return np.array([statistic(np.concatenate([rng.choice(one, len(one)) for one in classes])) for _ in range(draws)])


def row(results, **options):
    (cells,) = list(csv.DictReader(fb.leaderboard(results, **options).frame.to_csv(index=False).splitlines()))
    return cells


def test_the_interval_of_a_mean_over_samples_is_that_of_a_bootstrap(tmp_path):
    votes, probabilities, truth = voted(tmp_path)
    each, cells = kl(votes, probabilities), row(tmp_path)
    error = bootstrap(truth, lambda rows: each[rows].mean()).std(ddof=1)
    wide = t.ppf(0.975, FREE) * error / each.mean()  # even in the logarithm
    assert float(cells["vote-kl_mean"]) == pytest.approx(each.mean(), rel=1e-6)
    assert float(cells["vote-kl_ci_low"]) == pytest.approx(each.mean() * math.exp(-wide), rel=0.01)
    assert float(cells["vote-kl_ci_high"]) == pytest.approx(each.mean() * math.exp(wide), rel=0.01)


def test_the_interval_of_any_other_metric_is_that_of_a_bootstrap(tmp_path):
    votes, probabilities, truth = voted(tmp_path, metrics=(DRAWN,))
    people, model = entropy(votes, axis=1).round(9), entropy(probabilities, axis=1)
    value = spearmanr(people, model).statistic
    error = bootstrap(truth, lambda rows: spearmanr(people[rows], model[rows]).statistic, 400).std(ddof=1)
    wide = t.ppf(0.975, FREE) * error / (1 - value**2)  # even in Fisher's z
    cells = row(tmp_path)
    assert float(cells["entropy-disagreement_mean"]) == pytest.approx(value, abs=1e-3)  # whose rows sum to 1
    ends = math.tanh(math.atanh(value) - wide), math.tanh(math.atanh(value) + wide)
    tolerance = 0.15 * (ends[1] - ends[0]) / 2
    assert float(cells["entropy-disagreement_ci_low"]) == pytest.approx(ends[0], abs=tolerance)
    assert float(cells["entropy-disagreement_ci_high"]) == pytest.approx(ends[1], abs=tolerance)


def test_over_seeds_it_is_that_of_the_configuration(tmp_path):
    several = [kl(*voted(tmp_path, seed=seed, sure=3.0 + seed)[:2]) for seed in range(3)]
    truth = np.random.default_rng(len("test")).integers(0, K, N)
    values = np.array([each.mean() for each in several])
    mean, drawn = values.mean(), np.stack([bootstrap(truth, lambda rows, e=each: e[rows].mean()) for each in several])
    interaction = (
        ((drawn - drawn.mean(axis=1, keepdims=True) - (drawn.mean(axis=0) - drawn.mean())) ** 2).sum() / 1499 / 2
    )
    seeding = (values.var(ddof=1) - interaction) / 3
    assert seeding > 0
    half = math.sqrt(t.ppf(0.975, FREE) ** 2 * drawn.mean(axis=0).var(ddof=1) + t.ppf(0.975, 2) ** 2 * seeding)
    cells = row(tmp_path)
    assert float(cells["vote-kl_ci_high"]) == pytest.approx(mean * math.exp(half / mean), rel=0.02)
    assert float(cells["vote-kl_min"]) == pytest.approx(values.min())


def test_samples_of_one_person_are_drawn_together(tmp_path):
    votes, probabilities, _ = voted(tmp_path, subjects=True)
    each, people = kl(votes, probabilities), np.arange(N) % 25
    sums = np.bincount(people, each - each.mean())
    error = math.sqrt(25 / 24 * (sums**2).sum()) / N
    high = each.mean() * math.exp(t.ppf(0.975, 24) * error / each.mean())
    assert float(row(tmp_path)["vote-kl_ci_high"]) == pytest.approx(high, rel=1e-3)


def test_every_format_shows_the_interval(tmp_path, ferbench_cli):
    voted(tmp_path, metrics=("vote-js",))
    low, high = (float(row(tmp_path)[f"vote-js_ci_{end}"]) for end in ("low", "high"))
    for form in ("terminal", "latex"):
        shown = ferbench_cli(
            "leaderboard", "--results", tmp_path, "--format", form, "--columns", "config,vote-js"
        ).stdout
        assert f"{(high - low) / 2:.4f}" in shown or f"{low:.4f}" in shown, form
    (group,) = json.loads(ferbench_cli("leaderboard", "--results", tmp_path, "--json").stdout)["groups"]
    assert group["rows"][0]["vote-js_ci"] == pytest.approx([low, high])


def test_intervals_that_were_drawn_are_kept_for_later_boards(tmp_path, monkeypatch):
    voted(tmp_path, name="one", metrics=(DRAWN,))
    ends = [row(tmp_path)[f"entropy-disagreement_ci_{end}"] for end in ("low", "high")]
    voted(tmp_path, name="two", model="other")
    asked = []
    monkeypatch.setattr("ferbench.statistics.redrawn.DRAWS", 0)
    monkeypatch.setattr("ferbench.ranking.metric_rows.by_draws", lambda *given: asked.append(given))
    rows = csv.DictReader(fb.leaderboard(tmp_path).frame.to_csv(index=False).splitlines())
    (again,) = [one for one in rows if one["name"] == "one"]
    assert [again[f"entropy-disagreement_ci_{end}"] for end in ("low", "high")] == ends
    assert asked == []
    document = json.loads((tmp_path / TESTS_FILE).read_text())
    assert [ends for ends in document["intervals"].values() if len(ends) == 2]


def ranks(board):
    (group,) = board.groups
    return {
        name: (rank, gap) for name, rank, gap in zip(*(group.rows[key] for key in ("name", "rank", "gap")), strict=True)
    }


def test_rows_are_ranked_by_a_metric_of_which_lower_is_better(tmp_path):
    made = {
        name: kl(*voted(tmp_path, name=name, model=name, sure=sure)[:2]) for name, sure in {"a": 1.0, "b": 8.0}.items()
    }
    board = fb.leaderboard(tmp_path, rank_by="vote-kl")
    found = ranks(board)
    assert made["b"].mean() < made["a"].mean()
    assert (found["b"][0], found["a"][0]) == (1, 2)
    assert found["a"][1] == pytest.approx(made["a"].mean() - made["b"].mean(), rel=1e-5)
    assert math.isnan(found["b"][1])
    (table,) = board.tables()
    assert [row[1] for row in table.rows] == ["b", "a"] or [row[2] for row in table.rows] == ["b", "a"]
    assert any("significantly better in vote-kl" in note for note in table.notes)


@pytest.mark.parametrize("metric", [DRAWN, "mcc", "log_loss", "recall:happy", "f1:happy", "aurc", "kappa"])
def test_the_better_of_two_models_is_first_by_any_metric(tmp_path, metric):
    for name, sure in (("a", 0.5), ("b", 20.0)):
        voted(tmp_path, name=name, model=name, sure=sure, metrics=(DRAWN,) if metric == DRAWN else ())
        run = next(run for run in fb.load_results(tmp_path) if run.name == name)
        fill(tmp_path, run.id, metric)
    assert [ranks(fb.leaderboard(tmp_path, rank_by=metric))[name][0] for name in "ab"] == [2, 1]


def fill(results, run, metric):
    """What made-up records lack."""
    from ferbench.metrics.scoring import value_of
    from ferbench.runs.directory import RunDirectory, run_path

    directory = RunDirectory(run_path(results, run))
    record, key = directory.load(), evaluation_of(directory)
    given = directory.predictions(key)
    if ":" not in metric and metric not in record.evaluations[key].metrics:
        names = tuple(record.data.class_names)
        record.evaluations[key].metrics[metric] = value_of(metric, given.truth, given.probabilities, names)
    directory.save(record)


def test_rows_that_lack_the_metric_are_named(tmp_path):
    voted(tmp_path, name="voted", model="a")
    make_run(tmp_path, n=N, name="plain", model="b")
    (group,) = fb.leaderboard(tmp_path, rank_by="vote-kl").groups
    reasons = dict(zip(group.rows["name"], group.rows["unranked"].fillna(""), strict=True))
    assert reasons == {"voted": "", "plain": "not all of its runs have vote-kl"}


@pytest.mark.parametrize(
    ("metric", "said", "remedy"),
    [
        ("vote-js", "no run here has it", "with --set evaluation.metrics=[vote-js]"),
        ("macrof1", "no run here has such a metric", "did you mean 'macro_f1'?"),
        ("loss", "it is of each training alone", "log_loss"),
        ("f1:joy", "no run here has such a metric", "f1:CLASS"),
    ],
)
def test_a_metric_that_ranks_nothing_is_refused(tmp_path, ferbench_cli, metric, said, remedy):
    make_run(tmp_path, n=N)
    done = ferbench_cli("leaderboard", "--results", tmp_path, "--rank-by", metric)
    assert done.exit_code == 2
    assert f"--rank-by {metric}: {said}" in done.stderr
    assert remedy in done.stderr


PLUGIN = """
import numpy as np
import ferbench

@ferbench.hookimpl
def ferbench_metrics():
    yield ferbench.MetricSpec("cost", build="costs:cost", higher_is_better=False, low=0.0, high=1.0)

def cost(predictions):
    return (predictions.predicted != predictions.labels) * 0.5
"""


def test_a_metric_whose_plugin_is_not_here_keeps_its_value_and_says_why_it_has_no_interval(tmp_path):
    (tmp_path / "costs.py").write_text(PLUGIN)
    results = tmp_path / "results"
    _, probabilities, truth = voted(results, metrics=("cost",), plugins=(tmp_path / "costs.py",))
    loaded = row(results, plugins=[tmp_path / "costs.py"])
    wrong = float((probabilities.argmax(axis=1) != truth).mean())
    assert float(loaded["cost_mean"]) == pytest.approx(wrong / 2)
    assert float(loaded["cost_ci_low"]) < wrong / 2 < float(loaded["cost_ci_high"])
    board = fb.leaderboard(results)
    assert "cost_ci_low" not in board.frame
    (table,) = board.tables()
    assert "No interval of cost: its plugin is not here." in table.notes


def test_values_that_a_plugin_gives_no_more_have_no_interval(tmp_path):
    (tmp_path / "costs.py").write_text(PLUGIN)
    voted(tmp_path / "results", metrics=("cost",), plugins=(tmp_path / "costs.py",))
    (tmp_path / "costs.py").write_text(PLUGIN.replace("0.5", "0.25"))
    (table,) = fb.leaderboard(tmp_path / "results", plugins=[tmp_path / "costs.py"]).tables()
    assert "No interval of cost: its plugin computes other values now than the records have." in table.notes
