"""What a list of runs reads from a record."""

from __future__ import annotations

from made_records import made_record, typed

from ferbench.runs.summary import summarise


def summary_of(record):
    return summarise("a", typed(record))


def test_metrics_and_scores_of_classes_stand_side_by_side():
    (scores,) = summary_of(made_record(metrics={"macro_f1": 0.5, "loss": None})).scores
    assert scores.values == {
        "macro_f1": 0.5,
        "precision:happy": 1.0,
        "recall:happy": 0.75,
        "f1:happy": 0.5,
        "precision:sad": 1.0,
        "recall:sad": 0.75,
        "f1:sad": 0.25,
    }
    assert (scores.rows, scores.n) == ("v1:t1", 7)


def test_a_fold_is_scored_on_its_validation_samples():
    (scores,) = summary_of(made_record(fold="1/5", test="v1:fold")).scores
    assert scores.rows == "v1:fold"


def test_folds_and_seeds_of_a_configuration_share_an_id_that_other_data_does_not():
    one = summary_of(made_record(fold="1/5", test="v1:first"))
    other = summary_of(made_record(fold="2/5", test="v1:second", seed=1))
    elsewhere = summary_of(made_record(fold="1/5", test="v1:first", data={"split_seed": 1}))
    assert one.config != other.config
    assert (one.unfolded, one.partition) == (other.unfolded, other.partition)
    assert one.unfolded != elsewhere.unfolded
    assert summary_of(made_record()).unfolded == ""


def test_folds_of_a_configuration_share_an_id_also_where_one_of_them_ends_in_a_joined_batch():
    ids = []
    for joined in ({}, {"last_batch": "joined"}):
        record = made_record(fold="1/5", test="v1:first")
        record["identity"]["covers"] = {"rows": {}, "training": {"epochs": 5, "seed": 0}, **joined}
        ids.append(summary_of(record).unfolded)
    assert ids[0] == ids[1]


def test_an_older_run_on_resampled_images_is_of_a_configuration_of_its_own():
    """Its id was that of any size and fit."""

    def config(size, fit="stretch", **data):
        record = made_record(dataset={"size": size, "fit": fit})
        record["identity"]["covers"] = {"rows": {}}
        record["data"] |= data
        return summary_of(record).config

    recorded = made_record()["identity"]["config_id"]
    assert config(None) == config(8, color="rgb") == recorded
    assert len({recorded, config(8), config(8, "crop"), config(12)}) == 4
    assert config(8) == config(8)


def test_settings_are_component_names_options_and_fields_without_the_seed():
    settings = summary_of(made_record(optimizer={"lr": 0.1})).settings
    assert settings["model"] == "cnn"
    assert settings["optimizer.lr"] == 0.1
    assert settings["training.epochs"] == 5
    assert settings["data.fold"] is None
    assert "training.seed" not in settings


def test_a_run_without_a_result_keeps_what_it_was():
    summary = summary_of(made_record(status="failed", seed=3))
    assert (summary.status, summary.reason, summary.seed, summary.settings["model"]) == ("failed", "it broke", 3, "cnn")
    assert summary.scores == []


def test_a_run_that_was_not_evaluated_says_so():
    record = made_record()
    del record["evaluations"]["e2"]
    assert summary_of(record).reason == "it was not evaluated on test"
