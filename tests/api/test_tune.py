"""`ferbench.api.tune`: a search from Python."""

from __future__ import annotations

from pathlib import Path

import pytest

from ferbench.api.tune import Study, load_study, tune
from ferbench.errors import UserError

SETTINGS = {
    **{"dataset.size": 16, "dataset.train": 40, "dataset.test": 14, "data.image_size": 8},
    **{"training.epochs": 2, "training.batch_size": 16},
}


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("search")
    return {"results": root / "results", "cache": root / "cache"}


@pytest.fixture(scope="module")
def study(places) -> Study:
    return tune(
        dataset="synthetic-faces",
        model="linear",
        loss=["cross-entropy", "focal"],
        settings=SETTINGS,
        space={"optimizer.lr": "1e-3..1e-1:log", "training.batch_size": [8, 16]},
        only=True,
        trials=3,
        seeds=[0],
        name="tiny",
        **places,
    )


def test_trials_are_a_frame_with_a_row_a_trial(study):
    assert study.name == "tiny"
    assert study.trials["number"].tolist() == [0, 1, 2]
    columns = {"values_macro_f1", "params_loss", "params_optimizer.lr", "params_training.batch_size", "seconds"}
    assert columns <= set(study.trials)
    assert all(isinstance(size, int) for size in study.trials["params_training.batch_size"])


def test_the_best_has_settings_values_recipe_and_tested_runs(study):
    frame = study.trials.set_index("number")
    assert study.best.values["macro_f1"] == frame["values_macro_f1"].max()
    assert set(study.best.settings) == {"loss", "optimizer.lr", "training.batch_size"}
    assert study.best.recipe.is_file()
    (run,) = study.best.runs
    assert {entry.split for entry in run.record.evaluations.values()} == {"validation", "test"}


def test_figures_by_kind(study):
    assert type(study.figure("history")).__name__ == "Figure"
    assert len(study.figure("slice-loss").data[0].x) == 3
    with pytest.raises(UserError, match="has no figure 'front'"):
        study.figure("front")


def test_the_same_study_is_found_by_name(study, places):
    again = load_study("tiny", places["results"])
    assert again.id == study.id
    assert again.trials.equals(study.trials)
    assert "<table" in again._repr_html_()


def test_what_makes_no_sense_is_refused_before_anything_is_trained(places):
    with pytest.raises(UserError, match="there is no objective 'acuracy'"):
        tune(dataset="synthetic-faces", objective="acuracy", settings=SETTINGS, **places)
