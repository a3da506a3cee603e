"""A run that was killed has no digests in its record; its checkpoints vouch for what it goes on with."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from small_run import Whole, finish, fresh, nothing, run, run_directory, start, unlike

from ferbench.runs.directory import RunDirectory
from ferbench.runs.sealed import seal
from ferbench.runs.verify import Verification
from ferbench.storage import json_bytes


def kill_after(epoch: int, batches: int) -> Callable[[], None]:
    """SIGKILL when the snapshot there is written, the best weights and the history not yet."""

    def patch() -> None:
        from ferbench.training.saving import RunSaver

        real = RunSaver._snapshot

        def snapshot(self, training):
            name = real(self, training)
            if (training.at.epoch, training.at.batches) == (epoch, batches):
                os.kill(os.getpid(), signal.SIGKILL)
            return name

        RunSaver._snapshot = snapshot  # type: ignore[method-assign]

    return patch


@pytest.fixture(scope="module")
def killed_at(whole: Whole, tmp_path_factory) -> Callable[[int, int], Path]:
    made: dict[tuple[int, int], Path] = {}

    def at(epoch: int, batches: int) -> Path:
        if (epoch, batches) not in made:
            directory = fresh(tmp_path_factory.mktemp("killed") / "run", whole.directory)
            ended = finish(start(directory, kill_after(epoch, batches)), directory)
            assert ended.code == -signal.SIGKILL, ended.said
            made[epoch, batches] = directory
        return made[epoch, batches]

    return at


@pytest.fixture
def killed(killed_at, tmp_path) -> Callable[[int, int], Path]:
    """A copy of a run that was killed there."""

    def at(epoch: int, batches: int) -> Path:
        return shutil.copytree(killed_at(epoch, batches), tmp_path / "copy", symlinks=True)

    return at


def verified(directory: Path) -> tuple[str, list[str]]:
    verification = Verification.of(RunDirectory(run_directory(directory)))
    return verification.verdict, [one.file for one in verification.findings if one.damage]


def edit_first_line(directory: Path) -> None:
    history = run_directory(directory) / "history.jsonl"
    history.write_bytes(history.read_bytes().replace(b"0.", b"1.", 1))


def drop_first_line(directory: Path) -> None:
    history = run_directory(directory) / "history.jsonl"
    _, _, rest = history.read_bytes().partition(b"\n")
    history.write_bytes(json.dumps({**json.loads(rest), "epoch": 1}).encode() + b"\n" + rest)


def leave_nothing(directory: Path) -> None:
    (run_directory(directory) / "history.jsonl").write_bytes(b"")


@pytest.mark.parametrize("edit", [edit_first_line, drop_first_line, leave_nothing])
def test_a_history_that_was_edited_after_a_kill_is_damaged_and_does_not_go_on(killed, edit):
    directory = killed(3, 2)
    assert verified(directory) == ("not covered", [])
    edit(directory)
    assert verified(directory) == ("damaged", ["history.jsonl"])
    before = (run_directory(directory) / "history.jsonl").read_bytes()
    for _ in range(2):
        refused = run(directory)
        assert refused.code == 2, refused.said
        assert "history.jsonl is not what was written" in refused.said
    assert (run_directory(directory) / "history.jsonl").read_bytes() == before


def test_a_history_that_was_edited_after_a_kill_between_a_checkpoint_and_its_line_does_not_go_on(killed):
    directory = killed(3, 0)
    assert verified(directory) == ("not covered", [])
    edit_first_line(directory)
    refused = run(directory)
    assert (refused.code, "history.jsonl is not what was written" in refused.said) == (2, True)


def replace_best(directory: Path) -> None:
    """Other weights with all that belongs to them, as somebody would put them there who knows of digests."""
    place = run_directory(directory) / "checkpoints"
    about = json.loads((place / "best.json").read_bytes())
    tensors = safetensors.numpy.load_file(place / "best.safetensors")
    content = safetensors.numpy.save({name: value + np.ones_like(value) for name, value in tensors.items()})
    (place / "best.safetensors").write_bytes(content)
    (place / "best.json").write_bytes(json_bytes(seal({**about, "sha256": hashlib.sha256(content).hexdigest()})))


def test_best_weights_that_were_replaced_after_a_kill_are_noticed_and_not_tested(killed, whole):
    directory = killed(3, 2)
    replace_best(directory)
    assert verified(directory) == ("damaged", ["checkpoints/best.json"])
    done = run(directory)
    assert done.code == 0, done.said
    assert "the best weights" in done.said
    assert unlike(directory, whole) == []


def test_best_weights_that_were_about_to_be_written_are_written(killed, whole):
    directory = killed(3, 0)
    replace_best(directory)
    assert run(directory).code == 0
    assert unlike(directory, whole) == []


def test_samples_that_were_replaced_after_a_kill_are_noticed_and_written_anew(killed):
    directory = killed(3, 2)
    samples = run_directory(directory) / "samples.npz"
    content = samples.read_bytes()
    samples.write_bytes(content + b" ")
    assert verified(directory) == ("damaged", ["samples.npz"])
    assert run(directory).code == 0
    assert samples.read_bytes() == content


def test_inherited_samples_that_were_replaced_after_a_kill_are_refused(whole, tmp_path):
    directory = fresh(tmp_path / "run", whole.directory)
    shutil.copytree(whole.directory / "results", directory / "results")
    child = ("--from", "faulty@3", "--name", "child")
    ended = finish(start(directory, kill_after(2, 2), *child), directory)
    assert ended.code == -signal.SIGKILL, ended.said
    parent = run_directory(whole.directory).name
    (samples,) = (path for path in directory.glob("results/runs/*/samples.npz") if path.parent.name != parent)
    samples.write_bytes(samples.read_bytes() + b" ")
    refused = run(directory, nothing, *child)
    assert refused.code == 2, refused.said
    assert "samples.npz is not what was written" in refused.said


def test_checkpoints_that_vouch_for_nothing_are_gone_on_from_and_that_is_said(killed, whole):
    directory = killed(3, 2)
    for path in run_directory(directory).glob("checkpoints/step-*.json"):
        about = {key: value for key, value in json.loads(path.read_bytes()).items() if key != "files"}
        path.write_bytes(json_bytes(seal(about)))
    assert verified(directory) == ("not covered", [])
    done = run(directory)
    assert done.code == 0, done.said
    assert "no digest vouches for" in done.said
    assert unlike(directory, whole) == []


@pytest.mark.parametrize("epoch", [None, "3", [3]])
def test_a_checkpoint_that_was_sealed_anew_without_its_epoch_vouches_for_nothing(killed, epoch):
    directory = killed(2, 4)
    checkpoints = RunDirectory(run_directory(directory)).checkpoints
    for path in checkpoints.glob("step-*.json"):
        about = {key: value for key, value in json.loads(path.read_bytes()).items() if key not in ("epoch", "own")}
        path.write_bytes(json_bytes(seal(about if epoch is None else {**about, "epoch": epoch})))
    verdict, damaged = verified(directory)
    assert (verdict, [file for file in damaged if "checkpoints" not in file]) == ("not covered", [])
