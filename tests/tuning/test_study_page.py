"""What the page of a study says, from a study made by hand."""

from __future__ import annotations

from dataclasses import replace

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState

from ferbench.cli.study_tables import show_finalists
from ferbench.records.study import Dimension, Finalist, LostSeed, Outcome, Samples, SeedRun, Study, Tally
from ferbench.tuning.study_figures import of_study
from ferbench.tuning.study_page import finalists_table, lead, notes, study_page, tiles
from ferbench.tuning.view import StudyView

RECIPE = 'name = "tiny-best"\n'

LOSSES = ("focal", "cross-entropy")


def trial(number: int, state: TrialState, values: list[float] | None, lr: float, epochs, **about):
    """A trial as a storage gives it."""
    made = optuna.trial.create_trial(
        state=state,
        values=values,
        params={"optimizer.lr": lr, "loss": "focal"},
        distributions={"optimizer.lr": FloatDistribution(1e-4, 1e-1), "loss": CategoricalDistribution(LOSSES)},
        intermediate_values=epochs,
        user_attrs=about,
    )
    made.number = number
    return made


@pytest.fixture
def view() -> StudyView:
    """Four trials of two objectives; trials 0 and 2 are on the front and tested with two seeds each."""
    values = [[0.5, 100.0], [0.4, 200.0], [0.6, 300.0]]
    trials = [
        trial(i, TrialState.COMPLETE, one, 0.001 * (i + 1), {1: one[0]}, run=f"run{i}", seconds=2.0)
        for i, one in enumerate(values)
    ]
    trials.append(trial(3, TrialState.FAIL, None, 0.1, {}, seconds=1.0, reason="no room <b>left</b>"))
    finalists = [
        Finalist(
            rank=rank,
            trial=number,
            values=values[number],
            chosen={},
            runs=[SeedRun(seed=seed, run=f"{number}{seed}") for seed in (0, 1)],
            recipe=file,
        )
        for rank, number, file in ((1, 2, "best.toml"), (2, 0, "best-2.toml"))
    ]
    goals = ["macro_f1", "parameters"]
    tally = Tally(all=4, complete=3, pruned=0, failed=1)
    return StudyView(
        record=Study(
            id="0" * 12,
            label="tiny",
            objectives=goals,
            algorithm="tpe",
            pruner="none",
            dataset="fer2013",
            protocol="official",
            samples=Samples(train=1000, validation=200),
            space=[
                Dimension(key="optimizer.lr", low=1e-4, high=1e-1, log=True),
                Dimension(key="loss", choices=list(LOSSES)),
            ],
        ),
        trials=trials,
        outcome=Outcome(study="0" * 12, label="tiny", objectives=goals, trials=tally, finalists=finalists),
        tested={f"{n}{s}": {"accuracy": 0.5 + s / 10, "macro_f1": 0.3 + s / 10} for n in (0, 2) for s in (0, 1)},
        recipes={0: RECIPE, 2: RECIPE},
    )


def of_other_objectives(view: StudyView, names: list[str]) -> StudyView:
    """The same trials, judged by as many of their values."""
    record = view.record.model_copy(update={"objectives": names})
    trials = [
        trial(
            t.number,
            t.state,
            t.values[: len(names)] if t.values else None,
            t.params["optimizer.lr"],
            t.intermediate_values,
        )
        for t in view.trials
    ]
    return replace(view, record=record, trials=trials, outcome=None)


def test_it_says_how_many_were_tried_and_how_they_ended(view):
    assert lead(view).startswith("4 trials of 2 parameters by tpe, on fer2013")
    shown = {tile.label: tile for tile in tiles(view)}
    assert (shown["trials tried"].value, shown["trials tried"].about) == ("4", "3 complete, 1 failed")
    assert shown["Pareto front"].value == "2"
    assert notes(view)[0].startswith("The best of 4 trials looks better on validation than it is")


def test_objectives_that_differ_in_letters_of_other_scripts_have_figures_of_their_own(view):
    ids = [figure.id for figure in of_study(of_other_objectives(view, ["f1:高兴", "f1:悲伤"]))]
    assert len(ids) == len(set(ids))


def test_objectives_that_are_metrics_are_among_what_was_tested(view, capsys):
    record = view.record.model_copy(update={"objectives": ["f1:sad", "parameters"]})
    tested = {run: {**scores, "f1:sad": 0.125} for run, scores in view.tested.items()}
    view = replace(view, record=record, tested=tested)
    table = finalists_table(view)
    assert [column.label for column in table.columns][-1] == "test f1:sad"
    assert table.rows[0][-1].mean == 0.125
    show_finalists(view)
    lines = capsys.readouterr().out.splitlines()
    assert sum("test f1:sad" in line for line in lines) == 1
    assert sum("0.1250" in line for line in lines) == 2


def test_the_test_scores_are_mean_and_extremes_over_the_seeds(view):
    table = finalists_table(view)
    columns = [column.key for column in table.columns]
    spread = table.rows[0][columns.index("test_macro_f1")]
    assert (spread.mean, spread.low, spread.high) == (pytest.approx(0.35), 0.3, 0.4)


def test_a_cost_is_not_called_a_validation_metric(view):
    labels = [column.label for column in finalists_table(view).columns]
    assert labels[1:3] == ["validation macro_f1", "parameters"]


def test_each_recipe_has_its_own_file_and_runs(view):
    page = study_page(view)
    for file, runs in (("best.toml", "20 (seed 0), 21 (seed 1)"), ("best-2.toml", "00 (seed 0), 01 (seed 1)")):
        assert f"<code>ferbench run {file}</code>" in page
        assert f"Tested runs: {runs}." in page


def test_two_objectives_have_a_front_and_one_has_none(view):
    assert "Pareto front: macro_f1 and parameters" in study_page(view)
    alone = of_other_objectives(view, ["macro_f1"])
    assert "Pareto" not in study_page(alone)
    assert [tile.label for tile in tiles(alone)][1] == "best macro_f1"


def test_text_of_a_trial_is_no_markup(view):
    assert "<b>left</b>" not in study_page(view)


def test_seeds_without_a_result_are_said_to_be_in_no_mean(view):
    view.finalists[0].failed = [LostSeed(seed=2, reason="diverged: loss is nan")]
    page = study_page(view)
    assert "Trial 2 has no result with seed 2, which is in no mean: diverged: loss is nan." in page
