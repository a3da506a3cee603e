"""Runs that learn from a finished run, or from an average of their own weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch
from click.testing import CliRunner
from record_files import read_record, write_record
from shared_runs import ended, history, record_of

from ferbench.cli import cli
from ferbench.records.run import Run
from ferbench.runs.agreement import disagreements
from ferbench.runs.directory import RunDirectory
from ferbench.runs.find import find_run
from ferbench.runs.verify import Verification
from ferbench.training import checkpoints

PLUGIN = Path(__file__).with_name("lessons.py")
SETTINGS = (
    "dataset.size=16",
    "dataset.train=80",
    "dataset.test=30",
    "training.batch_size=16",
    "training.epochs=2",
    "runtime.device=cpu",
)
#: Of another architecture, in colour, normalised otherwise, and of classes in another order.
TEACHER = (
    "model.name=basic-cnn",
    "model.width=4",
    "data.image_size=24",
    "data.classes=[sad,happy,angry,neutral,fear,disgust,surprise]",
)
STUDENT = (
    "model.name=linear",
    "data.image_size=16",
    "loss.name=lessons",
    "training.accumulate=2",
    "training.mixup=0.2",
    "training.epochs=3",
    "runtime.checkpoint_every=1",
)


def asked(*settings: str) -> list[str]:
    return [
        "run",
        "--plugin",
        str(PLUGIN),
        *(part for setting in (*SETTINGS, *settings) for part in ("--set", setting)),
        "--no-report",
    ]


def done(args: list[str], results: Path, cache: Path) -> None:
    finished = ended(args, results, cache)
    assert finished.exit_code == 0, finished.output


@pytest.fixture(scope="module")
def taught(tmp_path_factory, cache) -> Path:
    """Results with a teacher, ``old``, and students: ``young`` of it, and ``alone`` of its own average."""
    results = tmp_path_factory.mktemp("taught")
    done([*asked(*TEACHER), "--name", "old"], results, cache)
    for name, teacher in STUDENTS.items():
        done(student(name, teacher), results, cache)
    return results


STUDENTS = {"young": "old", "alone": "ema"}


def student(name: str, teacher: str, *settings: str) -> list[str]:
    more = ("training.teacher_decay=0.8", "training.ema=0.9") if teacher == "ema" else ()
    return [*asked(*STUDENT, f"training.teacher={teacher}", *more, *settings), "--name", name]


@pytest.fixture
def results(taught, tmp_path) -> Path:
    shutil.copytree(taught, tmp_path / "results")
    return tmp_path / "results"


def run(results: Path, name: str) -> Path:
    return find_run(results, name).path


def weights(run: Path) -> dict[str, np.ndarray]:
    return safetensors.numpy.load_file(run / "checkpoints" / "best.safetensors")


def test_the_record_says_who_taught_and_ids_cover_the_weights(taught):
    old, young, alone = (record_of(run(taught, name)) for name in ("old", "young", "alone"))
    identity = old["identity"]["training_id"].partition(":")[2][:12]
    teacher = young["lineage"]["teacher"]
    assert (teacher["run"], teacher["name"], teacher["at"]) == (identity, "old", "best")
    assert teacher["weights_sha256"] == old["training"]["weights_sha256"]
    assert young["identity"]["covers"]["teacher"] == {"weights": f"sha256:{teacher['weights_sha256']}"}
    assert young["recipe"]["training"]["teacher"] == f"{identity}@best"
    assert alone["identity"]["covers"]["teacher"] == "ema"
    assert alone["identity"]["covers"]["training"]["teacher_decay"] == 0.8
    assert "teacher" not in alone["lineage"]
    assert "teacher" not in old["identity"]["covers"]


@pytest.mark.parametrize("name", STUDENTS)
def test_there_is_a_teacher_in_training_and_none_in_validation(taught, name):
    epochs = history(run(taught, name))
    assert epochs[-1]["train"]["taught"] > 0
    for epoch in epochs:
        assert "taught" not in epoch["validation"]
        assert epoch["validation"]["loss"] == pytest.approx(epoch["validation"]["expression"])


@pytest.mark.parametrize("name", ["old", *STUDENTS])
def test_runs_are_whole(taught, name):
    assert Verification.of(RunDirectory(run(taught, name))).verdict == "whole"


@pytest.mark.parametrize(
    ("name", "way", "value"),
    [
        ("young", ("lineage", "teacher", "weights_sha256"), "00"),
        ("young", ("lineage", "teacher", "at"), "1"),
        ("young", ("lineage", "teacher"), None),
        ("young", ("recipe", "training", "teacher"), "ema"),
        ("alone", ("recipe", "training", "teacher"), None),
        ("old", ("recipe", "training", "teacher"), "ema"),
    ],
)
def test_a_record_that_names_another_teacher_contradicts_itself(taught, name, way, value):
    record = record_of(run(taught, name))
    place = record
    for key in way[:-1]:
        place = place[key]
    assert place.get(way[-1]) != value
    place[way[-1]] = value
    assert any("teach" in said for said in disagreements(Run.model_validate(record)))


@pytest.fixture(scope="module")
def pairs(taught, tmp_path_factory, cache) -> Path:
    """The same students of two devices each."""
    results = tmp_path_factory.mktemp("pairs")
    shutil.copytree(run(taught, "old"), results / "runs" / run(taught, "old").name)
    for name, teacher in STUDENTS.items():
        done([*student(name, teacher), "--devices", "2"], results, cache)
    return results


@pytest.mark.parametrize("name", STUDENTS)
def test_two_devices_learn_what_one_does(taught, pairs, name):
    for one, other in zip(history(run(taught, name)), history(run(pairs, name)), strict=True):
        for part in ("loss", "expression", "taught"):
            assert other["train"][part] == pytest.approx(one["train"][part], rel=1e-4)
    expected, found = weights(run(taught, name)), weights(run(pairs, name))
    for key, value in expected.items():
        np.testing.assert_allclose(found[key], value, rtol=1e-4, atol=1e-5, err_msg=key)


# On two devices the one whose teacher has a state; another run's weights are read as when the training began.
@pytest.mark.parametrize(
    ("name", "devices"), [*((name, 1) for name in STUDENTS), pytest.param("alone", 2, marks=pytest.mark.slow)]
)
def test_a_run_that_was_stopped_ends_with_the_same_bits(request, tmp_path, name, devices, cache, monkeypatch):
    whole = request.getfixturevalue("taught" if devices == 1 else "pairs")
    shutil.copytree(whole, tmp_path / "results")
    again = run(tmp_path / "results", name)
    shutil.rmtree(again)
    monkeypatch.setenv("LESSONS_END_AT", str(np.random.default_rng(devices).integers(2, 12)))
    command = [*student(name, STUDENTS[name]), "--devices", str(devices)]
    assert ended(command, tmp_path / "results", cache).exit_code != 0
    monkeypatch.delenv("LESSONS_END_AT")
    done(["resume", name, "--plugin", str(PLUGIN)], tmp_path / "results", cache)
    assert len(record_of(again)["resumed"]) == 1
    assert history(again) == history(run(whole, name))
    expected, found = weights(run(whole, name)), weights(again)
    assert all(np.array_equal(found[key], value) for key, value in expected.items())
    assert Verification.of(RunDirectory(again)).verdict == "whole"


def stopped(results: Path, cache: Path, monkeypatch) -> Path:
    """``young``, in the midst of its training."""
    shutil.rmtree(run(results, "young"))
    monkeypatch.setenv("LESSONS_END_AT", "5")
    assert ended(student("young", "old"), results, cache).exit_code != 0
    monkeypatch.delenv("LESSONS_END_AT")
    return run(results, "young")


def test_a_run_whose_teacher_is_gone_does_not_go_on(results, cache, monkeypatch):
    stopped(results, cache, monkeypatch)
    shutil.rmtree(run(results, "old"))
    failed = ended(["resume", "young", "--plugin", str(PLUGIN)], results, cache)
    assert failed.exit_code == 2
    error, remedy = failed.stderr.strip().splitlines()[-2:]
    assert "the teacher" in error
    assert "is not there any more" in error
    assert "put it back" in remedy


def test_a_run_whose_teacher_has_changed_does_not_go_on(results, cache, monkeypatch):
    stopped(results, cache, monkeypatch)
    old = run(results, "old")
    state = weights(old)
    checkpoints.save_weights(old / "checkpoints", "best", Holding(state), {"epoch": 1, "select": "loss", "value": 0.5})
    record = read_record(RunDirectory(old))
    record["training"]["weights_sha256"] = checkpoints.read_facts(old / "checkpoints", "best").sha256
    write_record(RunDirectory(old), record)
    failed = ended(["resume", "young", "--plugin", str(PLUGIN)], results, cache)
    assert failed.exit_code == 2
    assert "no longer has the weights that this run learns from" in failed.stderr


class Holding(torch.nn.Module):
    """Has a state."""

    def __init__(self, state):
        super().__init__()
        self._held = {name: torch.from_numpy(value) + 1 for name, value in state.items()}

    def state_dict(self):
        return self._held


def test_a_run_that_is_done_is_shown_without_its_teacher(results, cache):
    shutil.rmtree(run(results, "old"))
    done(["resume", "young", "--plugin", str(PLUGIN)], results, cache)


def test_a_teacher_that_is_needed_is_not_removed(results, cache):
    refused = CliRunner().invoke(cli, ["runs", "rm", "old", "--results", str(results)])
    assert refused.exit_code == 2
    assert "is needed by" in refused.output
    shown = CliRunner().invoke(cli, ["lineage", "old", "--results", str(results)]).output
    assert "taught by its best weights" in shown
    (entry,) = [
        each
        for each in json.loads(
            CliRunner().invoke(cli, ["lineage", "young", "--json", "--results", str(results)]).output
        )
        if each["relation"] == "self"
    ]
    assert entry["parents"] == []
    assert entry["teacher"]["name"] == "old"


def test_people_are_shown_who_taught_a_run(results, tmp_path):
    def said(*command) -> str:
        finished = CliRunner().invoke(cli, [*command, "--results", str(results)])
        assert finished.exit_code == 0, finished.output
        return finished.output

    assert "taught by  old (" in said("runs", "show", "young")
    said("report", "young", "-o", str(tmp_path / "page.html"))
    assert "Taught by: old (" in (tmp_path / "page.html").read_text()
    rows = json.loads(said("leaderboard", "--format", "json", "--rank-by", "accuracy"))
    assert "old@best" in json.dumps(rows)


def test_what_the_teacher_has_seen_counts_as_seen(results, cache):
    """Another split seed: the teacher learnt from some of what this run is validated on."""
    done(student("elsewhere", "old", "data.split_seed=5"), results, cache)
    done([*asked(*STUDENT, "training.teacher=ema", "data.split_seed=5"), "--name", "alike"], results, cache)

    def seen(name: str, split: str) -> dict:
        (entry,) = [one for one in record_of(run(results, name))["evaluations"].values() if one["split"] == split]
        return entry.get("seen")

    assert seen("elsewhere", "validation")["contaminated"]
    assert seen("elsewhere", "validation")["train"]["same"] > 0
    assert not seen("elsewhere", "test")["contaminated"]
    assert not seen("young", "validation")["contaminated"]
    assert seen("alike", "validation") is None
    assert Verification.of(RunDirectory(run(results, "elsewhere"))).verdict == "whole"


def test_seeds_of_one_teacher_are_one_configuration(results, cache):
    done([*student("again", "old"), "--seed", "3"], results, cache)
    one, other = (record_of(run(results, name))["identity"] for name in ("young", "again"))
    assert one["config_id"] == other["config_id"]
    assert one["training_id"] != other["training_id"]
