"""``ferbench run`` from data to table, on tiny made-up faces."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import classification_report

from ferbench.runs.listing import size_of
from ferbench.tables.table import size
from ferbench.training.snapshots import Snapshots

CLASSES = ("happy", "sad", "angry")
QUICK = ("--model", "linear", "--set", "data.image_size=8", "--set", "training.epochs=2", "--quiet")


@pytest.fixture(scope="module")
def faces(tmp_path_factory) -> Path:
    """Folders of 8×8 noise whose brightness tells the class, most of the time."""
    root = tmp_path_factory.mktemp("faces")
    generator = np.random.default_rng(0)
    for split, count in (("train", 30), ("test", 12)):
        for k, name in enumerate(CLASSES):
            folder = root / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                pixels = generator.integers(0, 120, (8, 8)) + 60 * k
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{split}{i:03d}.png")
    return root


@pytest.fixture
def run(ferbench_cli, faces, tmp_path):
    """``run(*args)`` on the folders above, with results and cache below ``tmp_path``."""

    def call(*args, dataset=("--dataset", "folder", "--set", "dataset.color=gray"), quick=QUICK):
        places = ("--results", tmp_path / "results", "--cache", tmp_path / "cache")
        return ferbench_cli("run", *dataset, "--data", faces, *quick, *places, *args)

    return call


def records(tmp_path: Path) -> list[dict]:
    return [json.loads(p.read_text()) for p in sorted((tmp_path / "results" / "runs").glob("*/run.json"))]


def result(finished) -> dict:
    assert finished.exit_code == 0, finished.stderr
    (outcome,) = json.loads(finished.stdout)
    return outcome


def test_a_run_ends_with_a_per_class_table(run):
    finished = run()
    assert finished.exit_code == 0, finished.stderr
    rows = {line.split()[0]: line.split() for line in finished.stdout.splitlines() if line.strip()}
    assert set(CLASSES) < set(rows)
    assert rows["happy"][-1] == "12"
    assert "test, n = 36" in finished.stdout


def test_the_table_follows_from_the_stored_predictions(run, tmp_path):
    outcome = result(run("--json"))
    (record,) = records(tmp_path)
    (evaluation,) = [e for e in record["evaluations"].values() if e["split"] == "test"]
    directory = tmp_path / "results" / "runs" / outcome["run"]
    with np.load(directory / "evaluations" / evaluation["id"][3:15] / "predictions.npz", allow_pickle=False) as p:
        ids, truth, probabilities = p["ids"], p["truth"], p["probabilities"]
    for sample_id, label in zip(ids, truth, strict=True):
        assert str(sample_id).split("/")[1] == record["data"]["class_names"][label]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    report = classification_report(
        truth,
        probabilities.argmax(1),
        target_names=record["data"]["class_names"],
        output_dict=True,
        zero_division=0,
    )
    for name in CLASSES:
        shown = outcome["evaluations"]["test"]["per_class"][name]
        assert shown["f1"] == pytest.approx(report[name]["f1-score"])
        assert shown["precision"] == pytest.approx(report[name]["precision"])
        assert shown["support"] == report[name]["support"]
    assert outcome["evaluations"]["test"]["metrics"]["accuracy"] == pytest.approx(report["accuracy"])


def test_the_record_says_what_where_and_with_what(run, tmp_path):
    run("--name", "first", "--seed", "3")
    (record,) = records(tmp_path)
    assert record["status"] == "done"
    assert record["name"] == "first"
    assert record["recipe"]["training"]["seed"] == 3
    assert record["data"]["counts"]["test"] == dict.fromkeys(record["data"]["class_names"], 12)
    assert record["data"]["counts"]["validation"] == dict.fromkeys(record["data"]["class_names"], 6)
    assert record["components"]["model"]["name"] == "linear"
    assert {"python", "cpu", "threads", "device", "packages"} <= set(record["environment"])
    assert record["environment"]["packages"]["torch"]
    assert record["model"]["trainable"] == 8 * 8 * 3 + 3
    history = (tmp_path / "results" / "runs").glob("*/history.jsonl")
    epochs = [json.loads(line) for line in next(history).read_text().splitlines()]
    assert [e["epoch"] for e in epochs] == [1, 2]
    assert {"loss", "accuracy", "macro_f1", "f1"} <= set(epochs[0]["train"])
    assert {"loss", "accuracy", "macro_f1", "f1"} <= set(epochs[0]["validation"])
    assert epochs[0]["images_per_second"] > 0


def test_the_same_recipe_gives_the_same_bits(run, tmp_path):
    outcome = result(run("--json"))
    directory = tmp_path / "results" / "runs" / outcome["run"]
    first = (directory / "checkpoints" / "best.safetensors").read_bytes()
    (tmp_path / "results").rename(tmp_path / "before")
    again = result(run("--json"))
    assert again["reused"] is False
    assert again["training_id"] == outcome["training_id"]
    assert (directory / "checkpoints" / "best.safetensors").read_bytes() == first
    assert again["evaluations"]["test"]["metrics"] == outcome["evaluations"]["test"]["metrics"]


def test_a_run_that_is_done_is_reused_and_takes_a_new_name(run, tmp_path):
    first = result(run("--json"))
    assert result(run("--json", "--name", "one"))["reused"] is True
    assert "so far named one, is now named other" in run("--name", "other").stderr
    again = result(run("--json", "--name", "again"))
    assert again["evaluations"] == first["evaluations"]
    assert [record["name"] for record in records(tmp_path)] == ["again"]


def test_a_run_that_is_only_tested_anew_takes_a_new_name_too(run, tmp_path):
    result(run("--json", "--name", "first"))
    finished = run("--set", "evaluation.tta=flip", "--name", "second")
    assert "so far named first, is now named second" in finished.stderr
    assert [record["name"] for record in records(tmp_path)] == ["second"]
    assert result(run("--json", "--set", "evaluation.tta=flip"))["name"] == "second"


def test_a_run_whose_weights_are_damaged_is_trained_anew(run, tmp_path):
    first = result(run("--json"))
    path = tmp_path / "results" / "runs" / first["run"] / "checkpoints" / "best.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    again = result(run("--json"))
    assert again["reused"] is False
    assert path.read_bytes() == whole
    assert again["training"]["weights_sha256"] == hashlib.sha256(whole).hexdigest()


def test_another_test_limit_reuses_the_weights_and_tests_them(run, tmp_path):
    whole = result(run("--json"))
    part = result(run("--json", "--set", "data.test_limit_per_class=5"))
    assert part["run"] == whole["run"]
    assert part["evaluations"]["test"]["n"] == 15
    (record,) = records(tmp_path)
    assert sorted(e["n"] for e in record["evaluations"].values()) == [15, 18, 36]


def test_a_grid_runs_every_combination_and_names_what_varies(run, tmp_path):
    finished = run("--seed", "0", "--seed", "1", "--grid", "training.batch_size=16,32", "--name", "grid", "--json")
    outcomes = json.loads(finished.stdout)
    assert [o["status"] for o in outcomes] == ["done"] * 4
    assert len({o["training_id"] for o in outcomes}) == 4
    assert len({o["config_id"] for o in outcomes}) == 2
    assert sorted(o["name"] for o in outcomes) == [
        f"grid-batch-size{size}-s{seed}" for size in (16, 32) for seed in (0, 1)
    ]


def test_a_dry_run_shows_ids_and_costs_and_trains_nothing(run, tmp_path):
    finished = run("--seed", "0", "--seed", "1", "--dry-run", "--json")
    plan = json.loads(finished.stdout)
    assert [p["action"] for p in plan] == ["run", "run"]
    assert len({p["training_id"] for p in plan}) == 2
    assert plan[0]["config_id"] == plan[1]["config_id"]
    assert plan[0]["samples"] == {"train": 72, "validation": 18, "test": 36}
    for entry in plan:
        assert entry["estimate"]["seconds"] >= 0
        assert entry["estimate"]["disk_bytes"] > 1000
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    "settings",
    [
        (),
        ("optimizer.name=sgd",),
        ("optimizer.name=timm", "optimizer.algorithm=lookahead_adamw", "training.epochs=5"),
        ("training.ema=0.99", "optimizer.name=adamw"),
        ("training.keep=epochs", "training.epochs=6"),
        ("training.keep=all", "training.epochs=3", "runtime.checkpoint_every=2"),
        ("training.keep=epochs", "runtime.checkpoint_every=2"),
        ("training.epochs=0",),
        ("training.epochs=1",),
        ("model.name=basic-cnn", "model.width=8"),
        ("model.name=basic-cnn", "model.width=8", "training.ema=0.9", "optimizer.name=sgd", "training.epochs=4"),
    ],
    ids=" ".join,
)
def test_a_dry_run_knows_how_much_disk_a_run_takes(run, tmp_path, monkeypatch, settings):
    """As 'ferbench runs list' counts it in the end, and the most before a snapshot makes room for the next."""
    most = [0]
    prune = Snapshots._prune

    def measured(self, newest):
        most[0] = max(most[0], size_of(self._directory.parent))
        prune(self, newest)

    monkeypatch.setattr(Snapshots, "_prune", measured)
    small = ("--quiet", "--set", "model.name=linear", "--set", "data.image_size=32", "--set", "training.batch_size=16")
    flags = (*small, "--set", "training.epochs=3", *(one for key in settings for one in ("--set", key)))
    (planned,) = json.loads(run("--dry-run", "--json", quick=flags).stdout)
    outcome = result(run("--json", "--no-report", quick=flags))
    taken = size_of(Path(outcome["directory"]))
    assert planned["estimate"]["disk_bytes"] == pytest.approx(taken, rel=0.3)
    assert planned["estimate"]["disk_peak_bytes"] == pytest.approx(max(taken, most[0]), rel=0.3)


def test_a_dry_run_says_how_much_disk_all_of_it_takes(run):
    (planned,) = json.loads(run("--dry-run", "--json").stdout)
    said = run("--dry-run", "--seed", "0", "--seed", "1").stdout.splitlines()[-1]
    kept, peak = (planned["estimate"][key] for key in ("disk_bytes", "disk_peak_bytes"))
    assert said.endswith(f" and {size(2 * kept)} of disk, {size(kept + peak)} while it trains")


def test_a_dry_run_tells_run_reuse_and_skip_apart(run, tmp_path):
    result(run("--json"))
    finished = run("--model", "basic-cnn", "--set", "training.parameter_budget=1000", "--dry-run", "--json")
    plan = json.loads(finished.stdout)
    assert [p["action"] for p in plan] == ["reuse", "skip"]
    assert "over the budget of 1,000" in plan[1]["reason"]
    assert len(records(tmp_path)) == 1
    table = run("--seed", "5", "--dry-run").stdout
    assert plan[0]["training_id"][3:15] not in table
    assert "1 to run, 0 to reuse, 0 skipped" in table


def test_an_option_that_only_one_model_has_skips_the_other(run):
    finished = run("--model", "basic-cnn", "--set", "model.dropout=0.1", "--set", "data.image_size=8", "--json")
    outcomes = json.loads(finished.stdout)
    assert [o["status"] for o in outcomes] == ["skipped", "done"]
    assert "dropout" in outcomes[0]["reason"]
    assert outcomes[0]["label"] == "folder × linear × cross-entropy × shuffled, seed 0"


def test_what_was_skipped_is_named_and_not_only_that_something_was(run):
    finished = run("--model", "basic-cnn", "--set", "model.dropout=0.1", "--set", "data.image_size=8")
    skipped = "folder × linear × cross-entropy × shuffled, seed 0"
    assert f"{skipped} was skipped: unknown option 'dropout'" in finished.stderr
    (row,) = [line for line in finished.stdout.splitlines() if line.endswith("skipped")]
    assert skipped in row


def test_a_parameter_budget_refuses_a_larger_model(run, tmp_path):
    finished = run("--set", "training.parameter_budget=100")
    assert finished.exit_code == 2
    assert "has 195 parameters, over the budget of 100" in finished.stderr
    assert records(tmp_path) == []
    assert list((tmp_path / "results" / "runs").iterdir()) == []  # no lock for 'ferbench doctor' to complain of


def test_a_fold_is_measured_on_validation_and_test_stays_unread(run, tmp_path):
    finished = run("--set", "data.fold=2/3")
    assert "validation, n = 30" in finished.stdout
    (record,) = records(tmp_path)
    assert [e["split"] for e in record["evaluations"].values()] == ["validation"]


def test_classes_are_chosen_by_name(run, tmp_path):
    outcome = result(run("--set", "data.classes=[sad,happy]", "--json"))
    assert list(outcome["evaluations"]["test"]["per_class"]) == ["sad", "happy"]
    assert outcome["evaluations"]["test"]["n"] == 24


def test_a_recipe_file_is_run_and_flags_win(run, tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        'name = "mine"\n[training]\nepochs = 7\nseed = 4\n[loss]\nname = "cross-entropy"\nlabel_smoothing = 0.1\n'
    )
    outcome = result(run(recipe, "--seed", "9", "--json"))
    (record,) = records(tmp_path)
    assert outcome["name"] == "mine"
    assert record["recipe"]["training"]["epochs"] == 2
    assert record["recipe"]["training"]["seed"] == 9
    assert record["components"]["loss"]["options"]["label_smoothing"] == 0.1


@pytest.mark.parametrize(
    ("args", "message", "remedy"),
    [
        (["--model", "basic-cn"], "basic-cn", "basic-cnn"),
        (["--set", "loss.label_smoothing=2"], "loss.label_smoothing", "label_smoothing"),
        (["--set", "loss.smoothing=0.1"], "smoothing", "label_smoothing"),
        (["--set", "training.select=f2"], "'f2' is no metric", "macro_f1"),
        (
            ["--schedule", "plateau", "--set", "schedule.metric=f1:nobody"],
            "schedule.metric = 'f1:nobody' is not among the validation scores",
            "or f1:CLASS of",
        ),
        (["--set", "data.protocol=none"], "no protocol 'none'", "folders"),
        (["--set", "runtime.device=quantum"], "quantum", "cpu"),
        (["--name", "../escape"], "run name", "letters"),
    ],
)
def test_a_mistake_is_two_lines_and_exit_code_2(run, tmp_path, args, message, remedy):
    finished = run(*args) if args[0] != "--model" else run(*args, quick=QUICK[2:])
    assert finished.exit_code == 2
    first, second = finished.stderr.strip().splitlines()
    assert first.startswith("error: ")
    assert message in first
    assert remedy in second
    assert records(tmp_path) == []


def test_a_dataset_that_is_not_there_is_named(ferbench_cli, tmp_path):
    finished = ferbench_cli("run", "--dataset", "folder", "--data", tmp_path / "none", "--cache", tmp_path / "c")
    assert finished.exit_code == 2
    assert str(tmp_path / "none") in finished.stderr
    finished = ferbench_cli("run", "--dataset", "fer2013", "--cache", tmp_path / "c")
    assert finished.exit_code == 2
    assert "--data" in finished.stderr


def test_a_results_directory_that_cannot_be_written_is_named(run, tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "runs").write_text("in the way")
    finished = run()
    assert finished.exit_code == 2
    assert "cannot write to" in finished.stderr
    assert "--results" in finished.stderr


def test_faulty_images_refuse_the_run_unless_skipped_and_are_counted(run, faces, tmp_path, ferbench_cli):
    broken = tmp_path / "broken"
    shutil.copytree(faces, broken)
    (broken / "train" / "sad" / "bad.png").write_bytes(b"no image")
    refused = run("--data", broken)
    assert refused.exit_code == 2
    assert "bad.png" in refused.stderr
    assert "--skip-faulty" in refused.stderr
    assert "packed" not in refused.stderr
    accepted = run("--data", broken, "--skip-faulty")
    assert accepted.exit_code == 0, accepted.stderr
    assert "1 faulty sample left out" in accepted.stdout
    (record,) = records(tmp_path)
    assert record["data"]["skipped_faulty"] == 1
    assert "bad.png" in record["data"]["faults"][0]


def test_many_faults_are_all_listed_in_a_file(run, faces, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(faces, broken)
    for i in range(25):
        (broken / "train" / "sad" / f"bad{i:02d}.png").write_bytes(b"no image")
    refused = run("--data", broken)
    assert refused.exit_code == 2
    listed = (tmp_path / "cache" / "faults" / "folder.txt").read_text().splitlines()
    assert len(listed) == 25
    assert all("bad" in line for line in listed)
    assert str(tmp_path / "cache" / "faults" / "folder.txt") in refused.stderr


def test_a_run_that_diverges_is_recorded_and_fails(run, tmp_path):
    finished = run("--set", "optimizer.lr=1e38", "--set", "training.epochs=5")
    assert finished.exit_code == 1
    assert "diverged" in finished.stderr
    (record,) = records(tmp_path)
    assert record["status"] == "diverged"
    assert "loss" in record["error"]["message"]


PLUGIN = """
import pathlib
import torch
import ferbench

@ferbench.hookimpl
def ferbench_models():
    yield ferbench.ModelSpec("hungry", build="hungry:hungry", image_size=8)
    yield ferbench.ModelSpec("buggy", build="hungry:buggy", image_size=8)
    yield ferbench.ModelSpec("starves", build="hungry:starves", image_size=8)
    yield ferbench.ModelSpec("five", build="hungry:five", image_size=8)

class Hungry(torch.nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.head = torch.nn.Linear(64, classes)
    def forward(self, images):
        if len(images) > 10:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.head(images.flatten(1))

def hungry(task):
    return Hungry(task.num_classes)

class Starves(Hungry):
    def forward(self, images):
        self.steps = getattr(self, "steps", 0) + self.training
        if self.steps > 4 and pathlib.Path("little-memory").exists():
            torch.empty(1 << 50)
        return self.head(images.flatten(1))

def starves(task):
    return Starves(task.num_classes)

class Buggy(Hungry):
    def forward(self, images):
        raise ZeroDivisionError("a bug in the plugin")

def buggy(task):
    return Buggy(task.num_classes)

def five(task):
    return Hungry(5)
"""


@pytest.mark.parametrize("flags", [(), ("--dry-run",)])
def test_a_model_with_another_number_of_outputs_is_refused(run, tmp_path, flags):
    (tmp_path / "hungry.py").write_text(PLUGIN)
    finished = run("--plugin", tmp_path / "hungry.py", *flags, quick=("--model", "five"))
    assert finished.exit_code == 2
    assert "model 'five' returns logits of shape (2, 5) for two images, 3 classes need (2, 3)" in finished.stderr
    assert "task.num_classes" in finished.stderr
    assert records(tmp_path) == []


def test_a_local_plugin_runs_and_little_memory_halves_the_micro_batch(run, tmp_path):
    (tmp_path / "hungry.py").write_text(PLUGIN)
    quick = ("--model", "hungry", "--set", "training.epochs=1", "--set", "training.batch_size=32", "--quiet")
    outcome = result(run("--plugin", tmp_path / "hungry.py", "--json", quick=quick))
    assert outcome["training"]["batch_size"] == 32
    assert outcome["training"]["micro_batch"] == 8
    (record,) = records(tmp_path)
    assert record["components"]["model"]["source"]


def test_memory_that_runs_out_is_two_lines_and_the_run_goes_on_with_more(run, tmp_path):
    (tmp_path / "hungry.py").write_text(PLUGIN)
    (tmp_path / "little-memory").touch()
    quick = ("--model", "starves", "--set", "training.epochs=3", "--set", "training.batch_size=32")
    failed = run("--plugin", tmp_path / "hungry.py", quick=quick)
    assert failed.exit_code == 2
    first, second = failed.stderr.splitlines()[-2:]
    assert first.startswith("error: memory ran out: ")
    assert "the same command goes on" in second
    assert "Traceback" not in failed.stderr
    assert [record["status"] for record in records(tmp_path)] == ["failed"]
    (tmp_path / "little-memory").unlink()
    done = run("--plugin", tmp_path / "hungry.py", quick=quick)
    assert (done.exit_code, "resumed at epoch" in done.stderr) == (0, True), done.stderr


def test_a_plugin_that_breaks_fails_its_run_and_not_the_grid(run, tmp_path):
    (tmp_path / "hungry.py").write_text(PLUGIN)
    quick = ("--model", "buggy", "--model", "hungry", "--set", "training.epochs=1", "--quiet")
    finished = run("--plugin", tmp_path / "hungry.py", "--json", quick=quick)
    assert finished.exit_code == 1
    assert [o["status"] for o in json.loads(finished.stdout)] == ["failed", "done"]
    assert "a bug in the plugin" in finished.stderr
    failed = next(record for record in records(tmp_path) if record["status"] == "failed")
    assert "ZeroDivisionError" in failed["error"]["traceback"]


NONDETERMINISTIC = """
import torch
import ferbench

@ferbench.hookimpl
def ferbench_models():
    yield ferbench.ModelSpec("puts", build="puts:puts", image_size=8)

class Puts(torch.nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.head = torch.nn.Linear(64, classes)
    def forward(self, images):
        if self.training:
            images.clone().put_(torch.tensor([0]), torch.tensor([0.0]))
        return self.head(images.flatten(1))

def puts(task):
    return Puts(task.num_classes)
"""


def test_an_operation_that_is_not_deterministic_is_refused_with_the_way_out(run, tmp_path):
    (tmp_path / "puts.py").write_text(NONDETERMINISTIC)
    quick = ("--model", "puts", "--set", "training.epochs=1", "--quiet", "--plugin", tmp_path / "puts.py")
    refused = run(quick=quick)
    assert refused.exit_code == 2
    assert "training.deterministic=false" in refused.stderr
    allowed = run("--set", "training.deterministic=false", quick=quick)
    assert allowed.exit_code == 0, allowed.stderr


def test_editing_a_local_plugin_makes_another_run(run, tmp_path):
    (tmp_path / "hungry.py").write_text(PLUGIN)
    quick = ("--model", "hungry", "--set", "training.epochs=1", "--quiet", "--dry-run", "--json")
    (before,) = json.loads(run("--plugin", tmp_path / "hungry.py", quick=quick).stdout)
    (tmp_path / "hungry.py").write_text(PLUGIN + "\n# edited\n")
    (after,) = json.loads(run("--plugin", tmp_path / "hungry.py", quick=quick).stdout)
    assert before["training_id"] != after["training_id"]


def test_progress_is_plain_lines_off_a_terminal(run):
    finished = run(quick=QUICK[:-1])
    lines = [line for line in finished.stderr.splitlines() if line.startswith("epoch ")]
    assert len(lines) == 2
    for word in ("loss", "macro-F1", "images/s", "left"):
        assert word in lines[0]


def test_the_leaderboard_lists_the_run(run, ferbench_cli, tmp_path):
    outcome = result(run("--json", "--name", "listed"))
    shown = ferbench_cli("leaderboard", "--results", tmp_path / "results")
    assert outcome["run"] in shown.stdout
    assert "listed" in shown.stdout
    assert f"{outcome['evaluations']['test']['metrics']['macro_f1']:.4f}" in shown.stdout


def test_an_empty_leaderboard_says_what_to_do(ferbench_cli, tmp_path):
    shown = ferbench_cli("leaderboard", "--results", tmp_path / "none")
    assert shown.exit_code == 0
    assert "ferbench run" in shown.stderr


def test_zero_epochs_test_the_weights_as_they_were_built(run, ferbench_cli, tmp_path):
    outcome = result(run("--json", "--name", "untrained", "--set", "training.epochs=0"))
    training = outcome["training"]
    assert (training["epochs"], training["best_epoch"], training["best_value"]) == (0, 0, None)
    # The linear model starts at zero, so every class has probability 1/3 and the first one wins every tie.
    metrics = outcome["evaluations"]["test"]["metrics"]
    assert metrics["log_loss"] == pytest.approx(np.log(3))
    assert metrics["accuracy"] == pytest.approx(1 / 3)
    directory = tmp_path / "results" / "runs" / outcome["run"]
    assert (directory / "history.jsonl").read_text() == ""
    assert (directory / "checkpoints" / "best.safetensors").is_file()
    shown = run("--set", "training.epochs=0").stdout
    assert "reused" in shown
    assert "without training" in shown
    assert "untrained" in ferbench_cli("leaderboard", "--results", tmp_path / "results").stdout
    assert run("--set", "training.epochs=0", "--seed", "1", "--dry-run").exit_code == 0


def test_test_time_augmentation_adds_an_evaluation_to_the_same_weights(run, tmp_path):
    plain = result(run("--json"))
    flipped = result(run("--json", "--set", "evaluation.tta=flip"))
    assert flipped["run"] == plain["run"]
    assert flipped["training"] == plain["training"]
    assert flipped["evaluations"]["test"]["options"] == {"tta": "flip"}
    assert flipped["evaluations"]["test"]["metrics"]["loss"] != plain["evaluations"]["test"]["metrics"]["loss"]
    (record,) = records(tmp_path)
    assert len(record["evaluations"]) == 4
    again = run("--set", "evaluation.tta=flip").stdout
    assert "test-time augmentation: flip" in again


TIMED = """
import ferbench

@ferbench.hookimpl
def ferbench_losses():
    yield ferbench.LossSpec("timed", build="timed:Timed")

class Timed:
    epoch = 0

    def __init__(self, task):
        pass

    def epoch_started(self, epoch, epochs):
        self.epoch = epoch

    def __call__(self, outputs, targets):
        return (outputs.logits**2).mean() * 0 + self.epoch
"""


def test_the_test_is_of_the_loss_of_the_epoch_that_is_tested(run, tmp_path):
    (tmp_path / "timed.py").write_text(TIMED)
    timed = ("--json", "--plugin", tmp_path / "timed.py", "--loss", "timed", "--set", "training.select=loss")
    plain = result(run(*timed))
    again = result(run(*timed, "--set", "evaluation.tta=flip"))
    assert plain["training"]["epochs"] == 2
    assert plain["training"]["best_epoch"] == 1
    assert plain["evaluations"]["test"]["metrics"]["loss"] == 1
    assert again["evaluations"]["test"]["metrics"]["loss"] == 1


def test_early_stopping_is_recorded_and_shown(run, tmp_path):
    slow = ("--set", "training.epochs=9", "--set", "optimizer.lr=1e-12", "--set", "training.patience=2")
    finished = run(*slow, quick=QUICK[:-1])
    assert "stopped after epoch 3: validation macro_f1 has not gained for 2 epochs" in finished.stderr
    assert "epoch 1 of 3" in finished.stdout
    (record,) = records(tmp_path)
    assert record["training"]["stopped"] == {"reason": "patience", "epoch": 3}
    assert record["training"]["epochs"] == 3


def test_the_record_states_the_effective_batch(run):
    training = result(run("--json", "--set", "training.batch_size=8", "--set", "training.accumulate=4"))["training"]
    assert (training["batch_size"], training["accumulate"], training["effective_batch"]) == (8, 4, 32)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("training.precision=fp16", "'fp16' needs a CUDA device"),
        ("training.precision=int8", "training.precision"),
        ("training.select=valence_ccc", "needs a dataset with valence and arousal"),
        ("evaluation.tta=twice", "evaluation.tta"),
    ],
)
def test_what_this_machine_or_the_data_cannot_do_leaves_no_run_behind(run, tmp_path, setting, message):
    finished = run("--set", setting, "--set", "runtime.device=cpu")
    assert finished.exit_code == 2
    assert message in finished.stderr
    assert records(tmp_path) == []


def test_valence_and_arousal_stand_below_the_table(ferbench_cli, tmp_path):
    places = ("--results", tmp_path / "results", "--cache", tmp_path / "cache", "--no-report", "--name", "both")
    sizes = ("--set", "dataset.train=60", "--set", "dataset.test=30", "--set", "dataset.size=16")
    done = ferbench_cli("run", *QUICK, *sizes, "--loss", "multi-task", "--set", "model.affect=true", *places)
    assert done.exit_code == 0, done.stderr
    (record,) = records(tmp_path)
    (metrics,) = [one["metrics"] for one in record["evaluations"].values() if one["split"] == "test"]
    shown = [
        f"{name}: CCC {metrics[f'{name}_ccc']:.4f}, RMSE {metrics[f'{name}_rmse']:.4f}"
        for name in ("valence", "arousal")
    ]
    again = ferbench_cli("evaluate", "both", *places[:4], "--quiet")
    assert all(line in finished.stdout.splitlines() for finished in (done, again) for line in shown)


def test_every_test_of_a_run_is_in_the_ledger_once(run, tmp_path, ferbench_cli):
    first = result(run("--json", "--name", "one"))
    result(run("--json"))
    result(run("--json", "--set", "evaluation.tta=flip"))
    results = tmp_path / "results"
    lines = [json.loads(line) for line in (results / "test-reads.jsonl").read_text().splitlines()]
    assert [(line["how"], line["kind"], line["options"]) for line in lines] == [
        ("run", "trained", {}),
        ("run", "trained", {"tta": "flip"}),
    ]
    assert {line["training"] for line in lines} == {first["training_id"]}
    assert {line["samples"] for line in lines} == {36}
    assert "whole" in ferbench_cli("runs", "verify", "--results", results).stdout
    assert ferbench_cli("runs", "rm", "--yes", first["run"], "--results", results).exit_code == 0
    assert len((results / "test-reads.jsonl").read_text().splitlines()) == 2
