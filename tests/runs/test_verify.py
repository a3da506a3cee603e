"""Damage of every kind done to real runs, one at a time."""

from __future__ import annotations

import hashlib
import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from record_files import read_record, write_record

from ferbench.cli import cli
from ferbench.ids import own_digest
from ferbench.runs.directory import RunDirectory, all_runs
from ferbench.runs.find import find_run
from ferbench.runs.verify import Verification, verify
from ferbench.storage import replace_json

SMALL = {
    "dataset.train": "60",
    "dataset.test": "20",
    "dataset.size": "16",
    "data.image_size": "16",
    "training.epochs": "2",
    "training.keep": "epochs",
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Results with two runs and their ensemble."""
    base = tmp_path_factory.mktemp("finished")
    places = ["--results", str(base / "results")]
    sets = [part for key, value in SMALL.items() for part in ("--set", f"{key}={value}")]
    one = ["run", "--model", "linear", "--seed", "0", "--seed", "1", "--name", "run", "--no-report", "--quiet"]
    for command in ([*one, *sets, "--cache", str(base / "cache")], ["ensemble", "run-s0", "run-s1", "--name", "both"]):
        done = CliRunner().invoke(cli, [*command, *places])
        assert done.exit_code == 0, done.output
    return base / "results"


@pytest.fixture
def results(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "results")
    return tmp_path / "results"


@pytest.fixture
def run(results) -> RunDirectory:
    return find_run(results, "run-s0")


def damaged(directory):
    return [(one.file, one.what) for one in verify(directory) if one.damage]


def edit(path, change):
    """Change a file as somebody would who knows of digests, and of the record's of all files."""
    content = json.loads(path.read_text())
    change(content)
    if path.name == "run.json":
        write_record(RunDirectory(path.parent), content)
        return
    content["own"] = own_digest({key: value for key, value in content.items() if key != "own"})
    path.write_text(json.dumps(content))
    cover(path)


def cover(path):
    """Make the record say that this is the file that was written."""
    run = next(parent for parent in path.parents if (parent / "run.json").is_file())
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    edit(run / "run.json", lambda record: record["files"].update({path.relative_to(run).as_posix(): sha256}))


def vouch(run):
    """Make the records say that these are the predictions that were written."""
    path = of_test(run)
    sha256 = hashlib.sha256((path / "predictions.npz").read_bytes()).hexdigest()
    edit(path / "metrics.json", lambda entry: entry.update(predictions_sha256=sha256))
    cover(path / "predictions.npz")


def of_test(run):
    (name,) = [name for name, entry in read_record(run)["evaluations"].items() if entry["split"] == "test"]
    return run.path / "evaluations" / name


def test_whole_runs_have_nothing_to_be_said_of_them(results):
    assert [finding for run in all_runs(results) for finding in verify(run)] == []


def test_every_flipped_byte_is_found(run):
    files = [path for path in sorted(run.path.rglob("*")) if path.is_file()]
    # Record, history, classes of epochs, samples, two files of each of 3 checkpoints and 2 evaluations.
    assert len(files) == 14
    rng = np.random.default_rng(0)
    for path in files:
        content = path.read_bytes()
        for place in rng.integers(0, len(content), 5).tolist():
            path.write_bytes(content[:place] + bytes([content[place] ^ 64]) + content[place + 1 :])
            assert damaged(run), (path.name, place)
        path.write_bytes(content)
    assert damaged(run) == []


def test_every_file_that_is_cut_short_or_gone_is_found_and_named(run):
    for path in sorted(run.path.rglob("*")):
        if not path.is_file():
            continue
        content = path.read_bytes()
        name = path.relative_to(run.path).as_posix()
        for left in (content[: len(content) // 2], None):
            path.write_bytes(left) if left is not None else path.unlink()
            found = [file for file, _ in damaged(run)]
            notes = [one.file for one in verify(run) if not one.damage]
            if name.startswith("checkpoints/step") and name.endswith(".json") and left is None:
                assert notes == [name.replace(".json", ".safetensors")]  # it does not count any more
            else:
                assert name.partition(".")[0] in {one.partition(".")[0] for one in found}, (name, left, found)
            path.write_bytes(content)
    assert damaged(run) == []


def test_metrics_that_contradict_the_predictions_are_found_though_both_records_agree(run):
    path = of_test(run)

    def better(entry):
        entry["metrics"]["macro_f1"] = 0.99

    edit(path / "metrics.json", better)
    edit(run.record_path, lambda record: better(record["evaluations"][path.name]))
    ((file, what),) = damaged(run)
    assert file == f"evaluations/{path.name}/metrics.json"
    assert "macro_f1 is 0." in what
    assert what.endswith("not 0.99")


@pytest.mark.parametrize("key", ["precision", "recall", "f1", "support", "roc_auc"])
def test_scores_of_a_class_that_contradict_the_predictions_are_found(run, key):
    path = of_test(run)

    def change(entry):
        entry["per_class"]["happy"][key] = 99

    edit(path / "metrics.json", change)
    edit(run.record_path, lambda record: change(record["evaluations"][path.name]))
    assert [what for _, what in damaged(run) if f"{key} of happy is" in what]


def test_a_record_that_says_something_else_than_an_evaluation_is_found(run):
    path = of_test(run)
    edit(run.record_path, lambda record: record["evaluations"][path.name]["metrics"].update(accuracy=1.0))
    assert damaged(run) == [(f"evaluations/{path.name}/metrics.json", "run.json says something else: metrics")]


def test_predictions_that_were_exchanged_are_found(run):
    other = next(path for path in (run.path / "evaluations").iterdir() if path != of_test(run))
    shutil.copy(other / "predictions.npz", of_test(run) / "predictions.npz")
    assert [file for file, _ in damaged(run)] == [f"evaluations/{of_test(run).name}/predictions.npz"]
    vouch(run)
    assert [file for file, _ in damaged(run)] == [f"evaluations/{of_test(run).name}/metrics.json"]


@pytest.mark.parametrize(
    ("array", "value", "said"),
    [
        ("probabilities", lambda p: p * 2, "do not add up"),
        ("probabilities", lambda p: p[:, :3], "do not fit"),
        ("probabilities", lambda p: np.full_like(p, np.nan), "do not add up"),
        ("truth", lambda t: t + 7, "none of the classes"),
        ("ids", lambda ids: np.repeat(ids[:1], len(ids)), "there twice"),
        ("truth", lambda t: t.astype(object), "damaged"),
    ],
)
def test_predictions_that_cannot_be_are_found(run, array, value, said):
    path = of_test(run) / "predictions.npz"
    with np.load(path, allow_pickle=False) as stored:
        arrays = dict(stored)
    np.savez(path, **{**arrays, array: value(arrays[array])})
    vouch(run)
    ((file, what),) = damaged(run)
    assert file == f"evaluations/{of_test(run).name}/predictions.npz"
    assert said in what


def test_a_changed_configuration_is_found_by_the_id(run):
    edit(run.record_path, lambda record: record["identity"]["covers"]["training"].update(batch_size=7))
    assert ("run.json", "the training id is not that of what it covers") in damaged(run)


def test_weights_of_another_run_are_found(results, run):
    other = find_run(results, "run-s1")
    for suffix in (".json", ".safetensors"):
        shutil.copy(other.checkpoints / f"best{suffix}", run.checkpoints / f"best{suffix}")
    ((file, what),) = damaged(run)
    assert file == "checkpoints/best.json"
    assert "other weights" in what


def test_a_checkpoint_of_another_run_is_found(results, run):
    other = find_run(results, "run-s1")
    (name,) = {path.stem for path in other.checkpoints.glob("step*1-end.json")}
    for suffix in (".json", ".safetensors"):
        shutil.copy(other.checkpoints / f"{name}{suffix}", run.checkpoints / f"{name}{suffix}")
    assert damaged(run) == [(f"checkpoints/{name}.json", f"{name}.json is of another training")]


def test_a_lost_epoch_is_found(run):
    path = run.path / "history.jsonl"
    path.write_text(path.read_text().splitlines()[1] + "\n")
    assert damaged(run) == [("history.jsonl", "line 1 is of epoch 2")]


def test_a_renamed_directory_is_found(run):
    moved = run.path.with_name("0123456789ab")
    run.path.rename(moved)
    assert damaged(RunDirectory(moved)) == [("run.json", f"it is the record of run {run.path.name}")]


def test_an_ensemble_that_is_not_the_mean_of_its_members_is_found(results):
    ensemble, member = find_run(results, "both"), find_run(results, "run-s0")
    shutil.copy(of_test(member) / "predictions.npz", of_test(ensemble) / "predictions.npz")
    vouch(ensemble)
    said = dict(damaged(ensemble))
    assert (
        said[f"evaluations/{of_test(ensemble).name}/predictions.npz"]
        == "they are not the mean of its members' predictions"
    )


def test_an_ensemble_of_runs_of_several_releases_is_whole(results):
    other = find_run(results, "run-s1")
    record = read_record(other)
    record["components"]["dataset"]["source"] = "0" * 64
    write_record(other, record)
    shutil.rmtree(find_run(results, "both").path)
    done = CliRunner().invoke(cli, ["ensemble", "run-s0", "run-s1", "--name", "both", "--results", str(results)])
    assert done.exit_code == 0, done.output
    assert Verification.of(find_run(results, "both")).findings == ()


def test_an_ensemble_without_its_members_is_not_damaged(results):
    shutil.rmtree(find_run(results, "run-s0").path)
    findings = list(verify(find_run(results, "both")))
    assert findings
    assert not any(one.damage for one in findings)


def test_a_link_in_a_run_is_damage_and_a_leftover_is_not(run, tmp_path):
    (run.path / "notes").symlink_to(tmp_path)
    (run.path / ".run.json.0a1b2c.tmp").write_text("half")
    found = {one.file: one.damage for one in verify(run)}
    assert found == {"notes": True, ".run.json.0a1b2c.tmp": False}


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record.update(training=None),
        lambda record: record.update(evaluations=[]),
        lambda record: record.update(lineage={}),
        lambda record: record["identity"].update(covers=3),
        lambda record: record.update(evaluations={"../../../etc": record["evaluations"].popitem()[1]}),
        lambda record: record.update(ensemble={"members": [3]}),
    ],
)
def test_a_record_that_makes_no_sense_is_damage_and_no_crash(run, change):
    edit(run.record_path, change)
    assert "run.json" in [file for file, _ in damaged(run)]


def test_a_run_that_never_began_an_epoch_lacks_no_history(run):
    began = {"status": "failed", "error": {"type": "ValueError", "message": "it broke"}, "evaluations": {}, "files": {}}
    edit(run.record_path, lambda record: record.update(began))
    (run.path / "history.jsonl").unlink()
    assert "history.jsonl" in [one.file for one in verify(run)]  # it has checkpoints, so it had epochs
    shutil.rmtree(run.checkpoints)
    assert "history.jsonl" not in [one.file for one in verify(run)]


def test_a_run_that_was_cut_short_is_not_covered_and_what_it_had_not_finished_is_no_damage(run):
    edit(run.record_path, lambda record: record.update(status="running", files={}))
    content = (run.checkpoints / "best.safetensors").read_bytes()
    (run.checkpoints / "best.safetensors").write_bytes(content[:-1])
    verification = Verification.of(run)
    assert verification.verdict == "not covered"
    said = {one.file: one for one in verification.findings}
    assert "ferbench resume" in said["run.json"].remedy
    assert not said["checkpoints/best.safetensors"].damage


def test_a_run_of_an_older_release_is_not_covered_and_what_contradicts_itself_in_it_is_damage(run):
    record = {key: value for key, value in read_record(run).items() if key not in ("files", "own")}
    replace_json(run.record_path, {**record, "schema": 2})
    assert Verification.of(run).verdict == "not covered"
    replace_json(run.record_path, {**record, "schema": 2, "recipe": {**record["recipe"], "model": {"name": "cnn4"}}})
    assert damaged(run) == [("run.json", "the recipe has another model than components")]


def test_snapshots_of_a_run_that_has_ended_may_go(run):
    for path in run.checkpoints.glob("step-*"):
        path.unlink()
    assert Verification.of(run).verdict == "whole"


def test_a_file_of_somebody_else_is_a_note(run):
    (run.path / "notes.txt").write_text("mine")
    (finding,) = verify(run)
    assert (finding.file, finding.damage) == ("notes.txt", False)
    assert Verification.of(run).verdict == "whole"


def test_an_option_that_was_added_later_is_in_no_id_and_no_damage(run):
    """At its default it is left out of what the ids cover."""
    record = json.loads(run.record_path.read_bytes())
    record["components"]["model"]["options"]["later"] = "as before"
    write_record(run, record)
    assert [what for _, what in damaged(run) if "the ids cover" in what] == []
    covers = record["identity"]["covers"]["components"]["model"]["options"]
    covers["another"] = 1
    write_record(run, record)
    assert [what for _, what in damaged(run)] != []
