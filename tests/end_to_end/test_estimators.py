"""Estimators as models: fitted, recorded, tested again, ranked, tuned; and what does not apply to them is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ferbench.runs.find import find_run

DATA = [f"--set=dataset.{one}" for one in ("size=16", "train=140", "test=70", "balance=uniform")]
SMALL = [*DATA, "--set=data.image_size=16", "--no-report"]


def record_of(results, name="small"):
    return find_run(results, name).load()


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """The results directory of a run of logistic regression."""
    from click.testing import CliRunner

    from ferbench.cli import cli

    results = tmp_path_factory.mktemp("estimators") / "results"
    options = ["--model", "logistic", "--set=model.components=20", "--name", "small", "--results", str(results)]
    done = CliRunner().invoke(cli, ["run", *options, *SMALL], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "fitted at once, without epochs" in done.output
    return results


def test_the_record_has_no_component_of_a_training(fitted):
    record = record_of(fitted)
    assert list(record.components) == ["dataset", "model", "sampler"]
    assert (record.training.epochs, record.training.stopped.reason, record.training.batch_size) == (0, "fit", None)
    assert list(record.identity.covers["components"]) == ["model", "sampler"]


def test_it_predicts_as_scikit_learn_does_on_the_same_arrays(fitted):
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression

    from ferbench.experiment.prepare import Preparer, pack_in
    from ferbench.experiment.recorded import recorded_tables
    from ferbench.plugin.discovery import load_registry

    directory = find_run(fitted, "small")
    plan = Preparer(load_registry(), pack_in(fitted.parent / "cache")).prepare(recorded_tables(directory.load()))
    assert plan.training_id == directory.load().identity.training_id
    train, test = (plan.pack.images[rows].reshape(len(rows), -1) / np.float32(255) for rows in
                   (plan.split.train, plan.split.test))  # fmt: skip

    def scaled(images):
        return (images - images.mean(axis=1, keepdims=True)) / images.std(axis=1, keepdims=True)

    components = PCA(20, whiten=True, svd_solver="randomized", random_state=0).fit(scaled(train))
    model = LogisticRegression(C=0.1, max_iter=1000)
    model.fit(components.transform(scaled(train)), plan.split.labels[plan.split.train])
    (name,) = directory.load().own_evaluations("test")
    recorded = directory.predictions(name)
    assert recorded.ids.tolist() == plan.pack.ids[plan.split.test].tolist()
    wanted = model.predict_proba(components.transform(scaled(test)))
    assert np.allclose(recorded.probabilities, wanted, atol=1e-4)


def test_the_same_command_reuses_it(ferbench_cli, fitted):
    options = ["--model", "logistic", "--set=model.components=20", "--name", "small", "--results", fitted]
    done = ferbench_cli("run", *options, *SMALL)
    assert "reused" in done.stdout


def test_it_is_whole(ferbench_cli, fitted):
    done = ferbench_cli("runs", "verify", "small", "--results", fitted)
    assert (done.exit_code, "1 whole" in done.stdout) == (0, True)


def test_it_is_tested_again_with_mirrored_images(ferbench_cli, fitted):
    done = ferbench_cli("evaluate", "small", "--set=evaluation.tta=flip", "--results", fitted)
    assert done.exit_code == 0, done.stderr


def test_it_classifies_pictures(ferbench_cli, fitted, tmp_path):
    from PIL import Image

    Image.fromarray(np.zeros((20, 20), np.uint8)).save(tmp_path / "a.png")
    done = ferbench_cli("predict", "small", tmp_path / "a.png", "--results", fitted)
    assert done.exit_code == 0, done.stderr
    assert "a.png" in done.stdout


def test_another_run_does_not_start_from_it(ferbench_cli, fitted):
    done = ferbench_cli("run", "--model", "linear", "--from", "small", "--results", fitted, *SMALL)
    assert (done.exit_code, "is of an estimator" in done.stderr) == (2, True)


def test_a_balanced_sampler_makes_rare_classes_likelier(ferbench_cli, tmp_path):
    shared = ["--model=logistic", "--set=model.components=20", *[one for one in SMALL if "uniform" not in one]]
    for sampler in ("shuffled", "balanced"):
        assert ferbench_cli("run", *shared, "--sampler", sampler, "--name", sampler).exit_code == 0
    rare = []
    for sampler in ("shuffled", "balanced"):
        directory = find_run(tmp_path / "results", sampler)
        (name,) = directory.load().own_evaluations("test")
        place = directory.load().data.class_names.index("disgust")
        rare.append(directory.predictions(name).probabilities[:, place].mean())
    assert rare[1] > 2 * rare[0]


def test_a_dry_run_says_how_long_it_takes(ferbench_cli):
    done = ferbench_cli("run", "--model=logistic", "--set=model.components=20", *SMALL, "--dry-run", "--json")
    (entry,) = json.loads(done.stdout)
    assert entry["label"] == "synthetic-faces × logistic × shuffled, seed 0"
    assert entry["estimate"]["seconds"] > 0
    assert entry["estimate"]["disk_bytes"] > 1000


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--set=training.epochs=10"], "training.epochs = 10 does not apply: model 'logistic' is fitted at once"),
        (["--set=training.mixup=0.2"], "training.mixup = 0.2 does not apply"),
        (["--set=training.ema=0.9"], "training.ema = 0.9 does not apply"),
        (["--set=training.precision=bf16"], 'training.precision = "bf16" does not apply'),
        (["--set=training.teacher=ema"], 'training.teacher = "ema" does not apply'),
        (["--set=training.start_size=16"], "training.start_size = 16 does not apply"),
        (["--set=runtime.device=cuda"], 'runtime.device = "cuda" does not apply'),
        (["--devices=2"], "runtime.devices = 2 does not apply"),
        (["--loss=cross-entropy"], "loss = 'cross-entropy' does not apply"),
        (["--augmentation=none"], "augmentation = 'none' does not apply"),
        (["--optimizer=sgd"], "optimizer = 'sgd' does not apply"),
        (["--set=optimizer.lr=0.1"], "optimizer = 'adam' does not apply"),
        (["--schedule=cosine"], "schedule = 'cosine' does not apply"),
        (["--sampler=adaptive"], "sampler 'adaptive' draws by the scores of earlier epochs"),
        (["--sampler=self-paced"], "sampler 'self-paced' draws by the scores of earlier epochs"),
    ],
)
def test_what_does_not_apply_is_refused(ferbench_cli, given, message):
    done = ferbench_cli("run", "--model=logistic", *SMALL, *given)
    assert done.exit_code == 2
    assert message in done.stderr


def test_it_is_refused_before_torch_is_loaded(ferbench_cli):
    done = ferbench_cli("run", "--model=logistic", "--set=training.epochs=3", fresh=True)
    assert (done.exit_code, "does not apply" in done.stderr) == (2, True)


def test_a_grid_leaves_out_the_combinations_that_do_not_apply(ferbench_cli):
    models = ["--model=linear", "--model=logistic", "--set=training.epochs=1"]
    done = ferbench_cli("run", *models, *SMALL, "--dry-run", "--json")
    linear, logistic = json.loads(done.stdout)
    assert linear["action"] == "run"
    assert (logistic["action"], "training.epochs = 1 does not apply" in logistic["reason"]) == ("skip", True)


def test_a_search_is_over_its_options_alone(ferbench_cli):
    done = ferbench_cli("tune", "--model=eigenfaces-svm", *DATA, "--dry-run", "--json")
    assert done.exit_code == 0, done.stderr
    found = {one["key"] for one in json.loads(done.stdout)["space"]}
    assert found == {"model.components", "model.c", "model.gamma"}


def test_a_search_among_networks_and_estimators_is_refused(ferbench_cli):
    done = ferbench_cli("tune", "--model=linear", "--model=logistic", *DATA, "--dry-run")
    assert (done.exit_code, "logistic is fitted at once" in done.stderr) == (2, True)


def test_a_fit_that_was_interrupted_begins_anew(ferbench_cli, tmp_path, monkeypatch):
    from ferbench.training import run

    options = ["--model=random-forest", "--set=model.trees=3", "--name=cut", *SMALL]
    with monkeypatch.context() as patched:
        patched.setattr(run, "fit_estimator", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert ferbench_cli("run", *options).exit_code != 0
    assert record_of(tmp_path / "results", "cut").status == "interrupted"
    done = ferbench_cli("resume", "cut")
    assert done.exit_code == 0, done.stderr
    assert record_of(tmp_path / "results", "cut").status == "done"


def test_wrong_labels_are_learnt_and_counted(ferbench_cli, tmp_path):
    options = ["--model=random-forest", "--set=model.trees=3", "--set=data.label_noise=0.3", "--name=noisy", *SMALL]
    assert ferbench_cli("run", *options).exit_code == 0
    assert record_of(tmp_path / "results", "noisy").data.label_noise.wrong > 20


def test_it_stands_beside_a_network_in_comparison_ensemble_and_report(ferbench_cli, fitted):
    network = ["--model=linear", "--set=training.epochs=1", "--name=network", "--results", fitted, *SMALL]
    assert ferbench_cli("run", *network).exit_code == 0
    for command in (
        ["compare", "small", "network"],
        ["ensemble", "small", "network"],
        ["leaderboard"],
        ["report", "small", "network", "--output", "page.html"],
        ["runs", "show", "small"],
    ):
        done = ferbench_cli(*command, "--results", fitted)
        assert done.exit_code == 0, (command, done.stderr)


def test_a_search_chooses_options_by_validation(ferbench_cli):
    few = ["--search=model.components=5,20", "--search=model.c=0.1", "--search=model.contrast=true"]
    start = ["tune", "--model=logistic", *SMALL[:-1], *few, "--algorithm=grid", "--seeds=0", "--json", "--no-report"]
    done = ferbench_cli(*start)
    assert done.exit_code == 0, done.stderr
    (best,) = json.loads(done.stdout)["finalists"]
    assert best["chosen"]["model.components"] in (5, 20)
