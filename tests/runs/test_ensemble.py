"""Averages of predictions, by sample id and class name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from record_files import read_metrics, read_record, write_metrics, write_record
from sklearn.metrics import accuracy_score, f1_score, root_mean_squared_error

from ferbench import UserError
from ferbench.runs.directory import RunDirectory, run_path
from ferbench.runs.ensemble import gather, make
from ferbench.runs.members import read_member
from ferbench.runs.predictions import Predictions
from ferbench.runs.recompute import differs_from_members
from ferbench.runs.verify import verify

CLASSES = ("angry", "happy", "sad")
IDS = np.array([f"face-{i}" for i in range(40)])
TRUTH = np.random.default_rng(0).integers(0, 3, 40)


def feelings(key):
    """Valence and arousal float32[40, 2], in the order of ``IDS``."""
    return np.random.default_rng(100 + key).uniform(-1, 1, (40, 2)).astype(np.float32)


def member(
    results,
    key,
    *,
    seed=0,
    classes=CLASSES,
    order=None,
    ids=IDS,
    truth=TRUTH,
    config="c",
    rows="v1:t",
    tta="none",
    affect=False,
):
    """A finished run; its probabilities, in the order of ``IDS`` and ``CLASSES``, come from ``key``; both come back."""
    order = np.arange(len(ids)) if order is None else order
    columns = [CLASSES.index(name.lower()) for name in classes]
    probabilities = np.random.default_rng(key).dirichlet(np.ones(3), len(ids)).astype(np.float32)
    own = np.argsort(columns)[truth]
    training = f"v1:{key:0>64}"
    directory = RunDirectory(run_path(results, training[3:15][:11] + str(key)))
    entries = {}
    for split in ("validation", "test"):
        name = f"{split[:3]}{key}"
        about = {"split": split, "rows_digest": rows, "options": {"tta": tta}, "n": len(ids)}
        entries[name] = {"id": name, **about, "metrics": {}, "per_class": {}}
        felt = (feelings(0)[order], feelings(key)[order]) if affect else (None, None)
        predictions = Predictions(ids[order], own[order], probabilities[order][:, columns], *felt)
        scored = {"evaluation_id": name, "training_id": training, **about, "metrics": {}, "per_class": {}}
        write_metrics(directory, {**scored, "class_names": list(classes)}, predictions)
    sections = ("dataset", "model", "loss", "sampler", "augmentation", "optimizer", "schedule")
    write_record(
        directory,
        {
            "schema": 2,
            "kind": "trained",
            "name": None,
            "status": "done",
            "identity": {"training_id": training, "config_id": f"v1:{config}"},
            "recipe": {
                **{section: {"name": section} for section in sections},
                "data": {"fold": None},
                "training": {"epochs": 1, "seed": seed},
            },
            "components": {section: {"name": section, "options": {}} for section in sections},
            "data": {
                "dataset": "faces",
                "synthetic": False,
                "protocol": "official",
                "fold": None,
                "class_names": list(classes),
                "counts": {"train": {"angry": 5}},
                "test_digest": rows,
                "validation_digest": rows,
            },
            "evaluations": entries,
            "model": {"parameters": 10, "flops": 7},
            "training": {"epochs": 1, "best_epoch": 1, "select": "macro_f1", "seconds": 2.0},
        },
    )
    return directory, probabilities


def ensemble(*directories, weights=None):
    return gather([read_member(directory) for directory in directories], weights)


def test_probabilities_are_averaged_by_id_and_class_name_whatever_their_order(tmp_path):
    shuffled = np.random.default_rng(9).permutation(40)
    one, first = member(tmp_path, 1)
    two, second = member(tmp_path, 2, classes=("Sad", "Angry", "Happy"), order=shuffled)
    directory, reused = make(ensemble(one, two, weights=[1, 3]), tmp_path)
    record = read_record(directory)
    (name,) = [key for key, entry in record["evaluations"].items() if entry["split"] == "test"]
    stored = directory.predictions(name)
    wanted = 0.25 * first + 0.75 * second
    np.testing.assert_allclose(stored.probabilities, wanted, atol=1e-6)
    assert not reused
    metrics = record["evaluations"][name]["metrics"]
    assert metrics["accuracy"] == pytest.approx(accuracy_score(TRUTH, wanted.argmax(axis=1)))
    assert metrics["macro_f1"] == pytest.approx(f1_score(TRUTH, wanted.argmax(axis=1), average="macro"))


def test_valence_and_arousal_are_averaged_by_id_with_the_same_weights(tmp_path):
    shuffled = np.random.default_rng(9).permutation(40)
    one, _ = member(tmp_path, 1, affect=True)
    two, _ = member(tmp_path, 2, affect=True, order=shuffled)
    directory, _ = make(ensemble(one, two, weights=[1, 3]), tmp_path)
    (name,) = [key for key, entry in read_record(directory)["evaluations"].items() if entry["split"] == "test"]
    stored = directory.predictions(name)
    wanted = 0.25 * feelings(1) + 0.75 * feelings(2)
    np.testing.assert_allclose(stored.affect, wanted, atol=1e-6)
    np.testing.assert_array_equal(stored.affect_truth, feelings(0))
    rmse = root_mean_squared_error(feelings(0)[:, 1], wanted[:, 1])
    assert read_metrics(directory, name)["metrics"]["arousal_rmse"] == pytest.approx(rmse, rel=1e-5)


def test_valence_and_arousal_that_are_not_the_members_mean_are_found(tmp_path):
    one, two = (member(tmp_path, key, affect=True)[0] for key in (1, 2))
    directory, _ = make(ensemble(one, two), tmp_path)
    (name,) = [key for key, entry in read_record(directory)["evaluations"].items() if entry["split"] == "test"]
    stored = directory.predictions(name)
    assert differs_from_members(directory, directory.load(), "test", stored) == ("", False)
    for affect in (feelings(1), None):
        said = differs_from_members(directory, directory.load(), "test", replace(stored, affect=affect))
        assert said == ("they are not the mean of its members' predictions", True)


def test_without_valence_and_arousal_of_every_member_there_is_no_average_of_them(tmp_path):
    one, two = member(tmp_path, 1, affect=True)[0], member(tmp_path, 2)[0]
    directory, _ = make(ensemble(one, two), tmp_path)
    for name in read_record(directory)["evaluations"]:
        assert directory.predictions(name).affect is None
        assert "arousal_rmse" not in read_metrics(directory, name)["metrics"]


def test_the_same_members_in_another_order_are_the_same_ensemble(tmp_path):
    one, two = (member(tmp_path, key)[0] for key in (1, 2))
    first, _ = make(ensemble(one, two, weights=[1, 2]), tmp_path)
    again, reused = make(ensemble(two, one, weights=[4, 2]), tmp_path, name="later")
    assert reused
    assert again.path == first.path
    assert read_record(again)["name"] == "later"


def test_other_weights_are_another_ensemble(tmp_path):
    one, two = (member(tmp_path, key)[0] for key in (1, 2))
    plain, weighted = ensemble(one, two), ensemble(one, two, weights=[1, 2])
    assert plain.training_id != weighted.training_id
    assert plain.config_id != weighted.config_id


def test_ensembles_of_other_seeds_are_seeds_of_one_configuration(tmp_path):
    runs = [member(tmp_path, key, seed=key, config="ab"[key % 2])[0] for key in (1, 2, 3, 4)]
    first, second = ensemble(*runs[:2]), ensemble(*runs[2:])
    assert first.config_id == second.config_id
    assert first.training_id != second.training_id


def test_an_ensemble_costs_what_its_members_cost(tmp_path):
    directory, _ = make(ensemble(*(member(tmp_path, key)[0] for key in (1, 2, 3))), tmp_path)
    record = read_record(directory)
    assert (record["model"]["parameters"], record["model"]["flops"], record["training"]["seconds"]) == (30, 21, 6.0)
    assert record["model"]["trainable"] is None


def test_its_evaluations_name_their_parents(tmp_path):
    runs = [member(tmp_path, key)[0] for key in (1, 2)]
    directory, _ = make(ensemble(*runs), tmp_path)
    for name, entry in read_record(directory)["evaluations"].items():
        parents = read_metrics(directory, name)["parents"]
        assert parents == [
            {"run": run.path.name, "evaluation": f"{entry['split'][:3]}{key}"} for key, run in enumerate(runs, 1)
        ]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"ids": IDS[3:], "truth": TRUTH[3:]}, "3 of the first are missing in the second, 0 of the second"),
        ({"truth": (TRUTH + (np.arange(40) < 5)) % 3}, "disagree on the true class of 5"),
        ({"rows": "v1:other"}, "other pixels"),
        ({"tta": "flip"}, "unlike ways"),
    ],
)
def test_predictions_that_do_not_belong_together_are_refused(tmp_path, other, message):
    runs = [member(tmp_path, 1)[0], member(tmp_path, 2, **other)[0]]
    with pytest.raises(UserError, match=message):
        make(ensemble(*runs), tmp_path)
    assert len(list((tmp_path / "runs").glob("*/run.json"))) == 2


@pytest.mark.parametrize(
    ("count", "weights", "message"),
    [
        (1, None, "at least two"),
        (2, [1], "2 runs but 1 weights"),
        (2, [1, 0], "positive"),
        (2, [1, float("nan")], "positive"),
    ],
)
def test_weights_must_fit(tmp_path, count, weights, message):
    with pytest.raises(UserError, match=message):
        ensemble(*(member(tmp_path, key)[0] for key in range(1, count + 1)), weights=weights)


def test_of_several_evaluations_the_one_without_test_time_augmentation_counts(tmp_path):
    directory, _ = member(tmp_path, 1)
    record = read_record(directory)
    entry = record["evaluations"]["tes1"]
    others = {name: {**entry, "id": name, "options": {"tta": "flip"}} for name in ("aaa", "zzz")}
    write_record(directory, {**record, "evaluations": {**others, **record["evaluations"]}})
    assert read_member(directory).evaluations == {"validation": "val1", "test": "tes1"}


def seen(contaminated, copies):
    counts = None if copies is None else {"same": 0, "copies": copies}
    return {"train": counts, "validation": counts, "contaminated": contaminated}


@pytest.mark.parametrize(
    ("several", "worst"),
    [
        ((seen(False, 5), seen(True, 1)), 1),  # a spoilt test stays spoilt
        ((seen(None, None), seen(False, 5)), 0),  # what is not known may be anything
        ((seen(True, 1), seen(None, None)), 0),
        ((seen(False, 2), seen(False, 5)), 1),
        ((None, seen(False, 0)), 1),
    ],
)
def test_an_ensemble_has_seen_what_its_member_with_the_most_has_seen(tmp_path, several, worst):
    runs = [member(tmp_path, key)[0] for key in (1, 2)]
    for run, told in zip(runs, several, strict=True):
        record = read_record(run)
        for entry in record["evaluations"].values():
            entry |= {} if told is None else {"seen": told}
        write_record(run, record)
    directory, _ = make(ensemble(*runs), tmp_path)
    for name, entry in read_record(directory)["evaluations"].items():
        assert entry["seen"] == read_metrics(directory, name)["seen"] == several[worst]


def test_a_run_counts_once(tmp_path):
    one, _ = member(tmp_path, 1)
    with pytest.raises(UserError, match="named twice"):
        ensemble(one, one)


def test_an_ensemble_has_no_ensembles(tmp_path):
    directory, _ = make(ensemble(*(member(tmp_path, key)[0] for key in (1, 2))), tmp_path)
    with pytest.raises(UserError, match="is an ensemble itself"):
        read_member(directory)


def test_a_record_of_an_older_release_is_a_plain_error(tmp_path):
    runs = [member(tmp_path, key)[0] for key in (1, 2)]
    record = read_record(runs[0])
    for entry in record["evaluations"].values():
        del entry["options"]
    write_record(runs[0], record)
    with pytest.raises(UserError, match="was evaluated on nothing"):
        make(gather([read_member(run) for run in runs]), tmp_path)


def test_after_one_that_was_killed_the_same_command_is_enough(tmp_path, monkeypatch):
    made = ensemble(member(tmp_path, 1)[0], member(tmp_path, 2)[0])

    def killed(self, record):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(RunDirectory, "save", killed)
        make(made, tmp_path)
    (left,) = [path for path in (tmp_path / "runs").iterdir() if path.is_dir() and not (path / "run.json").exists()]
    (found,) = [one for one in verify(RunDirectory(left)) if one.file == "run.json"]
    assert found.remedy.startswith("give the command that was ended again")
    directory, reused = make(made, tmp_path)
    assert (directory.path.name, reused) == (left.name, False)
    assert list(verify(directory)) == []
